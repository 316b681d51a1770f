"""How fast an engine is, as measured from outside."""

import math
from collections.abc import Callable

# How much a new measurement says, and the old ones that much less: an exponential average.
_WEIGHT = 0.5
# What waits does so for seconds, and one round may take twice as long as the next: so it is told by
# how fast the engine was in some seconds. After this many what was before says half as much.
_HALF_LIFE_SECONDS = 2.0


class Pace:
    """Prompt tokens a second, cached ones included, while the engine has anything to do.

    What is not known yet is taken for infinitely fast. ``round_seconds`` is how often it is looked
    at, and ``full_tokens`` how many the engine computes in a step at most. An engine that has
    little to do is slower than it could be: what it could do is known from rounds in which
    something waited all along.
    """

    def __init__(
        self, round_seconds: float, full_tokens: float, clock: Callable[[], float]
    ) -> None:
        self._round_seconds = round_seconds
        self._full_tokens = full_tokens
        self._clock = clock
        self._rate = self._capacity = math.inf
        # Of rounds in which something waited all along.
        self._saturated_seconds = self._saturated_tokens = 0.0
        # Which part of the tokens is computed, and of one request at most.
        self._computed_part = 1.0
        self._most_computed_part = _RecentMost()
        self._inside = 0
        # The round that is on.
        self._began = self._last = 0.0
        self._tokens, self._cached, self._widest_gap, self._is_saturated = 0, 0, 0.0, True

    @property
    def step_tokens(self) -> float:
        """How much the engine works through in a round; until that is known, in a full step."""
        return self._full_tokens if math.isinf(self._rate) else self._rate * self._round_seconds

    @property
    def full_tokens(self) -> float:
        """How much the engine works through in a full step."""
        return self._full_tokens / self._computed_part

    @property
    def least_full_tokens(self) -> float:
        """The same, where no more is cached than was of any request of the last seconds."""
        return self._full_tokens / (self._most_computed_part.value or 1.0)

    def seconds(self, tokens: int) -> float:
        """How long it takes for ``tokens`` tokens, if it has nothing else to do."""
        return tokens / self._capacity

    def entered(self) -> None:
        """A request has been given to the engine."""
        if not self._inside:
            self._begin(self._clock())
        self._inside += 1

    def left(self, tokens: int, cached: int, *, others_wait: bool) -> None:
        """A request of ``tokens`` tokens is done, of which it had ``cached`` not to compute."""
        now = self._clock()
        gap = now - self._last
        # What is done comes in steps: a round ends where one did, not amid what came of it.
        if gap >= self._widest_gap / 2 and self._last - self._began >= self._round_seconds:
            self._end_round()
        self._widest_gap = max(self._widest_gap, gap)
        self._inside -= 1
        self._tokens += tokens
        self._cached += cached
        self._is_saturated &= others_wait
        if tokens:
            self._most_computed_part.add((tokens - cached) / tokens, now)
        self._last = now
        if not self._inside:
            self._end_round()

    def _begin(self, now: float) -> None:
        self._began = self._last = now
        self._tokens, self._cached, self._widest_gap, self._is_saturated = 0, 0, 0.0, True

    def _end_round(self) -> None:
        seconds = self._last - self._began
        if self._tokens and seconds > 0:
            # A short round, as of one request that was cached, says little of the next ones.
            weight = _WEIGHT * min(seconds / self._round_seconds, 1.0)
            self._rate = mean(self._rate, self._tokens / seconds, weight)
            computed = max(self._tokens - self._cached, 1) / self._tokens
            self._computed_part = mean(self._computed_part, computed, weight)
            if self._is_saturated:
                weight = 0.5 ** (seconds / _HALF_LIFE_SECONDS)
                self._saturated_seconds = weight * self._saturated_seconds + seconds
                self._saturated_tokens = weight * self._saturated_tokens + self._tokens
                self._capacity = self._saturated_tokens / self._saturated_seconds
        self._begin(self._last)


class _RecentMost:
    """The largest of the values of the last half-life, or of up to two."""

    def __init__(self) -> None:
        self._now = self._before = 0.0
        self._since = -math.inf

    @property
    def value(self) -> float:
        return max(self._now, self._before)

    def add(self, value: float, now: float) -> None:
        passed = now - self._since
        if passed >= _HALF_LIFE_SECONDS:
            self._before = self._now if passed < 2 * _HALF_LIFE_SECONDS else 0.0
            self._now, self._since = 0.0, now
        self._now = max(self._now, value)


def mean(so_far: float, new: float, weight: float = _WEIGHT) -> float:
    """The exponential average; infinity is for nothing so far."""
    return new if math.isinf(so_far) else so_far + weight * (new - so_far)
