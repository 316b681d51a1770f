"""How both ends learn that the other one lives: it says so, again and again."""

BEAT_SECONDS = 1.0
_MISSED = 20


class Silence:
    """How long an end has said nothing, counted in beats and not timed.

    If this process itself was stopped, that is one beat that was missed, and not many.
    """

    def __init__(self) -> None:
        self._beats = 0

    def heard(self) -> None:
        self._beats = 0

    def is_long(self) -> bool:
        """To be asked once a beat: whether too many were missed for anybody to be there."""
        self._beats += 1
        return self._beats > _MISSED
