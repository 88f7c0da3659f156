"""Line-drawn tables: columns that give way by rank, rows by key, a cursor that stays.

The model knows no widget: it lays rows out as lines for any size. Rows that are the same
objects as before are not even compared; what became different is repainted run by run
(`lines.LineWidget`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from widgets.cells import cut, fit, plain, width_of
from widgets.columns import Column, Layout, lay_out
from widgets.lines import Line, Run, crop, line_width, over, pad
from widgets.numbers import read
from widgets.rows import Row

_CURSOR, _NO_CURSOR = "▸", " "
ASCENDING, DESCENDING = "▴", "▾"


class Table:
    """Rows by key with a cursor, a filter, an order and a scroll position.

    One that `follows` is a log with its newest row first: its cursor stands there as rows come,
    until it is moved to another one; at the top it follows again.
    """

    def __init__(self, columns: Sequence[Column], follows: bool = False) -> None:
        self.columns = tuple(columns)
        self.follows = follows
        self.rows: tuple[Row, ...] = ()
        self.needle = ""
        self.order = ""
        self.descending = False
        self._shown: tuple[Row, ...] = ()
        self._at: dict[str, int] = {}
        self._key: str | None = None
        self._index = 0
        self._chosen = False
        self._top = 0
        self._layout: Layout | None = None
        self._drawn: dict[str, tuple[Row, Line]] = {}
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

    def sort_next(self) -> None:
        """Order by the next column that is on screen; after the last one, as the rows came.

        Numbers begin with the largest and texts with the first, which is what one looks for.
        """
        named = [column for column in self.on_screen if column.title]
        keys = [column.key for column in named]
        at = keys.index(self.order) + 1 if self.order in keys else 0
        if at >= len(named):
            self.sort_by("")
        else:
            self.sort_by(named[at].key, named[at].align == "right")

    def sort_reversed(self) -> None:
        """The same order from its other end; rows as they came have none."""
        if self.order:
            self.sort_by(self.order, not self.descending)

    @property
    def on_screen(self) -> Sequence[Column]:
        """The columns that the last layout had room for; all of them before the first."""
        if self._layout is None:
            return self.columns
        return [column for column, _ in self._layout.columns]

    @property
    def ordered_by(self) -> str:
        """The column and direction of the order in words, empty where rows stand as they came."""
        column = next((each for each in self.columns if each.key == self.order), None)
        if column is None:
            return ""
        return f"by {column.title} {DESCENDING if self.descending else ASCENDING}"

    def _arrange(self) -> None:
        words = self.needle.split()
        rows = [row for row in self.rows if all(word in row.found for word in words)]
        if self.order:
            rows = self._sorted(rows)
        self._shown = tuple(rows)
        self._at = {row.key: index for index, row in enumerate(rows)}
        if self.follows and not self._chosen and rows:
            self._index, self._key = 0, rows[0].key
        elif self._key is not None and self._key in self._at:
            self._index = self._at[self._key]
        elif rows:
            self._index = max(0, min(self._index, len(rows) - 1))
            self._key = rows[self._index].key
        else:
            self._key = None

    def _sorted(self, rows: Sequence[Row]) -> list[Row]:
        """In the order of the column; what has no value there stands last in both directions."""
        numeric = any(c.key == self.order and c.align == "right" for c in self.columns)
        keyed = [(self._value(row, numeric), row) for row in rows]
        known = [pair for pair in keyed if pair[0] is not None]
        known.sort(key=lambda pair: pair[0] or (0, 0.0, ""), reverse=self.descending)
        return [row for _, row in known] + [row for value, row in keyed if value is None]

    def _value(self, row: Row, numeric: bool) -> tuple[int, float, str] | None:
        value = row.sort.get(self.order)
        if value is None:
            text = row.text(self.order)
            value = read(text) if numeric else text.casefold()
        if isinstance(value, str):
            return (1, 0.0, value) if value else None
        return (0, value, "") if value == value else None

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
        self._chosen = index > 0
        return moved

    def row_at(self, y: int) -> Row | None:
        """The row drawn `y` rows under the heading, for the mouse."""
        index = self._top + y
        return self._shown[index] if y >= 0 and index < len(self._shown) else None

    def visible(self, width: int) -> Sequence[tuple[Column, int]]:
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
            line = self._line(row, layout, width)
            if index == self._index:
                words = "on:cursor" if active else "on:rest"
                line = over(((_CURSOR, "bold accent"), *line[1:]), words)
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

    def _laid_out(self, width: int) -> Layout:
        if self._layout is None or width != self._width:
            self._layout, self._width = lay_out(self.columns, self._widest, width), width
            self._drawn.clear()
        return self._layout

    def _heading(self, layout: Layout, width: int) -> Line:
        runs: list[Run] = [(_NO_CURSOR, "")]
        for index, (column, cells) in enumerate(layout.columns):
            if index:
                runs.append((" " * layout.gap, ""))
            if column.key == self.order:
                # The mark is whole even where the name gives way to it.
                mark = DESCENDING if self.descending else ASCENDING
                name = cut(column.title, cells - 1) + mark
                runs.append((fit(name, cells, column.align), "bold accent"))
            else:
                runs.append((fit(column.title, cells, column.align), "muted"))
        return pad(runs, width)

    def _line(self, row: Row, layout: Layout, width: int) -> Line:
        known = self._drawn.get(row.key)
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
        if len(self._drawn) > 4 * len(self.rows) + 64:
            self._drawn.clear()
        self._drawn[row.key] = (row, line)
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
