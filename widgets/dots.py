"""Braille dots: a canvas with two by four points in each cell, for lines of one colour."""

from __future__ import annotations

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BASE = 0x2800


class Dots:
    """Points counted from the top left; places outside are left out."""

    def __init__(self, cells: int, rows: int) -> None:
        self.width, self.height = max(0, cells) * 2, max(0, rows) * 4
        self._cells = [[0] * max(0, cells) for _ in range(max(0, rows))]

    def dot(self, x: int, y: int) -> None:
        """Set one point."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._cells[y // 4][x // 2] |= _BITS[y % 4][x % 2]

    def column(self, x: int, first: int, last: int) -> None:
        """Set the points of one column from one row to another."""
        for y in range(min(first, last), max(first, last) + 1):
            self.dot(x, y)

    def row(self, y: int) -> str:
        """One row of cells as text; cells without a point are blank."""
        return "".join(chr(_BASE + bits) if bits else " " for bits in self._cells[y])
