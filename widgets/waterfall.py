"""Why not: every gate that an entry in one symbol has to pass, and which one holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.types import Gate
from engine.core.views import Outlook, Snapshot
from widgets import numbers, words
from widgets.columns import Column
from widgets.facts import paragraph
from widgets.frame import Frame
from widgets.gauge import gauge
from widgets.lines import BLANK, Line, Run, run, spread
from widgets.panel import said
from widgets.rows import Row
from widgets.tablepanel import TablePanel

_BAR = 10


class WaterfallPanel(TablePanel):
    """The gates of one symbol in the order in which they are asked."""

    title = "Why not"
    empty = (
        "No symbol is followed yet.",
        "Select a symbol under Signals: each gate's value, threshold and distance stand here.",
    )
    columns = (
        Column("verdict", "", 1),
        Column("name", "Gate", 10, most=19),
        Column("value", "Is", 5, "right", rank=1, most=12),
        Column("limit", "Needs", 7, rank=1, most=20),
        Column("left", "Left", 5, "right", rank=2, most=12),
        Column("bar", "Headroom", _BAR, rank=4),
        Column("kind", "Kind", 4, rank=3),
        Column("since", "Since", 5, rank=5),
        Column("detail", "", 8, rank=6, grows=True),
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._symbol = ""
        self._since: dict[tuple[str, str], tuple[bool, int]] = {}
        self._pointed = ""

    def show_symbol(self, symbol: str) -> None:
        """Explain this symbol from now on; an empty text means the first one."""
        if symbol != self._symbol:
            self._symbol = symbol
            if self.snapshot is not None:
                self.take(self.snapshot)
            self.redraw()

    @property
    def outlook(self) -> Outlook | None:
        """What is explained."""
        views = self.snapshot.outlooks if self.snapshot else ()
        return next((v for v in views if v.symbol == self._symbol), views[0] if views else None)

    @property
    def selected_symbol(self) -> str:
        return self.outlook.symbol if self.outlook else ""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (*snapshot.outlooks, self._symbol)

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        for view in snapshot.outlooks:
            self._follow(view, snapshot.time_ns)
        shown = self.outlook
        if shown is None:
            return []
        return self.made.build(
            (
                (f"{shown.symbol} {gate.code}", (gate, self._flipped(shown.symbol, gate)))
                for gate in shown.gates
            ),
            _row,
        )

    def take(self, snapshot: Snapshot) -> None:
        """Put the cursor on the first gate that refuses, as long as nobody moves it here."""
        super().take(snapshot)
        view = self.outlook
        stopped = next((g for g in view.gates if not g.passed), None) if view else None
        key = f"{view.symbol} {stopped.code}" if view and stopped else ""
        if stopped and key != self._pointed and not self.active:
            self._pointed = key
            self.table.select(stopped.code)

    def _follow(self, view: Outlook, now_ns: int) -> None:
        """Note when a gate changed its answer; what was so from the start is as old as known."""
        for gate in view.gates:
            key = (view.symbol, gate.code)
            before = self._since.get(key)
            if before is None:
                self._since[key] = (gate.passed, 0 if gate.passed else view.since_ns)
            elif before[0] is not gate.passed:
                self._since[key] = (gate.passed, now_ns)

    def _flipped(self, symbol: str, gate: Gate) -> int:
        return self._since.get((symbol, gate.code), (gate.passed, 0))[1]

    def nothing(self) -> bool:
        return self.outlook is None

    def body(self, width: int, height: int) -> Sequence[Line]:
        view = self.outlook
        if view is None:
            return ()
        head = [_headline(view, width)]
        if view.waiting_for:
            head += paragraph(f"Waiting for {view.waiting_for}", width, "soft", limit=2)
        if not view.gates:
            rows = height - len(head)
            why = ("No gate was asked yet.", "They are asked once there is something to enter.")
            return [*head, *said(why, width, rows)]
        if height > 8:
            head.append(BLANK)
        return [*head, *super().body(width, height - len(head))]

    def note(self) -> Sequence[Run]:
        return ()


def _headline(view: Outlook, width: int) -> Line:
    runs: list[Run] = [run(view.symbol, "bold"), ("  ", "")]
    if view.decision is not None:
        runs += [words.action(view.decision.action, view.decision.confidence), ("  ", "")]
    stopped = next((gate for gate in view.gates if not gate.passed), None)
    role = "" if stopped is None else words.verdict(stopped)[1]
    runs.append(run(words.why(view), role))
    since = [("since ", "muted"), (numbers.clock(view.since_ns), "soft")] if view.since_ns else []
    return spread(runs, since, width)


def _row(gate: Gate, since_ns: int) -> Row:
    measured = words.measured(gate)
    return Row(
        gate.code,
        {
            "verdict": words.sign(gate),
            "name": (
                gate.name.capitalize(),
                "" if gate.passed else f"bold {words.verdict(gate)[1]}",
            ),
            "value": words.gate_value(gate),
            "limit": (words.gate_limit(gate), "muted"),
            "left": (words.gate_distance(gate), "" if gate.passed else "loss"),
            "bar": gauge(1 - words.used_share(gate), _BAR, "gain") if measured else (),
            "kind": ("hard", "soft") if gate.hard else ("soft", "muted"),
            "since": (numbers.clock(since_ns) if since_ns else "", "muted"),
            "detail": (gate.detail if measured else "", "muted"),
        },
    )
