"""Files with temperatures, as other servers of decisions read them: bodies in, and files out.

``{"temperature": T}`` with ``"format_version": 1`` is the content of a ``decision_config.json``,
``{"temperature_by_options": {"2": T, …}}`` that of a ``decider_config.json``. Where a file has
both, the number of options decides first; ``temperature_by_type`` goes before either.
``{"decision_temperature": T}`` is what vLLM reads of a checkpoint: it is ``temperature`` by another
name, and beside another temperature nobody knows which is meant.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.decide import FEWEST_OPTIONS, MOST_OPTIONS
from trueodds_service.flows.temperatures import DecisionScope, Temperatures
from trueodds_service.http.decisions.bodies import Strict, model_of
from trueodds_service.http.decisions.tasks import task_of
from trueodds_service.prompts.question import Kind

_FORMAT_VERSION = 1
# Any number, and two.
_OF_PREDICATES = (0, 2)
# systemone's word for a predicate.
_KINDS = {"predicate": Kind.PREDICATE, "noul": Kind.PREDICATE} | {
    kind.value: kind for kind in (Kind.CHOICE, Kind.SCORE)
}

_COUNTS = {str(count): count for count in range(FEWEST_OPTIONS, MOST_OPTIONS + 1)}

Temperature = Annotated[float, Field(ge=DEFAULT_BOUNDS[0], le=DEFAULT_BOUNDS[1])]


class Table(Strict):
    """A temperature for any number of options, and others for certain numbers."""

    temperature: Temperature | None = None
    temperature_by_options: Mapping[str, Temperature] = Field(default_factory=dict)

    def by_options(self, path: str) -> dict[int, float]:
        """0 is any number. Raises InvalidInput."""
        found = {} if self.temperature is None else {0: self.temperature}
        for said, temperature in self.temperature_by_options.items():
            options = _COUNTS.get(said)
            if options is None:
                raise InvalidInput(
                    f"{path}.temperature_by_options",
                    f"has a name that is no number from {FEWEST_OPTIONS} to {MOST_OPTIONS}",
                )
            found[options] = temperature
        return found


class File(Table):
    """What such a file holds. Nothing else in it is passed over: it might decide the answers."""

    format_version: Literal[1] = 1
    decision_temperature: Temperature | None = None
    temperature_by_type: Mapping[Literal["predicate", "noul", "choice", "score"], Table] = Field(
        default_factory=dict
    )

    def temperatures(self) -> Temperatures:
        """Raises InvalidInput."""
        self._check_one()
        common = self._common()
        found = {kind: dict(common) for kind in Kind}
        # What is said of all holds for a predicate with two options: it is answered yes or no.
        found[Kind.PREDICATE] = _of_predicate(common)
        of_types: set[Kind] = set()
        for name, table in self.temperature_by_type.items():
            path, kind = f"file.temperature_by_type.{name}", _KINDS[name]
            if kind in of_types:
                raise InvalidInput(path, "is predicate by another name: say one of them")
            of_types.add(kind)
            own = table.by_options(path)
            if kind is Kind.PREDICATE and own != _of_predicate(own):
                raise InvalidInput(f"{path}.temperature_by_options", "a predicate has 2 options")
            found[kind] |= own
        found = {kind: table for kind, table in found.items() if table}
        if not found:
            raise InvalidInput("file", "has no temperature")
        return found

    def _common(self) -> dict[int, float]:
        """What is said of all types, by the number of options. Raises InvalidInput."""
        common = self.by_options("file")
        if self.decision_temperature is not None:
            common.setdefault(0, self.decision_temperature)
        return common

    def _check_one(self) -> None:
        """Raises InvalidInput where another is said beside what vLLM takes for all decisions."""
        tables = (self, *self.temperature_by_type.values())
        said = {each.temperature for each in tables}
        said |= {each for table in tables for each in table.temperature_by_options.values()}
        if self.decision_temperature is not None and said - {None, self.decision_temperature}:
            raise InvalidInput(
                "file.decision_temperature",
                "is for all decisions, and the file has another temperature: leave one of them out",
            )


class ExportRequest(Strict):
    """Which decisions the temperatures are of."""

    model: str
    task: str = ""
    order: Literal["as_asked", "cyclic"] = "as_asked"

    def scope(self, header: str | None) -> DecisionScope:
        """Raises InvalidInput."""
        own = self.task if "task" in self.model_fields_set or header is None else None
        task = task_of(header, own)("", "task")
        return DecisionScope(model_of(self.model), task, self.order == "cyclic")


class ImportRequest(ExportRequest):
    """A file's content, and what its temperatures are for."""

    file: File
    activate: bool = False


def file_of(temperatures: Temperatures) -> dict[str, Any]:
    """The plainest file that says all of it, and which ``File`` reads as the same."""
    common = temperatures.get(Kind.CHOICE, {})
    others = temperatures.get(Kind.SCORE, {}), temperatures.get(Kind.PREDICATE, {})
    if others == (common, _of_predicate(common)):
        return _table(common, versioned=True)
    by_type = {kind.value: _table(table) for kind, table in temperatures.items()}
    return {"temperature_by_type": by_type}


def _of_predicate(by_options: Mapping[int, float]) -> dict[int, float]:
    return {n: by_options[n] for n in _OF_PREDICATES if n in by_options}


def _table(by_options: Mapping[int, float], *, versioned: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if 0 in by_options:
        found = {"format_version": _FORMAT_VERSION} if versioned else {}
        found["temperature"] = by_options[0]
    if numbers := {str(n): t for n, t in sorted(by_options.items()) if n}:
        found["temperature_by_options"] = numbers
    return found
