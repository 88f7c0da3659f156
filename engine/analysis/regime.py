"""Which kind of market it is: crash, high volatility, trend or none, and how sure that is.

Sizes, stops and the choice of strategies follow the regime, so it is decided by few rules
in a fixed order of precedence (CRASH, HIGH_VOL, trend, SIDEWAYS), with a memory only where
the rules leave a gap: between the two ADX thresholds the trend stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from engine.analysis.indicators import IndicatorState
from engine.analysis.layout import INDEX
from engine.analysis.regime_rules import (
    Evidence,
    RegimeSpec,
    confidence_of,
    label_of,
    trend_of,
    vol_level_of,
)
from engine.core.clock import HOUR
from engine.core.regimes import Regime, VolLevel
from engine.core.types import Value

__all__ = [
    "Evidence",
    "FastRegimeDetector",
    "Regime",
    "RegimeDetector",
    "RegimeSpec",
    "RegimeState",
    "Transition",
    "VolLevel",
]

_ROOT = 20  # bars behind the first volatility that is known


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
