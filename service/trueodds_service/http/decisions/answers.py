"""What both contracts say of an answer beside what they ask for."""

from base64 import b64encode
from typing import Any

from trueodds_service.flows.receipts import receipt_of
from trueodds_service.flows.score import Answer
from trueodds_service.rpc.names import model_name


def probability_of_answer(answer: Answer) -> float:
    """What is called ``confidence``: the calibrated probability of what is answered."""
    return float(answer.calibrated[answer.choice])


def expected_level(answer: Answer) -> float:
    """The mean of the levels' indices."""
    return float(sum(level * each for level, each in enumerate(answer.calibrated.tolist())))


def label_mass(answer: Answer) -> float:
    return min(answer.option_mass, 1.0)


def refusal(answer: Answer) -> dict[str, Any]:
    """Why a question is not answered, and what would have it answered."""
    held, wanted = label_mass(answer), answer.min_option_mass
    return {
        "reason": "LOW_OPTION_MASS",
        "message": (
            f"the labels hold {held:.3g} of the probability of what follows, less than "
            f"min_option_mass, {wanted:.3g}: the model would hardly answer with one of them, so "
            "that its probabilities would mean little. Word the question otherwise, ask another "
            "model, or say a lower min_option_mass"
        ),
        "label_mass": held,
        "min_option_mass": wanted,
        **_turn(answer),
    }


def ours(answer: Answer, key: bytes | None) -> dict[str, Any]:
    """Fields of our own, which clients of either contract pass over; with a key, a receipt too.

    ``raw_probabilities`` are those of the options in their order, before the calibrator;
    ``answer_set`` are places in this order, the likeliest first, or None where none was asked for
    of the calibrator that answered.
    """
    return {
        "calibrated": answer.calibrator is not None,
        "calibrator": None if answer.calibrator is None else answer.calibrator.name,
        "raw_because": answer.raw_because or None,
        "raw_probabilities": answer.probabilities.tolist(),
        "label_mass": label_mass(answer),
        "format_probability": min(answer.read.as_asked.format_probability, 1.0),
        "labels": list(answer.read.question.labels),
        "abstained": answer.abstained,
        "answer_set": list(answer.answer_set) or None,
        "receipt": None if key is None else b64encode(receipt_of(key, answer)).decode(),
        **_turn(answer),
    }


def _turn(answer: Answer) -> dict[str, Any]:
    """Who answered in a cascade, and what decided that; empty without one."""
    if answer.turn is None:
        return {}
    decided = answer.turn.calibrator
    return {
        "answered_by": model_name(answer.scope.model),
        "cascade_calibrator": None if decided is None else decided.name,
        "skipped_because": answer.turn.skipped_because or None,
        "cost": answer.cost,
    }
