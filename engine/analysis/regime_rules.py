"""The rules of the regime: thresholds, evidence, and the label that follows from them.

Pure functions over one bar's evidence, so that each rule can be read, tested and argued
about without a market.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.core.errors import ParameterError
from engine.core.parameters import Parameter, Parameters, declare
from engine.core.regimes import Regime, VolLevel

ADX_TREND = declare(
    "regime.adx_trend", 25, low=18, high=35, step=1, unit="ADX", scopes="GY",
    doc="A trend is one from this ADX on: rising above the trend average, falling below it.",
)  # fmt: skip
ADX_SIDEWAYS = declare(
    "regime.adx_sideways", 20, low=12, high=25, step=1, unit="ADX", scopes="GY",
    doc="Below this ADX there is no trend; between the two the last answer stands.",
)  # fmt: skip
ADX_STRONG = declare(
    "regime.adx_strong", 40, low=30, high=60, step=1, unit="ADX", scopes="GY",
    doc="From this ADX on, with the directional movement agreeing, a trend is a strong one.",
)  # fmt: skip
CRASH_DRAWDOWN = declare(
    "regime.crash_drawdown_pct", 10.0, low=5, high=20, step=0.5, unit="%", scopes="GY", risk=1,
    doc="Fall from the window's high that a crash exceeds.",
)  # fmt: skip
CRASH_RETURN = declare(
    "regime.crash_return_pct", -5.0, low=-15, high=-2, step=0.5, unit="%", scopes="GY", risk=-1,
    doc="Return over the window that a crash is below, as well.",
)  # fmt: skip
CRASH_WINDOW = declare(
    "regime.crash_window_h", 24, low=4, high=72, step=4, unit="h", scopes="GY",
    doc="The window of both crash conditions.",
)  # fmt: skip
HIGHVOL_PERCENTILE = declare(
    "regime.highvol_percentile", 90, low=75, high=98, step=1, unit="percentile", scopes="GY",
    risk=1, doc="Volatility above this percentile of its window makes the regime HIGH_VOL.",
)  # fmt: skip
HIGHVOL_WINDOW = declare(
    "regime.highvol_window", 252, low=60, high=504, step=12, unit="bars", scopes="GY",
    doc="The bars that the high-volatility percentile is taken over.",
)  # fmt: skip
VOL_WINDOW = declare(
    "regime.vol_window", 252, low=60, high=504, step=12, unit="bars", scopes="GY",
    doc="The bars that the volatility level and the tightness of the bands are ranked over.",
)  # fmt: skip
VOL_LOW = declare(
    "regime.vol_low_percentile", 25, low=5, high=45, step=5, unit="percentile", scopes="GY",
    doc="Volatility below this percentile of its window is LOW.",
)  # fmt: skip
VOL_HIGH = declare(
    "regime.vol_high_percentile", 75, low=55, high=95, step=5, unit="percentile", scopes="GY",
    doc="Volatility above this percentile of its window is HIGH.",
)  # fmt: skip
BB_TIGHT = declare(
    "regime.bb_tight_percentile", 20, low=5, high=40, step=5, unit="percentile", scopes="GY",
    doc="Bollinger bands narrower than this percentile of their window are tight.",
)  # fmt: skip


@dataclass(frozen=True)
class RegimeSpec:
    """The thresholds of one detector. Raises `ParameterError` where they are out of order."""

    adx_trend: float = 25.0
    adx_sideways: float = 20.0
    adx_strong: float = 40.0
    crash_drawdown_pct: float = 10.0
    crash_return_pct: float = -5.0
    crash_window_h: int = 24
    highvol_percentile: float = 90.0
    highvol_window: int = 252
    vol_window: int = 252
    vol_low: float = 25.0
    vol_high: float = 75.0
    bb_tight: float = 20.0

    def __post_init__(self) -> None:
        if self.adx_sideways > self.adx_trend or self.adx_trend >= self.adx_strong:
            raise ParameterError(
                f"ADX thresholds {self.adx_sideways:g}, {self.adx_trend:g}, "
                f"{self.adx_strong:g} are out of order",
                "regime.adx_sideways ≤ regime.adx_trend < regime.adx_strong",
            )

    @classmethod
    def from_parameters(cls, params: Parameters, symbol: str | None = None) -> RegimeSpec:
        """The thresholds in force for a symbol; regimes have no say in what a regime is."""

        def value(parameter: Parameter) -> float:
            return float(params.get(parameter, symbol))

        return cls(
            adx_trend=value(ADX_TREND),
            adx_sideways=value(ADX_SIDEWAYS),
            adx_strong=value(ADX_STRONG),
            crash_drawdown_pct=value(CRASH_DRAWDOWN),
            crash_return_pct=value(CRASH_RETURN),
            crash_window_h=int(value(CRASH_WINDOW)),
            highvol_percentile=value(HIGHVOL_PERCENTILE),
            highvol_window=int(value(HIGHVOL_WINDOW)),
            vol_window=int(value(VOL_WINDOW)),
            vol_low=value(VOL_LOW),
            vol_high=value(VOL_HIGH),
            bb_tight=value(BB_TIGHT),
        )


class Evidence(NamedTuple):
    """What a regime is decided from, on one bar.

    `drawdown_pct` is how far the close stands below the crash window's high (0 or more),
    `return_pct` the close against the window's first open; the three percentiles are ranks
    of the bar's own value within its window.
    """

    adx: float
    plus_di: float
    minus_di: float
    close: float
    trend_average: float
    atr: float
    volatility: float
    highvol_pct: float
    vol_pct: float
    bb_width_pct: float
    drawdown_pct: float
    return_pct: float


def trend_of(spec: RegimeSpec, e: Evidence, before: Regime) -> Regime:
    """The trend layer alone: what the regime is when neither crash nor high volatility is.

    Above the trend threshold the side of the average decides; below the sideways threshold
    there is no trend, whether the bands are tight (which makes it surer) or not; between
    them `before` stands, without its strong grade.
    """
    if e.adx > spec.adx_trend and e.close != e.trend_average:
        strong = e.adx >= spec.adx_strong
        if e.close > e.trend_average:
            return Regime.STRONG_BULL if strong and e.plus_di > e.minus_di else Regime.BULL
        return Regime.STRONG_BEAR if strong and e.minus_di > e.plus_di else Regime.BEAR
    if e.adx < spec.adx_sideways:
        return Regime.SIDEWAYS
    return before.family


def label_of(spec: RegimeSpec, e: Evidence, trend: Regime) -> Regime:
    """The regime by precedence: CRASH, HIGH_VOL, then the trend layer's answer."""
    if e.drawdown_pct > spec.crash_drawdown_pct and e.return_pct < spec.crash_return_pct:
        return Regime.CRASH
    if e.highvol_pct > spec.highvol_percentile:
        return Regime.HIGH_VOL
    return trend


def vol_level_of(spec: RegimeSpec, e: Evidence) -> VolLevel:
    """LOW, NORMAL or HIGH by rank; what is HIGH_VOL is HIGH whatever the level's threshold."""
    if e.vol_pct > spec.vol_high or e.highvol_pct > spec.highvol_percentile:
        return VolLevel.HIGH
    return VolLevel.LOW if e.vol_pct < spec.vol_low else VolLevel.NORMAL


def confidence_of(spec: RegimeSpec, e: Evidence, label: Regime) -> float:
    """How far the evidence is beyond what the label needs, in [0, 1]. No probability.

    - CRASH: 1 − ½/m, with m the smaller of the two excesses (fall and return, each over its
      threshold): ½ at the threshold, ¾ at twice both.
    - HIGH_VOL: ½ at the percentile's threshold, rising to 1 at the top of the window.
    - A trend: the mean of strength (ADX from the sideways threshold to the strong one),
      side (distance of the close from the average, full at one ATR, none on the wrong
      side) and agreement (difference of the directional indicators over their sum, none
      where they disagree).
    - SIDEWAYS: the mean of weakness (ADX below the trend threshold) and tightness (1 where
      the bands are tight, falling to 0 at their widest).
    """
    if label is Regime.CRASH:
        excess = min(e.drawdown_pct / spec.crash_drawdown_pct, e.return_pct / spec.crash_return_pct)
        return 1.0 - 0.5 / excess
    if label is Regime.HIGH_VOL:
        room = 100.0 - spec.highvol_percentile
        return _unit(0.5 + 0.5 * (e.highvol_pct - spec.highvol_percentile) / room)
    if label is Regime.SIDEWAYS:
        weakness = _unit(1.0 - e.adx / spec.adx_trend)
        tightness = _unit((100.0 - e.bb_width_pct) / (100.0 - spec.bb_tight))
        return (weakness + tightness) / 2.0
    strength = _unit((e.adx - spec.adx_sideways) / (spec.adx_strong - spec.adx_sideways))
    distance = (e.close - e.trend_average) * label.direction
    side = _unit(distance / e.atr) if e.atr > 0.0 else float(distance > 0.0)
    moves = e.plus_di + e.minus_di
    agreement = _unit((e.plus_di - e.minus_di) * label.direction / moves) if moves > 0.0 else 0.0
    return (strength + side + agreement) / 3.0


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
