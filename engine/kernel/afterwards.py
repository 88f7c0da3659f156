"""What the market did after an exit: prices 1, 5 and 15 minutes later, and what was missed.

Followed on engine time. A price counts only if it was seen in time; where nobody looked (a
restart, a silent feed) it stays unknown rather than being taken from another minute.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from engine.core.clock import MINUTE
from engine.core.lived import JournalEntry
from engine.core.records import TradeJournalled
from engine.kernel.desk import Desk

MARKS = (1, 5, 15)
"""Minutes after the exit."""

SHOWN = 50
"""Trades that a snapshot tells the context of."""

LATE_NS = MINUTE
"""How late a price may be and still be that minute's; on bars at most one bar."""


class Afterwards:
    """Follows closed trades for a quarter of an hour. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._following: dict[str, list[JournalEntry]] = {}
        self._newest: dict[str, JournalEntry] = {}
        self._shown: tuple[JournalEntry, ...] | None = None

    def add(self, entry: JournalEntry) -> None:
        """Begin to follow a trade that has just closed."""
        self._following.setdefault(entry.context.symbol, []).append(entry)
        self._keep(entry)

    def restore(self, entry: JournalEntry) -> None:
        """Go on after a restart, unless it was over."""
        self._keep(entry)
        if len(entry.after) < len(MARKS):
            self.add(entry)

    def _keep(self, entry: JournalEntry) -> None:
        self._newest[entry.closed.trade.id] = entry
        if len(self._newest) > SHOWN:
            del self._newest[next(iter(self._newest))]
        self._shown = None

    def newest(self) -> tuple[JournalEntry, ...]:
        """The newest trades as they stand; the same object until one of them moved."""
        if self._shown is None:
            self._shown = tuple(self._newest.values())
        return self._shown

    def on_price(self, symbol: str, price: float, now_ns: int, span_ns: int = 0) -> None:
        """One price; of a bar its close, with the bar's span."""
        following = self._following.get(symbol)
        if following:
            late_ns = max(LATE_NS, span_ns)
            self._following[symbol] = [
                entry
                for entry in (self._mark(one, price, now_ns, late_ns) for one in following)
                if len(entry.after) < len(MARKS)
            ]

    def following(self) -> tuple[JournalEntry, ...]:
        """What is followed now, in the order of the symbols: after a restart as before it."""
        return tuple(
            entry for symbol in self._desk.symbols for entry in self._following.get(symbol, ())
        )

    def look(self) -> None:
        """End what no price came for. Asked every cycle."""
        for name, symbol in self._desk.symbols.items():
            if self._following.get(name):
                late_ns = 2 * max(LATE_NS, symbol.base_span_ns)
                self.on_price(name, math.nan, self._desk.now_ns - late_ns)

    def _mark(self, entry: JournalEntry, price: float, now_ns: int, late_ns: int) -> JournalEntry:
        """The entry with every mark that has come; journaled where there was one."""
        after = entry.after
        for minutes in MARKS[len(after) :]:
            due_ns = entry.closed.trade.closed_ns + minutes * MINUTE
            if now_ns < due_ns:
                break
            seen = price if now_ns - due_ns <= late_ns else math.nan
            after = (*after, (minutes, seen))
        if after is entry.after:
            return entry
        entry = replace(entry, after=after)
        if len(after) == len(MARKS):
            entry = replace(entry, missed_pct=_missed(entry))
        self._desk.record(TradeJournalled(time_ns=self._desk.now_ns, entry=entry))
        if entry.closed.trade.id in self._newest:
            self._keep(entry)
        return entry


def _missed(entry: JournalEntry) -> float:
    """What the best of the prices would have added, in percent of the exit price.

    0 where leaving was right, NaN where none is known.
    """
    trade = entry.closed.trade
    left = float(trade.exit_price)
    moves = [
        (price / left - 1.0) * trade.direction.sign * 100.0
        for _, price in entry.after
        if math.isfinite(price)
    ]
    return max(0.0, max(moves)) if moves else math.nan
