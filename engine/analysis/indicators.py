"""The indicators of one symbol and timeframe, kept up to date bar by bar.

A strategy asks at the close of a bar and must not wait for a recomputation over the whole
history, so a state remembers what its recursions need and takes one bar at a time. What it
answers equals a computation from scratch (the tests hold it to one), and no later bar can
change an earlier row.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.analysis.layout import FEATURES, INDEX
from engine.analysis.spec import FIXED_EMAS, FIXED_SMAS, IndicatorSpec
from engine.core.clock import HOUR, iso
from engine.core.errors import InvariantBroken
from engine.core.types import Bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]

__all__ = [
    "FEATURES",
    "INDEX",
    "IndicatorSpec",
    "IndicatorState",
    "bars_to_arrays",
    "compute_rows",
    "warm_up",
]

HISTORY_BARS = 2048
"""Bars kept for a rebuild: ten times the default warm-up, three weeks of 15m bars."""
HISTORY_ROWS = 640
"""Feature rows kept; more than any window that a detector or a learner looks back on."""
LONGEST_LOOKBACK_NS = 72 * HOUR
"""The longest span of time that is asked of the bar history (the crash window's bound)."""


class IndicatorState:
    """All indicators of one symbol and timeframe; one bar in, one feature row out.

    `rows` is how many rows are kept. Not safe for two threads at a time: the kernel owns it.
    Until `ready`, rows hold NaN or values that still depend on where the history began.
    """

    def __init__(self, spec: IndicatorSpec, rows: int = HISTORY_ROWS) -> None:
        from engine.analysis import compiled

        self.spec = spec
        self._c = compiled
        self._step = compiled.step
        capacity = max(HISTORY_BARS, spec.bars_in(LONGEST_LOOKBACK_NS) + 1)
        self._ints = np.zeros(compiled.INTS, dtype=np.int64)
        self._floats = np.zeros(compiled.FLOATS)
        self._series = np.full((compiled.CHANNELS, 2 * capacity), np.nan)
        self._times = np.zeros(2 * capacity, dtype=np.int64)
        self._rows = np.full((rows, len(spec.features)), np.nan)
        self._capacity = capacity
        self._bank, self._smas = _averages_of(spec)
        self._fill_spec()

    def _fill_spec(self) -> None:
        c, spec, ints, floats = self._c, self.spec, self._ints, self._floats
        ints[c.I_POS] = -1
        hour, four, day = spec.hour_bars
        for slot, value in (
            (c.I_RSI, spec.rsi),
            (c.I_ADX, spec.adx),
            (c.I_ATR, spec.atr),
            (c.I_MACD_FAST, spec.macd_fast),
            (c.I_MACD_SLOW, spec.macd_slow),
            (c.I_MACD_SIGNAL, spec.macd_signal),
            (c.I_BB, spec.bb),
            (c.I_VOLUME_MA, spec.volume_ma),
            (c.I_SR_HALF, spec.sr_window // 2),
            (c.I_SR_POINTS, spec.sr_points),
            (c.I_STOCH, spec.stoch),
            (c.I_STOCH_SMOOTH, spec.stoch_smooth),
            (c.I_DONCHIAN, spec.donchian),
            (c.I_CMF, spec.cmf),
            (c.I_PIVOT, spec.pivot),
            (c.I_DIV_BARS, spec.divergence),
            (c.I_1H, hour),
            (c.I_4H, four),
            (c.I_24H, day),
            (c.I_DAILY, spec.daily_bars),
            (c.I_SPAN, spec.span_ns),
            (c.I_EMA_LIST, len(self._bank) - len(spec.ema_periods)),
        ):
            ints[slot] = value
        floats[c.F_BB_STD] = spec.bb_std
        floats[c.F_KELTNER] = spec.keltner_atr
        floats[c.F_DAY_SCALE] = spec.scale_to_day
        floats[c.F_YEAR_SCALE] = math.sqrt(spec.days_per_year)
        for slot in (c.F_HIST, c.F_CROSS, c.F_RV20):
            floats[slot] = np.nan

    def update(
        self, o: float, h: float, low: float, c: float, v: float, open_time_ns: int
    ) -> Floats:
        """Take one closed bar and return its feature row, a copy that is the caller's.

        Raises `InvariantBroken` on a bar that can't be one (NaN, infinite, a price of zero
        or less, a high below its low) or that doesn't follow the last one in time; the
        state is then as it was.
        """
        answer = self._step(
            self._ints, self._floats, self._bank, self._smas, self._series, self._times,
            self._rows, o, h, low, c, v, open_time_ns,
        )  # fmt: skip
        if answer != 0:
            raise self._refusal(answer, (o, h, low, c, v), open_time_ns)
        row: Floats = self._rows[self._ints[self._c.I_ROW]].copy()
        return row

    def update_bar(self, bar: Bar) -> Floats:
        """`update` with a core `Bar`."""
        return self.update(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.open_ns)

    def replay(self, bars: Floats, opened: Times) -> None:
        """Take many closed bars at once: shape (n, 5) in the order open, high, low, close, volume.

        Raises `InvariantBroken` at the first bar that `update` would refuse; those before
        it are taken.
        """
        taken, answer = self._c.run(
            self._ints, self._floats, self._bank, self._smas, self._series, self._times,
            self._rows, np.ascontiguousarray(bars, dtype=np.float64),
            np.ascontiguousarray(opened, dtype=np.int64),
        )  # fmt: skip
        if answer != 0:
            raise self._refusal(answer, tuple(bars[taken]), int(opened[taken]))

    def _refusal(self, answer: int, bar: tuple[float, ...], opened: int) -> InvariantBroken:
        if answer == self._c.BAD_TIME:
            return InvariantBroken(
                f"the bar of {iso(opened)} doesn't follow the one of {iso(self.last_open_ns)}",
                "bars must arrive once each, in the order of time",
            )
        prices = ", ".join(f"{value:g}" for value in bar)
        return InvariantBroken(
            f"the bar of {iso(opened)} is none: open, high, low, close, volume = {prices}",
            "bad bars are for the feed's quality checks to refuse",
        )

    @property
    def bars_seen(self) -> int:
        """Bars that the present values rest on."""
        return int(self._ints[self._c.I_SEEN])

    @property
    def bars_kept(self) -> int:
        """Bars that the history holds."""
        return min(self.bars_seen, self._capacity)

    @property
    def ready(self) -> bool:
        """Whether the row no longer depends on where the history began (to 0.1 %)."""
        return self.bars_seen >= self.spec.warmup_bars

    @property
    def last_open_ns(self) -> int:
        """Open time of the last bar; 0 before the first."""
        return int(self._times[self._ints[self._c.I_POS]]) if self.bars_seen else 0

    def row(self, back: int = 0) -> Floats:
        """The row of the last bar, or of the one `back` bars before it; a copy.

        Raises `IndexError` where it is no longer, or not yet, kept.
        """
        if not 0 <= back < min(self.bars_seen, len(self._rows)):
            raise IndexError(f"no row {back} bars back, {self.bars_seen} bars seen")
        row: Floats = self._rows[(self._ints[self._c.I_ROW] - back) % len(self._rows)].copy()
        return row

    def rows(self, count: int) -> Floats:
        """The last `count` rows, or as many as are kept, oldest first."""
        kept = min(count, self.bars_seen, len(self._rows))
        last = int(self._ints[self._c.I_ROW])
        chosen: Floats = self._rows[np.arange(last - kept + 1, last + 1) % len(self._rows)]
        return chosen

    def value(self, name: str, back: int = 0) -> float:
        """One feature by name. Raises `KeyError` for a name that isn't in `spec.features`."""
        column = self.spec.index[name]
        if not 0 <= back < min(self.bars_seen, len(self._rows)):
            return math.nan
        return float(self._rows[(self._ints[self._c.I_ROW] - back) % len(self._rows), column])

    def history(self, count: int | None = None) -> tuple[Floats, Times]:
        """The last bars, oldest first, as (n, 5) and their open times; copies."""
        kept = self.bars_kept if count is None else min(self.bars_kept, count)
        end = int(self._ints[self._c.I_POS]) + 1
        bars: Floats = self._series[: self._c.VOLUME + 1, end - kept : end].T.copy()
        return bars, self._times[end - kept : end].copy()

    def levels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The kept turning points (highs, lows), each from low to high: what a chart draws."""
        c, kept = self._c, self.spec.sr_points

        def points(start: int, count: int) -> tuple[float, ...]:
            return tuple(sorted(self._floats[start : start + min(count, kept)].tolist()))

        highs = points(c.F_HIGHS, int(self._ints[c.I_HIGHS]))
        return highs, points(c.F_LOWS, int(self._ints[c.I_LOWS]))

    def channel(self, number: int) -> tuple[Floats, int]:
        """One channel of the history and the position of its last bar, for compiled readers.

        A view that is written to by the next bar: read it before that.
        """
        channel: Floats = self._series[number]
        return channel, int(self._ints[self._c.I_POS])

    def open_times(self) -> Times:
        """Open times beside the channels, in the same positions; a view."""
        times: Times = self._times
        return times

    def rebuilt(self, spec: IndicatorSpec) -> IndicatorState:
        """A state for other periods, from this one's history; itself when nothing differs.

        What no period governs (daily closes, the session's VWAP, the on-balance volume) is
        carried over, since three weeks of 15m bars barely reach 21 days and shorter
        timeframes don't. Raises `InvariantBroken` for another timeframe: other bars.
        """
        if spec == self.spec:
            return self
        if spec.span_ns != self.spec.span_ns:
            raise InvariantBroken(
                "a state can't be rebuilt for another timeframe", "its history has other bars"
            )
        fresh = IndicatorState(spec, len(self._rows))
        if not self.bars_seen:
            return fresh
        fresh.replay(*self.history())
        c = self._c
        for slot in (c.I_DAY, c.I_WHOLE_SESSION, c.I_DAY_PUSHED, c.I_DAYS):
            fresh._ints[slot] = self._ints[slot]
        for slot in (c.F_OBV, c.F_VWAP_MONEY, c.F_VWAP_VOLUME, c.F_RV20):
            fresh._floats[slot] = self._floats[slot]
        daily = slice(c.F_DAILY, c.F_DAILY + c.DAILY_CLOSES)
        fresh._floats[daily] = self._floats[daily]
        now = fresh._rows[fresh._ints[c.I_ROW]]
        for name in ("obv", "vwap", "price_vs_vwap", "rv20"):
            now[INDEX[name]] = self.value(name)
        return fresh


def _averages_of(spec: IndicatorSpec) -> tuple[Floats, Times]:
    """The bank of exponential averages (listed ones last, by period) and the simple ones."""
    columns = spec.index
    exponential = [(period, columns[f"ema_{period}"]) for period in FIXED_EMAS]
    exponential += [
        (spec.ema_fast, columns["ema_fast"]),
        (spec.ema_slow, columns["ema_slow"]),
        (spec.trend, columns["ema_trend"]),
        (spec.keltner, columns["keltner_middle"]),
    ]
    exponential += [(period, columns[f"ema_{period}"]) for period in spec.ema_periods]
    bank = np.zeros((len(exponential), 4))
    bank[:, :2] = exponential
    bank[:, 2] = np.nan
    simple = [
        (period, columns[f"sma_{period}"], int(period in spec.sma_periods))
        for period in dict.fromkeys((*FIXED_SMAS, *spec.sma_periods))
    ]
    return bank, np.array(simple, dtype=np.int64)


def compute_rows(spec: IndicatorSpec, bars: Any, opened: Any) -> Floats:
    """Every row of many bars at once: shape (n, 5) in, (n, len(spec.features)) out.

    The same compiled step as a live state takes, so sweeps and training see what live sees.
    """
    prices: Floats = np.ascontiguousarray(bars, dtype=np.float64)
    state = IndicatorState(spec, rows=max(1, len(prices)))
    state.replay(prices, np.ascontiguousarray(opened, dtype=np.int64))
    rows: Floats = state._rows[: len(prices)]
    return rows


def bars_to_arrays(bars: tuple[Bar, ...]) -> tuple[Floats, Times]:
    """Core bars as the arrays that `replay` and `compute_rows` take."""
    prices = np.array(
        [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars], dtype=np.float64
    ).reshape(-1, 5)
    return prices, np.array([bar.open_ns for bar in bars], dtype=np.int64)


@cache
def warm_up() -> None:
    """Load or compile the step now, so that the first bar doesn't pay for it; once a process."""
    opened = np.arange(2, dtype=np.int64) * IndicatorSpec().span_ns
    state = IndicatorState(IndicatorSpec(), rows=4)
    state.replay(np.ones((2, 5)), opened)
    state.update(1.0, 1.0, 1.0, 1.0, 1.0, int(opened[-1]) + state.spec.span_ns)
