"""Candles in cells: wick and body of one bar in one column, to half a row exact."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Bar

# What stands in the upper and the lower half of a cell: nothing, wick or body.
_NOTHING, _WICK, _BODY = 0, 1, 2
_CELLS = {
    (_NOTHING, _NOTHING): " ",
    (_WICK, _WICK): "│",
    (_BODY, _BODY): "┃",
    (_WICK, _BODY): "╽",
    (_BODY, _WICK): "╿",
    (_NOTHING, _WICK): "╷",
    (_WICK, _NOTHING): "╵",
    (_NOTHING, _BODY): "╻",
    (_BODY, _NOTHING): "╹",
}
# Falling bodies where there are no colours.
_FALLING = "┇"


class Scale:
    """Prices to half rows, counted from the top."""

    def __init__(self, low: float, high: float, rows: int) -> None:
        self.low, self.high, self.rows = low, high, rows
        self._halves = rows * 2
        self._span = (high - low) or 1.0

    def half(self, price: float) -> int:
        """The half row of a price, held inside the chart."""
        at = int((self.high - price) / self._span * self._halves)
        return max(0, min(self._halves - 1, at))

    def row(self, price: float) -> int:
        """The row of a price, held inside the chart."""
        return self.half(price) // 2

    def has(self, price: float) -> bool:
        """Whether the price lies inside the chart."""
        return self.low <= price <= self.high


def candle(bar: Bar, scale: Scale, monochrome: bool = False) -> list[str]:
    """The column of one bar, a character a row; blanks where the bar is not."""
    top, bottom = scale.half(bar.high), scale.half(bar.low)
    first = scale.half(max(bar.open, bar.close))
    last = scale.half(min(bar.open, bar.close))
    halves = [_NOTHING] * (scale.rows * 2)
    for at in range(top, bottom + 1):
        halves[at] = _BODY if first <= at <= last else _WICK
    column = [_CELLS[halves[2 * row], halves[2 * row + 1]] for row in range(scale.rows)]
    if monochrome and bar.close < bar.open:
        column = [_FALLING if char == "┃" else char for char in column]
    return column


def merged(bars: Sequence[Bar], count: int) -> list[Bar]:
    """Every `count` bars as one, in groups that stand still as bars are added."""
    if count <= 1:
        return list(bars)
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.open_ns // (bar.span_ns * count), []).append(bar)
    return [_one(group, count) for group in groups.values()]


def _one(group: Sequence[Bar], count: int) -> Bar:
    first, last = group[0], group[-1]
    return Bar(
        symbol=first.symbol,
        open_ns=first.open_ns // (first.span_ns * count) * (first.span_ns * count),
        span_ns=first.span_ns * count,
        open=first.open,
        high=max(bar.high for bar in group),
        low=min(bar.low for bar in group),
        close=last.close,
        volume=sum(bar.volume for bar in group),
        final=last.final,
    )
