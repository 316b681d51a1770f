"""What a model's other tasks tell of the temperature of a task, for the method that pools."""

from dataclasses import replace

from trueodds_service.core.fitting.pooling import TaskEstimate, pooled_prior
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import ModelEntry
from trueodds_service.flows.fit_record import ESTIMATE, Bias
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Prior, Scope


async def prior_for(
    scope: Scope, bias: Bias, teacher: ModelEntry | None, calibrators: Calibrators
) -> Prior | None:
    """From the newest calibrator of each other task that is read in the same way and was taught by
    the same teacher; ``teacher`` is None where the caller has its scores, and nobody knows whose.

    None where they are too few to tell anything.
    """
    taught_by = ("", "") if teacher is None else (teacher.name, teacher.revision)
    newest: dict[str, Calibrator] = {}
    async for each in calibrators.all_of(scope.model):
        same_way = replace(each.scope, task=scope.task, options=scope.options) == scope
        if same_way and each.scope.task not in ("", scope.task) and _tells(each, bias, taught_by):
            newest.setdefault(each.scope.task, each)
    told = sorted(newest.values(), key=lambda each: each.id)
    prior = pooled_prior(
        [TaskEstimate(*(each.metrics[name] for name in ESTIMATE)) for each in told]
    )
    if prior is None:
        return None
    return Prior(prior.mean, prior.deviation, tuple(each.id for each in told))


def _tells(calibrator: Calibrator, bias: Bias, taught_by: tuple[str, str]) -> bool:
    """Whether its items alone told a temperature, of scores with the same bias taken off, from
    those of the same teacher.
    """
    kept = calibrator.provenance
    return (
        calibrator.bias_correction == bias
        and (kept.teacher, kept.teacher_revision) == taught_by
        and calibrator.metrics.keys() >= set(ESTIMATE)
    )
