"""What the console's pages say and do, in a real Chromium."""

import json
from functools import partial

import pytest

from trueodds_service.caller import Permission
from trueodds_service.store import SqlKeyStore

PHONE = {"width": 360, "height": 740}


def body(page):
    return page.locator("main").inner_text().replace("\u202f", " ")


def test_models_and_their_state(visit, fitted):
    page = visit("./")
    assert "1 of 2 models answers; 1 has failed." in body(page)
    assert "its tokenizer cannot be loaded: no tokenizer.json" in body(page)
    card = page.locator(".card", has=page.get_by_role("heading", name="aligned"))
    assert "calibrated by base" in card.inner_text()
    card.get_by_role("link", name="reviews").click()
    assert page.get_by_role("heading", name="reviews").is_visible()
    assert "Active" in body(page)


def test_a_question_by_keyboard(visit, fitted):
    page = visit("question?model=aligned&task=reviews")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Question").focus()
    page.keyboard.type("Is it so?")
    page.keyboard.press("Tab")
    page.keyboard.type("yes\nno")
    page.keyboard.press("Control+Enter")
    page.locator(".bars").wait_for()
    text = body(page)
    assert "It says" in text
    assert "Raw, the model claims to be" in text
    assert "Calibrated, that is" in text
    rows = page.locator(".bars tbody tr")
    assert rows.count() == 2
    for column in (0, 1):
        shares = [
            int(row.locator("td .n").nth(column).inner_text().split("\u202f")[0])
            for row in rows.all()
        ]
        assert sum(shares) == pytest.approx(100, abs=1)
    assert page.locator(".tokens tbody tr").count() == 8
    assert page.url.endswith("/question"), "the question is not in the address"
    assert page.get_by_label("Options").input_value() == "yes\nno"


def test_a_question_of_a_task_without_calibrator_says_why(visit, fitted):
    page = visit("question?model=aligned&task=unheard-of")
    page.get_by_label("Question").fill("Is it so?")
    page.get_by_label("Options").fill("yes\nno")
    page.get_by_role("button", name="Ask").click()
    page.locator(".bars").wait_for()
    assert "Why raw: no calibrator is active for task 'unheard-of'" in body(page)
    assert "No calibrator stands behind that number" in body(page)


def test_what_is_wrong_with_a_question_is_said_beside_it(visit, said):
    page = visit("question?model=aligned")
    page.get_by_label("Question").fill("Is it so?")
    page.get_by_label("Options").fill("yes")
    page.get_by_role("button", name="Ask").click()
    alert = page.get_by_role("alert")
    assert alert.inner_text() == "The options: has 1 options; from 2 to 128."
    assert page.get_by_label("Question").input_value() == "Is it so?"
    assert all("400" in each for each in said)
    said.clear()  # Chromium tells of every status that is no success


def test_activate_and_roll_back(visit, taught, fitted):
    page = visit(f"calibrators/aligned/{fitted}")
    assert "Stored" in body(page)
    assert "the model was right" in body(page)
    page.get_by_role("link", name="Activate …").click()
    assert "Every answer of aligned to questions of reviews with 2 options" in body(page)
    assert "Temperature" in page.locator(".differing").inner_text()
    page.get_by_role("button", name="Activate").click()
    page.get_by_role("status").wait_for()
    assert "It is active now" in body(page)
    assert page.locator(".history li").count() == 2
    page.get_by_role("link", name="Roll back …").click()
    assert f"Then {taught[:8]} answers" in body(page).replace("\n", " ")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("status").wait_for()
    assert "Its activation was taken back" in body(page)
    page.get_by_role("link", name=taught[:8]).first.click()
    assert "Active" in body(page)


def test_two_calibrators_beside_each_other(visit, taught, fitted):
    page = visit("calibrators?model=aligned")
    page.get_by_role("link", name="Compare the newest two of reviews").click()
    differing = page.locator(".differing").inner_text()
    assert "a temperature fitted to answers" in differing
    assert "a temperature taught by the pre-trained model" in differing
    assert page.locator("path.line").count() == 2
    page.get_by_label("with this").select_option(taught)
    page.get_by_role("button", name="Compare").click()
    assert "Nothing differs" in body(page)


@pytest.fixture
def labelled(tmp_path):
    rows = (
        {"text": f"Is {number} so?", "options": ["yes", "no"], "answer": "yes"}
        for number in range(12)
    )
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_calibrator_measured(visit, fitted, labelled):
    page = visit(f"calibrators/aligned/{fitted}/measure")
    page.locator("input[type=file]").set_input_files(labelled)
    page.wait_for_function("document.getElementById('questions').value !== ''")
    page.get_by_role("button", name="Measure").click()
    page.locator(".dot").first.wait_for()
    assert "The model was right" in body(page)
    assert "12 questions say little" in body(page)
    assert page.get_by_role("img").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_measured_side_by_side(visit, axe, fitted, taught, labelled, scheme):
    page = visit(
        f"calibrators/aligned/{fitted}/measure",
        color_scheme=scheme,
        viewport=PHONE,
        bypass_csp=True,
    )
    page.get_by_label("Questions with their answers").fill(labelled.read_text())
    page.get_by_label("Beside it").select_option(taught)
    page.get_by_role("button", name="Measure").click()
    page.locator(".dot").first.wait_for()
    assert page.get_by_role("img").count() == 3
    titles = [each.split("\n")[0] for each in page.locator("figcaption h2").all_inner_texts()]
    assert titles == ["Without", f"With {fitted[:8]}", f"With {taught[:8]}"]
    rows = page.get_by_role("region", name="Metrics").locator("tbody tr")
    losses = rows.first.locator("td").all_inner_texts()
    assert len({losses[0], losses[1], losses[3]}) == 3, "three log losses, and two intervals"
    assert page.locator("table.small").count() == 2
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def ask(page):
    """From the page of a question to that with its answer."""
    page.goto("question?model=aligned&task=reviews")
    page.get_by_label("Question").fill("Is it so?")
    page.get_by_label("Options").fill("yes\nno")
    page.get_by_role("button", name="Ask").click()
    page.locator(".bars").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(visit, axe, addresses, scheme):
    page = visit("./", color_scheme=scheme, viewport=PHONE, bypass_csp=True)
    # Of the other scheme nothing but its colours is another.
    rules = {"resultTypes": ["violations"]}
    if scheme == "dark":
        rules["runOnly"] = ["color-contrast"]

    def check(what):
        page.evaluate(axe)
        found = page.evaluate("rules => axe.run(rules)", rules)["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], what
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, what

    for path in addresses:
        page.goto(path)
        check(path)
    ask(page)
    check("an answer")


def measure(page, calibrator, labelled):
    """From the page that measures a calibrator to what was measured."""
    page.goto(f"calibrators/aligned/{calibrator}/measure")
    page.get_by_label("Questions with their answers").fill(labelled.read_text())
    page.get_by_role("button", name="Measure").click()
    page.locator(".dot").first.wait_for()


# How much of what is seen has moved since the page began, and how far, as Chromium adds it up.
MOVED = """() => new Promise((tell) => {
  let moved = 0;
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) moved += shift.value;
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => setTimeout(() => tell(moved), 100));
})"""


@pytest.mark.parametrize("view", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desk"])
def test_nothing_moves_once_it_is_seen(visit, addresses, fitted, labelled, view):
    page = visit("./", viewport=view, bypass_csp=True)
    late = []

    def give_once_painted(route):
        """What the script changes before the first paint, nobody sees move."""
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        late.append(route.request.url)
        route.continue_()

    page.route("**/console.js*", give_once_painted)
    for path in addresses:
        page.goto(path)
        assert page.evaluate(MOVED) == 0, path
    for come, what in (
        (ask, "an answer"),
        (partial(measure, calibrator=fitted, labelled=labelled), "what was measured"),
    ):
        come(page)
        page.wait_for_load_state()
        assert page.evaluate(MOVED) == 0, what
    assert len(late) == len(addresses) + 4, "the script came late each time"
    page.evaluate("document.body.prepend(document.createElement('h1'), document.body.innerText)")
    assert page.evaluate(MOVED) > 0, "it would be seen"


def test_live_numbers_come_by_themselves(visit, service, question, fitted):
    page = visit("live")
    for _ in range(5):
        service.score(question())
    page.wait_for_event("response", lambda each: each.url.endswith("/live/numbers"))
    page.get_by_text("ScoringService/Score").wait_for()
    assert "answered with a calibrator" in body(page)
    assert page.evaluate(MOVED) == 0


@pytest.fixture
def keys(start_service, tmp_path):
    """A service that wants keys: its URL, what makes one, and what revokes them all."""
    service = start_service(access="keys", http="127.0.0.1:0")
    store = SqlKeyStore(f"sqlite:///{tmp_path}/store.sqlite")
    made = []

    def refresh():
        service.run(service.app._identities._keys.refresh())

    def make(name):
        key, text = store.create(name, tenant="acme", permissions={Permission.SCORE})
        made.append(key.id)
        refresh()
        return text

    def revoke():
        for each in made:
            store.revoke(each)
        refresh()

    yield service.url, make, revoke
    store.close()


def test_a_real_key_in_a_real_browser(keys, visit, said):
    url, make, revoke = keys
    page = visit("question", base=url)
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "not known here" in page.get_by_role("alert").inner_text()
    assert all("401" in each for each in said)
    said.clear()  # Chromium tells of every status that is no success
    key = make("reader")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_text("key:reader").wait_for()
    assert key not in page.content()
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert key not in cookie["value"]
    page.get_by_role("link", name="Try a question", exact=True).click()
    page.get_by_label("Question").fill("Is it so?")
    page.get_by_label("Options").fill("yes\nno")
    page.get_by_role("button", name="Ask").click()
    page.locator(".bars").wait_for()
    revoke()
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_label("API key").wait_for()
    page.get_by_label("API key").fill(make("other"))
    page.keyboard.press("Enter")
    page.get_by_text("key:other").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
    page.goto("./")
    assert page.url.endswith("/console/sign-in")
