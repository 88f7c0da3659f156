"""What the market did while no engine watched, and what that means for each open position.

A live market goes on without us; a recording and a simulation wait. The first thing that a
restart owes whoever held a position is how far the price went, whether stop or targets were
crossed, and what happens now. What happens is asked of a copy of the position's own watch, so
that it is no second opinion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.core.clock import HOUR, MINUTE, SECOND, iso
from engine.core.types import Bar, Control, Direction, FeedKind, History, Position
from engine.core.views import Absence
from engine.kernel.desk import Desk
from engine.position.watch import PositionWatch


@dataclass
class _Left:
    """A position that was left alone, and the closed bars of its absence."""

    position: str
    last: float
    bars: list[Bar] = field(default_factory=list)


class Meanwhile:
    """Told once a position, at the first price after a start. Owned by the kernel thread.

    `waiting` is empty when there is nothing to tell; asking it is all that a tick pays.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._since_ns = 0
        self.waiting: dict[str, list[_Left]] = {}
        self.absences: tuple[Absence, ...] = ()

    def begin(self) -> None:
        """Remember what was held when the journal ended; call it after recovery.

        Where market time stands still without us there is nothing to wait for: it is told now.
        """
        desk = self._desk
        if not desk.recovered:
            return
        self._since_ns = desk.journal.recovered.last_ns
        for position in desk.book.open():
            watch = desk.watches.get(position.id)
            if watch is None:
                continue
            if desk.feed.manual_time:
                self._tell(self._stood_still(position, watch))
                continue
            left = _Left(position.id, watch.last)
            self.waiting.setdefault(position.symbol, []).append(left)

    def history(self, history: History) -> None:
        """The bars that a feed begins with reach into the absence."""
        for left in self.waiting.get(history.symbol, ()):
            left.bars += [bar for bar in history.bars if bar.close_ns > self._since_ns]

    def price(self, symbol: str, price: float) -> None:
        """The first price again: say what lay between, before anything is done about it."""
        for left in self.waiting.pop(symbol, ()):
            position = self._desk.book.get(left.position)
            watch = self._desk.watches.get(left.position)
            if position is None or watch is None or watch.closed:
                continue
            self._tell(self._absence(position, watch, left, price))

    def _tell(self, absence: Absence) -> None:
        self.absences = (*self.absences, absence)
        self._desk.note(absence.text, ref=absence.position, symbol=absence.symbol)

    def _stood_still(self, position: Position, watch: PositionWatch) -> Absence:
        """A recording or a simulation goes on at the very event at which it was left."""
        desk, price = self._desk, watch.last
        kind = "simulation" if desk.feed.kind is FeedKind.SIM else "recording"
        stop = watch.stop
        away = "" if stop is None else f", {abs(stop / price - 1) * 100:.2f} % from the stop"
        locked = desk.control.state is Control.LOCKED
        words = [
            f"{position.direction} {position.quantity} {position.symbol}: the market stood still, "
            f"since a {kind} goes on where it was left ({iso(self._since_ns)[:16]})",
            f"price {price:.8g} as it was{away}; nothing was missed, and neither stop nor target "
            "was crossed",
            _LOCKED if locked else "it is watched on at the stop and targets it had",
        ]
        return Absence(
            position=position.id, symbol=position.symbol, time_ns=desk.now_ns,
            since_ns=self._since_ns, price_before=price, price=price, low=price, high=price,
            move_pct=0.0, stop_crossed=False, targets_reached=(), known=True, acts=False,
            text="; ".join(words),
        )  # fmt: skip

    def _absence(
        self, position: Position, watch: PositionWatch, left: _Left, price: float
    ) -> Absence:
        desk = self._desk
        sign = position.direction.sign
        low = min([bar.low for bar in left.bars] + [price])
        high = max([bar.high for bar in left.bars] + [price])
        worst, best = (low, high) if sign > 0 else (high, low)
        stop = watch.stop
        crossed = stop is not None and (worst - stop) * sign <= 0
        reached = tuple(target for target in watch.targets if (best - target) * sign >= 0)
        whole = bool(left.bars) and left.bars[0].open_ns <= self._since_ns + left.bars[0].span_ns
        done = self._next(position, watch, price)
        move = (price / left.last - 1) * 100
        words = [
            f"{position.direction} {position.quantity} {position.symbol}: nobody watched for "
            f"{span(desk.now_ns - self._since_ns)} (since {iso(self._since_ns)[:16]})",
            f"price {left.last:.8g} → {price:.8g} ({move:+.2f} %, "
            f"{'for' if move * sign >= 0 else 'against'} the position), "
            f"between {low:.8g} and {high:.8g}",
            _crossed(stop if crossed else None, reached, bool(left.bars)),
            done or _stays(crossed, reached),
        ]
        if left.bars and not whole:
            words.insert(2, f"known only since {iso(left.bars[0].open_ns)[:16]}")
        return Absence(
            position=position.id, symbol=position.symbol, time_ns=desk.now_ns,
            since_ns=self._since_ns, price_before=left.last, price=price, low=low, high=high,
            move_pct=move, stop_crossed=crossed, targets_reached=reached,
            known=bool(left.bars), acts=bool(done), text="; ".join(words),
        )  # fmt: skip

    def _next(self, position: Position, watch: PositionWatch, price: float) -> str:
        """What the watch does at this very price, asked of a copy; empty for nothing."""
        if self._desk.control.state is Control.LOCKED:
            return _LOCKED
        copy = PositionWatch.from_dict(watch.to_dict())
        held = copy.lots
        told = []
        for event in copy.on_price(price, self._desk.now_ns):
            if event.reason is not None:
                part = "all of it" if event.closed else f"{event.lots / held:.0%} of it"
                told.append(f"{part} is sold now by {event.reason}")
        verb = "bought back" if position.direction is Direction.SHORT else "sold"
        return " and ".join(told).replace("sold", verb)


_LOCKED = "LOCKED: nothing is done until you order it"


def _crossed(stop: float | None, reached: tuple[float, ...], known: bool) -> str:
    crossed = []
    if stop is not None:
        crossed.append(f"the stop at {stop:.8g} was crossed")
    if reached:
        crossed.append(f"the target at {', '.join(f'{one:.8g}' for one in reached)} was reached")
    if crossed:
        return " and ".join(crossed)
    where = "" if known else " at this price; what lay between is not known"
    return f"neither stop nor target was crossed{where}"


def _stays(crossed: bool, reached: tuple[float, ...]) -> str:
    if crossed or reached:
        return (
            "the price has come back: nobody could have traded there, so nothing is done "
            "about it, and stop and targets stand"
        )
    return "it is watched on at the stop and targets it had"


def span(ns: int) -> str:
    """A length of time for a sentence: `3 h 12 min`, `5 min`, `40 s`."""
    if ns >= HOUR:
        return f"{ns // HOUR} h {ns % HOUR // MINUTE} min"
    return f"{ns // MINUTE} min" if ns >= MINUTE else f"{max(0, ns) // SECOND} s"
