"""Line-drawn tables: columns that give way by rank, rows by key, a cursor that stays.

The model (`Table`) knows no widget: it lays rows out as lines for any size. Rows that are
the same objects as before are not even compared; what became different is repainted run by
run (`lines.LineWidget`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textual import events
from textual.message import Message

from widgets.cells import fit, plain, width_of
from widgets.lines import Line, LineWidget, Run, crop, line_width, over, pad

Cell = Run | tuple[Run, ...]
"""A cell: one run, or several of different roles."""

_NICE_TO_HAVE = 5
_GAP = 3
_NARROW_GAP = 1
_CURSOR, _NO_CURSOR = "▸", " "


@dataclass(frozen=True)
class Column:
    """One column. Rank 0 never gives way; of the others the highest rank goes first.

    A column is `width` cells, or as wide as its widest cell so far up to `most`: it grows
    and never shrinks, so that rows do not jump. One that `grows` takes what room is left.
    """

    key: str
    title: str
    width: int
    align: str = "left"
    rank: int = 0
    most: int = 0
    grows: bool = False


class Row:
    """One row, frozen once made: cells by column, and a value to sort by for each.

    Texts are cleaned here, whatever they came as. `words` dress the whole row.
    """

    __slots__ = ("_found", "cells", "key", "sort", "symbol", "words")

    def __init__(
        self,
        key: str,
        cells: Mapping[str, Cell | str],
        sort: Mapping[str, float | str] | None = None,
        symbol: str = "",
        words: str = "",
    ) -> None:
        self.key = key
        self.cells = {name: _runs(cell) for name, cell in cells.items()}
        self.sort = sort or {}
        self.symbol = symbol
        self.words = words
        self._found: str | None = None

    @property
    def found(self) -> str:
        """What a filter searches: all cells in small letters."""
        if self._found is None:
            self._found = " ".join(
                "".join(text for text, _ in runs) for runs in self.cells.values()
            ).casefold()
        return self._found

    def text(self, key: str) -> str:
        """A cell as plain text."""
        return "".join(text for text, _ in self.cells.get(key, ()))


def _runs(cell: Cell | str) -> tuple[Run, ...]:
    if isinstance(cell, str):
        return ((plain(cell), ""),)
    if len(cell) == 2 and isinstance(cell[0], str) and isinstance(cell[1], str):
        return ((plain(cell[0]), cell[1]),)
    return tuple((plain(part[0]), str(part[1])) for part in cell)


@dataclass
class _Layout:
    """Which columns are shown and how wide, for one inner width."""

    columns: list[tuple[Column, int]]
    gap: int
    drawn: dict[str, tuple[Row, Line]] = field(default_factory=dict)


class Table:
    """Rows by key with a cursor, a filter, an order and a scroll position."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.rows: tuple[Row, ...] = ()
        self.needle = ""
        self.order = ""
        self.descending = False
        self._shown: tuple[Row, ...] = ()
        self._at: dict[str, int] = {}
        self._key: str | None = None
        self._index = 0
        self._top = 0
        self._layout: _Layout | None = None
        self._width = -1
        self._widest: dict[str, int] = {}

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns; rows and cursor stay."""
        if tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self._width = -1

    def set_rows(self, rows: Sequence[Row]) -> int:
        """Show these rows; the number of those that are new or other objects than before.

        The cursor stays on its key; where that is gone it stays in its place, so that what
        slides under it is what stood next.
        """
        before = {row.key: row for row in self.rows}
        changed = sum(before.get(row.key) is not row for row in rows)
        same = len(rows) == len(self.rows) and all(
            old is new for old, new in zip(self.rows, rows, strict=True)
        )
        if not same:
            self.rows = tuple(rows)
            self._measure(row for row in rows if before.get(row.key) is not row)
            self._arrange()
        return changed

    def _measure(self, rows: Iterable[Row]) -> None:
        for row in rows:
            for column in self.columns:
                if column.most > column.width:
                    wide = min(column.most, width_of(row.text(column.key)))
                    if wide > self._widest.get(column.key, column.width):
                        self._widest[column.key] = wide
                        self._width = -1

    def filter(self, text: str) -> None:
        """Show only rows that contain every word of the text, in any cell."""
        self.needle = plain(text).casefold()
        self._arrange()

    def sort_by(self, column: str, descending: bool = False) -> None:
        """Order by a column's values; an empty name restores the given order."""
        self.order, self.descending = column, descending
        self._arrange()

    def _arrange(self) -> None:
        words = self.needle.split()
        rows = [row for row in self.rows if all(word in row.found for word in words)]
        if self.order:
            rows.sort(key=self._sort_key, reverse=self.descending)
        self._shown = tuple(rows)
        self._at = {row.key: index for index, row in enumerate(rows)}
        if self._key is not None and self._key in self._at:
            self._index = self._at[self._key]
        elif rows:
            self._index = max(0, min(self._index, len(rows) - 1))
            self._key = rows[self._index].key
        else:
            self._key = None

    def _sort_key(self, row: Row) -> tuple[int, float, str]:
        value = row.sort.get(self.order, row.text(self.order).casefold())
        if isinstance(value, str):
            return (1, 0.0, value)
        return (0, value, "") if value == value else (2, 0.0, "")

    @property
    def shown(self) -> tuple[Row, ...]:
        """Rows that pass the filter, in order."""
        return self._shown

    @property
    def selected(self) -> Row | None:
        """The row at the cursor."""
        return self._shown[self._index] if self._shown else None

    def move(self, by: int) -> bool:
        """Move the cursor by rows, stopping at the ends; True when it moved."""
        return self._go(self._index + by)

    def select(self, key: str) -> bool:
        """Put the cursor on a key; False when that key is not shown."""
        if key not in self._at:
            return False
        self._go(self._at[key])
        return True

    def _go(self, index: int) -> bool:
        if not self._shown:
            return False
        index = max(0, min(index, len(self._shown) - 1))
        moved = index != self._index
        self._index, self._key = index, self._shown[index].key
        return moved

    def row_at(self, y: int) -> Row | None:
        """The row drawn `y` rows under the heading, for the mouse."""
        index = self._top + y
        return self._shown[index] if y >= 0 and index < len(self._shown) else None

    def visible(self, width: int) -> list[tuple[Column, int]]:
        """The columns that fit into a width, with theirs."""
        return self._laid_out(width).columns

    def lines(self, width: int, height: int, active: bool = True) -> list[Line]:
        """The heading and as many rows as fit, the cursor's among them."""
        if width <= 0 or height <= 0:
            return []
        layout = self._laid_out(width)
        lines = [self._heading(layout, width)] if height > 1 else []
        room = height - len(lines)
        self._scroll(room)
        for index in range(self._top, min(len(self._shown), self._top + room)):
            row = self._shown[index]
            line = self._drawn(row, layout, width)
            if index == self._index:
                words = "on:cursor" if active else "on:rest"
                line = over(((_CURSOR, "primary"), *line[1:]), words)
            lines.append(line)
        return lines

    @property
    def hidden(self) -> tuple[int, int]:
        """Rows above and below what the last `lines` drew."""
        return self._top, max(0, len(self._shown) - self._top - self._room)

    def _scroll(self, room: int) -> None:
        self._room = room
        last_top = max(0, len(self._shown) - room)
        if self._index < self._top:
            self._top = self._index
        elif self._index >= self._top + room:
            self._top = self._index - room + 1
        self._top = max(0, min(self._top, last_top))

    _room = 0

    def _laid_out(self, width: int) -> _Layout:
        if self._layout is None or width != self._width:
            self._layout, self._width = _lay_out(self.columns, self._widest, width), width
        return self._layout

    def _heading(self, layout: _Layout, width: int) -> Line:
        runs: list[Run] = [(_NO_CURSOR, "")]
        for index, (column, cells) in enumerate(layout.columns):
            mark = ("▾" if self.descending else "▴") if column.key == self.order else ""
            if index:
                runs.append((" " * layout.gap, ""))
            runs.append((fit(column.title + mark, cells, column.align), "muted"))
        return pad(runs, width)

    def _drawn(self, row: Row, layout: _Layout, width: int) -> Line:
        known = layout.drawn.get(row.key)
        if known is not None and known[0] is row:
            return known[1]
        runs: list[Run] = [(_NO_CURSOR, "")]
        for index, (column, cells) in enumerate(layout.columns):
            if index:
                runs.append((" " * layout.gap, ""))
            runs.extend(_aligned(row.cells.get(column.key, ()), cells, column.align))
        line = pad(runs, width)
        if row.words:
            line = over(line, row.words)
        if len(layout.drawn) > 4 * len(self.rows) + 64:
            layout.drawn.clear()
        layout.drawn[row.key] = (row, line)
        return line

    def whole(self) -> bool:
        """Whether the columns of rank 0 are shown and the cursor's row has them uncut."""
        row, layout = self.selected, self._layout
        if row is None or layout is None:
            return False
        widths = {column.key: cells for column, cells in layout.columns}
        needed = [column for column in self.columns if column.rank == 0]
        return all(width_of(row.text(c.key)) <= widths.get(c.key, -1) for c in needed)


def _aligned(runs: tuple[Run, ...], cells: int, align: str) -> Iterable[Run]:
    line = crop(runs, cells)
    space = cells - line_width(line)
    if space <= 0:
        return line
    blank = (" " * space, "")
    return (blank, *line) if align == "right" else (*line, blank)


def _lay_out(columns: Sequence[Column], widest: Mapping[str, int], width: int) -> _Layout:
    """Take columns by rank as long as they fit, then share out what is left or missing."""
    inner = width - 1
    widths = {column.key: widest.get(column.key, column.width) for column in columns}
    taken: set[str] = set()
    used = -_NARROW_GAP
    for column in sorted(columns, key=lambda c: c.rank):
        more = widths[column.key] + _NARROW_GAP
        # What is nice to have must not crowd the rest.
        airy = len(taken) if column.rank >= _NICE_TO_HAVE else 0
        if column.rank == 0 or used + more + airy <= inner:
            taken.add(column.key)
            used += more
    kept = [column for column in columns if column.key in taken]
    spare = inner - used
    gap = _NARROW_GAP
    while gap < _GAP and spare >= len(kept) - 1:
        gap += 1
        spare -= len(kept) - 1
    growing = [column.key for column in kept if column.grows]
    if growing and spare > 0:
        widths[growing[0]] += spare
    for column in reversed(kept):
        given = min(widths[column.key], max(0, -spare))
        widths[column.key] -= given
        spare += given
    return _Layout([(c, widths[c.key]) for c in kept if widths[c.key] > 0], gap)


class Rows:
    """Keeps each key's row while what it was made from stays the same objects.

    This is the identity diff: an engine that did not touch a position hands out the same
    object, and then its row, its line and its cells on the screen stay untouched.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[object, ...], Row]] = {}
        self.built = 0

    def build(
        self, items: Iterable[tuple[str, tuple[Any, ...]]], make: Callable[..., Row]
    ) -> list[Row]:
        """Rows of (key, what it is made from), remade by `make` only where needed."""
        kept: dict[str, tuple[tuple[object, ...], Row]] = {}
        rows = []
        for key, sources in items:
            old = self._kept.get(key)
            if old is None or not same_objects(old[0], sources):
                old = (sources, make(*sources))
                self.built += 1
            kept[key] = old
            rows.append(old[1])
        self._kept = kept
        return rows


def same_objects(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    """Whether all are the same: values of the engine by identity, texts and numbers by value."""
    return len(old) == len(new) and all(
        one is other or (isinstance(one, (str, int, float)) and one == other)
        for one, other in zip(old, new, strict=True)
    )


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
