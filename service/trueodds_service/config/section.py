"""What all parts of a configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
