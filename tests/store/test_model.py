"""Any sequence of calls agrees with the plainest store: a stack a scope."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from trueodds_service.store import Calibrator, NothingActive, Scope, SqlCalibratorStore

SCOPES = [Scope("m", "r", task, "letter", 1, 4) for task in ("", "x")]
scopes = st.sampled_from(SCOPES)
temperatures = st.sampled_from([0.5, 1.0, 2.0])


class StoreMachine(RuleBasedStateMachine):
    """Calls the store and the stacks alike, and compares all that can be read."""

    def __init__(self, url):
        super().__init__()
        self.store = SqlCalibratorStore(url)
        self.stacks = {scope: [] for scope in SCOPES}
        self.told = {scope: [] for scope in SCOPES}
        self.order = []
        self.changes = 0
        self.known = None

    def teardown(self):
        self.store.close()

    def record(self, scope):
        self.changes += 1
        top = self.stacks[scope][-1].id if self.stacks[scope] else None
        self.told[scope].append((self.changes, top))

    @rule(scope=scopes, temperature=temperatures)
    def activate(self, scope, temperature):
        calibrator = Calibrator(
            scope=scope, method="constant", parameters={"temperature": (temperature,)}
        )
        kept = self.store.put(calibrator)
        assert kept.id == calibrator.id
        if kept not in self.order:
            self.order.append(kept)
        assert self.store.activate("m", kept.id).calibrator_id == kept.id
        if self.stacks[scope][-1:] != [kept]:
            self.stacks[scope].append(kept)
            self.record(scope)

    @rule(scope=scopes)
    def rollback(self, scope):
        if not self.stacks[scope]:
            with pytest.raises(NothingActive):
                self.store.rollback(scope)
            return
        self.stacks[scope].pop()
        self.record(scope)
        now = self.store.rollback(scope)
        top = self.stacks[scope][-1].id if self.stacks[scope] else None
        assert (now and now.calibrator_id) == top

    @invariant()
    def agrees(self):
        tops = {scope: stack[-1] for scope, stack in self.stacks.items() if stack}
        snapshot = self.store.snapshot()
        assert snapshot.active == tops
        # Whatever was known before, and when.
        assert self.store.snapshot(self.known) == snapshot
        if self.changes % 2:
            self.known = snapshot
        assert snapshot.version == self.store.version() == self.changes
        assert self.store.list("m", page_size=100).calibrators == self.order[::-1]
        for scope in SCOPES:
            assert self.store.active(scope) == tops.get(scope)
            told = [(row.sequence, row.calibrator_id) for row in self.store.history(scope)]
            assert told == self.told[scope]


def test_the_store_agrees_with_stacks(new_migrated_url):
    run_state_machine_as_test(
        lambda: StoreMachine(new_migrated_url()),
        settings=settings(max_examples=5, stateful_step_count=15, deadline=None),
    )
