"""The two flows on fake engines, with a store in a file."""

import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.engine.base import Engine
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog, ModelEntry, ServedModel
from trueodds_service.flows.fit import FitQuery, FitQuestions, fit
from trueodds_service.flows.score import ScoreQuery, score
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.question import Question, letters
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer
from trueodds_service.store import Calibrator, Scope, SqlCalibratorStore, upgrade

MAX_PROMPT_TOKENS = 200
SHARPNESS = 3.0
REVISIONS = {"aligned": "a" * 16, "base": "b" * 16}
OWN_SCOPE = Scope("aligned", REVISIONS["aligned"], "task", "paren", FORMAT_VERSION, 4)


def ask(text="Which one is it?", options=4) -> Question:
    return Question(text, tuple(f"option {n}" for n in range(options)), letters(options))


def questions(count: int, options=4) -> tuple[Question, ...]:
    return tuple(ask(f"Question {number}?", options) for number in range(count))


@dataclass
class House:
    """What the flows work with, and the flows on it."""

    catalog: Catalog
    calibrators: Calibrators
    store: SqlCalibratorStore
    url: str

    def serve(self, model: str, engine: Engine) -> None:
        """From now on this engine answers for the model."""
        served = self.catalog.find(model).served
        self.catalog.find(model).served = replace(served, engine=engine)

    def stop_serving(self, model: str) -> None:
        self.catalog.find(model).served = None

    async def activated(self, temperature=2.0, **scope) -> Calibrator:
        """A calibrator that is active in its scope, by default that of the fixture's queries."""
        calibrator = self.stored(temperature, **scope)
        await self.calibrators.activate(calibrator)
        return calibrator

    def stored(self, temperature=2.0, **scope) -> Calibrator:
        scope = replace(OWN_SCOPE, **scope)
        return self.store.put(
            Calibrator(scope=scope, method="constant", parameters={"temperature": (temperature,)})
        )

    async def score(self, *asked: Question, **query):
        """The outcomes of a query of the aligned model."""
        defaults = {"model": "aligned", "task": "task", "reading": Reading(), "shots": ()}
        query = ScoreQuery(**{**defaults, "calibrator": None, "questions": asked, **query})
        outcomes = (await score(query, self.catalog, self.calibrators)).outcomes
        assert len(outcomes) == len(query.questions), "a test of each would be one of none"
        return outcomes

    async def fit(self, source=None, **query) -> list:
        """The events of a fit of the aligned model to its teacher."""
        return [event async for event in self.start_fit(source, **query)]

    def start_fit(self, source=None, **query):
        defaults = {
            "model": "aligned",
            "task": "task",
            "reading": Reading(),
            "method": Method.TEACHER_KL,
            "temperature": 2.5,
            "teacher": None,
            "source": source or unlabelled(20),
            "activate": False,
        }
        return fit(FitQuery(**{**defaults, **query}), self.catalog, self.calibrators)


def unlabelled(count: int) -> FitQuestions:
    return FitQuestions((), questions(count), np.full(count, -1))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """An empty store, to be copied: to migrate one takes longer than a test."""
    path = tmp_path_factory.mktemp("store") / "empty.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def tokenizer(weights) -> PromptTokenizer:
    return PromptTokenizer.load(weights, MAX_PROMPT_TOKENS)


@pytest.fixture
async def house(migrated, tokenizer, tmp_path) -> AsyncIterator[House]:
    """An aligned model, whose teacher is the base model, and an empty store."""
    path = tmp_path / "store.sqlite"
    path.write_bytes(migrated.read_bytes())
    entries = {
        "aligned": ModelEntry("aligned", REVISIONS["aligned"], "t" * 16, teacher="base"),
        "base": ModelEntry("base", REVISIONS["base"], "t" * 16, teacher=None),
    }
    for name, sharpness in {"aligned": SHARPNESS, "base": 1.0}.items():
        engine = FakeEngine(seed=7, sharpness=sharpness)
        entries[name].served = ServedModel(tokenizer, engine, engine.info, MAX_PROMPT_TOKENS)
    url = f"sqlite:///{path}"
    store = SqlCalibratorStore(url)
    calibrators = Calibrators(store)
    await calibrators.open()
    yield House(Catalog(entries), calibrators, store, url)
    store.close()


@pytest.fixture
def in_threads(monkeypatch) -> Callable[..., dict[str, set[bool]]]:
    """Watches functions of modules: by their names, whether they run in the event loop's thread."""
    loop, seen = threading.get_ident(), {}

    def watch(*functions):
        for module, name in functions:
            monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
        return seen

    def watched(name, function):
        def call(*args):
            seen.setdefault(name, set()).add(threading.get_ident() == loop)
            return function(*args)

        return call

    return watch


@pytest.fixture(scope="session")
def make_questions() -> Callable[..., tuple[Question, ...]]:
    """Makes questions that differ."""
    return questions
