"""The pages that are made of the sources: Python from docstrings, the contract from protos."""

import inspect
import re
from enum import Enum
from typing import Any, is_typeddict

import trueodds
from documentation.pages import ROOT
from trueodds.errors import TrueoddsError

PROTOS = ROOT / "proto/trueodds/v1"

_CLIENTS = ("Client", "AsyncClient")
# What stands at the beginning of a line, with the comments above it; it ends with such a brace.
_BLOCK = re.compile(r"^((?://.*\n)*)(?:service|message|enum) (\w+) \{[\s\S]*?^\}", re.MULTILINE)
_WIDTH = 80


def generated() -> dict[str, str]:
    """The made pages by their path in the site."""
    return {"docs/python.md": python(), "proto/trueodds/v1/README.md": contract()}


def python() -> str:
    """Everything that ``import trueodds`` offers, with its docstring."""
    named = {name: getattr(trueodds, name) for name in trueodds.__all__}
    errors = [name for name, each in named.items() if _is_error(each)]
    values = [name for name in named if name not in (*_CLIENTS, *errors)]
    summary, _, example = _docstring(trueodds).partition("\n\n")
    parts = [f"# Python\n\n{summary}\n\n```python\n{example}\n```\n"]
    for title, names in (("Clients", _CLIENTS), ("Values", values), ("Errors", errors)):
        parts.append(f"\n## {title}\n")
        parts += [_described(name, named[name]) for name in names]
    return "\n".join(parts)


def _is_error(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, (TrueoddsError, Warning))


def _described(name: str, each: Any) -> str:
    lines = [f"### {name}\n"]
    is_enum = isinstance(each, type) and issubclass(each, Enum)
    if not (is_enum or _is_error(each) or is_typeddict(each)):
        lines.append(_code(name, each))
    lines.append(_docstring(each))
    if is_enum:
        lines.append("\n" + ", ".join(f"`{member.name}`" for member in each))
    if name == "Client":  # AsyncClient has the same methods, to be awaited
        lines += [
            f"\n#### {method}\n\n{_code(method, function)}\n{_docstring(function)}"
            for method, function in inspect.getmembers(each, inspect.isfunction)
            if not method.startswith("_")
        ]
    return "\n".join(lines) + "\n"


def _docstring(each: Any) -> str:
    return inspect.cleandoc(each.__doc__ or "")


def _code(name: str, each: Any) -> str:
    return f"```python\n{name}{_signature(each)}\n```\n"


def _signature(each: Any) -> str:
    """The arguments, one a line where there are many, without the modules of their types."""
    signature = inspect.signature(each)
    shown = [
        re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", str(parameter))
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    flat = f"({', '.join(shown)})"
    return flat if len(flat) < _WIDTH else "(\n" + "".join(f"    {one},\n" for one in shown) + ")"


def contract() -> str:
    """Each service, message and enum of the protos, with the comments that it has there."""
    parts = [
        "# The contract\n",
        "`trueodds.v1`, over gRPC and, as JSON, [over HTTP](../../../docs/http.md).\n",
    ]
    for path in sorted(PROTOS.glob("*.proto")):
        parts.append(f"## {path.name}\n")
        for block in _BLOCK.finditer(path.read_text("utf-8")):
            parts.append(f"### {block[2]}\n\n```proto\n{block[0].strip()}\n```\n")
    return "\n".join(parts)
