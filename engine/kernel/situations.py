"""What a strategist may know now, put together from the desk.

A situation is asked for every few minutes of a recording, so what only a closed decision bar
can change is worked out once for each bar.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from engine.core.learning import Knowledge
from engine.core.types import Bar
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.llm.situation import TOLD, Situation, SymbolState

RECENT_TRADES = 20
"""Closed trades of a symbol that its results are told from."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What one decision bar says, by the parameters of `version`."""

    bar: Bar | None
    version: int
    features: tuple[tuple[str, float], ...]
    levels: list[float]


@dataclass(frozen=True, slots=True)
class _Results:
    """What the last closed trades in one symbol came to."""

    trades: int = 0
    won: int = 0
    net_pct: float = 0.0


_NONE = _Results()


class Situations:
    """Makes situations. Owned by the kernel thread; changes nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reads: dict[str, _Read] = {}
        self._results: dict[str, _Results] = {}
        self._last_trade = ""
        self.knowledge: Callable[[], Knowledge | None] = lambda: None
        """What was learned; asked whenever a situation is made."""

    def now(self, learned: bool = True) -> Situation:
        """Everything that is known at this moment of engine time; `learned` is whether somebody
        reads what was learned and what is in the news."""
        desk = self._desk
        self._count_trades()
        ready = [symbol for symbol in desk.symbols.values() if symbol.ready]
        return Situation(
            time_ns=desk.now_ns,
            symbols=tuple(map(self._state, ready)),
            knowledge=self.knowledge() if learned else None,
            headlines=tuple(desk.headlines) if learned else (),
        )

    def _state(self, symbol: SymbolDesk) -> SymbolState:
        desk, regime, read = self._desk, symbol.regime, self._read(symbol)
        held = desk.book.of_symbol(symbol.symbol)
        results = self._results.get(symbol.symbol, _NONE)
        return SymbolState(
            symbol=symbol.symbol,
            price=symbol.last,
            regime=symbol.label,
            regime_confidence=regime.confidence if regime is not None else 0.0,
            vol_level=str(regime.vol_level) if regime is not None else "",
            features=read.features,
            supports=tuple(read.levels[: bisect_left(read.levels, symbol.last)]),
            resistances=tuple(read.levels[bisect_right(read.levels, symbol.last) :]),
            can_short=symbol.instrument.can_short,
            held=str(held[0].direction) if held else "",
            trades=results.trades,
            won=results.won,
            net_pct=results.net_pct,
            cooling=desk.cooldowns.get(symbol.symbol, 0) > desk.now_ns,
        )

    def _read(self, symbol: SymbolDesk) -> _Read:
        read, version = self._reads.get(symbol.symbol), self._desk.params.version
        if read is not None and read.bar is symbol.last_bar and read.version == version:
            return read
        features = ((name, symbol.feature(name)) for name in TOLD)
        lows, highs = symbol.indicators.levels()
        read = _Read(
            bar=symbol.last_bar,
            version=version,
            features=tuple((name, value) for name, value in features if math.isfinite(value)),
            levels=sorted({level for level in (*lows, *highs) if math.isfinite(level)}),
        )
        self._reads[symbol.symbol] = read
        return read

    def _count_trades(self) -> None:
        trades = self._desk.trades
        last = trades[-1].id if trades else ""
        if last == self._last_trade:
            return
        self._last_trade = last
        for name in {trade.symbol for trade in trades}:
            own = [trade for trade in trades if trade.symbol == name][-RECENT_TRADES:]
            won = sum(trade.won for trade in own)
            self._results[name] = _Results(len(own), won, sum(trade.pnl_pct for trade in own))
