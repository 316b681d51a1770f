"""What the console refuses, and what it tells a browser to refuse."""

import logging
import re
import time

import httpx
import pytest

from trueodds_service.http.console.secret import session_secret
from trueodds_service.http.console.sessions import Sessions

TOKEN = re.compile(r'name="token" value="(\w+)"')


@pytest.fixture
def browser(service):
    """Somebody with cookies, and without a browser's manners."""
    with httpx.Client(base_url=f"{service.url}/console", timeout=30) as client:
        yield client


def form(browser, path, **fields):
    [token] = set(TOKEN.findall(browser.get(path).text))
    return {"token": token, **fields}


def send(browser, path, fields, origin=None):
    own = str(browser.base_url).partition("/console")[0]
    return browser.post(path, data=fields, headers={"origin": origin or own})


QUESTION = {"model": "aligned", "text": "Which?", "options": "one\ntwo", "format": "FORMAT_PAREN"}


def test_a_form_of_ours_is_answered(browser):
    answer = send(browser, "/question", form(browser, "/question", **QUESTION))
    assert answer.status_code == 200
    assert "It says" in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_form_of_another_site_is_refused(browser, origin):
    answer = send(browser, "/question", form(browser, "/question", **QUESTION), origin)
    assert answer.status_code == 403


def test_a_form_without_an_origin_is_refused(browser):
    answer = browser.post("/question", data=form(browser, "/question", **QUESTION))
    assert answer.status_code == 403


@pytest.mark.parametrize("token", [{"other": "1"}, {"token": "0" * 64}])
def test_a_form_without_its_token_is_refused(browser, taught, token):
    browser.get("/")
    path = f"/calibrators/aligned/{taught}/roll-back"
    answer = send(browser, path, token)
    assert answer.status_code == 403
    assert "Active" in browser.get(f"/calibrators/aligned/{taught}").text


def test_a_token_of_another_session_is_refused(browser, service):
    with httpx.Client(base_url=f"{service.url}/console") as other:
        stolen = form(other, "/question", **QUESTION)
    browser.get("/")
    assert send(browser, "/question", stolen).status_code == 403


def test_a_name_that_leads_here_is_refused(browser):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        assert browser.get("/", headers={"host": host}).status_code in (400, 403), host
    assert browser.get("/", headers={"host": "localhost:50080"}).status_code == 200


def test_every_answer_has_the_policy(browser):
    paths = ("/", "/question", "/nothing", "/static/console.css", "/sign-in")
    for path in paths:
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert browser.get("/").headers["cache-control"] == "no-store"


def test_the_cookie_is_for_this_site_and_no_script(browser):
    cookie = browser.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/console" in cookie
    assert "set-cookie" not in browser.get("/").headers, "one is enough"


def test_markup_in_what_is_asked_is_text(browser):
    nasty = "<script>alert(1)</script>"
    fields = form(browser, "/question", **QUESTION | {"text": nasty, "options": f"{nasty}\ntwo"})
    page = send(browser, "/question", fields).text
    assert nasty not in page
    assert "&lt;script&gt;alert(1)" in page


def test_no_prompt_is_in_an_address_or_a_log(browser, caplog):
    caplog.set_level(logging.DEBUG)
    fields = form(browser, "/question", **QUESTION | {"text": "the-secret-prompt"})
    answer = send(browser, "/question", fields)
    assert "the-secret-prompt" in answer.text
    assert "the-secret-prompt" not in str(answer.url)
    assert "the-secret-prompt" not in caplog.text


def test_a_session_ends_and_another_secret_opens_none(tmp_path, monkeypatch):
    secret = session_secret(tmp_path)
    assert session_secret(tmp_path) == secret, "gateways of one user share it"
    session = Sessions(secret).begin("to_key")
    assert "to_key" not in session
    assert Sessions(secret).key(session) == "to_key"
    assert Sessions(session_secret(tmp_path / "other")).key(session) is None
    later = time.time() + 9 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert Sessions(secret).key(session) is None


def test_a_secret_that_others_could_read_is_not_used(tmp_path):
    first = session_secret(tmp_path)
    (tmp_path / "trueodds" / "console.key").chmod(0o644)
    assert session_secret(tmp_path) != first


def test_the_way_to_the_console(service):
    for path in ("/", "/console"):
        answer = httpx.get(f"{service.url}{path}", follow_redirects=True)
        assert str(answer.url) == f"{service.url}/console/"


def test_a_large_form_is_refused(browser):
    fields = form(browser, "/question", **QUESTION | {"text": "x" * (5 * 2**20)})
    assert send(browser, "/question", fields).status_code == 413
