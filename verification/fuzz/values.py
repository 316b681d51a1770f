"""Values that a field may not be ready for."""

import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

from verification.fuzz.folders import BEYOND, BEYOND_WORD
from verification.fuzz.known import MARKER, TASK, Known

Values = st.SearchStrategy[Any]

_LONG = 200_000

# Control tokens of the families of models, and of the folders here: the last two have no row in an
# embedding.
CONTROLS = (
    *("<|end|>", "<|endoftext|>", "<s>", "</s>", "[INST]", "<|im_end|>", "<|eot_id|>"),
    *("<｜User｜>", "<end_of_turn>", "<think>", "</think>", "[THINK]", BEYOND, BEYOND_WORD),
)

_TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "\0",
        "\x1b",
        "\x7f",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\uffff",
        "e\u0301",
        "\u0301",
        "👩‍👩‍👧",
        "ﷺ" * 20,
        "A",
        " A",
        "A ",
        "(A)",
        *(f"{MARKER}{name}" for name in CONTROLS),
        "<|im_start|>system\n",
        f"{MARKER}: ",
        f"{MARKER}\t",
        f"{MARKER}\u3000",
        "{text}",
        "{label}",
        "{options}",
        "{passage}{text}{options}{label}",
        "{",
        "}{0}{}{{text}}",
        "%s%n",
        MARKER,
        f"\n{MARKER}\n",
    ]
)
_LONG_TEXTS = st.builds(
    lambda piece, length: MARKER + (piece * (length // len(piece) + 1))[:length],
    st.sampled_from(["x", " ", "\n", "ab ", "é", "👩‍👩‍👧", "{text}", "0", "<|end|>"]),
    st.sampled_from([65, 201, 3_000, 10_001, _LONG]),
)
TEXTS: Values = _TEXTS | _TEXTS | st.text(max_size=8) | _LONG_TEXTS

_TEMPLATES = st.sampled_from(
    [
        "",
        "{text}",
        " {text}",
        "{label}",
        " ({label})",
        "{label}{text}",
        "{text}{text}",
        "{passage}{label}",
        "{options}",
        "{passage}{text}{options}{options}",
        "{text}" + "{options}" * 1000,
        "{label}" + "{passage}" * 1000,
        "{text}" * 1000,
        " (",
        "\n",
        "{{label}}",
        "\0{label}",
        f"{MARKER}{{text}}",
    ]
)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "developer", "User"])
_ROLES = ROLES | st.sampled_from(["", " ", "\n", "<|end|>", "🤖", "x" * _LONG])
_TASKS = st.sampled_from(
    ["", TASK, " a", "a\n", "\0", "t" * 200, "t" * 201, "mmlu/anatomy", "ü/🙂"]
)
_TOKENS = st.sampled_from(["", "0", "MA==", "!", "\0", "e30=", "W10=", "WzEsMl0=", "/" * 5000])
_TOKENS |= st.text(max_size=12)

INTEGERS: Values = st.sampled_from(
    [0, 1, -1, 2, 3, 20, 21, 26, 27, 128, 129, 1000, 1025, 2**31 - 1, -(2**31)]
)
_TOKEN_IDS = st.sampled_from([0, 1, 2, 65, 200, 50_256, 2**31 - 1, 2**31, 2**32 - 1])
NUMBERS: Values = st.sampled_from(
    [
        *(0.0, -0.0, 1.0, -1.0, 0.5, 0.25, 1e-320, 5e-324, 1 + 1e-9, 1e-9),
        *(math.nan, math.inf, -math.inf, 1e308, -1e308, 1e100, 1.1e100, 0.001, 1000.0, 1000.1),
    ]
) | st.floats(-40, 1)
_ENUMS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 99, -1, 2**31 - 1, -(2**31)])

COUNTS: Values = st.sampled_from([0, 1, 2, 3, 5, 26, 27, 64, 65, 128, 129, 1024, 1025])


def values(field: FieldDescriptor, known: Known) -> Values:
    """Values of a scalar field's type; texts know what the field is for."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            return st.binary(max_size=300) if is_bytes else _strings(field, known)
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return NUMBERS
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_ENUM:
            return _ENUMS
        case FieldDescriptor.CPPTYPE_UINT32:
            return token_ids(known)
    return INTEGERS


def token_ids(known: Known) -> Values:
    """Tokens at, around and far beyond the end of each model's embedding."""
    edges = [rows + step for rows in known.rows for step in (-2, -1, 0, 1, 2)]
    return st.sampled_from(edges) | _TOKEN_IDS


def _strings(field: FieldDescriptor, known: Known) -> Values:
    if field.full_name.startswith("trueodds.v1.CustomFormat."):
        return _TEMPLATES | TEXTS
    match field.name:
        case "model" | "teacher" | "calibrator" | "name":
            return names(known)
        case "role":
            return _ROLES | TEXTS
        case "task":
            return _TASKS
        case "page_token":
            return _TOKENS
    return TEXTS


def names(known: Known) -> Values:
    """Resource names: of what exists, of what does not, and what is none."""
    wrong = [
        *("", "models/", "models/none", "models/a/b", "models/..", "models/A", "models/\0"),
        *("aligned", "models/" + "a" * 63, "models/" + "a" * 64, "models/" + "a" * _LONG),
        *("models/x\n", "models/%2e", "models/ü", "models/x' OR 1=1 --", "модели/x"),
    ]
    ids = ["", "0", "g", "0" * 64, "0" * 65, "deadbeef", "0\n"]
    wrong += [f"{known.models[0]}/calibrators/{each}" for each in ids]
    return st.sampled_from([*known.models, *known.calibrators]) | st.sampled_from(wrong)
