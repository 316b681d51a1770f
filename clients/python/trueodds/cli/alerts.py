"""`trueodds alerts`: which calibrators no longer hold, and what is proposed in their place."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.table import Table

from trueodds.cli.console import ModelName, Wait, connected, out
from trueodds.cli.drift import SAID, proposal_text
from trueodds.cli.server import Target, asks_server
from trueodds.drift import Alert, AlertDelivery, DeliveryState


@asks_server
def alerts(
    model: ModelName,
    calibrator: Annotated[
        str | None, typer.Option(help="Only of this one: its name, or how its id begins.")
    ] = None,
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Show what the service has found against a model's calibrators, the newest first.

    It looks by itself. What was expected, and what observed, is of the newest thousand outcomes
    then. A proposal answers once it is activated: trueodds calibrators activate NAME.

    Example: trueodds alerts demo-aligned
    """
    with connected(server, wait=wait) as client:
        found = list(client.alerts(model, calibrator=calibrator))
    out.print(_table(found))
    for line in dict.fromkeys(_proposals(found)):
        out.print(line, soft_wrap=True)


def _table(found: Sequence[Alert]) -> Table:
    table = Table("time (UTC)", "calibrator", "task", "evidence that", "after", "expected",
                  "observed", "webhook")  # fmt: skip
    for each in found:
        table.add_row(
            f"{each.created:%Y-%m-%d %H:%M}",
            each.calibrator.rpartition("/")[2],
            each.task or "(default)",
            SAID[each.promise],
            str(each.outcomes),
            f"{each.expected:.3f}",
            f"{each.observed:.3f}",
            _delivery(each.delivery),
        )
    return table


def _delivery(delivery: AlertDelivery) -> str:
    if delivery.state is DeliveryState.NONE:
        return "–"
    said = delivery.state.value.replace("_", " ")
    return f"{said}: {delivery.fault}" if delivery.fault else said


def _proposals(found: Sequence[Alert]) -> Iterator[str]:
    """A line for each calibrator that something is proposed for, or is to be."""
    for each in found:
        if each.proposal is not None:
            yield f"{each.calibrator}: {proposal_text(each.proposal)}"
