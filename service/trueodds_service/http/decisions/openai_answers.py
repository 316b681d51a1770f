"""A decision's answers as the ``openai`` package reads them."""

from typing import Any

from trueodds_service.flows.score import Answer
from trueodds_service.http.decisions.answers import (
    expected_level,
    ours,
    probability_of_answer,
    refusal,
)
from trueodds_service.http.decisions.openai_body import Choice, Request, Score


def response(request: Request, answers: list[Answer], key: bytes | None) -> dict[str, Any]:
    """OpenAI's ``Decision``; a question whose labels hold too little is refused. With a key, each
    answer has a receipt.
    """
    tokens = sum(answer.prompt_tokens for answer in answers)
    cached = sum(answer.cached_tokens for answer in answers)
    return {
        "object": "decision",
        "model": request.model,
        "answers": [
            _answer(question, answer, key)
            for question, answer in zip(request.questions, answers, strict=True)
        ],
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens,
        },
    }


def _answer(question: Any, answer: Answer, key: bytes | None) -> dict[str, Any]:
    if answer.has_too_little_mass:
        return {"type": "refusal", "name": question.name, **refusal(answer)}
    said = {"type": question.type, "name": question.name, **_said(question, answer)}
    return {**said, **ours(answer, key)}


def _said(question: Any, answer: Answer) -> dict[str, Any]:
    probabilities = answer.calibrated.tolist()
    match question:
        case Choice():
            values = [each.value for each in question.choices]
            return {
                "choice": values[answer.choice],
                "confidence": probability_of_answer(answer),
                "probabilities": [
                    {"value": value, "probability": each}
                    for value, each in zip(values, probabilities, strict=True)
                ],
            }
        case Score():
            return {
                "score": expected_level(answer),
                "confidence": probability_of_answer(answer),
                "probabilities": [
                    {"label": level.label, "value": value, "probability": each}
                    for value, (level, each) in enumerate(
                        zip(question.levels, probabilities, strict=True)
                    )
                ],
            }
        case _:
            return {"probability": probabilities[0]}
