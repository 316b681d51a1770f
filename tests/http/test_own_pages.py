"""What a page of another site may ask of a service that asks nobody for a key."""

import httpx
import pytest

from trueodds_service.edge.hosts import is_this_machine

LIST = "/trueodds.v1.ModelService/ListModels"
ELSEWHERE = "evil.example:50080"


@pytest.mark.parametrize("path", [LIST, "/v1/decisions", "/openapi.json", "/nowhere"])
@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"host": ELSEWHERE}, "Host"),
        ({"host": ELSEWHERE, "origin": f"http://{ELSEWHERE}"}, "Host"),
        ({"origin": f"http://{ELSEWHERE}"}, "Origin"),
        ({"origin": "null"}, "Origin"),
        ({"origin": "http://[evil"}, "Origin"),
        ({"origin": "http://localhost.evil.example"}, "Origin"),
        ({"origin": "evil://localhost"}, "Origin"),
        ({"host": ""}, "Host"),
        ({"host": "evil.example@localhost"}, "Host"),
    ],
)
def test_it_is_refused(http, path, headers, named):
    answer = http.post(path, json={}, headers=headers)
    assert answer.status_code == 403
    assert "FOREIGN_PAGE" in answer.text
    assert f"{named}: " in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {"host": "[::1]:50080"},
        {"origin": "http://localhost:3000"},
        {"host": "127.0.0.1:1", "origin": "http://127.0.0.1:1"},
    ],
)
def test_this_machines_own_are_answered(http, headers):
    assert http.post(LIST, json={}, headers=headers).status_code == 200


def test_who_shows_a_key_may_come_by_any_name(start_service):
    service = start_service(http="127.0.0.1:0", access="keys")
    answer = httpx.post(service.url + LIST, json={}, headers={"host": ELSEWHERE})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("localhost:50080", True),
        ("127.0.0.1:1", True),
        ("[::1]:50080", True),
        ("LocalHost.", True),
        ("app.localhost:80", True),
        ("[::ffff:127.0.0.1]", True),
        ("2130706433", False),
        ("localhost/evil.example", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("[::1", False),
    ],
)
def test_hosts_of_this_machine(host, ours):
    assert is_this_machine(host) == ours
