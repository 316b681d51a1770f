"""Corrections of the order, computed anew from the reference's logprobs."""

import math
from collections.abc import Sequence

import numpy as np

from trueodds import Client, Example, Format, OrderCorrection, Question, Reading
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED, BASE
from verification.cases import Asked, Part, References, in_built_in
from verification.compare import Floats, answers, log_softmax, summed
from verification.comparison import Comparison
from verification.models import CHATML
from verification.reference import Reference

# PriDe estimates the prior on a twentieth of a request's questions, and at least on eight.
_ESTIMATED_ON = 8
_ONE_REQUEST = 100


def cyclic(client: Client, references: References) -> Comparison:
    """The mean over the cyclic orders of what each option gets."""
    comparison = Comparison()
    cases = ((ALIGNED, Format.PAREN), (BASE, Format.LETTER), (CHATML, Format.TEXT))
    for model, answer_format in cases:
        reading = Reading(answer_format, order_correction=OrderCorrection.CYCLIC)
        for task in world.TASKS:
            questions = scored_questions(task, 8)
            worked = shots(task)[:2]
            asks = [in_built_in(references[model], q, answer_format, worked) for q in questions]
            part = Part(model, asks, reading, worked)
            for question, answer in zip(questions, answers(client, part), strict=True):
                by_place = _by_place(references[model], question, answer_format, worked)
                count = len(question.options)
                # Shifted by s, the place p shows the option p + s.
                by_option = [np.roll(row, shift) for shift, row in enumerate(by_place)]
                mean = np.exp(by_option).mean(axis=0)
                comparison.n += 1
                comparison.numbers([o.probability for o in answer.options], mean)
                comparison.choice(answer.choice, np.log(mean))
                comparison.numbers(
                    answer.permutations,
                    [[(place + shift) % count for place in range(count)] for shift in range(count)],
                )
    return comparison


def pride(client: Client, references: References) -> Comparison:
    """The prior over the labels from the first questions, divided out of every answer."""
    comparison = Comparison()
    cases = ((ALIGNED, "knowledge", Format.PAREN), (BASE, "openbook", Format.LETTER))
    for model, task, answer_format in cases:
        questions = scored_questions(task, _ONE_REQUEST)
        asks = [in_built_in(references[model], q, answer_format) for q in questions]
        observed = _observed(references[model], asks)
        priors = [
            np.exp(log_softmax(_by_place(references[model], q, answer_format).mean(axis=0)))
            for q in questions[:_ESTIMATED_ON]
        ]
        prior = np.mean(priors, axis=0)
        estimated = Reading(answer_format, order_correction=OrderCorrection.PRIOR)
        given = Reading(
            answer_format,
            order_correction=OrderCorrection.PRIOR,
            label_prior=(0.4, 0.3, 0.2, 0.1),
        )
        for reading, wanted in ((estimated, prior), (given, np.array(given.label_prior))):
            found = answers(client, Part(model, asks, reading))
            for answer, logprobs in zip(found, observed, strict=True):
                scores = logprobs - np.log(wanted)
                comparison.n += 1
                comparison.numbers(answer.label_prior, wanted)
                comparison.numbers(
                    [math.log(o.probability) for o in answer.options], log_softmax(scores)
                )
                comparison.choice(answer.choice, scores)
    return comparison


def _by_place(
    reference: Reference,
    question: Question,
    answer_format: Format,
    worked: Sequence[Example] = (),
) -> Floats:
    """The log answer distribution of the places under each cyclic order, (orders, places)."""
    count = len(question.options)
    asks = []
    for shift in range(count):
        turned = [question.options[(place + shift) % count] for place in range(count)]
        shown = Question(question.text, turned, question.passage)
        asks.append(in_built_in(reference, shown, answer_format, worked))
    return log_softmax(_observed(reference, asks))


def _observed(reference: Reference, asks: Sequence[Asked]) -> Floats:
    logprobs = reference.logprobs(span for each in asks for ways in each.ways for span in ways)
    return np.stack([summed(each.ways, logprobs) for each in asks])
