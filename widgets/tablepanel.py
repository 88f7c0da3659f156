"""Panels that are lists: a table, and beneath it what there is to say of the selected row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events

from engine.core.views import Snapshot
from widgets import numbers
from widgets.cells import fit, plain
from widgets.columns import Column
from widgets.frame import Frame, fitting
from widgets.lines import BLANK, Line, Run, run
from widgets.panel import Panel, said
from widgets.rows import Row, Rows
from widgets.table import Table

DETAIL_LABEL = 14
"""Cells of a label in a detail; what is longer than its line goes on under the values."""


class TablePanel(Panel):
    """A panel whose body is a table, with details of the selected row where there is room."""

    columns: tuple[Column, ...] = ()
    follows = False
    """Whether it is a log on whose rows nothing is done: its cursor follows the newest."""

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self.table = Table(self.columns, self.follows)
        self.made = Rows()
        self.ticks = numbers.Ticks()

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        """The rows for a snapshot."""
        return ()

    def take(self, snapshot: Snapshot) -> None:
        self.table.set_rows(list(self.items(snapshot)))

    def nothing(self) -> bool:
        return not self.table.rows

    def least_rows(self) -> int:
        """Rows, the heading's among them, that the details beneath must leave to the table."""
        return min(4, len(self.table.shown) + 1)

    def details(self, row: Row, width: int) -> Sequence[Line]:
        """Rows about the selected row, under the table."""
        return ()

    def body(self, width: int, height: int) -> Sequence[Line]:
        if not self.table.shown:
            return said(("No row has these words.", "esc clears the filter."), width, height)
        selected = self.table.selected
        details = list(self.details(selected, width)) if selected else []
        details = details[: max(0, height - self.least_rows() - 1)]
        rows = height - len(details) - 1
        if not details:
            return self.table.lines(width, height, self._active)
        lines = self.table.lines(width, rows, self._active)
        lines.extend([BLANK] * (rows - len(lines)))
        return [*lines, (("─" * width, "grid"),), *details]

    def note(self) -> Sequence[Run]:
        above, below = self.table.hidden
        if above or below:
            return ((f"{len(self.table.shown)} rows", "muted"),)
        return ()

    def marks(self) -> Sequence[Run]:
        """The filter with what it lets through, and the order."""
        notes: list[Run] = []
        if self.needle:
            notes.append(run(f"/{self.needle}", "note"))
            notes.append((f" {len(self.table.shown)} of {len(self.table.rows)}", "muted"))
        if order := self.table.ordered_by:
            notes += [(" " if notes else "", ""), run(order, "accent")]
        return notes

    def detail(self, width: int) -> tuple[str, Sequence[Line]] | None:
        """Every cell of the selected row uncut, then what is told beneath the table."""
        row = self.table.selected
        if row is None:
            return None
        lines: list[Line] = []
        for column in self.table.columns:
            if row.text(column.key).strip():
                name = column.title or column.key.capitalize()
                label = run(fit(name, DETAIL_LABEL), "muted")
                lines.append((label, ("  ", ""), *row.cells[column.key]))
        more = self.details(row, width)
        if more:
            lines += [BLANK, *more]
        return f"{self.title}: {row.symbol or row.key}", lines

    @property
    def selected_key(self) -> str | None:
        row = self.table.selected
        return row.key if row else None

    @property
    def selected_symbol(self) -> str:
        row = self.table.selected
        return row.symbol if row else ""

    def select(self, key: str) -> bool:
        found = self.table.select(key)
        self.redraw()
        return found

    def move(self, by: int) -> None:
        if self.table.move(by):
            self.redraw()

    def filter(self, text: str) -> None:
        self.needle = plain(text).strip()
        self.table.filter(text)
        self.redraw()

    def sort_by(self, column: str, descending: bool = False) -> None:
        """Order the rows by a column."""
        self.table.sort_by(column, descending)
        self.redraw()

    def sort_next(self) -> str:
        """Order by the next column; the order in words."""
        self.table.sort_next()
        self.redraw()
        return self.table.ordered_by

    def sort_reversed(self) -> str:
        """The same order from its other end; the order in words."""
        self.table.sort_reversed()
        self.redraw()
        return self.table.ordered_by

    def on_click(self, event: events.Click) -> None:
        frame = fitting(self.frame, *self._area)
        row = self.table.row_at(event.y - (2 if frame is not Frame.NONE else 1))
        if row is not None:
            self.table.select(row.key)
            self.redraw()
        self.post_message(self.Picked(self, self.selected_key or ""))

    def export(self) -> str:
        names = [column.key for column in self.columns]
        rows = [[column.title or column.key for column in self.columns]]
        rows += [[row.text(name) for name in names] for row in self.table.shown]
        return "\n".join("\t".join(cells) for cells in rows)
