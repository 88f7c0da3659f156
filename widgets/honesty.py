"""Honesty: what paper assumed for each fill, what the tape did next, and where the money went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from engine.core.honesty import Aftermath, BridgeRow, HonestFill, Optimism
from engine.core.types import Side
from engine.core.views import Snapshot
from widgets import numbers
from widgets.columns import Column
from widgets.facts import Fact, flow
from widgets.lines import BLANK, Line, Run, run
from widgets.rows import Row
from widgets.tablepanel import TablePanel

BPS = 10_000
HORIZONS = ("1s", "5s", "1m", "5m")
TERMS = ("gross", "fees", "spread", "slippage", "funding", "net")


class HonestyPanel(TablePanel):
    """Fills, the newest first; beneath them the day's optimism and the way from gross to net."""

    title = "Honesty"
    live = False
    follows = True
    empty = (
        "Nothing was filled yet.",
        "Each fill stands here with its cost, what the tape did next, and how kind paper was.",
    )
    columns = (
        Column("time", "UTC", 8, rank=2),
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 4, rank=3),
        Column("cost", "Cost", 5, "right", rank=1, most=7),
        *(Column(name, name, 5, "right", rank=4, most=7) for name in HORIZONS),
        Column("kind", "Kind", 6, "right", most=8),
        Column("there", "There", 5, rank=5),
        Column("waits", "Waiting", 8, rank=6),
        Column("price", "Price", 8, "right", rank=7, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (snapshot.honesty,)

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        fills = snapshot.honesty.fills if snapshot.honesty is not None else ()
        return self.made.build(((one.fill, (one,)) for one in fills), self._row)

    def _row(self, fill: HonestFill) -> Row:
        self.ticks.see(fill.symbol, fill.price)
        sign = 1 if fill.side is Side.BUY else -1
        moved = _moves(fill, sign)
        return Row(
            fill.fill,
            {
                "time": (numbers.clock_seconds(fill.time_ns), "muted"),
                "symbol": run(fill.symbol, "bold"),
                "side": (fill.side.value.lower(), "gain" if sign > 0 else "loss"),
                "cost": (_bps(fill.cost_bps), "soft"),
                **{name: (_bps(move), numbers.role(move)) for name, move in moved.items()},
                "kind": _kind(fill),
                "there": _there(fill.aftermath),
                "waits": _waits(fill.aftermath),
                "price": self.ticks.price(fill.symbol, fill.price),
            },
            sort={
                "time": float(fill.time_ns),
                "cost": fill.cost_bps,
                "kind": fill.optimism_bps,
                **moved,
            },
            symbol=fill.symbol,
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        view = self.snapshot.honesty if self.snapshot else None
        fill = next((one for one in view.fills if one.fill == row.key), None) if view else None
        if view is None or fill is None:
            return ()
        day = numbers.day(fill.time_ns)
        lines: list[Line] = []
        for name, bridge in ((day, _of_day(view.days, fill)), ("All days", view.total)):
            if bridge is not None:
                lines += flow(_bridge(name, bridge), width)
        lines += flow(_optimism("Too kind, all", view.overall), width)
        lines += [BLANK, *flow(_evidence(fill), width)]
        return lines

    def note(self) -> Sequence[Run]:
        view = self.snapshot.honesty if self.snapshot else None
        if view is None or not view.overall.n:
            return ()
        return (
            ("too kind by ", "muted"),
            (f"{_bps(view.overall.bps)} bp", numbers.role(-view.overall.bps)),
            (f" of {view.overall.n}", "muted"),
        )


def _of_day(days: Sequence[BridgeRow], fill: HonestFill) -> BridgeRow | None:
    from engine.core.clock import iso

    name = iso(fill.time_ns)[:10]
    return next((row for row in days if row.day == name), None)


def _moves(fill: HonestFill, sign: int) -> dict[str, float]:
    """How far the price moved in the fill's favour, in basis points, by horizon."""
    later = {one.after: one.price for one in fill.aftermath.later} if fill.aftermath else {}
    price = float(fill.price)
    return {name: (later.get(name, math.nan) / price - 1) * BPS * sign for name in HORIZONS}


def _bps(value: float) -> str:
    return numbers.number(value, 1, sign=True) if math.isfinite(value) else numbers.NONE


def _kind(fill: HonestFill) -> Run:
    """How much better than the next market paper was; too kind is drawn as a loss."""
    if fill.aftermath is None:
        return "…", "muted"
    return _bps(fill.optimism_bps), numbers.role(-fill.optimism_bps)


def _there(after: Aftermath | None) -> Run:
    if after is None:
        return "…", "muted"
    if after.available is None:
        return "?", "muted"
    return ("yes", "gain") if after.available else ("no", "loss")


def _waits(after: Aftermath | None) -> Run:
    """When an order that waited would have been traded through."""
    if after is None or (not after.ended and after.through_ns < 0):
        return "…", "muted"
    if after.through_ns >= 0:
        return f"in {numbers.held(after.through_ns)}", ""
    return ("never", "warn") if after.through_ns == -1 else ("?", "muted")


def _bridge(name: str, row: BridgeRow) -> list[Fact]:
    """`gross − fees − spread − slippage − funding = net` of a day."""
    facts: list[Fact] = [(name, [(f"{row.fills} fills", "soft")])]
    for term in TERMS:
        amount = getattr(row, term)
        shown = amount if term in ("gross", "net") else -amount
        facts.append((term.capitalize(), [(numbers.money(shown, sign=True), numbers.role(shown))]))
    return facts


def _optimism(name: str, told: Optimism) -> list[Fact]:
    if not told.n:
        return [(name, [("no fill was followed to its end yet", "muted")])]
    interval = (
        f"{_bps(told.low)} to {_bps(told.high)}" if math.isfinite(told.low) else "too few to say"
    )
    return [
        (name, [(f"{_bps(told.bps)} bp", numbers.role(-told.bps))]),
        ("95 %", [(interval, "soft")]),
        ("n", [(str(told.n), "soft")]),
        ("not known", [(str(told.unknown), "muted")]),
        ("in money", [(numbers.money(told.amount, sign=True), numbers.role(-told.amount))]),
    ]


def _evidence(fill: HonestFill) -> list[Fact]:
    """Where the figures of the selected fill come from."""
    facts: list[Fact] = [("Fill", [run(fill.fill, "soft")])]
    after = fill.aftermath
    if after is not None:
        facts += [
            ("Held against", [run(after.again_how or numbers.NONE, "soft")]),
            ("Still there", [run(after.available_how or numbers.NONE, "soft")]),
        ]
    return [*facts, *_assumed(fill.assumptions)]


def _assumed(text: str) -> list[Fact]:
    """What paper assumed, name by name; as it stands where it is no object of plain values."""
    try:
        known = msgspec.json.decode(text, type=dict[str, str | float | int | bool | None])
    except (msgspec.MsgspecError, ValueError):
        return [("Assumed", [run(text or "a venue filled it", "muted")])]
    named = [(name.replace("_", " "), f"{value}") for name, value in known.items()]
    return [("Assumed", []), *((name, [run(value, "soft")]) for name, value in named)]
