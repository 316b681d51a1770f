"""What the flows need from a store, whatever keeps it."""

from collections.abc import Sequence
from typing import Protocol

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Activation, Damaged, FitRequest, Scope
from trueodds_service.store.views import Mark, Page, Snapshot


class CalibratorStore(Protocol):
    """Immutable calibrators, and per scope the history of which of them answers.

    Calls are the current caller's: to them the calibrators of another tenant do not exist. Calls
    about everything that is active are about all tenants.

    Calls block and may come from any thread. What a call has returned survives a crash. Each call
    can raise ``StoreUnavailable``, and each that returns one calibrator ``StoreCorrupt``. A call
    that returns several names the damaged ones separately.
    """

    def put(
        self, calibrator: Calibrator, *, activate: bool = False, request: FitRequest | None = None
    ) -> Calibrator:
        """Keep a calibrator; return the one kept, which is the older where the id is known.

        With ``activate`` it answers in its scope from the same moment on. A ``request`` that was
        put before was answered before: nothing is done, and its calibrator is returned.

        Raises:
            RequestReused: another request has the same id.
            TooManyCalibrators: the tenant has as many as it may.
        """
        ...

    def check_room(self) -> None:
        """What the caller's tenant does not have yet could be put.

        Raises:
            TooManyCalibrators: the tenant has as many as it may.
        """
        ...

    def fitted_by(self, request: FitRequest) -> Calibrator | None:
        """The calibrator that was put with the same request; ``None`` where none was.

        Raises:
            RequestReused: another request has the same id.
        """
        ...

    def get(self, model: str, calibrator_id: str) -> Calibrator:
        """A calibrator of a model.

        Raises:
            CalibratorNotFound: the model has none of that id.
        """
        ...

    def find(self, model: str, calibrator_id: str) -> Calibrator | Damaged:
        """As ``get``, but of a damaged record it returns what is left."""
        ...

    def list(
        self, model: str, *, task: str | None = None, page_size: int, page_token: str = ""
    ) -> Page:
        """A page of a model's calibrators, the last put first; the first page without a token.

        ``task`` keeps those of one task: the empty one for defaults, ``None`` for all. Following
        the tokens gives each calibrator once, also while others are put.

        Raises:
            BadPageToken: the token is not from a listing of this model and task.
            ValueError: ``page_size`` is below 1.
        """
        ...

    def delete(self, model: str, calibrator_id: str) -> None:
        """Forget a calibrator; a rollback passes over it. Putting it again brings it back.

        The fit requests that led to it are forgotten too, so that they can be repeated.

        Raises:
            CalibratorNotFound: the model has none of that id.
            StillActive: it is active in its scope.
        """
        ...

    def activate(
        self, model: str, calibrator_id: str, *, expected_id: str | None = None
    ) -> Activation:
        """Make a calibrator answer in its scope; appends to the scope's history.

        Where it is the active one already, nothing changes and its activation is returned.
        With ``expected_id`` it only takes the place of that one.

        Raises:
            CalibratorNotFound: the model has none of that id.
            NotActive: the active calibrator is not the expected one.
        """
        ...

    def rollback(self, scope: Scope, *, expected_id: str | None = None) -> Activation | None:
        """Take back the activation in force; appends to the scope's history.

        Returns the activation then in force: a new one of the calibrator that answered before,
        passing over what is deleted or damaged, or ``None`` where there was none. Repeated
        rollbacks go further back, down to nothing.
        With ``expected_id`` only that calibrator's activation is taken back, so a repeated
        request cannot go two steps.

        Raises:
            NothingActive: there is nothing to take back.
            NotActive: the active calibrator is not the expected one.
        """
        ...

    def active(self, scope: Scope) -> Calibrator | None:
        """The calibrator that answers in exactly this scope; no default stands in for it."""
        ...

    def history(self, scope: Scope) -> Sequence[Activation]:
        """All activations and rollbacks of a scope, the oldest first."""
        ...

    def version(self) -> int:
        """A number that grows with every change of what is active."""
        ...

    def mark(self) -> Mark:
        """Differs after every activation and rollback, and after the database was replaced, by a
        backup for instance; cheap enough to poll.
        """
        ...

    def snapshot(self, before: Snapshot | None = None) -> Snapshot:
        """All active calibrators and the version at which they are, as of one moment.

        What was active ``before`` is not read again: a calibrator is named by its content.
        """
        ...
