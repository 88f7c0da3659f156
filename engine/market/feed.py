"""The feed protocol: live, replayed and simulated markets look the same to the kernel.

The kernel pulls, so that one loop serves a socket that pushes and a recording that can be
read as fast as it goes; a live feed fills a bounded queue in a thread of its own and wakes
the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from engine.core.types import Bar, BarCorrection, FeedKind, History, Instrument, MarketEvent


class Feed(Protocol):
    """A source of market events in the order of their time.

    Life cycle: construct (checks its arguments, no I/O), `start`, many `poll`, `stop`.
    Contract: tests/contract/test_feed.py.
    """

    kind: FeedKind
    venue: str
    quote: str
    symbols: tuple[str, ...]
    manual_time: bool
    """True where events carry time forward (replay, simulation), False where time is real."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Filters and fees by symbol; complete once `start` has returned."""
        ...

    def start(self, wake: Callable[[], None]) -> None:
        """Open files or begin to connect; call `wake` when `poll` has something new.

        Raises `FeedError` or `DataError` for what can't work at all; what may heal (a lost
        link) is told by `FeedStatus` events instead.
        """
        ...

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        """Up to `limit` events that are due now, oldest first; empty when there is none."""
        ...

    def wait_s(self) -> float:
        """Seconds until `poll` may have more: 0 at once, `inf` not before a wake."""
        ...

    @property
    def ended(self) -> bool:
        """True once no further event will ever come (a recording is over)."""
        ...

    @property
    def position(self) -> int:
        """How many events were delivered: the cursor that `--resume` goes on from."""
        ...

    @property
    def progress(self) -> float:
        """Share of a recording that was played, in [0, 1]; NaN where there is no end."""
        ...

    @property
    def speed(self) -> float:
        """Times real time; 1 for a live feed, 0 for as fast as it goes."""
        ...

    def set_speed(self, speed: float) -> None:
        """Times real time; 0 means as fast as it goes. A live feed ignores it."""
        ...

    def shock(self, kind: str, symbol: str) -> None:
        """Ask a simulated market for an event; other feeds raise `CommandRefused`."""
        ...

    def stop(self) -> None:
        """Let go of threads, sockets and files within a second; safe to call twice."""
        ...


@runtime_checkable
class Rewinds(Protocol):
    """A feed that resumes at a cursor and can tell what was before it."""

    def history(self, symbol: str, count: int) -> History:
        """Up to `count` closed bars before the current position, oldest first."""
        ...


@runtime_checkable
class Skewed(Protocol):
    """A feed that knows how far this machine's clock is from the venue's."""

    @property
    def skew_ns(self) -> int:
        """The venue's clock less this machine's; 0 before it was measured."""
        ...


def event_time(event: MarketEvent) -> int:
    """When an event became knowable: a bar at its close, everything else at its time."""
    if type(event) is Bar:
        return event.open_ns + event.span_ns
    return _time_of(event)


def _time_of(event: MarketEvent) -> int:
    if isinstance(event, BarCorrection):
        return event.bar.close_ns
    if isinstance(event, History):
        return event.bars[-1].close_ns if event.bars else 0
    if isinstance(event, Bar):
        return event.close_ns
    return event.time_ns
