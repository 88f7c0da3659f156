"""Positions: what the engine holds, how it stands and how near its protection is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.views import PositionView, Snapshot
from widgets import numbers, words
from widgets.columns import Column
from widgets.facts import Fact, flow
from widgets.lines import Line, Run, run
from widgets.pathspanel import PathsPanel
from widgets.rows import Row
from widgets.spark import PATH_CELLS, spark_role, sparkline, trend


class PositionsPanel(PathsPanel):
    """Open positions, marked to what their exit would fetch now."""

    title = "Positions"
    empty = (
        "No position is open.",
        "An approved entry stands here once it is filled, with its stop watched on every tick.",
    )
    columns = (
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 7),
        Column("size", "Size", 6, "right", rank=3, most=14),
        Column("entry", "Entry", 8, "right", rank=6, most=12),
        Column("mark", "Mark", 8, "right", rank=2, most=12),
        Column("pnl", "P&L", 9, "right", most=13),
        Column("pct", "%", 6, "right", rank=3, most=9),
        Column("r", "R", 5, "right", rank=1),
        Column("stop", "Stop", 8, "right", rank=7, most=12),
        Column("to_stop", "To stop", 7, "right", rank=1),
        Column("path", "Last 12 bars", PATH_CELLS, rank=5),
        Column("held", "Held", 5, "right", rank=4, most=8),
        Column("by", "By", 4, rank=2),
        Column("strategy", "Strategy", 10, rank=8, grows=True),
    )
    PATH = PATH_CELLS

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.positions

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        return self.made.build(
            (
                (view.position.id, (view, self.path_of(view.position.symbol)))
                for view in snapshot.positions
            ),
            self._row,
        )

    def _row(self, view: PositionView, path: tuple[float, ...]) -> Row:
        position = view.position
        symbol = position.symbol
        self.ticks.see(symbol, position.entry_price, position.stop, view.mark)
        return Row(
            position.id,
            {
                "symbol": (symbol, "bold"),
                "side": words.side(position.direction),
                "size": numbers.quantity(position.quantity),
                "entry": self.ticks.price(symbol, position.entry_price),
                "mark": (self.ticks.price(symbol, view.mark), "bold"),
                "pnl": words.change(view.unrealised, numbers.money(view.unrealised, sign=True)),
                "pct": words.signed(view.pnl_pct, numbers.number(view.pnl_pct, 2, sign=True)),
                "r": words.signed(view.r_multiple, numbers.number(view.r_multiple, 1, sign=True)),
                "stop": (self.ticks.price(symbol, position.stop), "stop"),
                "to_stop": numbers.percent(view.stop_distance_pct, sign=False),
                "path": (sparkline(path, self.PATH), spark_role(path)),
                "held": (numbers.held(view.held_ns), "muted"),
                "by": _keeper(view),
                "strategy": (position.strategy, "muted"),
            },
            sort={
                "pnl": float(view.unrealised),
                "pct": view.pnl_pct,
                "r": view.r_multiple,
                "to_stop": view.stop_distance_pct,
                "path": trend(path),
                "held": float(view.held_ns),
            },
            symbol=symbol,
        )

    @property
    def position(self) -> PositionView | None:
        """The position at the cursor, as drawn."""
        held = self.snapshot.positions if self.snapshot else ()
        return next((view for view in held if view.position.id == self.selected_key), None)

    def details(self, row: Row, width: int) -> Sequence[Line]:
        view = self.position
        return flow(_facts(view), width) if view else ()

    def note(self) -> Sequence[Run]:
        if not self.table.rows:
            return ()
        return ((f"{len(self.table.rows)} open", "muted"),)

    def foot(self) -> Sequence[Run]:
        if self.position is None or not self._active:
            return ()
        return (
            ("s", "bold note"), (" stop ", "muted"), ("· ", "frame"),
            ("t", "bold note"), (" targets ", "muted"), ("· ", "frame"),
            ("c", "bold note"), (" close ", "muted"), ("· ", "frame"),
            ("o", "bold note"), (" take over", "muted"),
        )  # fmt: skip


def _keeper(view: PositionView) -> Run:
    """Who manages it; where no order could close it, that."""
    if view.dust:
        return "DUST", "warn bold"
    return ("you", "mark bold") if view.position.taken_over else ("auto", "muted")


def _facts(view: PositionView) -> list[Fact]:
    position = view.position
    targets: list[Run] = []
    for index, target in enumerate(position.targets):
        targets.append(((" · " if index else "") + numbers.price(target), "target"))
    facts: list[Fact] = [
        ("Entry", [(numbers.price(position.entry_price), "entry")]),
        ("Stop", [(numbers.price(position.stop), "stop")]),
        ("Targets", targets or [("none", "muted")]),
    ]
    if numbers.known(view.target_distance_pct):
        facts.append(("To target", [(numbers.percent(view.target_distance_pct, sign=False), "")]))
    if view.dust:
        facts.insert(0, ("DUST", [run(view.dust, "warn")]))
    facts += [
        ("Best", [(numbers.percent(position.mfe_pct), numbers.role(position.mfe_pct))]),
        ("Worst", [(numbers.percent(-position.mae_pct), numbers.role(-position.mae_pct))]),
        ("Fees", [(numbers.money(position.fees), "")]),
    ]
    return facts
