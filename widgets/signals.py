"""Signals: what every strategy says of every symbol, and what was decided of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.types import Action, Signal
from engine.core.views import Outlook, Snapshot
from widgets import numbers, words
from widgets.cells import cut
from widgets.columns import Column
from widgets.lines import Line
from widgets.rows import Cell, Row
from widgets.tablepanel import TablePanel

_NARROW, _WIDE = 5, 10


class SignalsPanel(TablePanel):
    """One row a symbol, one column a strategy: a matrix that is read across and down."""

    title = "Signals"
    empty = (
        "No symbol is followed yet.",
        "When a decision bar closes, each strategy's signal and the decision stand here.",
    )
    columns = (Column("symbol", "Symbol", 8, most=18), Column("decision", "Decision", 10))

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.outlooks

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        return self.made.build(((view.symbol, (view,)) for view in snapshot.outlooks), _row)

    def body(self, width: int, height: int) -> Sequence[Line]:
        self.table.set_columns(self._columns_for(width))
        return super().body(width, height)

    def _columns_for(self, width: int) -> Sequence[Column]:
        names = _strategies(self.snapshot) if self.snapshot else []
        symbol = max([8, *(len(row.symbol) for row in self.table.rows)])
        room = width - 1 - symbol - 1 - 11
        each = min(_WIDE, room // len(names) - 1) if names else _WIDE
        wide = each >= _WIDE
        each = _WIDE if wide else max(_NARROW, each)
        return [
            Column("symbol", "Symbol", min(18, symbol)),
            Column("decision", "Decision", 11),
            *(
                Column(f"{'w' if wide else 'n'}:{name}", title, each, rank=2)
                for name, title in zip(names, _titles(names, each), strict=True)
            ),
            Column("why", "Why", 12, rank=3, grows=True),
        ]

    def details(self, row: Row, width: int) -> Sequence[Line]:
        return ()


def _strategies(snapshot: Snapshot) -> list[str]:
    return sorted({signal.strategy for view in snapshot.outlooks for signal in view.signals})


def _titles(names: Sequence[str], width: int) -> list[str]:
    """Names that fit: whole, or their first words where those tell them apart."""
    whole = [name.replace("_", " ") for name in names]
    if all(len(name) <= width for name in whole):
        return whole
    short = [name.split()[0][:width] for name in whole]
    return short if len(set(short)) == len(short) else [cut(name, width) for name in whole]


def _row(view: Outlook) -> Row:
    decision = view.decision
    cells: dict[str, Cell | str] = {
        "symbol": (view.symbol, "bold"),
        "decision": _decision(view),
        "why": (view.waiting_for or words.why(view), "muted"),
    }
    for signal in view.signals:
        cells[f"w:{signal.strategy}"] = _said(signal, wide=True)
        cells[f"n:{signal.strategy}"] = _said(signal, wide=False)
    return Row(
        view.symbol,
        cells,
        sort={"decision": decision.confidence if decision else -1.0},
        symbol=view.symbol,
    )


def _decision(view: Outlook) -> Cell:
    if view.decision is None:
        return ("waiting", "muted")
    text, role = words.action(view.decision.action, view.decision.confidence)
    return (text, f"bold {role}" if role != "muted" else role)


def _said(signal: Signal, wide: bool) -> Cell:
    text, role = numbers.action(signal.action)
    if signal.action is Action.HOLD:
        return (text if wide else text[0], "muted")
    sure = numbers.share(signal.confidence).replace(" ", "")
    return (f"{text if wide else text[0]} {sure}", role)
