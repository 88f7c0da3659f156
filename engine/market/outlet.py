"""The way from a live feed's thread to the kernel: bounded, and honest about what it let go.

A kernel that is busy for a second must find the newest quote and every candle, not an hour
of stale quotes; candles are built before this queue, so nothing that is let go here changes
one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock

import msgspec

from engine.core.types import Book, MarketEvent, Quote, Tick


class Losses(msgspec.Struct, frozen=True):
    """What was let go since it was last asked for."""

    quotes: int = 0
    ticks: int = 0


class Outlet:
    """A queue for one writer's thread and one reader's.

    When it is full, quotes and books go first (the newest of each symbol stays), then the
    oldest ticks; candles, corrections, histories and statuses never go.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._events: deque[MarketEvent] = deque()
        self._lock = Lock()
        self._quotes = self._ticks = 0
        self._closed = False
        self.wake: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Iterable[MarketEvent]) -> None:
        """Add events and wake the reader; after `close` they are let go silently."""
        with self._lock:
            if self._closed:
                return
            before = len(self._events)
            self._events.extend(events)
            if len(self._events) == before:
                return
            if len(self._events) > self._capacity:
                self._make_room()
        if self.wake is not None:
            self.wake()

    def take(self, limit: int) -> list[MarketEvent]:
        """Up to `limit` events, oldest first."""
        with self._lock:
            events = self._events
            return [events.popleft() for _ in range(min(limit, len(events)))]

    def losses(self) -> Losses:
        """What was let go since the last call."""
        with self._lock:
            lost = Losses(self._quotes, self._ticks)
            self._quotes = self._ticks = 0
            return lost

    def close(self) -> None:
        """Empty it for good."""
        with self._lock:
            self._closed = True
            self._events.clear()

    def _make_room(self) -> None:
        """Let a quarter go at once, so that the cost of looking through all is rare."""
        newest: set[tuple[type, str]] = set()
        kept: deque[MarketEvent] = deque()
        for event in reversed(self._events):
            if isinstance(event, (Quote, Book)):
                name = (type(event), event.symbol)
                if name in newest:
                    self._quotes += 1
                    continue
                newest.add(name)
            kept.appendleft(event)
        surplus = len(kept) - self._capacity * 3 // 4
        if surplus > 0:
            kept = self._without_oldest_ticks(kept, surplus)
        self._events = kept

    def _without_oldest_ticks(self, events: deque[MarketEvent], surplus: int) -> deque[MarketEvent]:
        kept: deque[MarketEvent] = deque()
        for event in events:
            if surplus and type(event) is Tick:
                surplus -= 1
                self._ticks += 1
            else:
                kept.append(event)
        return kept
