"""Bodies of decisions: well formed, then spoiled as JSON and as bytes."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from verification.fuzz.known import MARKER, TASK, Known
from verification.fuzz.values import TEXTS

Draw = st.DrawFn

DECISIONS = "/v1/decisions"
SYSTEMONE = "/v1/systemone"
CALIBRATORS = "/v1/decisions/calibrators"
_DEEP = 3_000
_KEYS = st.sampled_from(
    ["", "type", "name", "model", "input", "questions", "criteria", "answers", "task", "a.b", "0"]
)
_NUMBERS = st.sampled_from(
    [
        0,
        1,
        -1,
        255,
        256,
        400,
        401,
        2**31,
        2**63,
        2**64,
        10**40,
        0.5,
        -0.0,
        1e308,
        math.nan,
        math.inf,
    ]
)
_SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | _NUMBERS | TEXTS | st.sampled_from(["choice", "user", "auto"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def bodies(draw: Draw, path: str, known: Known) -> Any:
    """A body of this path that nothing is wrong with."""
    return {DECISIONS: _decision, SYSTEMONE: _systemone, CALIBRATORS: _fit}[path](draw, known)


def _decision(draw: Draw, known: Known) -> dict[str, Any]:
    questions = [_question(draw) for _ in range(draw(st.integers(1, 4)))]
    return {
        "model": _model(draw, known),
        "input": _input(draw),
        "questions": questions,
        **_ours(draw),
    }


def _systemone(draw: Draw, known: Known) -> dict[str, Any]:
    count = draw(st.integers(1, 4))
    state = draw(st.sampled_from([f"Of {MARKER}.", {"text": MARKER}, [MARKER, 1, None]]))
    return {
        "model": _model(draw, known),
        "state": state,
        "questions": {f"q{number}": _asked(draw) for number in range(count)},
        **_ours(draw),
    }


def _fit(draw: Draw, known: Known) -> dict[str, Any]:
    question = _question(draw)
    known_answer = draw(st.booleans())
    decisions = [
        {
            "input": f"{MARKER} {number}",
            "questions": [question],
            "answers": [_answers(question)[number % 2]] if known_answer else None,
        }
        for number in range(draw(st.sampled_from([1, 6])))
    ]
    return {
        "model": _model(draw, known),
        "decisions": decisions,
        "task": TASK,
        "method": draw(st.sampled_from(["auto", "temperature", "teacher_kl", "identity"])),
        "teacher": draw(st.sampled_from([None, *known.models])),
        "activate": draw(st.booleans()),
        "any_options": draw(st.booleans()),
    }


def _model(draw: Draw, known: Known) -> str:
    name = draw(st.sampled_from(known.models))
    return draw(st.sampled_from([name, name.removeprefix("models/")]))


def _ours(draw: Draw) -> dict[str, Any]:
    drawn = {
        "task": draw(st.sampled_from([None, TASK])),
        "require_calibrated": draw(st.sampled_from([None, None, False, True])),
        "min_option_mass": draw(st.sampled_from([None, 0, 0.5, 1])),
        "min_confidence": draw(st.sampled_from([0, 0.5, 1])),
        "order": draw(st.sampled_from(["as_asked", "cyclic"])),
        "label_seed": draw(st.sampled_from([None, 0, 7])),
        "receipts": draw(st.booleans()),
    }
    return {name: value for name, value in drawn.items() if draw(st.booleans())}


def _input(draw: Draw) -> Any:
    said = draw(st.sampled_from([MARKER, [{"type": "input_text", "text": MARKER}]]))
    return draw(
        st.sampled_from(
            [
                f"Of {MARKER}.",
                [{"role": "user", "content": said}],
                [{"role": "system", "content": MARKER}, {"role": "user", "content": said}],
                [
                    {"role": "user", "content": said},
                    {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "1", "output": MARKER},
                ],
            ]
        )
    )


def _question(draw: Draw) -> dict[str, Any]:
    question: dict[str, Any] = {
        "type": draw(st.sampled_from(["predicate", "choice", "score"])),
        "name": draw(st.sampled_from([None, TASK])),
        "instructions": f"Is it {MARKER}?",
    }
    count = draw(st.sampled_from([2, 3, 27]))
    if question["type"] == "choice":
        values = [f"{MARKER} {number}" for number in range(count)]
        question["choices"] = [{"value": each, "description": None} for each in values]
    if question["type"] == "score":
        question["levels"] = [{"label": f"{MARKER} {number}"} for number in range(count)]
    return question


def _asked(draw: Draw) -> dict[str, Any]:
    """A question in the other contract."""
    count = draw(st.sampled_from([2, 3, 27]))
    names = [f"{MARKER} {number}" for number in range(count)]
    said = {"instructions": draw(st.sampled_from(["", f"Is it {MARKER}?", {"ask": MARKER}]))}
    return draw(
        st.sampled_from(
            [
                {"type": "choice", "criteria": dict.fromkeys(names), **said},
                {"type": "score", "criteria": names, **said},
                {"type": "noul", "criteria": {"true": MARKER, "false": None}, **said},
                {"type": "noul", **said},
            ]
        )
    )


def _answers(question: dict[str, Any]) -> list[Any]:
    match question["type"]:
        case "choice":
            return [each["value"] for each in question["choices"]]
        case "score":
            return [0, question["levels"][1]["label"]]
    return [True, False]


def spoil(draw: Draw, body: Any) -> None:
    """Changes one value somewhere in a body."""
    parent, key = draw(st.sampled_from([*_places(body)]))
    match draw(st.sampled_from(["other", "other", "gone", "more", "many", "deep"])):
        case "gone":
            del parent[key]
        case "more" if isinstance(parent, dict):
            parent[draw(_KEYS)] = draw(_VALUES)
        case "many" if isinstance(parent, list):
            parent.extend([parent[key]] * draw(st.sampled_from([1, 254, 400])))
        case "deep":
            parent[key] = [parent[key]] if draw(st.booleans()) else {"type": parent[key]}
        case _:
            parent[key] = draw(_VALUES)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of objects and lists; of a list, those of both ends."""
    match value:
        case dict():
            keys = list(value)
        case list():
            keys = sorted({0, len(value) - 1}) if value else []
        case _:
            return
    for key in keys:
        yield value, key
        yield from _places(value[key])


def written(draw: Draw, body: Any) -> bytes:
    """A body as bytes, now and then none that anybody would write."""
    # Beyond JSON: NaN, infinities, and half a surrogate pair.
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.sampled_from([False] * 9 + [True])):
        return draw(st.sampled_from(_SPOILERS))(draw, content)
    return content


def _cut(draw: Draw, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _flipped(draw: Draw, content: bytes) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.binary(min_size=1, max_size=2)) + content[place + 1 :]


def _twice(draw: Draw, content: bytes) -> bytes:
    """Every name of the object comes a second time, or the object does."""
    return draw(st.sampled_from([content * 2, content[:-1] + b"," + content[1:]]))


def _nested(draw: Draw, content: bytes) -> bytes:
    begin, end = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
    depth = draw(st.sampled_from([100, _DEEP]))
    return content[:-1] + b',"state":' + begin * depth + b"1" + end * depth + b"}"


def _other_coding(draw: Draw, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(draw(st.sampled_from(["utf-16", "utf-8-sig", "utf-32-le"])))


_SPOILERS: list[Callable[[Draw, bytes], bytes]] = [_cut, _flipped, _twice, _nested, _other_coding]
