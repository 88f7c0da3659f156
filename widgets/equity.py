"""The equity line, and beneath it how far below its peak it stood."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.clock import DAY, SECOND
from engine.core.views import EquityPoint, Snapshot
from widgets import numbers
from widgets.cells import fit
from widgets.frame import Frame
from widgets.grid import Grid
from widgets.lines import Line, Run
from widgets.panel import Panel, said
from widgets.spark import BLOCKS

_LEAST_WIDTH = 24
_DRAWDOWN_FROM = 5
_EIGHTHS = len(BLOCKS)
_LENGTHEN = 1.1


class EquityLine(Panel):
    """Equity over the run, or over the last part of it that is shown."""

    title = "Equity"
    live = False
    empty = ("No equity is measured yet.", "The line begins with the engine's first minute.")

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._points: tuple[EquityPoint, ...] = ()

    def show_points(self, points: Sequence[EquityPoint]) -> None:
        """Draw these points, oldest first."""
        self._points = tuple(p for p in points if math.isfinite(p.equity))
        self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return ()

    def nothing(self) -> bool:
        return not self._points

    def fed(self) -> bool:
        return not self.nothing()

    def note(self) -> Sequence[Run]:
        if len(self._points) < 2:
            return ()
        change = self._points[-1].equity / self._points[0].equity - 1
        text = numbers.percent(change * 100)
        return ((f"{numbers.arrow(change)} {text}", numbers.role(change)),)

    def body(self, width: int, height: int) -> Sequence[Line]:
        points = self._points
        low = min(point.equity for point in points)
        high = max(point.equity for point in points)
        axis = max(len(numbers.money(high)), len(numbers.money(low))) + 1
        cells = width - axis
        if width < _LEAST_WIDTH or cells < 8 or height < 1:
            return said((numbers.money(points[-1].equity), ""), width, height)
        times = 1 if height >= 4 else 0
        below = max(1, (height - times) // 4) if height >= _DRAWDOWN_FROM else 0
        rows = height - times - below
        columns = buckets(points, cells)
        lines: list[Line] = _equity(columns, low, high, rows, cells, axis)
        if below:
            lines += _drawdown(columns, below, cells, axis)
        if times:
            lines.append(_times(points, len(columns), cells))
        return lines


def buckets(points: Sequence[EquityPoint], most: int) -> list[EquityPoint]:
    """The last point of each of at most `most` equal spans of time.

    Spans come in fixed lengths and are counted from zero, so that the picture moves by whole
    columns and stands still in between.
    """
    if len(points) < 2 or most < 2:
        return list(points[-1:])
    span = _span((points[-1].time_ns - points[0].time_ns) / (most - 1))
    kept: dict[int, EquityPoint] = {point.time_ns // span: point for point in points}
    filled: list[EquityPoint] = []
    for at in range(min(kept), max(kept) + 1):
        filled.append(kept.get(at, filled[-1] if filled else points[0]))
    return filled[-most:]


def _span(least: float) -> int:
    """The least span of a fixed row of lengths, each a tenth longer than the one before."""
    steps = math.ceil(math.log(max(1.0, least / SECOND)) / math.log(_LENGTHEN))
    return max(SECOND, math.ceil(SECOND * _LENGTHEN**steps))


def _equity(
    columns: Sequence[EquityPoint], low: float, high: float, rows: int, cells: int, axis: int
) -> list[Line]:
    span = (high - low) or 1.0
    levels = [0.5 if high == low else (point.equity - low) / span for point in columns]
    grid = Grid(cells, rows)
    top = rows * _EIGHTHS - 1
    for x, share in enumerate(levels):
        full, rest = divmod(1 + round(share * top), _EIGHTHS)
        for level in range(full):
            grid.put(x, rows - 1 - level, "█", "area")
        if rest:
            grid.put(x, rows - 1 - full, BLOCKS[rest - 1], "primary")
        else:
            grid.put(x, rows - full, "█", "primary")
    labels = {0: (numbers.money(high), "muted")}
    if rows > 1 and low != high:
        labels[rows - 1] = (numbers.money(low), "muted")
    last = columns[-1].equity
    if rows >= 4 and low < last < high:
        at = round((high - last) / span * (rows - 1))
        labels.setdefault(at, (numbers.money(last), "bold"))
    return _labelled(grid, labels, axis)


def _drawdown(columns: Sequence[EquityPoint], rows: int, cells: int, axis: int) -> list[Line]:
    """Drawdown hanging from the line of zero, in the scale of its worst.

    Blocks fill a cell from below, so that hanging ones are drawn reversed.
    """
    depths = [abs(point.drawdown_pct) for point in columns]
    worst = max(depths, default=0.0)
    grid = Grid(cells, rows)
    for x, depth in enumerate(depths):
        eighths = round(depth / worst * rows * _EIGHTHS) if worst else 0
        full, rest = divmod(eighths, _EIGHTHS)
        for y in range(full):
            grid.put(x, y, "█", "depth")
        if rest:
            grid.put(x, full, BLOCKS[_EIGHTHS - rest - 1], "reverse depth")
    labels = {rows - 1: (numbers.percent(-worst, 2 if worst < 10 else 1), "loss")}
    if rows > 1:
        labels[0] = ("drawdown", "muted")
    return _labelled(grid, labels, axis)


def _labelled(grid: Grid, labels: dict[int, Run], axis: int) -> list[Line]:
    rows: list[Line] = []
    for y in range(grid.height):
        text, role = labels.get(y, ("", ""))
        rows.append((*grid.row(y), (fit(text, axis, "right"), role)))
    return rows


def _times(points: Sequence[EquityPoint], used: int, cells: int) -> Line:
    first, last = points[0].time_ns, points[-1].time_ns
    start, end = numbers.clock(first), numbers.clock(last)
    if last // DAY != first // DAY:
        start = f"{numbers.day(first)} {start}"
    room = max(len(start) + 1, used - len(end))
    if room + len(end) > cells:
        return ((start, "muted"),)
    return ((fit(start, room), "muted"), (end, "muted"))
