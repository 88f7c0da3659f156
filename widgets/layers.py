"""The layers of the price chart: grid, levels, candles, volume, studies and two axes.

Each is drawn into the same grid of cells by its own function, in the order in which one may
cover another.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from engine.core.clock import DAY
from engine.core.types import Bar
from widgets import axes, numbers, study
from widgets.candles import Scale, candle
from widgets.grid import Grid
from widgets.levels import Levels
from widgets.lines import Run, line_width
from widgets.marks import HELD, Mark, Stretch
from widgets.spark import BLOCKS
from widgets.study import Study

_VOLUME_FROM = 14
_READING_FROM = 11
_LEAST_READING = 6
_MOST_STRETCH = 2.5
"""How far levels may stretch the range of the bars before they are shown at the edge."""

_SEEN_THROUGH = " ┈╌"
"""What a line down may be drawn over: nothing, the grid and levels."""

_STRIP_FROM = 12
_LEAST_CANDLES = 6
"""Rows that strips leave to the candles."""


@dataclass(frozen=True)
class Plan:
    """How the panel's cells are shared between candles, volume, strips and axes.

    From the top: a row for the candle that is read (where `reading`) and one that names the
    studies, together `legend` rows; `rows` of candles,
    `volume` rows, `strips` times `strip` rows, and the times.
    """

    columns: int
    legend: int
    rows: int
    volume: int
    strip: int
    strips: int
    axis: int
    decimals: int
    reading: bool = False
    exact: int = 2

    @property
    def base(self) -> int:
        """The first row under the volume."""
        return self.legend + self.rows + self.volume


def price_range(
    shown: Sequence[Bar], levels: Levels | None, lines: Sequence[Sequence[float]]
) -> tuple[float, float]:
    """Least and greatest price to show: of the bars, and of what does not squeeze them."""
    low, high = min(bar.low for bar in shown), max(bar.high for bar in shown)
    most = max(high - low, abs(high) * 1e-6) * _MOST_STRETCH
    wanted = [price for _, price, _ in (levels.lines() if levels else ())]
    for line in lines:
        wanted += [value for value in line if math.isfinite(value)]
    for price in wanted:
        if max(high, price) - min(low, price) <= most:
            low, high = min(low, price), max(high, price)
    return low, high


def planned(
    bars: Sequence[Bar],
    width: int,
    height: int,
    levels: Levels | None,
    studies: Sequence[Study],
    pointed: bool = False,
) -> Plan | None:
    """How a panel of this size is shared out; None where it has no room for candles.

    A row tells the values of a candle where there is room for it, or one is pointed at.
    """
    reading = height >= _READING_FROM or (pointed and height >= _LEAST_READING)
    legend = int(reading) + (1 if studies else 0)
    volume = max(2, height // 8) if height >= _VOLUME_FROM else 0
    strip = max(3, height // 6) if height >= _STRIP_FROM else 0
    room = height - 1 - legend - volume
    strips = sum(not study.on_price for study in studies) if strip else 0
    strips = max(0, min(strips, (room - _LEAST_CANDLES) // strip if strip else 0))
    rows = room - strips * strip
    known = [bar.close for bar in bars[-20:] if math.isfinite(bar.close)]
    most = max(map(numbers.decimals_of, known), default=0)
    decimals = min(most, _sensible(bars[-1].close))
    widest = [bars[-1].high, *(price for _, price, _ in (levels.lines() if levels else ()))]
    axis = max(len(numbers.price(price, decimals)) for price in widest) + 2
    columns = width - axis
    if columns < 8 or rows < 3:
        return None
    return Plan(columns, legend, rows, volume, strip, strips, axis, decimals, reading, most)


def _sensible(price: float) -> int:
    """Decimals beyond which an axis label tells nothing."""
    return max(0, 5 - math.floor(math.log10(abs(price)))) if price else 2


def draw_grid(grid: Grid, scale: Scale, plan: Plan) -> None:
    """Thin lines at round prices."""
    for price in axes.marks(scale.low, scale.high, max(2, plan.rows // 3)):
        y = scale.row(price)
        for x in range(plan.columns):
            grid.put(x, plan.legend + y, "┈", "grid")
        _label(grid, plan, y, price, "muted")


def _label(grid: Grid, plan: Plan, y: int, price: float, words: str, sign: str = " ") -> None:
    text = f"{sign}{numbers.price(price, plan.decimals)}"
    grid.write(plan.columns, plan.legend + y, text.ljust(plan.axis)[: plan.axis], words)


def draw_levels(grid: Grid, scale: Scale, plan: Plan, levels: Levels | None) -> None:
    """A dashed line at each level inside the range."""
    for _, price, role in levels.lines() if levels else ():
        if scale.has(price):
            for x in range(plan.columns):
                grid.put(x, plan.legend + scale.row(price), "╌", role)


def name_levels(
    grid: Grid, scale: Scale, plan: Plan, levels: Levels | None, last: Bar | None
) -> None:
    """Names at the left and prices at the right; one outside stands at the edge, with an arrow.

    The row of the `last` price stays its own.
    """
    free = set(range(plan.rows)) - ({scale.row(last.close)} if last else set())
    for name, price, role in levels.lines() if levels else ():
        if not free:
            return
        arrow = "" if scale.has(price) else ("↑ " if price > scale.high else "↓ ")
        wanted = scale.row(price)
        y = min(free, key=lambda row: abs(row - wanted))
        free.discard(y)
        grid.write(0, plan.legend + y, f"{arrow}{name} "[: plan.columns], role)
        _label(grid, plan, y, price, role)


def draw_candles(
    grid: Grid, scale: Scale, plan: Plan, bars: Sequence[Bar], step: int, monochrome: bool
) -> None:
    """One column a bar, the newest at the right."""
    first = first_column(plan, bars, step)
    for index, bar in enumerate(bars):
        role = "gain" if bar.close >= bar.open else "loss"
        for y, char in enumerate(candle(bar, scale, monochrome)):
            if char != " ":
                grid.put(first + index * step, plan.legend + y, char, role)


def first_column(plan: Plan, bars: Sequence[Bar], step: int) -> int:
    """Where the oldest of the shown bars stands."""
    return plan.columns - 1 - (len(bars) - 1) * step


def draw_studies(
    grid: Grid,
    scale: Scale,
    plan: Plan,
    bars: Sequence[Bar],
    step: int,
    studies: Sequence[Study],
) -> None:
    """Lines over the candles, strips under them, and a row that names what has no strip."""
    first = first_column(plan, bars, step)
    left = 0
    strips = 0
    for index, each in enumerate(studies):
        role = study.ROLES[index % len(study.ROLES)]
        if not each.on_price and strips < plan.strips:
            top = plan.base + strips * plan.strip
            _draw_strip(grid, plan, each, each.along(bars), first, step, top, role)
            strips += 1
            continue
        if each.on_price:
            study.draw(grid, scale, each.along(bars), first, step, plan.legend, role)
        text = each.label(plan.decimals if each.on_price else None)
        if left + len(text) > grid.width:
            # Half a number would be another number.
            text = "…"
        grid.write(left, plan.legend - 1, text, role)
        left += len(text) + 2


def _draw_strip(
    grid: Grid,
    plan: Plan,
    each: Study,
    values: Sequence[float],
    first: int,
    step: int,
    top: int,
    role: str,
) -> None:
    """An oscillator on its own scale: name and newest value, bounds at the axis."""
    for x in range(plan.columns):
        grid.put(x, top, "┈", "grid")
    grid.write(0, top, f"{each.label()} "[: plan.columns], role)
    found = study.bounds(values)
    if found is None:
        return
    low, high = found
    study.draw(grid, Scale(low, high, plan.strip - 1), values, first, step, top + 1, role)
    for y, value in ((top + 1, high), (top + plan.strip - 1, low)):
        grid.write(plan.columns, y, f" {study.short(value)}"[: plan.axis], "muted")


def draw_volume(grid: Grid, plan: Plan, bars: Sequence[Bar], step: int) -> None:
    """Bars of volume under the candles."""
    if not plan.volume:
        return
    most = max((bar.volume for bar in bars if math.isfinite(bar.volume)), default=0.0)
    if most <= 0:
        return
    base = plan.base - 1
    eighths = len(BLOCKS)
    first = first_column(plan, bars, step)
    for index, bar in enumerate(bars):
        share = bar.volume / most if math.isfinite(bar.volume) else 0.0
        full, rest = divmod(max(1, round(share * plan.volume * eighths)), eighths)
        x = first + index * step
        for level in range(full):
            grid.put(x, base - level, "█", "frame")
        if rest:
            grid.put(x, base - full, BLOCKS[rest - 1], "frame")
    grid.write(plan.columns, base, f" vol {numbers.compact(bars[-1].volume)}"[: plan.axis], "muted")


def draw_times(
    grid: Grid, plan: Plan, bars: Sequence[Bar], step: int, legend: Sequence[Run] = ()
) -> None:
    """Round times under everything; a day where one begins. The legend stands behind them."""
    y = plan.base + plan.strips * plan.strip
    end = plan.columns + 2
    if legend:
        left = grid.width - line_width(tuple(legend))
        end = min(end, left - 1)
        for text, role in legend:
            grid.write(left, y, text, role)
            left += len(text)
    first = first_column(plan, bars, step)
    span = bars[-1].span_ns
    every = axes.time_step(span / step, 10)
    free = 0
    for index, bar in enumerate(bars):
        if bar.open_ns // every == (bar.open_ns - span) // every:
            continue
        at_midnight = bar.open_ns // DAY != (bar.open_ns - span) // DAY
        text = numbers.day(bar.open_ns) if at_midnight else numbers.clock(bar.open_ns)
        x = first + index * step - len(text) // 2
        if x < free or x + len(text) > end:
            continue
        grid.write(x, y, text, "soft" if at_midnight else "muted")
        free = x + len(text) + 1


def draw_last(grid: Grid, scale: Scale, plan: Plan, bar: Bar) -> None:
    """The newest price at the axis."""
    role = "gain" if bar.close >= bar.open else "loss"
    _label(grid, plan, scale.row(bar.close), bar.close, f"bold {role}", "◂")


def index_at(bars: Sequence[Bar], time_ns: int) -> int | None:
    """Which of these bars a moment lies in; None before the first and after the last."""
    if not bars:
        return None
    at = bisect_right(bars, time_ns, key=lambda bar: bar.open_ns) - 1
    inside = at >= 0 and time_ns < bars[at].open_ns + bars[at].span_ns
    return at if inside else None


def draw_stretches(
    grid: Grid,
    scale: Scale,
    plan: Plan,
    bars: Sequence[Bar],
    step: int,
    stretches: Sequence[Stretch],
) -> None:
    """A solid line for as long as a stop or target stood; candles stay in front of it."""
    first = first_column(plan, bars, step)
    for stretch in stretches:
        if not scale.has(stretch.price):
            continue
        begin = _column(bars, stretch.start_ns, first, step)
        end = _column(bars, stretch.end_ns, first, step) if stretch.end_ns else plan.columns - 1
        y = plan.legend + scale.row(stretch.price)
        for x in range(max(0, begin), min(end, plan.columns - 1) + 1):
            if grid.at(x, y) in _SEEN_THROUGH:
                grid.put(x, y, HELD, stretch.role)


def _column(bars: Sequence[Bar], time_ns: int, first: int, step: int) -> int:
    """The column of a moment; one left of all columns before the first of these bars."""
    return first + (bisect_right(bars, time_ns, key=lambda bar: bar.open_ns) - 1) * step


def draw_marks(
    grid: Grid, scale: Scale, plan: Plan, bars: Sequence[Bar], step: int, marks: Sequence[Mark]
) -> None:
    """Where positions were entered and left; what lies outside the prices shown is left out."""
    first = first_column(plan, bars, step)
    for mark in marks:
        at = index_at(bars, mark.time_ns)
        if at is not None and scale.has(mark.price):
            y = plan.legend + scale.row(mark.price)
            grid.put(first + at * step, y, mark.sign, f"bold {mark.role}")


def draw_cross(
    grid: Grid, scale: Scale, plan: Plan, bars: Sequence[Bar], step: int, at: int
) -> None:
    """A line down through the candle that is read, its close at the axis, its time below."""
    x = first_column(plan, bars, step) + at * step
    bar = bars[at]
    for y in range(plan.legend, plan.base + plan.strips * plan.strip):
        if grid.at(x, y) in _SEEN_THROUGH:
            grid.put(x, y, "┊", "accent")
    _label(grid, plan, scale.row(bar.close), bar.close, "reverse accent")
    text = f" {numbers.clock(bar.open_ns)} "
    left = max(0, min(x - len(text) // 2, plan.columns - len(text)))
    y = plan.base + plan.strips * plan.strip
    # A time that is covered in part would be another time.
    for start, toward in ((left - 1, -1), (left + len(text), 1)):
        at_x = start
        while grid.at(at_x, y) != " ":
            grid.put(at_x, y, " ")
            at_x += toward
    grid.write(left, y, text, "reverse accent")


def write_reading(grid: Grid, plan: Plan, bar: Bar, marks: Sequence[Mark], pointed: bool) -> None:
    """The values of a candle in a row, as many as fit, and what was traded within it."""
    if not plan.reading:
        return
    price = partial(numbers.price, decimals=plan.exact)
    move = (bar.close / bar.open - 1) * 100 if bar.open else math.nan
    began = numbers.clock(bar.open_ns)
    parts: list[tuple[str, str]] = [
        (f"{numbers.day(bar.open_ns)} {began}" if pointed else began,
         "bold accent" if pointed else "muted"),
        (f"C {price(bar.close)}", "soft"),
        (f"{numbers.arrow(move)} {numbers.percent(move)}", numbers.role(move)),
        (f"H {price(bar.high)}", "muted"),
        (f"L {price(bar.low)}", "muted"),
        (f"O {price(bar.open)}", "muted"),
        (f"vol {numbers.compact(bar.volume)}", "muted"),
    ]  # fmt: skip
    traded = [(mark.text, mark.role) for mark in marks
              if bar.open_ns <= mark.time_ns < bar.open_ns + bar.span_ns]  # fmt: skip
    left = 0
    for text, role in [parts[0], *traded, *parts[1:]]:
        if left + len(text) > grid.width:
            return
        grid.write(left, 0, text, role)
        left += len(text) + 2
