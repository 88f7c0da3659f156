"""Trades that were not made, followed to the end they would have had.

A gate, an expiry or a person's no is a decision as well; what it was worth can only be
known by watching the refused trade with the same stops and targets on the same prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.errors import QuarterdeckError
from engine.core.records import Followed
from engine.core.types import Bar, Direction
from engine.core.views import Counterfactual
from engine.kernel.desk import Desk
from engine.position.events import WatchEvent
from engine.position.plan import Entry, plan_exits
from engine.position.settings import exit_profile
from engine.position.watch import PositionWatch

LOTS = 1_000
"""A followed trade has no size; a thousand parts are enough for every ladder."""

MOST = 200
"""Followed at once; beyond it the oldest is ended as it stands."""

MARKS = (
    ("1m", MINUTE), ("5m", 5 * MINUTE), ("15m", 15 * MINUTE), ("60m", HOUR), ("4h", 4 * HOUR),
    ("24h", DAY),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unmade:
    """A trade that was not made: what it was, who refused it (`kind`) and why (`code`)."""

    id: str
    symbol: str
    kind: str
    code: str
    direction: Direction
    price: float
    stop: float
    targets: tuple[float, ...]
    strategy: str
    regime: str
    score: float


@dataclass(slots=True)
class _Path:
    trade: Unmade
    began_ns: int
    watch: PositionWatch
    sold_pct: float = 0.0
    ended: str = ""
    last: float = math.nan
    marks: list[tuple[str, float]] = field(default_factory=list)


class Follower:
    """Watches refused trades on the prices that the engine sees. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._paths: dict[str, list[_Path]] = {}
        self._count = 0

    def add(self, trade: Unmade) -> None:
        """Begin to follow; a trade that can't be protected has no path and is left out."""
        desk = self._desk
        symbol = desk.symbols[trade.symbol]
        instrument = symbol.instrument
        quote = symbol.best_quote(desk.now_ns)
        try:
            plan = plan_exits(
                desk.params,
                Entry(
                    symbol=trade.symbol,
                    direction=trade.direction,
                    price=trade.price,
                    lots=LOTS,
                    lot_size=1.0,
                    opened_ns=desk.now_ns,
                    atr=symbol.feature("atr"),
                    fee=float(instrument.taker_fee),
                    spread=quote.spread_bps / 10_000,
                    strategy=trade.strategy,
                    regime=trade.regime or None,
                    profile=exit_profile(desk.settings.profile),
                    stop=trade.stop if math.isfinite(trade.stop) else None,
                    targets=trade.targets,
                    score=trade.score,
                ),
            )
        except QuarterdeckError:
            return
        if self._count >= MOST:
            self._end(self._oldest(), "still open when newer ones took its place")
        path = _Path(trade, desk.now_ns, PositionWatch.open(plan))
        self._paths.setdefault(trade.symbol, []).append(path)
        self._count += 1

    def on_price(self, symbol: str, price: float, now_ns: int) -> None:
        """One traded price for every followed trade in this symbol."""
        for path in tuple(self._paths.get(symbol, ())):
            if now_ns >= path.began_ns:
                self._take(path, path.watch.on_price(price, now_ns), price, now_ns)

    def on_bar(self, bar: Bar) -> None:
        """A bar's path, for feeds that have nothing finer."""
        for path in tuple(self._paths.get(bar.symbol, ())):
            if bar.open_ns >= path.began_ns:
                events = path.watch.on_bar(
                    bar.open, bar.high, bar.low, bar.close, bar.open_ns, bar.close_ns
                )
                self._take(path, events, bar.close, bar.close_ns)

    def _take(self, path: _Path, events: tuple[WatchEvent, ...], price: float, now_ns: int) -> None:
        for event in events:
            if event.reason is None:
                continue
            path.sold_pct += event.lots / LOTS * self._move_pct(path, event.price)
            path.ended = str(event.reason)
        path.last = price
        age = now_ns - path.began_ns
        for name, after in MARKS[len(path.marks) :]:
            if age < after:
                break
            path.marks.append((name, round(self._pnl_pct(path), 4)))
        if path.watch.closed:
            self._end(path, path.ended)
        elif age >= DAY:
            self._end(path, "24 h over")

    def _move_pct(self, path: _Path, price: float) -> float:
        trade = path.trade
        return (price / trade.price - 1.0) * 100.0 * trade.direction.sign

    def _pnl_pct(self, path: _Path) -> float:
        """Profit in percent of the notional, after the fees of both sides."""
        held = path.watch.lots / LOTS
        open_pct = held * self._move_pct(path, path.last) if held else 0.0
        fee = float(self._desk.symbols[path.trade.symbol].instrument.taker_fee)
        return path.sold_pct + open_pct - 200.0 * fee

    def _oldest(self) -> _Path:
        return min(
            (path for paths in self._paths.values() for path in paths),
            key=lambda path: path.began_ns,
        )

    def _end(self, path: _Path, how: str) -> None:
        desk = self._desk
        self._paths[path.trade.symbol].remove(path)
        self._count -= 1
        view = self._view(path, how)
        desk.followed.append(view)
        desk.record(Followed(time_ns=desk.now_ns, counterfactual=view))

    def _view(self, path: _Path, how: str) -> Counterfactual:
        trade = path.trade
        return Counterfactual(
            id=trade.id,
            symbol=trade.symbol,
            kind=trade.kind,
            code=trade.code,
            time_ns=path.began_ns,
            price=trade.price,
            direction=str(trade.direction),
            pnl_pct=round(self._pnl_pct(path), 4) if math.isfinite(path.last) else 0.0,
            ended=how,
            marks=tuple(path.marks),
        )

    def views(self) -> tuple[Counterfactual, ...]:
        """What is being followed, then what ended lately, newest first."""
        running = [self._view(path, "") for paths in self._paths.values() for path in paths]
        running.sort(key=lambda view: -view.time_ns)
        return (*running[:30], *reversed(self._desk.followed))
