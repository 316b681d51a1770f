"""The README's pictures of the console, of the demo pair: ``python -m documentation.screenshots``.

Needs Chromium, as the tests of the console do (``make browser``).
"""

import json
import tempfile
from pathlib import Path

import yaml
from playwright.sync_api import Page, ViewportSize, sync_playwright

from documentation.chromium import chromium_path
from documentation.pages import ROOT
from trueodds import Client, Method
from trueodds_demo.questions import fit_questions, scored_examples
from trueodds_demo.service import ALIGNED, demo_config, running

TASK = "logic"
MEASURED = 400
DOOR = "127.0.0.1:50089"
SIZE = ViewportSize(width=1080, height=720)


def main() -> None:
    """Serves the demo pair, calibrates a task, and takes the pictures into docs/."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = demo_config(folder)
        config = yaml.safe_load(path.read_text("utf-8")) | {"http": DOOR}
        path.write_text(yaml.safe_dump(config), "utf-8")
        with running(path) as address, Client(address) as client, sync_playwright() as started:
            client.wait_until_ready()
            fitted = client.fit(
                fit_questions(TASK),
                model=ALIGNED,
                task=TASK,
                method=Method.TEACHER_KL,
                activate=True,
            )
            browser = started.chromium.launch(
                executable_path=chromium_path(), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=SIZE, base_url=f"http://{DOOR}/console/")
            page.set_default_timeout(60_000)
            _question(page, ROOT / "docs" / "console-question.png")
            _measure(
                page, fitted.name.rpartition("/")[2], folder, ROOT / "docs" / "console-measure.png"
            )
            browser.close()


def _question(page: Page, picture: Path) -> None:
    """A question tried out that the model is too sure of."""
    asked = scored_examples(TASK, 1)[0].question
    page.goto(f"question?model={ALIGNED}&task={TASK}")
    page.get_by_label("Question").fill(asked.text)
    page.get_by_label("Options").fill("\n".join(asked.options))
    page.get_by_role("button", name="Ask").click()
    page.locator(".bars").wait_for()
    page.screenshot(path=picture)


def _measure(page: Page, calibrator: str, folder: Path, picture: Path) -> None:
    """The calibrator measured on questions whose answers are known."""
    rows = (
        {
            "text": each.question.text,
            "passage": each.question.passage,
            "options": each.question.options,
            "answer": each.answer,
        }
        for each in scored_examples(TASK, MEASURED)
    )
    file = folder / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    page.goto(f"calibrators/{ALIGNED}/{calibrator}/measure")
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.getElementById('questions').value !== ''")
    page.get_by_role("button", name="Measure").click()
    page.locator(".dot").first.wait_for()
    page.evaluate("document.querySelector('figure').scrollIntoView({block: 'center'})")
    page.screenshot(path=picture)


if __name__ == "__main__":
    main()
