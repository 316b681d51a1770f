"""Every page with a task of an odd name: whole, and with nothing of it taken for HTML."""

import json
import re

import httpx
import pytest
from tests.conftest import _serving
from tests.told import active

ODD = "a/b \"c\" 'd' <i>%2f & %s {{ 1 }} \u05e2\u05d1\u05e8\u05d9\u05ea " + "x" * 120


NAMED = "a/b &#34;c&#34; &#39;d&#39; &lt;i&gt;%2f &amp; %s {{ 1 }} "


@pytest.fixture(scope="module")
def own(weights, run, tmp_path_factory):
    """A service of these tests alone, whose names spoil no other page."""
    store = tmp_path_factory.mktemp("odd") / "store.sqlite"
    both = {"name": "both", "models": ["base", "aligned"]}
    with _serving(weights, run, store, http="127.0.0.1:0", cascades=[both]) as service:
        yield service


@pytest.fixture(scope="module")
def browser(own):
    url, headers = f"{own.url}/console", {"origin": own.url}
    with httpx.Client(base_url=url, timeout=30, headers=headers) as browser:
        yield browser


@pytest.fixture(scope="module")
def odd(own):
    """Two of one scope, stored, one of another task, and the active one of the first; their ids."""
    return [
        active(own, task, temperature=t).name.rpartition("/")[2]
        for task, t in ((ODD, 2.002), (ODD, 2.001), ("law", 3.0), (ODD, 5.0))
    ]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("/", True),
        ("/question?model=aligned", True),
        ("/calibrators?model=aligned", True),
        ("/calibrators/aligned/{0}", True),
        ("/calibrators/aligned/{0}/activate", True),
        ("/calibrators/aligned/{3}/roll-back", True),
        ("/calibrators/aligned/{0}/measure", False),
        ("/calibrators/aligned/{0}/drift", False),
        ("/compare?model=aligned&one={0}&other={1}", True),
        ("/compare?model=aligned&one={2}&other={0}", True),
    ],
)
def test_an_odd_task_breaks_no_page(browser, odd, page, shown):
    text = browser.get(page.format(*odd)).raise_for_status().text
    assert "<i>" not in text
    assert (NAMED in text) == shown


def test_an_activation_names_the_reading_and_isolates_the_task(browser, odd):
    text = browser.get(f"/calibrators/aligned/{odd[0]}/activate").text
    assert re.search(r"<bdi>a/b .*</bdi></b> with 2 options, read as <code>paren</code>,", text)


def test_two_that_differ_by_little_are_not_called_the_same(browser, odd):
    path = "/compare?model=aligned&one={0}&other={1}"
    text = browser.get(path.format(odd[0], odd[0])).text
    assert "it is the same calibrator" in text
    text = browser.get(path.format(*odd)).text
    assert "it is the same calibrator" not in text


def test_both_of_two_tasks_are_chosen_as_the_address_says(browser, odd):
    text = browser.get(f"/compare?model=aligned&one={odd[0]}&other={odd[2]}").text
    assert re.findall(r'<option value="(\w+)" selected>', text) == [odd[0], odd[2]]


def test_what_was_written_comes_back_as_it_was(browser, odd):
    """HTML leaves the first line break in a field out."""
    path = f"/calibrators/aligned/{odd[0]}/measure"
    token = re.search(r'name="token" value="([^"]+)"', browser.get(path).text)[1]
    text = browser.post(path, data={"token": token, "questions": '\n\n"</textarea>"'}).text
    assert "Line 3" in text
    assert ">\n\n\n&#34;&lt;/textarea&gt;&#34;</textarea>" in text
    form = {"token": token, "model": "aligned", "text": "\nWhich?", "options": "\n\u05d0\n<i>"}
    text = browser.post("/question", data={**form, "format": "FORMAT_PAREN"}).text
    assert ">\n\nWhich?</textarea>" in text
    assert ">\n\n\u05d0\n&lt;i&gt;</textarea>" in text
    assert "</span> <bdi>\u05d0</bdi></th>" in text
    assert "Of the cascade" not in text


def test_a_cascade_without_a_threshold_answers_nothing_raw(browser):
    text = browser.get("/calibrators?model=both").raise_for_status().text
    assert "its last model is asked everything" in text
    assert "answers with raw probabilities" not in text


def test_a_threshold_says_what_its_activation_changes(own, browser, odd):
    """Its scope is read in a way of its own, and without it nothing is raw."""
    for model in ("base", "aligned"):
        fitted(own, model=f"models/{model}", method="METHOD_IDENTITY", options=2, activate=True)
    questions = [{"question": {"text": f"{number}?", "options": TWO}} for number in range(60)]
    threshold = fitted(
        own,
        model="models/both",
        method="METHOD_CASCADE",
        targetPassedOn=0.5,
        questions={"items": questions},
    )
    page = f"/calibrators/both/{threshold}"
    text = browser.get(f"{page}/activate").raise_for_status().text
    assert "with 2 options, read as <code>paren</code>, would change" in text
    assert "nothing is active in this scope: the last model is asked everything." in text
    assert "answers are raw" not in text
    browser.get(page).raise_for_status()


TWO = [{"text": "yes"}, {"text": "no"}]


def fitted(service, **request):
    url = f"{service.url}/trueodds.v1.CalibrationService/FitCalibrator"
    told = httpx.post(url, json={"task": "art", **request}, timeout=30)
    last = json.loads(told.raise_for_status().text.splitlines()[-1])
    return last["result"]["calibrator"]["name"].rpartition("/")[2]
