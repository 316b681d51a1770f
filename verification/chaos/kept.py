"""Whether a store has what it accepted, whole and once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

from trueodds_service.store import Activation, Calibrator, SqlCalibratorStore
from trueodds_service.store.errors import StoreError
from verification.chaos.record import Result
from verification.chaos.writing import MODEL, Told, calibrator, request, scope, threads

_PAGE = 1000


def check(url: str, tag: str, told: Sequence[Told], result: Result) -> None:
    """Counts what a writer of this tag was told and is gone, is there twice, or half."""
    with closing(SqlCalibratorStore(url)) as store:
        _check(store, told, tag, result)


def _check(store: SqlCalibratorStore, told: Sequence[Told], tag: str, result: Result) -> None:
    histories = {thread: store.history(scope(thread)) for thread in threads()}
    rows = {row.sequence: row for history in histories.values() for row in history}
    activated = Counter(row.calibrator_id for row in rows.values())
    for each in told:
        if not _kept(store, each, tag):
            result.lost += 1
            result.note(f"lost: {each}")
        if each.kind == "put":
            continue
        if not activated[each.id] or (
            each.sequence and rows[each.sequence].calibrator_id != each.id
        ):
            result.lost += 1
            result.note(f"its activation is lost: {each}")
        if activated[each.id] > 1:
            result.duplicated += activated[each.id] - 1
            result.note(f"activated {activated[each.id]} times: {each}")
    for thread in threads():
        _check_unheard(store, thread, told, tag, activated, result)
    _check_whole(store, histories.values(), result)


def _kept(store: SqlCalibratorStore, told: Told, tag: str) -> bool:
    """A calibrator that is read is checked against its id, which is a hash of its content."""
    wanted = calibrator(tag, told.thread, told.number)
    try:
        found = store.get(MODEL, told.id)
        if told.kind == "fit" and store.fitted_by(request(tag, told.thread, told.number)) is None:
            return False
    except StoreError:
        return False
    return (found.scope, found.method, found.parameters) == (
        wanted.scope,
        wanted.method,
        wanted.parameters,
    )


def _check_unheard(
    store: SqlCalibratorStore,
    thread: int,
    told: Sequence[Told],
    tag: str,
    activated: Counter[str | None],
    result: Result,
) -> None:
    """What was under way may be there or not: but a fit with all of its parts, or with none."""
    number = 1 + max((each.number for each in told if each.thread == thread), default=-1)
    for under_way in (number, number + 1):
        if not under_way % 2:
            continue
        wanted = calibrator(tag, thread, under_way)
        try:
            there = bool(store.get(MODEL, wanted.id))
        except StoreError:
            there = False
        named = store.fitted_by(request(tag, thread, under_way)) is not None
        active = activated[wanted.id] == 1
        if len({there, named, active}) > 1:
            result.wrong += 1
            result.note(f"half there: {there=} {named=} {active=}, {wanted.id}")


def _check_whole(
    store: SqlCalibratorStore, histories: Iterable[Sequence[Activation]], result: Result
) -> None:
    """No record is damaged, no activation without its calibrator, no gap, and the snapshot is
    what the histories end with.
    """
    histories = list(histories)
    kept: set[str] = set()
    token = ""
    while True:
        page = store.list(MODEL, page_size=_PAGE, page_token=token)
        kept.update(each.id for each in page.calibrators)
        for damaged in page.damaged:
            result.wrong += 1
            result.note(f"damaged: {damaged.id}")
        if not (token := page.next_page_token):
            break
    sequences = sorted(row.sequence for history in histories for row in history)
    snapshot = store.snapshot()
    active: list[Calibrator] = list(snapshot.active.values())
    problems = {
        "an activation without its calibrator": any(
            row.calibrator_id not in kept for history in histories for row in history
        ),
        "a gap in the sequence": sequences != list(range(1, len(sequences) + 1)),
        "a version without its activation": store.version() != len(sequences),
        "another snapshot than the histories": {each.id for each in active}
        != {history[-1].calibrator_id for history in histories if history}
        or snapshot.version != len(sequences),
    }
    for problem, there in problems.items():
        if there:
            result.wrong += 1
            result.note(problem)
