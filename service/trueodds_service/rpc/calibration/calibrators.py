"""Calibrators → messages."""

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.decisions.cascade import METHOD as CASCADE
from trueodds_service.flows.fit_record import Bias
from trueodds_service.rpc.names import calibrator_name, model_name
from trueodds_service.rpc.timestamps import timestamp_message
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Damaged, Prior, Provenance, Scope, Selection

METHOD_MESSAGES = {method: pb.Method.Value(f"METHOD_{method.name}") for method in Method}
# Methods as records have them: a cascade's threshold is found by no method of calibration.
_RECORDED = {str(method): message for method, message in METHOD_MESSAGES.items()}
_RECORDED[CASCADE] = pb.METHOD_CASCADE
BIAS_MESSAGES = {
    Bias.NONE: pb.BIAS_CORRECTION_UNSPECIFIED,
    Bias.BATCH: pb.BIAS_CORRECTION_BATCH,
    Bias.CONTEXTUAL: pb.BIAS_CORRECTION_CONTEXTUAL,
}
_BIASES = {bias.value: message for bias, message in BIAS_MESSAGES.items()}


def calibrator_message(calibrator: Calibrator, *, active: bool) -> pb.Calibrator:
    return pb.Calibrator(
        name=calibrator.name,
        scope=scope_message(calibrator.scope),
        # Of a newer version: nothing is made of it, and it is listed.
        method=_RECORDED.get(calibrator.method, pb.METHOD_UNSPECIFIED),
        temperature=calibrator.temperature,
        at_bound=calibrator.at_bound,
        undetermined=calibrator.undetermined,
        provenance=_provenance(calibrator.provenance, calibrator.scope.model),
        metrics=calibrator.metrics,
        create_time=timestamp_message(calibrator.created_at),
        active=active,
        parameters={
            name: pb.Numbers(values=values) for name, values in calibrator.parameters.items()
        },
        fallback=calibrator.fallback,
        selection=None if calibrator.selection is None else _selection(calibrator.selection),
        keeps_choice=calibrator.keeps_choice,
        bias_correction=_BIASES.get(calibrator.bias_correction, pb.BIAS_CORRECTION_UNSPECIFIED),
        degenerate=calibrator.degenerate,
    )


def damaged_message(damaged: Damaged, *, active: bool) -> pb.DamagedCalibrator:
    scope = scope_message(damaged.scope)
    return pb.DamagedCalibrator(name=damaged.name, scope=scope, active=active)


def scope_message(scope: Scope) -> pb.Scope:
    return pb.Scope(
        model=model_name(scope.model),
        model_revision=scope.revision,
        task=scope.task,
        reading=scope.reading,
        format_version=scope.format_version,
        options=scope.options,
    )


def _provenance(provenance: Provenance, model: str) -> pb.Provenance:
    return pb.Provenance(
        teacher=model_name(provenance.teacher) if provenance.teacher else "",
        teacher_revision=provenance.teacher_revision,
        teacher_reading=provenance.teacher_reading,
        items=provenance.items,
        labelled=provenance.labelled,
        data_hash=provenance.data_hash,
        prompts_hash=provenance.prompts_hash,
        measured_with=provenance.measured_with,
        prior=None if provenance.prior is None else _prior(provenance.prior, model),
        versions=provenance.versions,
        outcomes_of=calibrator_name(model, provenance.outcomes_of)
        if provenance.outcomes_of
        else "",
    )


def _prior(prior: Prior, model: str) -> pb.Prior:
    return pb.Prior(
        mean=prior.mean,
        standard_deviation=prior.standard_deviation,
        calibrators=[calibrator_name(model, each) for each in prior.calibrators],
    )


def _selection(selection: Selection) -> pb.Selection:
    return pb.Selection(
        criterion=selection.criterion,
        reason=selection.reason,
        candidates=[
            pb.Candidate(
                method=_RECORDED.get(each.method, pb.METHOD_UNSPECIFIED),
                score=each.score,
                standard_error=each.standard_error,
                excluded=each.excluded,
            )
            for each in selection.candidates
        ],
    )
