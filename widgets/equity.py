"""The equity line, and beneath it how far below its peak it stood."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.views import EquityPoint, Snapshot
from widgets import axes, numbers
from widgets.cells import fit
from widgets.dots import Dots
from widgets.frame import Frame
from widgets.lines import Line, Run
from widgets.panel import Panel, said

_LEAST_WIDTH = 24
_DRAWDOWN_FROM = 5


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
            last = points[-1].equity
            return said((f"{numbers.money(last)}", ""), width, height)
        times = 1 if height >= 4 else 0
        below = max(1, (height - times) // 4) if height >= _DRAWDOWN_FROM else 0
        rows = height - times - below
        columns = buckets(points, cells * 2)
        lines = [
            (*line, *label)
            for line, label in zip(
                _line(columns, low, high, cells, rows),
                _labels(low, high, points[-1].equity, rows, axis),
                strict=True,
            )
        ]
        lines += _drawdown(columns, cells, below, axis)
        if times:
            lines.append(_times(points, cells, axis))
        return lines


def buckets(points: Sequence[EquityPoint], most: int) -> list[EquityPoint]:
    """The last point of each of at most `most` equal spans of time.

    Spans are round and counted from zero, so that the picture moves by whole columns and
    stands still in between.
    """
    if len(points) < 2 or most < 2:
        return list(points[-1:])
    span = axes.round_span((points[-1].time_ns - points[0].time_ns) / (most - 1))
    kept: dict[int, EquityPoint] = {point.time_ns // span: point for point in points}
    first, last = min(kept), max(kept)
    filled: list[EquityPoint] = []
    for at in range(first, last + 1):
        filled.append(kept.get(at, filled[-1] if filled else points[0]))
    return filled[-most:]


def _line(
    columns: Sequence[EquityPoint], low: float, high: float, cells: int, rows: int
) -> list[tuple[Run, ...]]:
    dots = Dots(cells, rows)
    span = (high - low) or 1.0
    flat = high == low
    before: int | None = None
    for x, point in enumerate(columns):
        share = 0.5 if flat else (high - point.equity) / span
        y = round(share * (dots.height - 1))
        dots.column(x, y if before is None else before, y)
        before = y
    return [((dots.row(row), "primary"),) for row in range(rows)]


def _labels(low: float, high: float, last: float, rows: int, axis: int) -> list[tuple[Run, ...]]:
    labels: list[tuple[Run, ...]] = [((" " * axis, ""),)] * rows
    if rows >= 1:
        labels[0] = ((fit(numbers.money(high), axis, "right"), "muted"),)
    if rows >= 2 and low != high:
        labels[-1] = ((fit(numbers.money(low), axis, "right"), "muted"),)
    if rows >= 4 and low < last < high:
        at = max(1, min(rows - 2, round((high - last) / (high - low) * (rows - 1))))
        labels[at] = ((fit(numbers.money(last), axis, "right"), "bold"),)
    return labels


def _drawdown(
    columns: Sequence[EquityPoint], cells: int, rows: int, axis: int
) -> list[tuple[Run, ...]]:
    """Drawdown hanging from a line of zero, in the scale of its worst."""
    if not rows:
        return []
    dots = Dots(cells, rows)
    depths = [abs(point.drawdown_pct) for point in columns]
    worst = max(depths, default=0.0)
    for x, depth in enumerate(depths):
        if depth > 0:
            dots.column(x, 0, round(depth / worst * (dots.height - 1)))
    label = numbers.percent(-worst, 2 if worst < 10 else 1)
    lines: list[tuple[Run, ...]] = []
    for row in range(rows):
        text = fit(label, axis, "right") if row == rows - 1 else " " * axis
        lines.append(((dots.row(row), "loss"), (text, "muted")))
    return lines


def _times(points: Sequence[EquityPoint], cells: int, axis: int) -> Line:
    first, last = points[0].time_ns, points[-1].time_ns
    start, end = numbers.clock(first), numbers.clock(last)
    if last // 86_400_000_000_000 != first // 86_400_000_000_000:
        start = f"{numbers.day(first)} {start}"
    return (
        (fit(start, max(0, cells - len(end))), "muted"),
        (fit(end, len(end)), "muted"),
        (fit("drawdown", axis, "right")[:axis] if axis >= 9 else " " * axis, "muted"),
    )
