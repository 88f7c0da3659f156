"""A table as a widget of its own, for lists outside the panels."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from widgets.cells import fit, plain
from widgets.columns import Column
from widgets.lines import Line, LineWidget
from widgets.rows import Row
from widgets.table import Table


class LineTable(LineWidget):
    """A table as a widget of its own, for lists outside the panels."""

    class Picked(Message):
        """A row was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, columns: Sequence[Column], empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self.table = Table(columns)
        self.empty = empty

    def draw(self, width: int, height: int) -> list[Line]:
        if not self.table.shown:
            return [((fit(plain(self.empty), width), "muted"),)]
        return self.table.lines(width, height)

    def set_rows(self, rows: Sequence[Row]) -> int:
        """Show these rows; the number of screen rows repainted."""
        self.table.set_rows(rows)
        return self.redraw()

    @property
    def selected_key(self) -> str | None:
        """The key at the cursor."""
        row = self.table.selected
        return row.key if row else None

    def move(self, by: int) -> None:
        """Move the cursor."""
        if self.table.move(by):
            self.redraw()

    def filter(self, text: str) -> None:
        """Show only rows with these words."""
        self.table.filter(text)
        self.redraw()

    def sort_by(self, column: str, descending: bool = False) -> None:
        """Order by a column."""
        self.table.sort_by(column, descending)
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse clicked."""
        row = self.table.row_at(event.y - 1)
        if row is not None:
            self.table.select(row.key)
            self.redraw()
            self.post_message(self.Picked(row.key))
