"""The periods of the indicators: their parameters, and a frozen set of them for one state.

A state is built for one set of periods; when a parameter moves, a new spec differs from the
old one and the state is rebuilt, so that no row ever mixes two sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from engine.analysis.layout import FEATURES
from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.errors import ParameterError
from engine.core.parameters import Parameter, Parameters, declare

EMA_FAST = declare(
    "ind.ema_fast", 12, low=5, high=20, step=1, unit="bars", scopes="GRYT",
    doc="Fast average whose cross over the slow one is a signal.",
)  # fmt: skip
EMA_SLOW = declare(
    "ind.ema_slow", 26, low=15, high=50, step=1, unit="bars", scopes="GRYT",
    doc="Slow average that the fast one crosses; longer than the fast one.",
)  # fmt: skip
EMA_PERIODS = declare(
    "ind.ema_periods", (9, 12, 26, 50), low=5, high=200, unit="bars", kind="list",
    doc="Exponential averages whose order is the alignment of the trend.",
)  # fmt: skip
SMA_PERIODS = declare(
    "ind.sma_periods", (20, 50, 200), low=5, high=300, unit="bars", kind="list",
    doc="Simple averages that the price is held against for the long trend.",
)  # fmt: skip
RSI_PERIOD = declare(
    "ind.rsi_period", 14, low=7, high=21, step=1, unit="bars", scopes="GRYT",
    doc="Wilder's smoothing of the RSI.",
)  # fmt: skip
ADX_PERIOD = declare(
    "ind.adx_period", 14, low=10, high=20, step=1, unit="bars", scopes="GRY",
    doc="Wilder's smoothing of the directional movement and of the ADX.",
)  # fmt: skip
MACD_FAST = declare(
    "ind.macd_fast", 12, low=8, high=15, step=1, unit="bars", scopes="GRY",
    doc="Fast average of the MACD.",
)  # fmt: skip
MACD_SLOW = declare(
    "ind.macd_slow", 26, low=20, high=30, step=1, unit="bars", scopes="GRY",
    doc="Slow average of the MACD.",
)  # fmt: skip
MACD_SIGNAL = declare(
    "ind.macd_signal", 9, low=7, high=12, step=1, unit="bars", scopes="GRY",
    doc="Average of the MACD that its histogram is measured from.",
)  # fmt: skip
ATR_PERIOD = declare(
    "ind.atr_period", 14, low=10, high=20, step=1, unit="bars", scopes="GRY",
    doc="Wilder's smoothing of the true range.",
)  # fmt: skip
BB_PERIOD = declare(
    "ind.bb_period", 20, low=15, high=25, step=1, unit="bars", scopes="GRY",
    doc="Window of the Bollinger bands.",
)  # fmt: skip
BB_STD = declare(
    "ind.bb_std", 2.0, low=1.5, high=2.5, step=0.25, unit="sigma", scopes="GRY",
    doc="Distance of the Bollinger bands from their middle.",
)  # fmt: skip
SR_WINDOW = declare(
    "ind.sr_window", 20, low=10, high=100, step=5, unit="bars",
    doc="A support or resistance point is the extreme of this many bars around it.",
)  # fmt: skip
SR_POINTS = declare(
    "ind.sr_points", 5, low=2, high=12, step=1, unit="count",
    doc="How many of the latest points of each kind are kept.",
)  # fmt: skip
VOLUME_MA = declare(
    "sig.volume_ma_period", 20, low=10, high=50, step=1, unit="bars", scopes="GT",
    doc="Average volume that a bar's own volume is held against.",
)  # fmt: skip
STOCH_PERIOD = declare(
    "ind.stoch_period", 14, low=5, high=21, step=1, unit="bars", scopes="GRYT",
    doc="Window of the stochastic oscillator.",
)  # fmt: skip
STOCH_SMOOTH = declare(
    "ind.stoch_smooth", 3, low=1, high=5, step=1, unit="bars", scopes="GRYT",
    doc="Average of %K that gives %D.",
)  # fmt: skip
DONCHIAN_PERIOD = declare(
    "ind.donchian_period", 20, low=10, high=55, step=5, unit="bars", scopes="GRYT",
    doc="Window of the Donchian channel.",
)  # fmt: skip
KELTNER_PERIOD = declare(
    "ind.keltner_period", 20, low=10, high=50, step=1, unit="bars", scopes="GRYT",
    doc="Average in the middle of the Keltner channel.",
)  # fmt: skip
KELTNER_ATR = declare(
    "ind.keltner_atr", 2.0, low=1.0, high=3.0, step=0.25, unit="ATR", scopes="GRYT",
    doc="Distance of the Keltner channel from its middle.",
)  # fmt: skip
CMF_PERIOD = declare(
    "ind.cmf_period", 20, low=10, high=30, step=1, unit="bars", scopes="GRYT",
    doc="Window of the Chaikin money flow.",
)  # fmt: skip
PIVOT_BARS = declare(
    "ind.divergence_pivot", 5, low=2, high=10, step=1, unit="bars", scopes="GRYT",
    doc="Bars on either side that a turning point of a divergence must hold against.",
)  # fmt: skip
DIVERGENCE_BARS = declare(
    "ind.divergence_bars", 60, low=20, high=120, step=5, unit="bars", scopes="GRYT",
    doc="How far apart the two turning points of a divergence may lie.",
)  # fmt: skip
RSI_OVERBOUGHT = declare(
    "ind.rsi_overbought", 70, low=65, high=80, step=1, unit="RSI", scopes="GRYT", risk=1,
    doc="No long entry at or above this RSI; strategies read it.",
)  # fmt: skip
RSI_OVERSOLD = declare(
    "ind.rsi_oversold", 30, low=20, high=35, step=1, unit="RSI", scopes="GRYT", risk=-1,
    doc="No short entry at or below this RSI; strategies read it.",
)  # fmt: skip
ADX_THRESHOLD = declare(
    "ind.adx_threshold", 20, low=15, high=30, step=1, unit="ADX", scopes="GRYT", risk=-1,
    doc="A signal wants an ADX above this; strategies read it.",
)  # fmt: skip
TREND_WINDOW = declare(
    "regime.trend_window", 50, low=20, high=200, step=5, unit="bars", scopes="GY",
    doc="The exponential average whose side tells a rising regime from a falling one.",
)  # fmt: skip

DECISION_SPAN = 15 * MINUTE
DAILY_BARS = 288  # the daily volatility looks back one day, at most so many bars
FIXED_EMAS = (9, 12, 20, 26, 50)
FIXED_SMAS = (20, 50, 200)


@dataclass(frozen=True)
class IndicatorSpec:
    """Every period of one indicator state; equal specs give equal rows from equal bars.

    `span_ns` is the timeframe in nanoseconds and `days_per_year` what daily volatility is
    annualised by (365 where the market never closes, 252 for equities). Raises
    `ParameterError` where a slow average isn't slower than its fast one.
    """

    ema_fast: int = 12
    ema_slow: int = 26
    ema_periods: tuple[int, ...] = (9, 12, 26, 50)
    sma_periods: tuple[int, ...] = (20, 50, 200)
    rsi: int = 14
    adx: int = 14
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    atr: int = 14
    bb: int = 20
    bb_std: float = 2.0
    sr_window: int = 20
    sr_points: int = 5
    volume_ma: int = 20
    stoch: int = 14
    stoch_smooth: int = 3
    donchian: int = 20
    keltner: int = 20
    keltner_atr: float = 2.0
    cmf: int = 20
    pivot: int = 5
    divergence: int = 60
    trend: int = 50
    span_ns: int = DECISION_SPAN
    days_per_year: int = 365

    def __post_init__(self) -> None:
        for fast, slow, names in (
            (self.ema_fast, self.ema_slow, (EMA_FAST, EMA_SLOW)),
            (self.macd_fast, self.macd_slow, (MACD_FAST, MACD_SLOW)),
        ):
            if fast >= slow:
                raise ParameterError(
                    f"{names[0].name} = {fast} isn't faster than {names[1].name} = {slow}",
                    "the slow average needs the longer period",
                )
        if self.span_ns <= 0:
            raise ParameterError(f"a timeframe of {self.span_ns} ns is none")

    @classmethod
    def from_parameters(
        cls,
        params: Parameters,
        symbol: str | None = None,
        regime: str | None = None,
        strategy: str | None = None,
        *,
        span_ns: int = DECISION_SPAN,
        days_per_year: int = 365,
    ) -> IndicatorSpec:
        """The spec in force for a symbol, and for a regime or strategy where they have values.

        The regime detector wants a spec without a regime: one that followed its own answer
        could talk itself from one regime into the next.
        """

        def value(parameter: Parameter) -> int:
            return int(params.get(parameter, symbol, regime, strategy))

        def factor(parameter: Parameter) -> float:
            return float(params.get(parameter, symbol, regime, strategy))

        return cls(
            ema_fast=value(EMA_FAST),
            ema_slow=value(EMA_SLOW),
            ema_periods=tuple(sorted(params.get(EMA_PERIODS, symbol, regime, strategy))),
            sma_periods=tuple(sorted(params.get(SMA_PERIODS, symbol, regime, strategy))),
            rsi=value(RSI_PERIOD),
            adx=value(ADX_PERIOD),
            macd_fast=value(MACD_FAST),
            macd_slow=value(MACD_SLOW),
            macd_signal=value(MACD_SIGNAL),
            atr=value(ATR_PERIOD),
            bb=value(BB_PERIOD),
            bb_std=factor(BB_STD),
            sr_window=value(SR_WINDOW),
            sr_points=value(SR_POINTS),
            volume_ma=value(VOLUME_MA),
            stoch=value(STOCH_PERIOD),
            stoch_smooth=value(STOCH_SMOOTH),
            donchian=value(DONCHIAN_PERIOD),
            keltner=value(KELTNER_PERIOD),
            keltner_atr=factor(KELTNER_ATR),
            cmf=value(CMF_PERIOD),
            pivot=value(PIVOT_BARS),
            divergence=value(DIVERGENCE_BARS),
            trend=value(TREND_WINDOW),
            span_ns=span_ns,
            days_per_year=days_per_year,
        )

    def bars_in(self, span_ns: int) -> int:
        """How many bars make a span of time; at least one, so a long bar stands for it."""
        return max(1, round(span_ns / self.span_ns))

    @property
    def daily_bars(self) -> int:
        """Bars of the daily volatility: one day's, within what a window can hold."""
        return min(max(20, self.bars_in(DAY)), DAILY_BARS)

    @cached_property
    def warmup_bars(self) -> int:
        """Bars after which a row no longer depends, to 0.1 %, on where the history began.

        A window needs its length. An exponential average of period p keeps (1 − 2/(p+1))^k
        of its seed's error: 5p bars leave 0.03 % of it, little enough for the differences
        of two averages too. Wilder's smoothing is one of 2p − 1, and the ADX smooths twice.
        `rv20` is no part of it, since it needs 21 days whatever the timeframe.
        """
        averages = (*FIXED_EMAS, *self.ema_periods, self.ema_slow, self.trend, self.keltner)
        return max(
            *FIXED_SMAS,
            *self.sma_periods,
            5 * max(averages),
            5 * (self.macd_slow + self.macd_signal),
            10 * self.rsi,
            10 * self.atr,
            14 * self.adx,
            self.bars_in(DAY) + 1,
            self.daily_bars + 1,
            self.divergence + 2 * self.pivot,
        )

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of this spec's row: `FEATURES`, then the averages that only it asks for."""
        named = [f"ema_{period}" for period in self.ema_periods]
        named += [f"sma_{period}" for period in self.sma_periods]
        return FEATURES + tuple(dict.fromkeys(name for name in named if name not in FEATURES))

    @cached_property
    def index(self) -> dict[str, int]:
        """Column of each of this spec's features."""
        return {name: column for column, name in enumerate(self.features)}

    @property
    def scale_to_day(self) -> float:
        """Factor from a bar's volatility to a day's, in percent."""
        return 100.0 * math.sqrt(DAY / self.span_ns)

    @property
    def hour_bars(self) -> tuple[int, int, int]:
        """Bars in one hour, four hours and a day."""
        return self.bars_in(HOUR), self.bars_in(4 * HOUR), self.bars_in(DAY)
