"""Studies: computed lines over the candles, or in strips of their own under them.

Lines are drawn in braille, two by four dots a cell, so that an average bends where it bends
and not by whole rows. What a study is and how it was computed is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.core.types import Bar
from widgets import numbers
from widgets.candles import Scale
from widgets.grid import Grid

ROLES = ("accent", "mark", "note", "soft")
"""Colour roles of the first, second, third and fourth study."""

# Dots of a braille cell by (column, row), as bits above U+2800.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE = 0x2800
_DOT_ROWS = 4
_DOT_COLUMNS = 2


@dataclass(frozen=True, eq=False)
class Study:
    """One computed line. `values` has its value for each bar, by the bar's opening time.

    `on_price` draws it over the candles; otherwise it has a scale and a strip of its own.
    `pending` says that it is being computed for the first time.
    """

    name: str
    values: dict[int, float] = field(default_factory=dict)
    on_price: bool = True
    pending: bool = False

    def along(self, bars: Sequence[Bar]) -> list[float]:
        """Its value at each candle: of the last bar inside where candles hold several."""
        if not bars:
            return []
        span = bars[-1].span_ns
        last: dict[int, float] = {}
        for opened, value in self.values.items():
            last[opened // span] = value
        return [last.get(bar.open_ns // span, math.nan) for bar in bars]

    def last(self) -> float:
        """Its newest value, of the last bar that closed."""
        return next(reversed(self.values.values()), math.nan) if self.values else math.nan

    def label(self, decimals: int | None = None) -> str:
        """Its name and newest value in words."""
        if self.pending:
            return f"{self.name} …"
        value = self.last()
        if decimals is not None:
            return f"{self.name} {numbers.price(value, decimals)}"
        return f"{self.name} {short(value)}"


def short(value: float) -> str:
    """A value of unknown size: four digits, or a letter for what is large."""
    if not math.isfinite(value):
        return numbers.NONE
    if abs(value) >= 10_000:
        return numbers.compact(value)
    if not value:
        return "0"
    return numbers.number(value, max(0, min(6, 3 - math.floor(math.log10(abs(value))))))


def draw(
    grid: Grid, scale: Scale, values: Sequence[float], first: int, step: int, top: int, role: str
) -> None:
    """A line through `values`, one every `step` columns from `first`, in rows from `top`."""
    cells: dict[tuple[int, int], int] = {}
    for x, y in _dots(scale, values, step):
        place = first + x // _DOT_COLUMNS, top + y // _DOT_ROWS
        cells[place] = cells.get(place, 0) | _DOTS[x % _DOT_COLUMNS][y % _DOT_ROWS]
    for (x, y), dots in cells.items():
        grid.put(x, y, chr(_BRAILLE + dots), role)


def _dots(scale: Scale, values: Sequence[float], step: int) -> Iterator[tuple[int, int]]:
    """Every dot of the line: points joined, gaps and what lies outside the scale left out."""
    wide = step * _DOT_COLUMNS
    tall = scale.rows * _DOT_ROWS
    span = (scale.high - scale.low) or 1.0
    before: float | None = None
    for index, value in enumerate(values):
        if not math.isfinite(value):
            before = None
            continue
        height = (scale.high - value) / span * tall
        if before is None:
            if 0 <= height <= tall:
                yield index * wide, min(tall - 1, int(height))
        else:
            yield from _joined((index - 1) * wide, before, wide, height, tall)
        before = height


def _joined(
    start: int, before: float, wide: int, after: float, tall: int
) -> Iterator[tuple[int, int]]:
    """The dots from one point to the next, a column of them where it is steep."""
    last = before
    for offset in range(1, wide + 1):
        now = before + (after - before) * offset / wide
        low, high = sorted((last, now))
        if high >= 0 and low <= tall:
            top, bottom = max(0, int(low)), min(tall - 1, int(high))
            for y in range(min(top, tall - 1), bottom + 1):
                yield start + offset, y
        last = now


def bounds(values: Sequence[float]) -> tuple[float, float] | None:
    """Least and greatest known value, a little apart; None where none is known."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    if low == high:
        margin = abs(low) * 0.01 or 1.0
        return low - margin, high + margin
    return low, high
