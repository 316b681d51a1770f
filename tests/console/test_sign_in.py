"""Signing in, where the gate asks who one is."""

import json
import re
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from trueodds_service import caller
from trueodds_service.caller import Caller, Permission
from trueodds_service.errors import Forbidden, Unauthenticated
from trueodds_service.http.arrivals import CERTIFICATE_NAMES
from trueodds_service.http.console.site import console_routes

TOKEN = re.compile(r'name="token" value="(\w+)"')
MODELS = "trueodds.v1.ModelService/ListModels"
NAMES = ("spiffe://example.org/browser",)
KEYS = {
    "to_reader": frozenset({Permission.SCORE}),
    "to_fitter": frozenset({Permission.SCORE, Permission.FIT}),
}


class Gate:
    """Knows some keys, and which of them may not do what."""

    def __init__(self):
        self.keys = dict(KEYS)
        self.seen = []

    @asynccontextmanager
    async def admitted(self, arrival):
        self.seen.append(arrival)
        key = arrival.metadata.get("authorization", "").removeprefix("Bearer ")
        if key not in self.keys:
            raise Unauthenticated("an API key is required")
        if arrival.method.endswith("ActivateCalibrator") and Permission.FIT not in self.keys[key]:
            raise Forbidden("it needs the permission fit")
        with caller.acting_for(Caller("tenant", f"name-of-{key}", self.keys[key])):
            yield


class Answers:
    """A method that has one answer."""

    def __init__(self, name, answer):
        self.name = f"trueodds.v1.{name}"
        self._answer = answer

    async def answer(self, body):
        return json.dumps(self._answer).encode()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
async def browser(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    methods = [Answers("ModelService/ListModels", {"models": []})]
    routes = console_routes(methods, None, gate, lambda: b"", is_loopback=False)
    pages = Starlette(routes=routes)

    async def with_certificate(scope, receive, send):
        await pages({**scope, "state": {CERTIFICATE_NAMES: NAMES}}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(with_certificate),
        base_url="https://odds.example/console",
        follow_redirects=True,
    ) as client:
        yield client


async def send(browser, path, **fields):
    [token] = set(TOKEN.findall((await browser.get("/sign-in")).text)) or [""]
    headers = {"origin": "https://odds.example"}
    return await browser.post(path, data={"token": token, **fields}, headers=headers)


async def test_without_a_key_there_is_nothing_to_see(browser):
    page = await browser.get("/")
    assert page.url.path == "/console/sign-in"
    assert "API key" in page.text


async def test_a_key_opens_the_pages_until_one_signs_out(browser, gate):
    page = await send(browser, "/sign-in", key=" to_reader ")
    assert page.url.path == "/console/"
    assert "name-of-to_reader" in page.text
    cookie = page.history[0].headers["set-cookie"].lower()
    assert "secure" in cookie
    assert "to_reader" not in cookie
    assert gate.seen[-1].metadata["authorization"] == "Bearer to_reader"
    assert "cookie" not in gate.seen[-1].metadata
    [token] = set(TOKEN.findall(page.text))
    headers = {"origin": "https://odds.example"}
    page = await browser.post("/sign-out", data={"token": token}, headers=headers)
    assert page.url.path == "/console/sign-in"
    assert (await browser.get("/")).url.path == "/console/sign-in"


async def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(browser):
    browser.base_url = "http://odds.example/console"
    page = await send(browser, "/sign-in", key="to_reader")
    assert "secure" in page.history[0].headers["set-cookie"].lower()


async def test_the_gate_is_told_whom_the_certificate_names(browser, gate):
    await browser.get("/")
    assert gate.seen[-1].certificate_names == NAMES


@pytest.mark.parametrize("key", ["", "to_nobody", "to_réader", "to reader\r\nx: y"])
async def test_a_wrong_key_is_told_as_such_and_nothing_else(browser, key):
    page = await send(browser, "/sign-in", key=key)
    assert page.status_code == 401
    assert "not known here" in page.text
    assert (await browser.get("/")).url.path == "/console/sign-in"


async def test_a_revoked_key_ends_its_sessions(browser, gate):
    await send(browser, "/sign-in", key="to_reader")
    gate.keys.clear()
    page = await browser.get("/")
    assert page.url.path == "/console/sign-in"
    assert "signed out" in page.text


async def test_who_may_not_activate_is_refused_and_stays_signed_in(browser):
    page = await send(browser, "/sign-in", key="to_reader")
    [token] = set(TOKEN.findall(page.text))
    page = await browser.post(
        "/calibrators/aligned/0123/activate",
        data={"token": token},
        headers={"origin": "https://odds.example"},
    )
    assert page.status_code == 403
    assert "permission fit" in page.text
    assert "name-of" in (await browser.get("/")).text


async def test_signing_in_gives_a_new_session(browser):
    await browser.get("/sign-in")
    before = browser.cookies["trueodds_console"]
    await send(browser, "/sign-in", key="to_reader")
    assert browser.cookies["trueodds_console"] != before
