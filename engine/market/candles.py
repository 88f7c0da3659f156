"""The candle store: closed candles of one symbol in order, whatever order they came in.

Sockets repeat, reorder, lose and revise candles, and some offer the forming one as closed.
What decides trades must see one truth, so a candle enters here once, is corrected in place
and never moves.
"""

from __future__ import annotations

import bisect
import itertools
import math
from enum import StrEnum

import msgspec

from engine.core.clock import DAY
from engine.core.errors import DataError
from engine.core.types import Bar, BarCorrection


class Took(StrEnum):
    """What became of a candle that was offered."""

    APPENDED = "appended"
    FILLED = "filled a gap"
    REVISED = "revised"
    DUPLICATE = "duplicate"
    FORMING = "forming"
    REFUSED = "refused"


class Taken(msgspec.Struct, frozen=True):
    """How a candle was taken; `correction` for a late revision, `reason` for a refusal."""

    how: Took
    correction: BarCorrection | None = None
    reason: str = ""


_APPENDED = Taken(Took.APPENDED)
_FILLED = Taken(Took.FILLED)
_DUPLICATE = Taken(Took.DUPLICATE)
_FORMING = Taken(Took.FORMING)


class CandleStore:
    """At least the last `capacity` closed candles of one symbol and timeframe, oldest first.

    A candle is closed when it says so and its time is over; one that claims to be closed
    before is kept as the forming one. Only a candle later than all others is appended: an
    earlier one fills a gap, repeats or revises. What decisions may follow is `APPENDED`
    alone. `counts` tells how often each outcome came.
    """

    def __init__(self, symbol: str, span_ns: int, capacity: int = 2_000) -> None:
        if span_ns <= 0 or capacity <= 0:
            raise DataError(
                f"{symbol}: candles of {span_ns} ns, {capacity} of them, can't be kept",
                "give a timeframe and a capacity above 0",
            )
        self.symbol = symbol
        self.span_ns = span_ns
        self.capacity = capacity
        self.forming: Bar | None = None
        self.counts = dict.fromkeys(Took, 0)
        self._opens: list[int] = []
        self._bars: list[Bar] = []

    def __len__(self) -> int:
        return min(len(self._bars), self.capacity)

    def add(self, bar: Bar, now_ns: int) -> Taken:
        """Take a candle that was known at `now_ns` (event or venue time, not a socket's)."""
        taken = self._add(bar, now_ns)
        self.counts[taken.how] += 1
        return taken

    def last(self, count: int | None = None) -> list[Bar]:
        """The newest `count` candles (all that are kept by default), oldest first."""
        wanted = len(self) if count is None else min(count, len(self))
        return self._bars[len(self._bars) - wanted :]

    def gaps(self) -> list[tuple[int, int]]:
        """Stretches [from, to) in nanoseconds between kept candles that have none."""
        found = []
        kept = self.last()
        for before, after in itertools.pairwise(kept):
            if after.open_ns > before.close_ns:
                found.append((before.close_ns, after.open_ns))
        return found

    def _add(self, bar: Bar, now_ns: int) -> Taken:
        reason = self._fault(bar)
        if reason:
            return Taken(Took.REFUSED, reason=reason)
        if not bar.final or now_ns < bar.close_ns:
            return self._form(bar)
        if self.forming is not None and self.forming.open_ns <= bar.open_ns:
            self.forming = None
        if not self._opens or bar.open_ns > self._opens[-1]:
            self._opens.append(bar.open_ns)
            self._bars.append(bar)
            self._trim()
            return _APPENDED
        return self._insert(bar)

    def _form(self, bar: Bar) -> Taken:
        """Keep the newest forming candle; one of a window that is closed says nothing."""
        newest = self._opens[-1] if self._opens else -1
        if bar.open_ns > newest and (self.forming is None or bar.open_ns >= self.forming.open_ns):
            self.forming = bar if not bar.final else msgspec.structs.replace(bar, final=False)
        return _FORMING

    def _insert(self, bar: Bar) -> Taken:
        at = bisect.bisect_left(self._opens, bar.open_ns)
        known = self._bars[at]
        if known.open_ns == bar.open_ns:
            if known == bar:
                return _DUPLICATE
            self._bars[at] = bar
            return Taken(Took.REVISED, BarCorrection(bar=bar, was_close=known.close))
        if at == 0 and len(self._bars) >= self.capacity:
            return Taken(Took.REFUSED, reason="older than what is kept")
        self._opens.insert(at, bar.open_ns)
        self._bars.insert(at, bar)
        self._trim()
        return _FILLED

    def _trim(self) -> None:
        """Let the oldest go in blocks of an eighth, so that an append stays cheap."""
        if len(self._bars) > self.capacity + self.capacity // 8:
            spare = len(self._bars) - self.capacity
            del self._bars[:spare]
            del self._opens[:spare]

    def _fault(self, bar: Bar) -> str:
        """Why a candle can't be true; empty when it can."""
        if bar.symbol != self.symbol or bar.span_ns != self.span_ns:
            return f"it is of {bar.symbol} over {bar.span_ns} ns"
        prices = (bar.open, bar.high, bar.low, bar.close)
        if not all(math.isfinite(p) and p > 0 for p in prices) or not bar.volume >= 0:
            return "a price or the volume is no positive number"
        if bar.high < max(prices) or bar.low > min(prices):
            return "high and low don't hold open and close"
        # Days shift where clocks do; shorter windows lie on one grid.
        if self._opens and self.span_ns < DAY and (bar.open_ns - self._opens[0]) % self.span_ns:
            return "it begins between two windows"
        return ""
