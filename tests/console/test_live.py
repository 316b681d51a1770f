"""The live page without JavaScript: each look is a page that is loaded."""

import html
import re

import httpx
import pytest

from trueodds_service.edge.metrics.recent import Model, Recent
from trueodds_service.http.console.live import _summary


@pytest.fixture
def page(start_service):
    service = start_service(http="127.0.0.1:0")

    def page():
        text = httpx.get(f"{service.url}/console/live", timeout=30).raise_for_status().text
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))

    return page


def test_the_first_look_shows_no_rates_as_zeros(page):
    found = page()
    assert "with the page loaded again" in found
    assert "aligned – – – – 0" in found
    assert "No request for scores" not in found


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.0, "second"), (61, "61 seconds"), (7200, "120 minutes")]
)
def test_the_time_is_told(seconds, said):
    models = (Model("aligned", 2.0, 0.0, 0.0, 0.0, 0),)
    assert f"in the last {said}, 2.0 a second" in _summary(Recent(seconds, 0, (), models))
