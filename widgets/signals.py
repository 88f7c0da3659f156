"""Signals: what every strategy says of every symbol, and what was decided of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.types import Action, Signal
from engine.core.views import Outlook, Snapshot
from widgets import numbers, words
from widgets.cells import cut
from widgets.columns import Column
from widgets.facts import heading, paragraph
from widgets.lines import BLANK, Line, crop, run
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
        symbol = min(18, max([8, *(len(row.symbol) for row in self.table.rows)]))
        room = width - 1 - symbol - 1 - 11
        return [
            Column("symbol", "Symbol", symbol),
            Column("decision", "Decision", 11),
            *_votes(names, room),
            Column("why", "Why", 24, rank=3, grows=True),
        ]

    def least_rows(self) -> int:
        """All of them: reasons stand beneath only where room is left over."""
        return len(self.table.shown) + 1

    def details(self, row: Row, width: int) -> Sequence[Line]:
        view = self._outlook
        return _reasons(view, width, 2) if view else ()

    def detail(self, width: int) -> tuple[str, Sequence[Line]] | None:
        view = self._outlook
        if view is None:
            return None
        lines = [*_reasons(view, width, 12), *_refusals(view, width)]
        return f"Signals of {view.symbol}", lines

    @property
    def _outlook(self) -> Outlook | None:
        """What is known of the symbol at the cursor."""
        views = self.snapshot.outlooks if self.snapshot else ()
        return next((view for view in views if view.symbol == self.selected_key), None)


def _reasons(view: Outlook, width: int, most: int) -> list[Line]:
    """The decision with its reasons, then each strategy's signal with its own."""
    lines: list[Line] = []
    decision = view.decision
    if decision is not None:
        said = words.action(decision.action, decision.confidence)
        when = run(f"  decided {numbers.clock(decision.time_ns)}", "muted")
        lines.append((run(view.symbol, "bold"), ("  ", ""), said, when))
        lines += paragraph(decision.reasoning, width, "soft", limit=most)
    elif view.waiting_for:
        lines += paragraph(f"Waiting for {view.waiting_for}", width, "soft", limit=most)
    for signal in view.signals:
        said = words.action(signal.action, signal.confidence)
        name = run(signal.strategy.replace("_", " "), "bold soft")
        lines.append(crop((name, ("  ", ""), said), width))
        lines += paragraph(signal.reason, width, "muted", limit=most)
    return lines


def _refusals(view: Outlook, width: int) -> list[Line]:
    """The gates that refuse, with what each measured and needs."""
    if not view.gates:
        return [BLANK, (("No gate was asked: there is nothing to enter.", "muted"),)]
    stopped = [gate for gate in view.gates if not gate.passed]
    passed = len(view.gates) - len(stopped)
    lines: list[Line] = [BLANK, heading(f"{passed} of {len(view.gates)} gates pass", width)]
    for gate in stopped:
        values = f"{words.gate_value(gate)} {words.gate_limit(gate)}".strip()
        lines.append((words.verdict(gate), ("  ", ""), run(gate.name.capitalize(), "bold"),
                      run(f"  {values}", "soft"), run(f"  {gate.detail}", "muted")))  # fmt: skip
    return [*lines, (("Screen 2 lists every gate with its headroom.", "muted"),)]


def _strategies(snapshot: Snapshot) -> list[str]:
    return sorted({signal.strategy for view in snapshot.outlooks for signal in view.signals})


def _votes(names: Sequence[str], room: int) -> list[Column]:
    """A column a strategy: votes in words and names whole where that fits, else shorter."""
    whole = [name.replace("_", " ") for name in names]
    first = [name.strip().partition(" ")[0] for name in whole]
    short = first if len(set(first)) == len(first) else whole
    for least, titles in ((_WIDE, whole), (_WIDE, short), (_NARROW, whole), (_NARROW, short)):
        widths = [max(least, len(title)) for title in titles]
        if sum(widths) + len(widths) <= room:
            break
    else:
        least = _NARROW
        share = max(_NARROW, room // max(1, len(names)) - 1)
        widths = [share] * len(names)
        titles = [cut(title, share) for title in short]
    kind = "w" if least == _WIDE else "n"
    return [
        Column(f"{kind}:{name}", title, width, rank=2)
        for name, title, width in zip(names, titles, widths, strict=True)
    ]


def _row(view: Outlook) -> Row:
    decision = view.decision
    cells: dict[str, Cell | str] = {
        "symbol": (view.symbol, "bold"),
        "decision": _decision(view),
        "why": (view.waiting_for or words.why(view), "muted"),
    }
    sort: dict[str, float | str] = {}
    if decision is not None:
        sort["decision"] = _leaning(decision.action, decision.confidence)
    for signal in view.signals:
        for kind in ("w", "n"):
            cells[f"{kind}:{signal.strategy}"] = _said(signal, wide=kind == "w")
            sort[f"{kind}:{signal.strategy}"] = _leaning(signal.action, signal.confidence)
    return Row(view.symbol, cells, sort=sort, symbol=view.symbol)


def _leaning(action: Action, confidence: float) -> float:
    """From surely selling to surely buying, so that an order has both ends."""
    return {Action.BUY: 1.0, Action.SELL: -1.0}.get(action, 0.0) * confidence


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
