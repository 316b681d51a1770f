"""Files with temperatures, as other servers of decisions read them: bodies in, and files out.

``{"temperature": T}`` with ``"format_version": 1`` is the content of a ``decision_config.json``;
``{"temperature_by_type": {"choice": T, "noul": T, "score": T}}`` is that of a ``calibration.json``
and, with a ``temperature`` for what it lacks, of a ``decider_config.json``, where
``{"temperature_by_options": {"a": a, "b": b, "min": m}}`` is T = max(m, a + b ln n) of n options in
place of both. Here certain numbers of options may also have their own, ``{"2": T, …}``, and so may
those of a type: the number of options decides first, and a type goes before what is said of all.
``{"decision_temperature": T}`` is what vLLM reads of a checkpoint: it is ``temperature`` by another
name, and beside another temperature nobody knows which is meant.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.decide import FEWEST_OPTIONS, MOST_OPTIONS
from trueodds_service.flows.temperatures import DecisionScope, Temperatures
from trueodds_service.http.decisions.bodies import Many, Strict, model_of
from trueodds_service.http.decisions.tasks import task_of
from trueodds_service.prompts.question import Kind

_FORMAT_VERSION = 1
# Any number, and two.
_OF_PREDICATES = (0, 2)
# systemone's word for a predicate.
_KINDS = {"predicate": Kind.PREDICATE, "noul": Kind.PREDICATE} | {
    kind.value: kind for kind in (Kind.CHOICE, Kind.SCORE)
}

# As files have them.
_NAMES = {Kind.PREDICATE: "noul", Kind.CHOICE: "choice", Kind.SCORE: "score"}

_COUNTS = {str(count): count for count in range(FEWEST_OPTIONS, MOST_OPTIONS + 1)}

Temperature = Annotated[float, Field(ge=DEFAULT_BOUNDS[0], le=DEFAULT_BOUNDS[1])]


Options = Annotated[int, Field(ge=FEWEST_OPTIONS, le=MOST_OPTIONS)]

_BY_OPTIONS = "file.temperature_by_options"


class Rule(Strict):
    """T = max(min, a + b ln n) of n options, between the bounds that temperatures have."""

    a: Annotated[float, Field(allow_inf_nan=False)]
    b: Annotated[float, Field(allow_inf_nan=False)]
    min: Temperature = 0.05

    def at(self, options: int) -> float:
        wanted = max(self.min, self.a + self.b * math.log(options))
        return min(wanted, DEFAULT_BOUNDS[1])


class Table(Strict):
    """A temperature for any number of options, and others for certain numbers."""

    temperature: Temperature | None = None
    temperature_by_options: Mapping[str, Temperature] = Field(default_factory=dict)


def _rule_or_table(said: Any) -> str:
    # By its names: what a and b say may be temperatures as well, and a table's names are numbers.
    return "rule" if isinstance(said, dict) and {"a", "b"} <= said.keys() else "table"


ByOptions = Annotated[
    Annotated[Rule, Tag("rule")] | Annotated[Mapping[str, Temperature], Tag("table")],
    Discriminator(_rule_or_table),
]


class File(Strict):
    """What such a file holds. Nothing else in it is passed over: it might decide the answers."""

    # Not a literal: pydantic takes true and 1.0 for that.
    format_version: Annotated[int, Field(ge=1, le=1)] = 1
    temperature: Temperature | None = None
    temperature_by_options: ByOptions = Field(default_factory=dict)
    decision_temperature: Temperature | None = None
    temperature_by_type: Mapping[
        Literal["predicate", "noul", "choice", "score"], Temperature | Table
    ] = Field(default_factory=dict)

    def temperatures(self, options: Sequence[int] = ()) -> Temperatures:
        """With those of ``options`` where there is a rule. Raises InvalidInput."""
        self._check_one()
        common = self._common(options)
        found = {kind: dict(common) for kind in Kind}
        # What is said of all holds for a predicate with two options: it is answered yes or no.
        found[Kind.PREDICATE] = _of_predicate(common)
        of_types: set[Kind] = set()
        for name, table in self._tables().items():
            path, kind = f"file.temperature_by_type.{name}", _KINDS[name]
            if kind in of_types:
                raise InvalidInput(path, "is predicate by another name: say one of them")
            of_types.add(kind)
            own = _by_options(table.temperature, table.temperature_by_options, path)
            if kind is Kind.PREDICATE and own != _of_predicate(own):
                raise InvalidInput(f"{path}.temperature_by_options", "a predicate has 2 options")
            found[kind] |= own
        found = {kind: table for kind, table in found.items() if table}
        if not found:
            raise InvalidInput("file", "has no temperature")
        return found

    def _tables(self) -> dict[str, Table]:
        return {
            name: said if isinstance(said, Table) else Table(temperature=said)
            for name, said in self.temperature_by_type.items()
        }

    def _common(self, options: Sequence[int]) -> dict[int, float]:
        """What is said of all types, by the number of options. Raises InvalidInput."""
        said = self.temperature_by_options
        if isinstance(said, Rule):
            if self.temperature_by_type:
                raise InvalidInput(_BY_OPTIONS, "is for all types: leave temperature_by_type out")
            if not options:
                raise InvalidInput(
                    "options",
                    "is required: the file has a rule, and these are the numbers of options that "
                    "it is to be kept for, such as [2, 3, 4]",
                )
            return {number: said.at(number) for number in options}
        if options:
            raise InvalidInput("options", "is for a file with a rule by the number of options")
        common = _by_options(self.temperature, said, "file")
        if self.decision_temperature is not None:
            common.setdefault(0, self.decision_temperature)
        return common

    def _check_one(self) -> None:
        """Raises InvalidInput where another is said beside what vLLM takes for all decisions."""
        if self.decision_temperature is None:
            return
        by_options = self.temperature_by_options
        tables = self._tables().values()
        said = {self.temperature, *(each.temperature for each in tables)}
        said |= {each for table in tables for each in table.temperature_by_options.values()}
        if isinstance(by_options, Rule):
            said |= {by_options.a, by_options.b}
        else:
            said |= set(by_options.values())
        if said - {None, self.decision_temperature}:
            raise InvalidInput(
                "file.decision_temperature",
                "is for all decisions, and the file has another temperature: leave one of them out",
            )


def _by_options(
    temperature: float | None, by_options: Mapping[str, float], path: str
) -> dict[int, float]:
    """0 is any number. Raises InvalidInput."""
    found = {} if temperature is None else {0: temperature}
    for said, each in by_options.items():
        options = _COUNTS.get(said)
        if options is None:
            raise InvalidInput(
                f"{path}.temperature_by_options",
                f"has a name that is no number from {FEWEST_OPTIONS} to {MOST_OPTIONS}",
            )
        found[options] = each
    return found


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
    options: Many[Options] = Field(default_factory=list)
    """The numbers of options that a rule of the file's is kept for."""
    activate: bool = False


def file_of(temperatures: Temperatures) -> dict[str, Any]:
    """The plainest file that says all of it, and which ``File`` reads as the same."""
    common = temperatures.get(Kind.CHOICE, {})
    others = temperatures.get(Kind.SCORE, {}), temperatures.get(Kind.PREDICATE, {})
    if others == (common, _of_predicate(common)):
        return _table(common, versioned=True)
    by_type = {_NAMES[kind]: _of_type(table) for kind, table in temperatures.items()}
    return {"temperature_by_type": by_type}


def _of_type(by_options: Mapping[int, float]) -> float | dict[str, Any]:
    return by_options[0] if [*by_options] == [0] else _table(by_options)


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
