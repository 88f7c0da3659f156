"""Market time against real time, for feeds that carry their own time.

A recording and a simulation are played at a multiple of real time or as fast as they go; both
need the same arithmetic, and the same answer to a machine that slept.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.core.clock import SECOND, monotonic_ns
from engine.core.errors import FeedError

NEVER = 1 << 62
"""Later than any event; what is due at full speed."""

# Not polled for this much longer than was promised: the machine slept or the kernel was busy
# elsewhere. Market time then stands still instead of bursting.
GRACE_NS = 5 * SECOND


def checked_speed(speed: float) -> float:
    """`speed` itself, or `FeedError`: 0 is full speed, anything else a positive multiple."""
    if not math.isfinite(speed) or speed < 0:
        raise FeedError(
            f"a feed can't be played at speed {speed}",
            "give a multiple of real time such as 60, or 0 for as fast as it goes",
        )
    return float(speed)


class Pacer:
    """Says up to which market time events are due.

    `monotonic` is the real clock in nanoseconds; tests pass their own.
    """

    def __init__(self, speed: float, monotonic: Callable[[], int] = monotonic_ns) -> None:
        self.speed = checked_speed(speed)
        self._monotonic = monotonic
        self._real = monotonic()
        self._market = 0
        self._polled = self._real
        self._promised = 0

    def begin(self, market_ns: int) -> None:
        """Let market time run from `market_ns` now on."""
        self._market = market_ns
        self._real = self._polled = self._monotonic()

    def due_ns(self) -> int:
        """Events up to this market time are due."""
        now = self._monotonic()
        if now - self._polled > self._promised + GRACE_NS:
            self._real += now - self._polled - self._promised
        self._polled = now
        self._promised = 0
        return NEVER if self.speed == 0 else self._at(now)

    def wait_s(self, next_ns: int) -> float:
        """Real seconds until an event of market time `next_ns` is due, 0 when it is."""
        if self.speed == 0:
            return 0.0
        now = self._monotonic()
        wait = max(0.0, (next_ns - self._at(now)) / self.speed)
        self._promised = max(self._promised, now - self._polled + int(wait))
        return wait / SECOND

    def set_speed(self, speed: float) -> None:
        """Change the multiple without moving market time."""
        speed = checked_speed(speed)
        now = self._monotonic()
        # At full speed market time is wherever the last event was: the feed calls `skip_to`.
        if self.speed:
            self._market = self._at(now)
        self._real = now
        self.speed = speed

    def skip_to(self, market_ns: int) -> None:
        """Go on from a later market time at once: nothing happens before it."""
        self._market = market_ns
        self._real = self._monotonic()

    def _at(self, real_ns: int) -> int:
        return self._market + int((real_ns - self._real) * self.speed)
