"""The same questions in other company: what an answer owes to what is scored beside it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random

import grpc

from trueodds import Answer, Client, Format, Question
from trueodds._convert import scoring as _messages
from trueodds.v1 import scoring_pb2_grpc
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED
from verification.comparison import Comparison

QUESTIONS = 300
_BATCH = 64


def repeatability(client: Client) -> Comparison:
    """Alone, in one batch, in shuffled batches and beside other callers; each against alone."""
    comparison = Comparison()
    questions = [q for task in world.TASKS for q in scored_questions(task, 43)][:QUESTIONS]
    for answer_format in (Format.PAREN, Format.TEXT):
        score = partial(_score, client, answer_format)
        alone = [score([question])[0] for question in questions]
        found = [score(questions), _shuffled(score, questions)]
        with _load(client.server):
            found.append(score(questions))
        for answers in found:
            comparison.n += len(answers)
            for first, again in zip(alone, answers, strict=True):
                comparison.numbers(_numbers(again), _numbers(first))
                comparison.choice(again.choice, [option.score for option in first.options])
    return comparison


def _score(client: Client, answer_format: Format, questions: Sequence[Question]) -> list[Answer]:
    """All questions in one message, however many."""
    settings = _messages.settings_message(ALIGNED, reading=answer_format, shots=shots("openbook"))
    [request] = _messages.batch_messages(settings, questions, len(questions))
    with grpc.insecure_channel(client.server) as channel:
        response = scoring_pb2_grpc.ScoringServiceStub(channel).BatchScore(request)
    found = []
    for outcome in _messages.outcomes_of(response, 0):
        if not isinstance(outcome, Answer):
            raise outcome
        found.append(outcome)
    return found


def _shuffled(
    score: Callable[[Sequence[Question]], list[Answer]], questions: Sequence[Question]
) -> list[Answer]:
    order = list(range(len(questions)))
    Random(0).shuffle(order)
    found: dict[int, Answer] = {}
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        found |= zip(places, score([questions[place] for place in places]), strict=True)
    return [found[place] for place in range(len(questions))]


@contextmanager
def _load(server: str) -> Iterator[None]:
    """Another caller of the same model, who asks other questions in another format."""
    done = threading.Event()

    def ask() -> None:
        with Client(server) as other:
            while not done.is_set():
                other.score_batch(
                    scored_questions("logic", 60), model=ALIGNED, reading=Format.LETTER
                )

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        yield
    finally:
        done.set()
        caller.join()


def _numbers(answer: Answer) -> list[float]:
    return [option.logprob for option in answer.options]
