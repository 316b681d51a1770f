"""A calibrator that says 0.9, and outcomes of its answers that say otherwise."""

import random

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service import caller
from trueodds_service.caller import Caller, Permission
from trueodds_service.flows.receipts import seal_receipt
from trueodds_service.store.records import Scope


def active(service, task="", *, metadata=(), temperature=0.5):
    """A calibrator that sharpens, for two options, active; its message."""
    request = pb.FitCalibratorRequest(
        model="models/aligned",
        task=task,
        method=pb.METHOD_CONSTANT,
        temperature=temperature,
        options=2,
        activate=True,
    )
    *_, event = service.calibration.FitCalibrator(request, metadata=metadata)
    return event.calibrator


def tell(service, calibrator, share, count, *, seed=3, said=0.9, tenant=""):
    """Of so many answers with this confidence, .75 raw, such a share was right; their receipts.

    With None as the share, nobody knows.
    """
    scope = calibrator.scope
    kept = Scope(
        *("aligned", scope.model_revision, scope.task, scope.reading, scope.format_version, 2),
        tenant,
    )
    name, chance = calibrator.name.rpartition("/")[2], random.Random(seed)

    async def record():
        with caller.acting_for(Caller(tenant, "tester", frozenset(Permission))):
            key = await service.app._outcomes.key()
            pairs = [
                (
                    seal_receipt(key, kept, name, 0, [0.75, 0.25], [said, 1 - said]),
                    None if share is None else int(chance.random() >= share),
                )
                for _ in range(count)
            ]
            recorded, errors = await service.app._outcomes.record(pairs)
        assert (recorded.new, errors) == (count, [])
        return [receipt for receipt, _ in pairs]

    return service.run(record())


def correct(service, receipts, option):
    """Says that this option was right."""
    service.run(service.app._outcomes.record([(each, option) for each in receipts]))
