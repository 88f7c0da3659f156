"""Which kind of market it is: crash, high volatility, trend or none, and how sure that is.

Sizes, stops and the choice of strategies follow the regime, so it is decided by few rules
in a fixed order of precedence (CRASH, HIGH_VOL, trend, SIDEWAYS), with a memory only where
the rules leave a gap: between the two ADX thresholds the trend stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from engine.analysis.indicators import IndicatorState
from engine.analysis.layout import INDEX
from engine.core.clock import HOUR
from engine.core.errors import ParameterError
from engine.core.parameters import Parameter, Parameters, declare
from engine.core.regimes import Regime, VolLevel
from engine.core.types import Value

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

_ROOT = 20  # bars behind the first volatility that is known


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


class RegimeState(Value, frozen=True):
    """The regime of one symbol: what, how volatile, how sure, since when and from what."""

    label: Regime
    vol_level: VolLevel
    confidence: float
    since_ns: int
    evidence: tuple[tuple[str, float], ...]


class Transition(Value, frozen=True):
    """One change of regime with the evidence of the bar that made it."""

    time_ns: int
    before: Regime
    after: Regime
    confidence: float
    evidence: tuple[tuple[str, float], ...]


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


class RegimeDetector:
    """The regime of one symbol and timeframe, asked once a bar.

    Give it a state whose spec has no regime scope (`IndicatorSpec.from_parameters(params,
    symbol)`). It remembers the trend layer, the label and its beginning; a new spec takes
    effect with the next bar and keeps that memory.
    """

    TREND_FEATURE: ClassVar[str] = "ema_trend"

    def __init__(self, spec: RegimeSpec | None = None) -> None:
        from engine.analysis import compiled, regime_scan

        self.spec = spec if spec is not None else RegimeSpec()
        self.state: RegimeState | None = None
        self.transition: Transition | None = None
        self._trend = Regime.SIDEWAYS
        self._scan: Callable[..., tuple[float, float, float, float, float]] = regime_scan.scan
        self._channels = (
            compiled.VOLATILITY,
            compiled.BB_WIDTH,
            compiled.HIGH,
            compiled.OPEN,
        )

    def ready(self, indicators: IndicatorState) -> bool:
        """Whether the indicators are warm and every window of ranks is full."""
        return indicators.ready and indicators.bars_seen >= self.bars_needed

    @property
    def bars_needed(self) -> int:
        """Bars after which both rank windows are full."""
        return _ROOT + max(self.spec.highvol_window, self.spec.vol_window)

    def update(self, indicators: IndicatorState) -> RegimeState | None:
        """The regime after the bar that `indicators` took last; None until `ready`.

        `transition` holds the change of regime that this bar made, or None.
        """
        self.transition = None
        if not self.ready(indicators):
            return None
        evidence = self.look(indicators)
        self._trend = self.trend(evidence, self._trend)
        label = label_of(self.spec, evidence, self._trend)
        confidence = confidence_of(self.spec, evidence, label)
        now = indicators.last_open_ns + indicators.spec.span_ns
        pairs = tuple(zip(Evidence._fields, evidence, strict=True))
        since = now
        if self.state is not None:
            if self.state.label is label:
                since = self.state.since_ns
            else:
                self.transition = Transition(
                    time_ns=now,
                    before=self.state.label,
                    after=label,
                    confidence=confidence,
                    evidence=pairs,
                )
        self.state = RegimeState(
            label=label,
            vol_level=vol_level_of(self.spec, evidence),
            confidence=confidence,
            since_ns=since,
            evidence=pairs,
        )
        return self.state

    def trend(self, evidence: Evidence, before: Regime) -> Regime:
        """The trend layer's answer, given its last one."""
        return trend_of(self.spec, evidence, before)

    def look(self, indicators: IndicatorState) -> Evidence:
        """The evidence of the last bar; the caller sees to it that the windows are full."""
        spec = self.spec
        channels = [indicators.channel(number)[0] for number in self._channels]
        end = indicators.channel(self._channels[0])[1]
        now = indicators.last_open_ns + indicators.spec.span_ns
        highvol_pct, vol_pct, bb_pct, top, first = self._scan(
            *channels, indicators.open_times(), end, indicators.bars_kept,
            now - spec.crash_window_h * HOUR, spec.highvol_window, spec.vol_window,
            spec.vol_window,
        )  # fmt: skip
        row = indicators.row()
        close = float(row[INDEX["close"]])
        return Evidence(
            adx=float(row[INDEX["adx"]]),
            plus_di=float(row[INDEX["plus_di"]]),
            minus_di=float(row[INDEX["minus_di"]]),
            close=close,
            trend_average=float(row[INDEX[self.TREND_FEATURE]]),
            atr=float(row[INDEX["atr"]]),
            volatility=float(row[INDEX["volatility_20"]]),
            highvol_pct=highvol_pct,
            vol_pct=vol_pct,
            bb_width_pct=bb_pct,
            drawdown_pct=100.0 * (1.0 - close / top),
            return_pct=100.0 * (close / first - 1.0),
        )


class FastRegimeDetector(RegimeDetector):
    """The same rules on short windows and without memory, for tests that can't wait.

    It answers after 80 bars instead of 272, holds the price against `ema_20`, and takes the
    middle of the two ADX thresholds for both. Not for trading.
    """

    TREND_FEATURE: ClassVar[str] = "ema_20"
    WINDOW: ClassVar[int] = 60

    def __init__(self, spec: RegimeSpec | None = None) -> None:
        given = spec if spec is not None else RegimeSpec()
        middle = (given.adx_sideways + given.adx_trend) / 2.0
        super().__init__(
            replace(
                given,
                adx_trend=middle,
                adx_sideways=middle,
                highvol_window=self.WINDOW,
                vol_window=self.WINDOW,
            )
        )

    def ready(self, indicators: IndicatorState) -> bool:
        return indicators.bars_seen >= self.bars_needed

    def trend(self, evidence: Evidence, before: Regime) -> Regime:
        return trend_of(self.spec, evidence, Regime.SIDEWAYS)
