"""Marks: where a symbol was entered and left, drawn into its candles, and how it was protected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.types import ZERO, Direction, Fill, Position, Side, Trade
from engine.core.views import Protection, Snapshot
from widgets import numbers
from widgets.lines import Run

WON, LOST = "◆", "◇"
PART_WON, PART_LOST = "●", "○"
HELD = "━"

LEGEND: tuple[Run, ...] = (
    (f"{numbers.UP}{numbers.DOWN}", "entry"), (" in  ", "muted"),
    (PART_WON, "gain"), (PART_LOST, "loss"), (" part out  ", "muted"),
    (WON, "gain"), (LOST, "loss"), (" out  ", "muted"),
    (HELD, "stop"), (HELD, "target"), (" as they were", "muted"),
)  # fmt: skip
"""What the signs in the candles mean; a full one is a gain, an empty one a loss."""

SHORT_LEGEND: tuple[Run, ...] = (
    (numbers.UP, "entry"), ("in ", "muted"), (WON, "gain"), ("out", "muted"),
)  # fmt: skip
"""The same where no edge has room for it: behind the times."""


@dataclass(frozen=True)
class Mark:
    """One entry or exit: when, at which price, and how it is drawn and told.

    Shapes tell them apart without colours: arrows are entries, circles exits of a part and
    diamonds of all; a full one is a gain and an empty one a loss.
    """

    time_ns: int
    price: float
    sign: str
    role: str
    text: str


@dataclass(frozen=True)
class Stretch:
    """A stop or target while it stood: from when until when (0: until now), at which price."""

    start_ns: int
    end_ns: int
    price: float
    role: str


@dataclass(frozen=True)
class Traded:
    """What was done in one symbol, for its chart."""

    marks: tuple[Mark, ...] = ()
    stretches: tuple[Stretch, ...] = ()


def traded_in(
    snapshot: Snapshot,
    symbol: str,
    fills: Iterable[Fill] = (),
    protections: Iterable[Protection] = (),
) -> Traded:
    """Marks of a symbol, exits last, so that they cover what they ended, and its protection."""
    trades = [trade for trade in snapshot.trades if trade.symbol == symbol]
    held = [view.position for view in snapshot.positions if view.position.symbol == symbol]
    lives: dict[str, list[Protection]] = {}
    for one in protections:
        if one.symbol == symbol:
            lives.setdefault(one.position, []).append(one)
    parts, last = _parts([fill for fill in fills if fill.symbol == symbol], lives)
    return Traded(
        (
            *map(_entry, trades),
            *map(_entry, held),
            *parts,
            *(_exit(trade, last.get(trade.closed_ns)) for trade in trades),
        ),
        tuple(stretch for life in lives.values() for stretch in _stretches(life)),
    )


def _entry(made: Trade | Position) -> Mark:
    long = made.direction is Direction.LONG
    sign = numbers.UP if long else numbers.DOWN
    entered = made.initial_quantity if isinstance(made, Position) else made.quantity
    size = numbers.quantity(entered)
    text = f"{sign} {made.direction.value} {size} at {numbers.price(made.entry_price)}"
    return Mark(made.opened_ns, float(made.entry_price), sign, "entry", text)


def _exit(trade: Trade, price: Decimal | None) -> Mark:
    """The end of a trade, at its last fill where that is known: the trade's price is a mean."""
    sign, role = (WON, "gain") if trade.won else (LOST, "loss")
    why = trade.exit_reason.replace("_", " ")
    text = f"{sign} {why} {numbers.money(trade.pnl, sign=True)}"
    return Mark(trade.closed_ns, float(price or trade.exit_price), sign, role, text)


def _parts(
    fills: Sequence[Fill], lives: dict[str, list[Protection]]
) -> tuple[list[Mark], dict[int, Decimal]]:
    """Exits of a part of a position, and the price of each last exit by its time."""
    marks: list[Mark] = []
    last: dict[int, Decimal] = {}
    for fill in fills:
        life = lives.get(fill.position)
        if life is None or (fill.side is Side.BUY) is (life[0].direction is Direction.LONG):
            continue
        if life[-1].ended and fill.time_ns >= life[-1].time_ns:
            last[fill.time_ns] = fill.price
            continue
        entry = next((p.entry_price for p in reversed(life) if p.time_ns <= fill.time_ns),
                     life[0].entry_price)  # fmt: skip
        gained = (fill.price - entry) * life[0].direction.sign
        sign, role = (PART_WON, "gain") if gained > ZERO else (PART_LOST, "loss")
        text = f"{sign} part {numbers.quantity(fill.quantity)} at {numbers.price(fill.price)}"
        marks.append(Mark(fill.time_ns, float(fill.price), sign, role, text))
    return marks, last


def _stretches(life: Sequence[Protection]) -> list[Stretch]:
    """Stop and targets of one position over time, each for as long as it stood unchanged."""
    done: list[Stretch] = []
    since: dict[tuple[float, str], int] = {}
    for one in life:
        now = {(float(one.stop), "stop")} if one.stop else set()
        now |= {(float(target), "target") for target in one.targets}
        gone = [key for key in since if key not in now]
        done += [Stretch(since.pop(key), one.time_ns, *key) for key in gone]
        for key in now:
            since.setdefault(key, one.time_ns)
    return [*done, *(Stretch(start, 0, *key) for key, start in since.items())]
