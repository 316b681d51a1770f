"""Tables for people."""

from collections.abc import Iterable

from rich.table import Table

from trueodds.types import Calibrator, Model


def models_table(models: Iterable[Model]) -> Table:
    table = Table("model", "state", "revision", "teacher", "engine", "numbers", "prompt tokens")
    for model in models:
        table.add_row(
            model.name,
            "[green]ready[/]" if model.ready else "[yellow]starting[/]",
            model.revision,
            model.teacher or "–",
            model.engine or "–",
            model.dtype or "–",
            str(model.max_prompt_tokens or "–"),
        )
    return table


def calibrators_table(calibrators: Iterable[Calibrator]) -> Table:
    table = Table("calibrator", "task", "method", "T", "items", "options", "created", "active")
    for calibrator in calibrators:
        table.add_row(
            calibrator.name,
            calibrator.task or "(default)",
            calibrator.method.value,
            f"{calibrator.temperature:.3f}{trust(calibrator)}",
            str(calibrator.items or "–"),
            str(calibrator.options),
            f"{calibrator.created:%Y-%m-%d %H:%M}",
            "●" if calibrator.active else "",
        )
    return table


def trust(calibrator: Calibrator) -> str:
    """What a reader has to know before trusting the temperature."""
    if calibrator.undetermined:
        return " (undetermined)"
    return " (at bound)" if calibrator.at_bound else ""
