"""The calibrators of a model, task by task."""

from starlette.responses import Response

from trueodds_service.http.console.listing import all_of, by_task
from trueodds_service.http.console.visit import Visit


async def show(visit: Visit) -> Response:
    models = await visit.models()
    asked = visit.asked("model")
    # With a teacher it is the one that calibrators are fitted for.
    taught = [each["id"] for each in models if each["teacher"]]
    model = asked or next(iter(taught or [each["id"] for each in models]))
    found, damaged = await all_of(visit.contract, model)
    return visit.page(
        "calibrators.html",
        models=models,
        model=model,
        cascade="+" in model or any(each["cascade"] for each in models if each["id"] == model),
        tasks=by_task(found),
        damaged=damaged,
    )
