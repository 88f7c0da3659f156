"""Candles of a live symbol: built from its tape, confirmed by the venue's REST, in order.

A socket loses, repeats and reorders, so a candle built from it is believed at once only
where the tape was whole over its window; every other one waits for the venue's own. Each
delivered candle is compared with REST afterwards, and REST wins.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from engine.core.clock import SECOND
from engine.core.types import Bar, BarCorrection
from engine.market.bars import BarBuilder
from engine.market.candles import CandleStore, Took

# Venues write their candle within a second or two of its end; asking earlier brings the old one.
SETTLE_NS = 2 * SECOND
# A window that REST hasn't got so long after its end, nor a later one, had no trade.
EMPTY_NS = 60 * SECOND
# Candles that are looked at once more with every confirmation: late revisions come soon.
REVIEW = 3
RETRY_NS = 3 * SECOND
# A longer gap of trade ids is a break of the tape and not a permutation.
_LONGEST_GAP = 1_000
# The most candles that one request asks for; every venue gives that many, and a gap that is
# longer is asked for in pages.
PAGE = 300


class LiveBars:
    """From trades and REST rows of one symbol to `Bar` and `BarCorrection`, in order of time.

    `begin` says where the warm-up ended; then `trade` and `broke` tell the tape, `due`
    whether REST should be asked and from when, and `confirm` what it said. All times are the
    venue's, in nanoseconds. No bar is delivered twice, early or out of order, and none is
    left out that the venue has.
    """

    def __init__(self, symbol: str, span_ns: int, *, numbered: bool) -> None:
        """`numbered` says that the venue's trade ids count up by one."""
        self.symbol = symbol
        self.span_ns = span_ns
        self.store = CandleStore(symbol, span_ns, capacity=PAGE)
        self._builder = BarBuilder(symbol, span_ns)
        self._numbered = numbered
        self._next_ns = 0
        self._confirmed_ns = 0
        self._retry_ns = 0
        self._since_ns: float = math.inf
        self._last_id = -1
        self._missing: dict[int, int] = {}
        self._built: deque[tuple[Bar, bool]] = deque()

    @property
    def next_ns(self) -> int:
        """Where the next bar to deliver begins."""
        return self._next_ns

    def begin(self, bars: Sequence[Bar], next_ns: int) -> None:
        """The warm-up's last bars; delivery goes on with the one that opens at `next_ns`."""
        for bar in bars[-2 * REVIEW :]:
            if bar.span_ns == self.span_ns:
                self.store.add(bar, bar.close_ns)
        self._next_ns = self._confirmed_ns = next_ns

    def broke(self) -> None:
        """The tape was interrupted: what it brings next says nothing of what it missed."""
        self._since_ns = math.inf
        self._last_id = -1
        self._missing.clear()

    def trade(self, time_ns: int, price: float, size: float, number: int) -> list[Bar]:
        """Count a trade; the bars that can be delivered now. `number` is -1 without an id."""
        if self._numbered and number >= 0:
            self._count(number, time_ns)
        if self._since_ns == math.inf:
            self._since_ns = time_ns
        closed = self._builder.add(time_ns, price, size)
        if closed is None:
            return []
        self._built.append((closed, self._whole(closed)))
        return self._deliver(time_ns)

    def due(self, now_ns: int) -> int | None:
        """From which time REST should be asked for candles now, None when there is no need."""
        if not self._next_ns or now_ns < self._retry_ns:
            return None
        if now_ns < self._confirmed_ns + self.span_ns + SETTLE_NS:
            return None
        return self._confirmed_ns - REVIEW * self.span_ns

    def failed(self, now_ns: int, wait_ns: int = RETRY_NS) -> None:
        """REST could not be asked; try again after `wait_ns`."""
        self._retry_ns = now_ns + wait_ns

    def behind_ns(self, now_ns: int) -> int:
        """How long the next bar is overdue, 0 when it is not."""
        return max(0, now_ns - self._next_ns - self.span_ns) if self._next_ns else 0

    def confirm(self, rows: Sequence[Bar], now_ns: int) -> list[Bar | BarCorrection]:
        """Take what REST said when it was asked at `now_ns` (rows oldest first).

        Rows whose window is not over, or has only just ended, are forming and left out.
        """
        out: list[Bar | BarCorrection] = []
        last_ns = self._confirmed_ns
        for row in rows:
            if row.close_ns + SETTLE_NS > now_ns:
                break
            out += self._revise(row) if row.open_ns < self._next_ns else self._append(row, now_ns)
            last_ns = max(last_ns, row.close_ns)
        progress = last_ns > self._confirmed_ns
        self._confirmed_ns = last_ns
        if len(rows) < PAGE:
            self._skip_empty(now_ns)
        self._next_ns = max(self._next_ns, self._confirmed_ns)
        if not progress:
            self._retry_ns = now_ns + RETRY_NS
        out += self._deliver(now_ns)
        return out

    def _append(self, row: Bar, now_ns: int) -> list[Bar | BarCorrection]:
        taken = self.store.add(row, now_ns)
        if taken.how is not Took.APPENDED:
            return []
        self._next_ns = row.close_ns
        return [row]

    def _revise(self, row: Bar) -> list[Bar | BarCorrection]:
        known = next((bar for bar in self.store.last() if bar.open_ns == row.open_ns), None)
        if known is None or _same(known, row):
            return []
        taken = self.store.add(row, row.close_ns)
        return [taken.correction] if taken.correction is not None else []

    def _skip_empty(self, now_ns: int) -> None:
        """Windows that REST hasn't got, and that are long over, had no trade."""
        while True:
            close_ns = self._confirmed_ns + self.span_ns
            if now_ns < close_ns + EMPTY_NS:
                return
            self._confirmed_ns = close_ns

    def _deliver(self, now_ns: int) -> list[Bar]:
        """Built bars that are next and whole; those that REST was faster with are let go."""
        out = []
        while self._built:
            bar, whole = self._built[0]
            if bar.open_ns < self._next_ns:
                self._built.popleft()
            elif bar.open_ns == self._next_ns and whole:
                self._built.popleft()
                if self.store.add(bar, max(now_ns, bar.close_ns)).how is Took.APPENDED:
                    out.append(bar)
                    self._next_ns = bar.close_ns
            else:
                return out
        return out

    def _whole(self, bar: Bar) -> bool:
        """Whether the tape was unbroken from before this window to after it."""
        torn = any(seen_ns >= bar.open_ns for seen_ns in self._missing.values())
        self._missing = {n: ns for n, ns in self._missing.items() if ns >= bar.close_ns}
        return self._since_ns < bar.open_ns and not torn

    def _count(self, number: int, time_ns: int) -> None:
        """Follow the trade ids: one that is left out is missing until it comes."""
        last = self._last_id
        if number <= last:
            self._missing.pop(number, None)
            return
        self._last_id = number
        if last < 0 or number == last + 1:
            return
        if number - last > _LONGEST_GAP:
            self._missing.clear()
            self._since_ns = time_ns
            return
        self._missing.update(dict.fromkeys(range(last + 1, number), time_ns))


def _same(built: Bar, told: Bar) -> bool:
    """Equal but for the last digits of a sum that was added up in another order."""
    return (
        built.open == told.open
        and built.high == told.high
        and built.low == told.low
        and built.close == told.close
        and math.isclose(built.volume, told.volume, rel_tol=1e-9, abs_tol=1e-9)
    )
