"""Calibrators → messages."""

from google.protobuf import timestamp_pb2

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.core.methods import Method
from trueodds_service.rpc.names import model_name
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope

METHOD_MESSAGES = {
    Method.IDENTITY: pb.METHOD_IDENTITY,
    Method.CONSTANT: pb.METHOD_CONSTANT,
    Method.TEMPERATURE: pb.METHOD_TEMPERATURE,
    Method.TEACHER_KL: pb.METHOD_TEACHER_KL,
}


def calibrator_message(calibrator: Calibrator, *, active: bool) -> pb.Calibrator:
    provenance = calibrator.provenance
    created = timestamp_pb2.Timestamp()
    created.FromDatetime(calibrator.created_at)
    return pb.Calibrator(
        name=calibrator.name,
        scope=_scope(calibrator.scope),
        method=METHOD_MESSAGES[Method(calibrator.method)],
        temperature=calibrator.temperature,
        at_bound=calibrator.at_bound,
        undetermined=calibrator.undetermined,
        provenance=pb.Provenance(
            teacher=model_name(provenance.teacher) if provenance.teacher else "",
            teacher_revision=provenance.teacher_revision,
            items=provenance.items,
            data_hash=provenance.data_hash,
            versions=provenance.versions,
        ),
        metrics=calibrator.metrics,
        create_time=created,
        active=active,
    )


def _scope(scope: Scope) -> pb.Scope:
    return pb.Scope(
        model=model_name(scope.model),
        model_revision=scope.revision,
        task=scope.task,
        reading=scope.reading,
        format_version=scope.format_version,
        options=scope.options,
    )
