"""What gave the answers of one output: the same from the first row to the last."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from trueodds.bulk.errors import BulkError
from trueodds.bulk.table import Result
from trueodds.files.items import Item
from trueodds.v1 import scoring_pb2

# By name: what the model is, and which calibrator, "" for none, a task has for a number of options.
Facts: TypeAlias = dict[str, str]


_REVISION, _TOKENIZER = "model's revision", "tokenizer's revision"


class Origin:
    """All that is known of it. A server can be another one after it has restarted, and a
    calibrator be activated at any time.
    """

    def __init__(self, revision: str, tokenizer_revision: str) -> None:
        self._known = {_REVISION: revision, _TOKENIZER: tokenizer_revision}

    def agree(self, facts: Mapping[str, str]) -> None:
        """Takes up new facts. Raises BulkError where one differs from before."""
        for name, value in facts.items():
            if self._known.setdefault(name, value) != value:
                raise BulkError(
                    f"the {name} is {value or 'none'} now, and was {self._known[name] or 'none'} "
                    "for the rows before: bring that back, or begin another output"
                )

    def of(self, items: Sequence[Item], results: Sequence[Result], task: str) -> Facts:
        """What gave these results; ``task`` is that of items without one. Raises as ``agree``."""
        facts: Facts = {}
        identity: scoring_pb2.Identity | None = None
        for item, answer in zip(items, results, strict=True):
            if not isinstance(answer, scoring_pb2.Answer):
                continue
            said = task if item.task is None else item.task
            scope = f"calibrator of task {said!r} with {len(answer.options)} options"
            # In a cascade each model has its own, and so has the cascade.
            of = f" of {answer.answered_by}" if answer.answered_by else ""
            found = {scope + of: answer.calibrator}
            if answer.answered_by:
                found[scope] = answer.cascade_calibrator
            if answer.identity != identity:
                identity = answer.identity
                found |= {
                    _REVISION + of: identity.model_revision,
                    _TOKENIZER + of: identity.tokenizer_revision,
                    "version of the formats" + of: str(identity.format_version),
                    "engine" + of: identity.engine,
                    "number format" + of: identity.dtype,
                }
            self.agree(found)
            facts |= found
        return facts
