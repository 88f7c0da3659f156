"""The market of a drill: the simulated one on a clock that is stepped, with its cable in reach.

It counts as live, so that everything that watches a live feed watches this one; and what
can go wrong with a cable goes wrong when the drill says so.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from engine.core.clock import SECOND, monotonic_ns
from engine.core.types import (
    FeedKind,
    FeedStatus,
    History,
    Instrument,
    Link,
    MarketEvent,
)
from engine.market.feed import event_time
from engine.market.sim import SimFeed


class DrillClock:
    """Engine time that the drill moves."""

    def __init__(self, now_ns: int) -> None:
        self._now = now_ns

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return monotonic_ns()

    def advance(self, ns: int) -> None:
        self._now += ns


class DrillFeed:
    """Delivers a simulated market up to the clock's time. Meets the protocol of all feeds.

    `drop` cuts the connection and says so, `freeze` leaves it up and silent; in both what the
    market does meanwhile is never delivered, as on a real cable. `mend` ends either.
    """

    kind = FeedKind.LIVE
    manual_time = False
    speed = 1.0
    progress = math.nan
    venue = "drill"

    def __init__(self, market: SimFeed, clock: DrillClock) -> None:
        self._market = market
        self._clock = clock
        self.symbols = market.symbols
        self.quote = market.quote
        self.ended = False
        self.position = 0
        self._waiting: deque[MarketEvent] = deque()
        self._own: deque[MarketEvent] = deque()
        self._silent = False
        self.last_ns = 0

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._market.instruments

    def start(self, wake: Callable[[], None]) -> None:
        self._market.start(wake)

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        out: list[MarketEvent] = []
        while self._own and len(out) < limit:
            out.append(self._own.popleft())
        now = self._clock.now_ns()
        while len(out) < limit:
            if not self._waiting:
                self._waiting.extend(self._market.poll(1))
            if event_time(self._waiting[0]) > now:
                break
            event = self._waiting.popleft()
            if self._silent:
                continue
            self.last_ns = event_time(event)
            out.append(event)
        self.position += len(out)
        return out

    def wait_s(self) -> float:
        return 0.0

    def history(self, symbol: str, count: int) -> History:
        return self._market.history(symbol, count)

    def set_speed(self, speed: float) -> None:
        """The drill's clock alone moves its time."""
        del speed

    def shock(self, kind: str, symbol: str) -> None:
        """Begin a shock of the simulated market at its next event."""
        self._market.shock(kind, symbol)

    def stop(self) -> None:
        self._market.stop()
        self.ended = True

    # What a drill does to the cable.

    def drop(self) -> None:
        """Cut the connection: the feed says DOWN, and nothing comes any more."""
        self._silent = True
        self._say(Link.DOWN, "the drill cut the connection")

    def freeze(self) -> None:
        """Leave the connection up, and send nothing."""
        self._silent = True

    def mend(self) -> None:
        """Market data comes again."""
        self._silent = False
        self._say(Link.UP, "the drill mended the connection")

    def _say(self, link: Link, reason: str) -> None:
        now = self._clock.now_ns()
        self._own.append(FeedStatus(link=link, time_ns=now, venue=self.venue, reason=reason))


STEP_NS = SECOND
"""How far a drill's clock moves at a time: as often as a live engine looks for stale prices."""
