"""Marks: where a symbol was entered and left, drawn into its candles."""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.types import Direction, Position, Trade
from engine.core.views import Snapshot
from widgets import numbers

WON, LOST = "◆", "◇"


@dataclass(frozen=True)
class Mark:
    """One entry or exit: when, at which price, and how it is drawn and told.

    Shapes tell them apart without colours: arrows are entries, a full diamond is a gain and
    an empty one a loss.
    """

    time_ns: int
    price: float
    sign: str
    role: str
    text: str


def marks_of(snapshot: Snapshot, symbol: str) -> tuple[Mark, ...]:
    """The entries and exits of a symbol, exits last, so that they cover what they ended."""
    trades = [trade for trade in snapshot.trades if trade.symbol == symbol]
    held = [view.position for view in snapshot.positions if view.position.symbol == symbol]
    return (*map(_entry, trades), *map(_entry, held), *map(_exit, trades))


def _entry(made: Trade | Position) -> Mark:
    long = made.direction is Direction.LONG
    sign = numbers.UP if long else numbers.DOWN
    size = numbers.quantity(made.quantity)
    text = f"{sign} {made.direction.value} {size} at {numbers.price(made.entry_price)}"
    return Mark(made.opened_ns, float(made.entry_price), sign, "entry", text)


def _exit(trade: Trade) -> Mark:
    sign, role = (WON, "gain") if trade.won else (LOST, "loss")
    why = trade.exit_reason.replace("_", " ")
    text = f"{sign} {why} {numbers.money(trade.pnl, sign=True)}"
    return Mark(trade.closed_ns, float(trade.exit_price), sign, role, text)
