"""Calibrators and their names."""

import re
from collections.abc import Sequence
from datetime import timezone

from trueodds import errors
from trueodds._convert.enums import CORRECTIONS, METHOD_NAMES, known
from trueodds.calibrator import Calibrator, Candidate, Prior, Selection
from trueodds.v1 import calibration_pb2

# A calibrator's name whose id, of 16 digits, is not whole.
_SHORT = re.compile("(models/[^/]+)/calibrators/([0-9a-f]{1,15})")


def calibrator_parts(name: str, model: str) -> tuple[str, str]:
    """The model, and how the id begins; that is empty where the name is whole, or none at all."""
    path = _SHORT.fullmatch(name)
    if path is not None:
        return path[1], path[2]
    return model, "" if "/" in name else name


def only_calibrator(start: str, names: Sequence[str]) -> str:
    """The one of these names whose id is ``start`` or begins with it."""
    found = [name for name in names if name.rpartition("/")[2].startswith(start)]
    found = [name for name in found if name.endswith(f"/{start}")] or found
    if not found:
        raise errors.NotFound(f"no calibrator's id begins with {start!r}", reason="NOT_FOUND")
    if len(found) > 1:
        raise errors.InvalidRequest(
            f"{start!r} begins the ids of {len(found)} calibrators: say more of it",
            reason="AMBIGUOUS_NAME",
            field="name",
        )
    return found[0]


def calibrator_names(page: calibration_pb2.ListCalibratorsResponse) -> list[str]:
    """The names of a page's calibrators, those whose records are damaged among them."""
    return [each.name for each in page.calibrators] + [each.name for each in page.damaged]


def calibrator_of(message: calibration_pb2.Calibrator) -> Calibrator:
    scope, provenance = message.scope, message.provenance
    return Calibrator(
        name=message.name,
        model=scope.model,
        model_revision=scope.model_revision,
        task=scope.task,
        reading=scope.reading,
        options=scope.options,
        method=known(METHOD_NAMES, message.method, "method"),
        temperature=message.temperature if message.HasField("temperature") else None,
        at_bound=message.at_bound,
        undetermined=message.undetermined,
        teacher=provenance.teacher or None,
        items=provenance.items,
        created=message.create_time.ToDatetime(tzinfo=timezone.utc),
        active=message.active,
        metrics=dict(sorted(message.metrics.items())),
        versions=dict(sorted(provenance.versions.items())),
        format_version=scope.format_version,
        parameters={name: tuple(each.values) for name, each in sorted(message.parameters.items())},
        keeps_choice=message.keeps_choice,
        bias_correction=known(CORRECTIONS, message.bias_correction, "bias correction"),
        fallback=message.fallback,
        degenerate=message.degenerate,
        selection=_selection_of(message.selection) if message.HasField("selection") else None,
        labelled=provenance.labelled,
        data_hash=provenance.data_hash,
        prompts_hash=provenance.prompts_hash,
        outcomes_of=provenance.outcomes_of or None,
        teacher_revision=provenance.teacher_revision or None,
        teacher_reading=provenance.teacher_reading or None,
        prior=_prior_of(provenance.prior) if provenance.HasField("prior") else None,
        measured_with=tuple(provenance.measured_with),
    )


def _selection_of(message: calibration_pb2.Selection) -> Selection:
    candidates = tuple(
        Candidate(
            method=known(METHOD_NAMES, each.method, "method"),
            score=each.score if each.HasField("score") else None,
            standard_error=each.standard_error if each.HasField("standard_error") else None,
            excluded=each.excluded,
        )
        for each in message.candidates
    )
    return Selection(message.criterion, message.reason, candidates)


def _prior_of(message: calibration_pb2.Prior) -> Prior:
    return Prior(message.mean, message.standard_deviation, tuple(message.calibrators))
