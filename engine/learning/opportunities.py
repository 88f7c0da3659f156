"""Every entry that was wanted, followed for a day, whatever became of it.

What is learned from trades alone is learned from what the gates let through. Here each
candidate counts, and each is followed for the same time and told in the order in which it
began: were the quick ones told first, losers would come before winners.

One at a time in each symbol and direction, since outcomes on the same prices are one outcome
told twice: the next is followed from when the last has ended by the rules in force.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.core.clock import HOUR
from engine.core.learning import Opportunity
from engine.core.parameters import Parameters, declare
from engine.core.types import Direction
from engine.learning.paths import Bars, Row, Trail

HORIZON = declare(
    "learn.horizon_hours", 24, low=4, high=72, step=4, unit="h", scopes="G", learnable=False,
    doc="How long an entry that was wanted is followed; results come that much later.",
)  # fmt: skip


Goes = Callable[[Bars], bool]
"""Takes the bars since the last ones; whether the opportunity has ended by its own rules."""


@dataclass(slots=True)
class Followed:
    """An opportunity on its way: where its prices begin in its symbol's trail, and how far its
    own rules have been taken along them."""

    opportunity: Opportunity
    begins: int
    goes: Goes
    taken: int


class Opportunities:
    """Follows candidates and hands them on as they end. Owned by the kernel thread."""

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self._trails: dict[str, Trail] = {}
        self._open: deque[Followed] = deque()
        self._busy: dict[tuple[str, Direction], Followed] = {}

    def __len__(self) -> int:
        return len(self._open)

    def free(self, symbol: str, direction: Direction) -> bool:
        """Whether a candidate of this symbol and direction would be followed."""
        return (symbol, direction) not in self._busy

    def follows(self, symbol: str) -> bool:
        """Whether any opportunity of this symbol is on its way."""
        return symbol in self._trails

    def begin(self, opportunity: Opportunity, goes: Goes) -> None:
        """Follow it from the next bar on; `goes` takes its own rules along."""
        trail = self._trails.setdefault(opportunity.symbol, Trail())
        followed = Followed(opportunity, trail.end, goes, trail.end)
        self._open.append(followed)
        self._busy[opportunity.symbol, opportunity.direction] = followed

    def on_bar(self, symbol: str, row: Row, span_ns: int) -> None:
        """A base bar closed; costs nothing where nobody follows its symbol."""
        trail = self._trails.get(symbol)
        if trail is not None:
            trail.span_ns = span_ns
            trail.append(row)

    def recall(self, symbol: str, bars: Iterable[Row], span_ns: int) -> None:
        """The bars of a symbol that were there before a restart, oldest first: each of its
        opportunities takes those that closed after it had begun, as it would have without."""
        trail = self._trails.get(symbol)
        if trail is None or len(trail):
            return
        mine = [followed for followed in self._open if followed.opportunity.symbol == symbol]
        oldest = min(followed.opportunity.opened_ns for followed in mine)
        trail.span_ns = span_ns
        closes = []
        for row in bars:
            if row[0] + span_ns > oldest:
                trail.append(row)
                closes.append(row[0] + span_ns)
        for followed in mine:
            followed.begins = followed.taken = bisect_right(closes, followed.opportunity.opened_ns)

    def brought(self, symbol: str, atr: float, support: float, regime: float) -> None:
        """What the close of the last bar brought, since it closed a decision bar."""
        trail = self._trails.get(symbol)
        if trail is not None and len(trail):
            trail.brought(atr, support, regime)

    def settle(self, symbol: str) -> None:
        """Let the next candidate in where the last has ended by the rules it began with."""
        for direction in Direction:
            followed = self._busy.get((symbol, direction))
            if followed is None:
                continue
            trail = self._trails[symbol]
            fresh = trail.since(followed.taken, direction.sign)
            followed.taken = trail.end
            if followed.goes(fresh):
                del self._busy[symbol, direction]

    def due(self, now_ns: int) -> tuple[Opportunity, Bars] | None:
        """The oldest whose time is over, with the prices of just that time; None: nobody's.

        One at a time, since valuing and comparing it takes milliseconds.
        """
        horizon = int(self._params.get(HORIZON)) * HOUR
        if not self._open or now_ns - self._open[0].opportunity.opened_ns < horizon:
            return None
        followed = self._open.popleft()
        one = followed.opportunity
        if self._busy.get((one.symbol, one.direction)) is followed:
            del self._busy[one.symbol, one.direction]
        bars = self._bars(followed)
        self._trim(one.symbol)
        return one, bars.until(one.opened_ns + horizon)

    def _bars(self, followed: Followed) -> Bars:
        one = followed.opportunity
        return self._trails[one.symbol].since(followed.begins, one.direction.sign)

    def _trim(self, symbol: str) -> None:
        """Forget the rows before the oldest opportunity of a symbol, or all of them."""
        begins = [f.begins for f in self._open if f.opportunity.symbol == symbol]
        if begins:
            self._trails[symbol].forget(min(begins))
        else:
            del self._trails[symbol]
