"""The price chart: candles, the levels that matter for a trade, and two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.clock import iso
from engine.core.types import Bar
from engine.core.views import Snapshot
from widgets import frames, layers, numbers
from widgets.candles import Scale, merged
from widgets.frame import Frame, fitting, inside
from widgets.grid import Grid
from widgets.levels import Levels
from widgets.lines import Line, Run, run
from widgets.marks import LEGEND, SHORT_LEGEND, Traded
from widgets.panel import Panel, said
from widgets.study import Study

# (bars merged into one candle, columns a candle takes), from near to far.
ZOOMS = ((1, 3), (1, 2), (1, 1), (2, 1), (4, 1), (8, 1))
_WIDE = 84


class PriceChart(Panel):
    """Candles of one symbol; what is held, proposed or was traded there is drawn into them."""

    title = "Chart"
    empty = ("No bar is here yet.", "Candles stand here once the symbol's first bar has closed.")

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._symbol = ""
        self._timeframe = ""
        self._bars: tuple[Bar, ...] = ()
        self._forming: Bar | None = None
        self._levels: Levels | None = None
        self._studies: tuple[Study, ...] = ()
        self._traded = Traded()
        self._zoom: int | None = None
        self._framed = 1
        self._back = 0
        self._cross: int | None = None
        self._window = (0, 0)
        self._range = (math.nan, math.nan)
        self._ranged: tuple[object, ...] = ()

    def show_bars(
        self,
        symbol: str,
        bars: Sequence[Bar],
        forming: Bar | None,
        levels: Levels | None,
        timeframe: str,
        studies: Sequence[Study] = (),
        traded: Traded | None = None,
    ) -> None:
        """Draw these closed bars, oldest first, the one that forms, levels, studies, trades."""
        if symbol != self._symbol:
            self._back = 0
            self._cross = None
            self._range = (math.nan, math.nan)
        elif self._back and bars and self._bars:
            # Looking at the past: new bars must not move what is looked at.
            self._back += sum(bar.open_ns > self._bars[-1].open_ns for bar in bars)
        self._symbol, self._timeframe = symbol, timeframe
        self._bars, self._forming, self._levels = tuple(bars), forming, levels
        self._studies, self._traded = tuple(studies), traded or Traded()
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
        self._zoom = max(0, min(len(ZOOMS) - 1, self._zoom_now(self._inner()) + by))
        self.redraw()

    def next_frame(self) -> str:
        """Candles of the next longer timeframe, after the longest the bars' own; its name."""
        bar = self._bars[-1] if self._bars else self._forming
        if bar is None:
            return self._timeframe
        known = frames.frames(bar.span_ns)
        at = known.index(self._framed) if self._framed in known else 0
        self._framed = known[(at + 1) % len(known)]
        self._back = 0
        self.redraw()
        return self._frame_name()

    @property
    def framed(self) -> int:
        """How many bars make a candle of the timeframe that is shown."""
        return self._framed

    def pan(self, by: int) -> None:
        """Back into the past (negative) or forward by bars; never past the newest."""
        self._back = max(0, min(self._back - by, max(0, len(self._bars) - 1)))
        self.redraw()

    def page(self, by: int) -> None:
        """Pan by quarters of what is on screen."""
        _, step = ZOOMS[self._zoom_now(self._inner())]
        self.pan(by * self._together() * max(1, self._inner() // step // 4))

    def move(self, by: int) -> None:
        self.pan(by * self._together())

    def point(self, by: int) -> None:
        """Read the candle so many further on; at the edge the chart follows."""
        candles = self._candles()
        if not candles:
            return
        start, end = self._window
        now = layers.index_at(candles, self._cross) if self._cross is not None else None
        at = end - 1 if now is None else max(0, min(now + by, len(candles) - 1))
        self._cross = candles[at].open_ns
        if at < start:
            self._back += (start - at) * self._together()
        elif at >= end:
            self._back = max(0, self._back - (at + 1 - end) * self._together())
        self.redraw()

    def point_nowhere(self) -> bool:
        """Read the newest candle again; False when it was read already."""
        if self._cross is None:
            return False
        self._cross = None
        self.redraw()
        return True

    def note(self) -> Sequence[Run]:
        name = f"{self._symbol} {self._frame_name()}".strip()
        together = ZOOMS[self._zoom_now(self._inner())][0]
        if together > 1 and self._bars:
            name += f" ×{together} = {numbers.age(self._bars[-1].span_ns * self._together())}"
        notes: list[Run] = [run(name, "bold")] if name else []
        if self._zoom is not None:
            notes += [("  ", ""), (f"zoom {len(ZOOMS) - self._zoom}/{len(ZOOMS)}", "muted")]
        if self._back:
            notes += [("  ", ""), (f"{self._back} bars back", "accent")]
        return notes

    def foot(self) -> Sequence[Run]:
        """The legend, where anything was traded in this symbol."""
        return LEGEND if self._traded.marks else ()

    def _behind_times(self) -> Sequence[Run]:
        """The legend where the frame has no lower edge to hold it."""
        boxed = fitting(self.frame, *self._area) is Frame.BOX
        return SHORT_LEGEND if self._traded.marks and not boxed else ()

    def _frame_name(self) -> str:
        if self._framed == 1 or not self._bars:
            return self._timeframe
        return frames.name(self._bars[-1].span_ns * self._framed)

    def _inner(self) -> int:
        width, height = self._area
        return inside(fitting(self.frame, width, height), width, height)[0]

    def _zoom_now(self, width: int) -> int:
        if self._zoom is not None:
            return self._zoom
        return 1 if width >= _WIDE else 2

    def _together(self) -> int:
        """How many bars are one candle on the screen."""
        return self._framed * ZOOMS[self._zoom_now(self._inner())][0]

    def _candles(self) -> list[Bar]:
        """Every candle there is, the forming one last; what is no number has none."""
        bars = [*self._bars, *([self._forming] if self._forming else [])]
        candles = merged(bars, self._together())
        return [bar for bar in candles if math.isfinite(bar.high) and math.isfinite(bar.low)]

    def body(self, width: int, height: int) -> Sequence[Line]:
        step = ZOOMS[self._zoom_now(width)][1]
        bars = self._candles()
        if not bars:
            return said(self.empty, width, height)
        end = max(1, len(bars) - self._back // self._together())
        pointed = self._cross is not None
        plan = layers.planned(bars[:end], width, height, self._levels, self._studies, pointed)
        if plan is None:
            return said(("The chart needs more room.", "z gives it the window."), width, height)
        start = max(0, end - (plan.columns + step - 1) // step)
        self._window = (start, end)
        shown = bars[start:end]
        low, high = self._held_range(shown, plan)
        scale = Scale(low, high, plan.rows)
        grid = Grid(width, height)
        layers.draw_grid(grid, scale, plan)
        layers.draw_levels(grid, scale, plan, self._levels)
        layers.draw_candles(grid, scale, plan, shown, step, self.monochrome)
        layers.draw_stretches(grid, scale, plan, shown, step, self._traded.stretches)
        layers.draw_studies(grid, scale, plan, shown, step, self._studies)
        layers.draw_volume(grid, plan, shown, step)
        layers.draw_times(grid, plan, shown, step, self._behind_times())
        newest = shown[-1] if end == len(bars) else None
        if newest is not None:
            layers.draw_last(grid, scale, plan, newest)
        layers.name_levels(grid, scale, plan, self._levels, newest)
        layers.draw_marks(grid, scale, plan, shown, step, self._traded.marks)
        at = layers.index_at(shown, self._cross) if self._cross is not None else None
        if at is not None:
            layers.draw_cross(grid, scale, plan, shown, step, at)
        read = shown[-1 if at is None else at]
        layers.write_reading(grid, plan, read, self._traded.marks, at is not None)
        return grid.rows()

    def export(self) -> str:
        """Every candle with its studies, as a table of plain numbers."""
        lines = ["\t".join(("opened", "open", "high", "low", "close", "volume",
                            *(study.name for study in self._studies)))]  # fmt: skip
        bars = self._candles()
        values = [study.along(bars) for study in self._studies]
        for index, bar in enumerate(bars):
            row = (bar.open, bar.high, bar.low, bar.close, bar.volume,
                   *(along[index] for along in values))  # fmt: skip
            lines.append("\t".join((iso(bar.open_ns), *map(repr, row))))
        return "\n".join(lines)

    def _held_range(self, shown: Sequence[Bar], plan: layers.Plan) -> tuple[float, float]:
        """The range of prices; it stands still while nothing leaves it and nothing is added.

        Else each tick of the forming bar would move every candle on the screen.
        """
        drawn = [study for study in self._studies if study.on_price]
        lines = [study.along(shown) for study in drawn]
        low, high = layers.price_range(shown, self._levels, lines)
        names = tuple(study.name for study in drawn)
        known = (shown[0].open_ns, len(shown), plan.rows, self._levels, self._symbol, names)
        fits = self._range[0] <= low and high <= self._range[1]
        if known != self._ranged or not fits:
            margin = (high - low) * 0.05 or abs(high) * 0.001 or 1.0
            self._range = (low - margin, high + margin)
            self._ranged = known
        return self._range
