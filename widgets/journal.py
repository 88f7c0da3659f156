"""Journal: what happened, line by line, as it was written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.types import Actor
from engine.core.views import JournalLine, Snapshot
from widgets import numbers
from widgets.columns import Column
from widgets.rows import Row
from widgets.tablepanel import TablePanel

_KIND_ROLES = {
    "fill": "note",
    "trade": "accent",
    "proposal": "mark",
    "command": "mark",
    "control": "warn",
    "fault": "danger",
}


class JournalPanel(TablePanel):
    """The event log, the newest line first."""

    title = "Journal"
    live = False
    follows = True
    empty = (
        "Nothing is written yet.",
        "Proposals, approvals, orders, fills and every act of yours stand here with their time.",
    )
    columns = (
        Column("time", "UTC", 8),
        Column("who", "Who", 6, rank=3, most=12),
        Column("kind", "What", 8, rank=2, most=14),
        Column("symbol", "Symbol", 8, rank=1, most=14),
        Column("ref", "Id", 5, rank=4, most=8),
        Column("text", "", 34, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return ()

    def take(self, snapshot: Snapshot) -> None:
        """Lines come through `show_lines`; a snapshot only says how old they are."""

    def fed(self) -> bool:
        return not self.nothing()

    def show_lines(self, lines: Sequence[JournalLine]) -> None:
        """Show these lines of the log, given oldest first."""
        self.table.set_rows(self._rows(lines))
        self.redraw()

    def _rows(self, lines: Sequence[JournalLine]) -> list[Row]:
        sources: Iterable[tuple[str, tuple[JournalLine]]] = (
            (str(line.seq), (line,)) for line in reversed(lines)
        )
        return self.made.build(sources, _row)


def _row(line: JournalLine) -> Row:
    return Row(
        str(line.seq),
        {
            "time": (numbers.clock_seconds(line.time_ns), "muted"),
            "who": (line.who.value, "mark" if line.who is not Actor.ENGINE else "muted"),
            "kind": (line.kind.replace("_", " "), _KIND_ROLES.get(line.kind, "muted")),
            "symbol": (line.symbol, "bold"),
            "ref": (line.ref, "muted"),
            "text": line.text,
        },
        sort={"time": float(line.time_ns)},
        symbol=line.symbol,
    )
