"""What all parts of a configuration have in common."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from trueodds_service.caller import NAME


class Section(BaseModel):
    """A part of the configuration: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_kinds(cls, content: Any) -> Any:
        """Refuses what would be read as something else, or fail far from here."""
        if not isinstance(content, dict):
            return content
        for name, value in content.items():
            if name not in cls.model_fields:
                continue
            kinds = _kinds(cls.model_fields[name].annotation)
            if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
                raise ValueError(f"{name}: has to be a number")  # YAML's yes would be 1
            if isinstance(value, str) and "\0" in value:
                raise ValueError(f"{name}: holds a NUL character")
        return content


def _kinds(annotation: Any) -> set[Any]:
    return {annotation}.union(*map(_kinds, get_args(annotation)))


def check_tenant(name: str) -> str:
    """A tenant's name, empty for the one without. Raises ValueError at what can be none."""
    if name and not NAME.fullmatch(name):
        raise ValueError(f"{name!r} has to match {NAME.pattern}")
    return name
