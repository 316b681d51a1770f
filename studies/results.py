"""Results as JSON: small enough to commit, rounded so that a difference is a difference."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
# What real models answered: to the service, and in conversations.
READINGS = [RESULTS / "real.npz", RESULTS / "real_chat.npz"]
_DIGITS = 5


def save(result: dict[str, Any], path: Path) -> None:
    """Writes a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(result), indent=2) + "\n", encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    """A result that is committed, by its name."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return round(float(value), _DIGITS) if isinstance(value, float) else value
