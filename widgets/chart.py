"""The price chart: candles, the levels that matter for a trade, and two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.clock import DAY
from engine.core.types import Bar
from engine.core.views import Snapshot
from widgets import axes, numbers
from widgets.candles import Scale, candle, merged
from widgets.frame import Frame
from widgets.grid import Grid
from widgets.lines import Line, Run, run
from widgets.panel import Panel, said
from widgets.spark import BLOCKS

# (bars merged into one candle, columns a candle takes), from near to far.
ZOOMS = ((1, 3), (1, 2), (1, 1), (2, 1), (4, 1), (8, 1))
_WIDE = 84
_VOLUME_FROM = 14
_MOST_STRETCH = 2.5
"""How far levels may stretch the range of the bars before they are shown at the edge."""


@dataclass(frozen=True)
class Levels:
    """Prices to draw across the chart; NaN and empty are none."""

    entry: float = math.nan
    stop: float = math.nan
    targets: tuple[float, ...] = ()

    @staticmethod
    def of(snapshot: Snapshot, symbol: str) -> Levels | None:
        """The levels of the position in a symbol, else of the proposal that waits there."""
        for view in snapshot.positions:
            if view.position.symbol == symbol:
                held = view.position
                return Levels(
                    float(held.entry_price), float(held.stop), tuple(map(float, held.targets))
                )
        for proposal in snapshot.proposals:
            if proposal.symbol == symbol:
                return Levels(
                    float(proposal.price),
                    float(proposal.stop),
                    tuple(map(float, proposal.targets)),
                )
        return None

    def lines(self) -> list[tuple[str, float, str]]:
        """(name, price, role) of each level that there is."""
        named = [("entry", self.entry, "entry"), ("stop", self.stop, "stop")]
        several = len(self.targets) > 1
        for index, target in enumerate(self.targets, 1):
            named.append((f"target {index}" if several else "target", target, "target"))
        return [each for each in named if math.isfinite(each[1])]


@dataclass(frozen=True)
class _Plan:
    """How the panel's cells are shared between candles, volume and axes."""

    columns: int
    rows: int
    volume: int
    axis: int
    decimals: int


class PriceChart(Panel):
    """Candles of one symbol; what is held or proposed there is drawn across them."""

    title = "Chart"
    empty = ("No bar is here yet.", "Candles stand here once the symbol's first bar has closed.")

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._symbol = ""
        self._timeframe = ""
        self._bars: tuple[Bar, ...] = ()
        self._forming: Bar | None = None
        self._levels: Levels | None = None
        self._zoom: int | None = None
        self._back = 0
        self._range = (math.nan, math.nan)
        self._ranged: tuple[object, ...] = ()

    def show_bars(
        self,
        symbol: str,
        bars: Sequence[Bar],
        forming: Bar | None,
        levels: Levels | None,
        timeframe: str,
    ) -> None:
        """Draw these closed bars, oldest first, the one that forms, and the levels."""
        if symbol != self._symbol:
            self._back = 0
            self._range = (math.nan, math.nan)
        elif self._back and bars and self._bars:
            # Looking at the past: new bars must not move what is looked at.
            self._back += sum(bar.open_ns > self._bars[-1].open_ns for bar in bars)
        self._symbol, self._timeframe = symbol, timeframe
        self._bars, self._forming, self._levels = tuple(bars), forming, levels
        self.redraw()

    @property
    def selected_key(self) -> str | None:
        return self._symbol or None

    @property
    def selected_symbol(self) -> str:
        return self._symbol

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return ()

    def nothing(self) -> bool:
        return not self._bars and self._forming is None

    def fed(self) -> bool:
        return not self.nothing()

    def zoom(self, by: int) -> None:
        """Nearer (negative) or farther (positive) by steps."""
        self._zoom = max(0, min(len(ZOOMS) - 1, self._zoom_now(self._area[0]) + by))
        self.redraw()

    def pan(self, by: int) -> None:
        """Back into the past (negative) or forward by bars; never past the newest."""
        self._back = max(0, min(self._back - by, max(0, len(self._bars) - 1)))
        self.redraw()

    def move(self, by: int) -> None:
        self.pan(by)

    def note(self) -> Sequence[Run]:
        notes: list[Run] = []
        if self._back:
            notes += [(f"{self._back} bars back", "accent"), ("  ", "")]
        name = f"{self._symbol} {self._timeframe}".strip()
        return [*notes, run(name, "bold")] if name else notes

    def _zoom_now(self, width: int) -> int:
        if self._zoom is not None:
            return self._zoom
        return 1 if width >= _WIDE else 2

    def body(self, width: int, height: int) -> Sequence[Line]:
        together, step = ZOOMS[self._zoom_now(width)]
        bars = merged([*self._bars, *([self._forming] if self._forming else [])], together)
        bars = [bar for bar in bars if math.isfinite(bar.high) and math.isfinite(bar.low)]
        if not bars:
            return said(self.empty, width, height)
        end = max(1, len(bars) - self._back // together)
        plan = _plan(bars[:end], width, height, self._levels)
        if plan is None:
            return said(("The chart needs more room.", "z gives it the window."), width, height)
        shown = bars[max(0, end - (plan.columns + step - 1) // step) : end]
        low, high = self._held_range(shown, plan, self._levels)
        scale = Scale(low, high, plan.rows)
        grid = Grid(width, height)
        _draw_grid(grid, scale, plan)
        _draw_levels(grid, scale, plan, self._levels)
        first = plan.columns - 1 - (len(shown) - 1) * step
        _draw_candles(grid, scale, shown, first, step, self.monochrome)
        _name_levels(grid, scale, plan, self._levels)
        _draw_volume(grid, plan, shown, first, step)
        _draw_times(grid, plan, shown, first, step)
        if end == len(bars):
            _draw_last(grid, scale, plan, shown[-1])
        return grid.rows()

    def _held_range(
        self, shown: Sequence[Bar], plan: _Plan, levels: Levels | None
    ) -> tuple[float, float]:
        """The range of prices; it stands still while nothing leaves it and nothing is added.

        Else each tick of the forming bar would move every candle on the screen.
        """
        low, high = _range(shown, levels)
        known = (shown[0].open_ns, len(shown), plan.rows, levels, self._symbol)
        fits = self._range[0] <= low and high <= self._range[1]
        if known != self._ranged or not fits:
            margin = (high - low) * 0.05 or abs(high) * 0.001 or 1.0
            self._range = (low - margin, high + margin)
            self._ranged = known
        return self._range


def _range(shown: Sequence[Bar], levels: Levels | None) -> tuple[float, float]:
    low, high = min(bar.low for bar in shown), max(bar.high for bar in shown)
    most = max(high - low, abs(high) * 1e-6) * _MOST_STRETCH
    for _, price, _ in levels.lines() if levels else ():
        if max(high, price) - min(low, price) <= most:
            low, high = min(low, price), max(high, price)
    return low, high


def _plan(bars: Sequence[Bar], width: int, height: int, levels: Levels | None) -> _Plan | None:
    volume = max(2, height // 8) if height >= _VOLUME_FROM else 0
    rows = height - 1 - volume
    last = bars[-1]
    prices = (last.open, last.high, last.low, last.close)
    decimals = min(max(map(numbers.decimals_of, prices)), _sensible(last.close))
    widest = [last.high, *(price for _, price, _ in (levels.lines() if levels else ()))]
    axis = max(len(numbers.price(price, decimals)) for price in widest) + 2
    columns = width - axis
    if columns < 8 or rows < 3:
        return None
    return _Plan(columns, rows, volume, axis, decimals)


def _sensible(price: float) -> int:
    """Decimals beyond which an axis label tells nothing."""
    return max(0, 5 - math.floor(math.log10(abs(price)))) if price else 2


def _draw_grid(grid: Grid, scale: Scale, plan: _Plan) -> None:
    for price in axes.marks(scale.low, scale.high, max(2, plan.rows // 3)):
        y = scale.row(price)
        for x in range(plan.columns):
            grid.put(x, y, "┈", "grid")
        _label(grid, plan, y, price, "muted")


def _label(grid: Grid, plan: _Plan, y: int, price: float, words: str, sign: str = " ") -> None:
    text = f"{sign}{numbers.price(price, plan.decimals)}"
    grid.write(plan.columns, y, text.ljust(plan.axis)[: plan.axis], words)


def _draw_levels(grid: Grid, scale: Scale, plan: _Plan, levels: Levels | None) -> None:
    for _, price, role in levels.lines() if levels else ():
        if scale.has(price):
            for x in range(plan.columns):
                grid.put(x, scale.row(price), "╌", role)


def _name_levels(grid: Grid, scale: Scale, plan: _Plan, levels: Levels | None) -> None:
    """Names at the left and prices at the right; one outside stands at the edge, with an arrow."""
    free = set(range(plan.rows))
    for name, price, role in levels.lines() if levels else ():
        if not free:
            return
        arrow = "" if scale.has(price) else ("↑ " if price > scale.high else "↓ ")
        wanted = scale.row(price)
        y = min(free, key=lambda row: abs(row - wanted))
        free.discard(y)
        grid.write(0, y, f"{arrow}{name} "[: plan.columns], role)
        _label(grid, plan, y, price, role)


def _draw_candles(
    grid: Grid, scale: Scale, bars: Sequence[Bar], first: int, step: int, monochrome: bool
) -> None:
    for index, bar in enumerate(bars):
        role = "gain" if bar.close >= bar.open else "loss"
        for y, char in enumerate(candle(bar, scale, monochrome)):
            if char != " ":
                grid.put(first + index * step, y, char, role)


def _draw_volume(grid: Grid, plan: _Plan, bars: Sequence[Bar], first: int, step: int) -> None:
    if not plan.volume:
        return
    most = max((bar.volume for bar in bars if math.isfinite(bar.volume)), default=0.0)
    if most <= 0:
        return
    base = plan.rows + plan.volume - 1
    eighths = len(BLOCKS)
    for index, bar in enumerate(bars):
        share = bar.volume / most if math.isfinite(bar.volume) else 0.0
        full, rest = divmod(max(1, round(share * plan.volume * eighths)), eighths)
        x = first + index * step
        for level in range(full):
            grid.put(x, base - level, "█", "frame")
        if rest:
            grid.put(x, base - full, BLOCKS[rest - 1], "frame")
    grid.write(plan.columns, base, f" vol {numbers.compact(bars[-1].volume)}"[: plan.axis], "muted")


def _draw_times(grid: Grid, plan: _Plan, bars: Sequence[Bar], first: int, step: int) -> None:
    y = plan.rows + plan.volume
    span = bars[-1].span_ns
    every = axes.time_step(span / step, 10)
    free = 0
    for index, bar in enumerate(bars):
        if bar.open_ns // every == (bar.open_ns - span) // every:
            continue
        at_midnight = bar.open_ns // DAY != (bar.open_ns - span) // DAY
        text = numbers.day(bar.open_ns) if at_midnight else numbers.clock(bar.open_ns)
        x = first + index * step - len(text) // 2
        if x < free or x + len(text) > plan.columns + 2:
            continue
        grid.write(x, y, text, "soft" if at_midnight else "muted")
        free = x + len(text) + 1


def _draw_last(grid: Grid, scale: Scale, plan: _Plan, bar: Bar) -> None:
    role = "gain" if bar.close >= bar.open else "loss"
    y = scale.row(bar.close)
    text = f"◂{numbers.price(bar.close, plan.decimals)}"
    grid.write(plan.columns, y, text.ljust(plan.axis)[: plan.axis], f"bold {role}")
