"""The only place where time comes from.

Live, replay and tests differ in their clock and not in their code, so everybody asks a
`Clock` and nobody asks the operating system. Engine time is integer nanoseconds UTC;
timeouts use the monotonic clock, which no clock jump moves.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from engine.core.errors import InvariantBroken

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MILLISECOND = 1_000_000


class Clock(Protocol):
    """Engine time, and a monotonic time for timeouts and measurements."""

    def now_ns(self) -> int:
        """Engine time in nanoseconds since the epoch, UTC; never runs backwards."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that only goes forward; its zero means nothing."""
        ...


class LiveClock:
    """The machine's clock, which never steps backwards.

    A clock that was set back is waited for at nine tenths of its pace: a time that stood still
    would call every price fresh and let nothing fall due until the hour came round again.
    `jumped_ns` adds up what the wall clock moved against the monotonic one, so that a
    suspend or a clock correction can be seen and told.
    """

    def __init__(self) -> None:
        self._last = time.time_ns()
        self._ticked = time.monotonic_ns()
        self._offset = self._last - self._ticked
        self.jumped_ns = 0

    def now_ns(self) -> int:
        wall, ticked = time.time_ns(), time.monotonic_ns()
        offset = wall - ticked
        if abs(offset - self._offset) > SECOND:
            self.jumped_ns += offset - self._offset
            self._offset = offset
        passed, self._ticked = ticked - self._ticked, ticked
        self._last = max(wall, self._last + passed * 9 // 10)
        return self._last

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that events move: replay, simulation and tests.

    Monotonic time stays the machine's, since what it measures (latencies) is real even
    when the market is not. `set` raises `InvariantBroken` when time would run backwards.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def set(self, now_ns: int) -> None:
        if now_ns < self._now:
            raise InvariantBroken(
                f"engine time would run backwards, from {iso(self._now)} to {iso(now_ns)}",
                "the feed delivered events out of order",
            )
        self._now = now_ns

    def advance(self, ns: int) -> None:
        self.set(self._now + ns)


def wall_ns() -> int:
    """The machine's time for logs, file names and lock files, never for a decision."""
    return time.time_ns()


monotonic_ns = time.monotonic_ns
"""Monotonic time where no `Clock` is at hand: measurements and process timeouts."""


def pause(seconds: float) -> None:
    """Sleep in a background thread; the kernel waits on its inbox instead."""
    time.sleep(seconds)


def iso(ns: int) -> str:
    """`2025-05-04T12:00:00.000Z`: UTC with milliseconds, the form of exports and screens."""
    moment = datetime.fromtimestamp(ns // SECOND, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % SECOND // MILLISECOND:03d}Z"


def parse_iso(text: str) -> int:
    """Nanoseconds of an ISO 8601 date or time; without a zone it is read as UTC.

    Raises `ValueError` on anything else.
    """
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.timestamp()) if moment.microsecond == 0 else None
    if whole is not None:
        return whole * SECOND
    return int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond * 1_000


def utc(ns: int) -> datetime:
    """The aware UTC datetime of engine time, for calendars."""
    return datetime.fromtimestamp(ns / SECOND, tz=UTC)


def day_of(ns: int) -> int:
    """Days since the epoch, UTC: the trading day of daily limits."""
    return ns // DAY


_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def duration_ns(text: str) -> int:
    """Nanoseconds of `90s`, `15m`, `8h`, `30d`, `1w` or a sum of them (`1h30m`).

    Timeframes are written the same way. Raises `ValueError` on anything else.
    """
    total, digits = 0, ""
    for char in text.strip().lower():
        if char.isdigit() or char == ".":
            digits += char
        elif char in _UNITS and digits:
            total += int(float(digits) * _UNITS[char])
            digits = ""
        else:
            raise ValueError(f"{text!r} is no duration")
    if digits or total <= 0:
        raise ValueError(f"{text!r} is no duration")
    return total
