"""What answers and cascades cost: tokens that no cache had, by the prices of the models."""

import msgspec
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.engine.fake import FakeEngine

FIRST, LAST, BOTH = "models/base", "models/aligned", "models/base+aligned"
PRICES = {FIRST: 0.25, LAST: 2.0}
CACHED = {FIRST: 5, LAST: 7}


class Remembering(FakeEngine):
    """Has some tokens of each prompt in its cache."""

    def __init__(self, cached, **fake):
        super().__init__(**fake)
        self._cached = cached

    async def score(self, prompts, adapter=None):
        outcomes = await super().score(prompts, adapter)
        return [msgspec.structs.replace(each, cached_tokens=self._cached) for each in outcomes]


def _models(weights, **prices):
    return [
        {"name": name, "weights": weights, "engine": {"backend": "fake"}, **told}
        for name, told in prices.items()
    ]


def _started(start_service, weights, **prices):
    models = _models(weights, base=prices.get("base", {}), aligned=prices.get("aligned", {}))
    engines = {
        each.removeprefix("models/"): Remembering(cached, seed=seed)
        for seed, (each, cached) in enumerate(CACHED.items())
    }
    return start_service(models=models, engines=engines)


@pytest.fixture
def priced(start_service, weights):
    return _started(start_service, weights, base={"price": 0.25}, aligned={"price": 2})


@pytest.fixture
def questions(question):
    return [question(f"Question {'long ' * (number % 5)}{number}?") for number in range(100)]


def _last(events):
    return list(events)[-1]


def _answers(service, questions, model):
    return [each.answer for each in service.batch(questions, model=model)]


def _threshold(service, questions):
    """The cascade's calibrator, of which half of the questions go on at most."""
    identity = pb.FitCalibratorRequest(
        model=FIRST, method=pb.METHOD_IDENTITY, options=4, activate=True
    )
    _last(service.calibration.FitCalibrator(identity))
    request = pb.FitCalibratorRequest(
        model=BOTH,
        method=pb.METHOD_CASCADE,
        questions=pb.FitQuestions(items=[pb.FitQuestion(question=each) for each in questions]),
        target_passed_on=0.5,
        activate=True,
    )
    return _last(service.calibration.FitCalibrator(request)).calibrator


def test_an_answer_costs_what_its_engine_computed_by_the_price(priced, questions):
    for model, price in PRICES.items():
        for said in _answers(priced, questions[:5], model):
            assert said.cached_tokens == CACHED[model]
            assert said.cost == (said.prompt_tokens - CACHED[model]) * price


def test_without_prices_each_token_costs_one(start_service, weights, questions):
    service = _started(start_service, weights)
    said = service.score(questions[0], model=LAST)
    assert said.cost == said.prompt_tokens - said.cached_tokens > 0


def test_an_answer_of_a_cascade_costs_what_all_computed_who_were_asked(priced, questions):
    _threshold(priced, questions)
    own = {model: _answers(priced, questions, model) for model in (FIRST, LAST)}
    by = set()
    for place, said in enumerate(_answers(priced, questions, BOTH)):
        asked = [own[FIRST][place]] + [own[LAST][place]] * (said.answered_by == LAST)
        assert said.cached_tokens == sum(each.cached_tokens for each in asked)
        assert said.cost == pytest.approx(sum(each.cost for each in asked))
        by.add(said.answered_by)
    assert by == {FIRST, LAST}


def test_an_evaluation_tells_the_cost_beside_that_of_the_last_alone(priced, questions):
    found = _threshold(priced, questions)
    items = [pb.FitQuestion(question=each, answer=0) for each in questions]
    request = pb.EvaluateCalibratorRequest(name=found.name, questions=pb.FitQuestions(items=items))
    report = _last(priced.calibration.EvaluateCalibrator(request)).report.cascade
    answers = _answers(priced, questions, BOTH)
    alone = _answers(priced, questions, LAST)
    for part in report.parts:
        assert part.cached_tokens == part.asked * CACHED[part.model]
        assert part.cost == (part.prompt_tokens - part.cached_tokens) * PRICES[part.model]
    assert (report.last_alone.model, report.last_alone.asked) == (LAST, len(questions))
    assert report.last_alone.answered == len(questions)
    assert report.last_alone.cost == sum(each.cost for each in alone)
    assert sum(part.cost for part in report.parts) == sum(each.cost for each in answers)
    told = report.relative_cost
    assert told.value == pytest.approx(
        sum(each.cost for each in answers) / sum(each.cost for each in alone)
    )
    # Every question costs an eighth of the last's, and somewhat more than half go no further.
    assert told.lower < told.value < told.upper < 0.125 + 0.62


def test_what_was_all_in_the_cache_costs_nothing_to_compare_with(start_service, weights, question):
    class Knowing(FakeEngine):
        async def score(self, prompts, adapter=None):
            outcomes = await super().score(prompts, adapter)
            return [
                msgspec.structs.replace(each, cached_tokens=prompt.length)
                for prompt, each in zip(prompts, outcomes, strict=True)
            ]

    service = start_service(
        models=_models(weights, base={}, aligned={}),
        engines={"base": Knowing(seed=1), "aligned": Knowing(seed=2)},
    )
    questions = [question(f"Question {number}?") for number in range(30)]
    found = _threshold(service, questions)
    items = [pb.FitQuestion(question=each, answer=0) for each in questions]
    request = pb.EvaluateCalibratorRequest(name=found.name, questions=pb.FitQuestions(items=items))
    report = _last(service.calibration.EvaluateCalibrator(request)).report.cascade
    assert report.last_alone.cost == 0
    assert not report.HasField("relative_cost")
