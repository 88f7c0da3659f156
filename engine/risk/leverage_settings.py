"""The numbers that the leverage manager turns on: bases, thresholds, factors and caps."""

from __future__ import annotations

from engine.core.parameters import Parameter, declare
from engine.core.regimes import Regime

AUTO_MAX = declare(
    "lev.auto_max", 1, low=1, high=10, step=1, unit="x", scopes="GRY", risk=1,
    doc="Most leverage that the manager chooses by itself; 1 leaves leverage to a person.",
)  # fmt: skip
LOW_VOL = declare(
    "lev.low_vol_pct", 1.0, low=0.25, high=2, step=0.25, unit="% daily", scopes="GY", risk=1,
    doc="Daily volatility below which the base is `lev.high_leverage_min`.",
)  # fmt: skip
HIGH_VOL = declare(
    "lev.high_vol_pct", 3.0, low=1.5, high=8, step=0.25, unit="% daily", scopes="GY", risk=1,
    doc="Daily volatility above which the base is 1.",
)  # fmt: skip
LOW_LEVERAGE = declare(
    "lev.low_leverage_max", 3, low=1, high=5, step=1, unit="x", scopes="G", risk=1,
    doc="Base leverage in a market of ordinary volatility.",
)  # fmt: skip
HIGH_LEVERAGE = declare(
    "lev.high_leverage_min", 5, low=3, high=10, step=1, unit="x", scopes="G", risk=1,
    doc="Base leverage in a quiet market.",
)  # fmt: skip
RATIO_HIGH = declare(
    "lev.vol_ratio_high", 1.5, low=1.1, high=3.0, step=0.1, unit="ratio", scopes="G", risk=1,
    doc="Volatility against its longer past above which leverage is cut.",
)  # fmt: skip
RATIO_LOW = declare(
    "lev.vol_ratio_low", 0.7, low=0.3, high=0.9, step=0.05, unit="ratio", scopes="G", risk=1,
    doc="Volatility against its longer past below which leverage is raised.",
)  # fmt: skip
VOL_CUT = declare(
    "lev.vol_cut", 0.7, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor while volatility is above its past.",
)  # fmt: skip
VOL_BOOST = declare(
    "lev.vol_boost", 1.1, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor while volatility is below its past.",
)  # fmt: skip
TREND_STRONG = declare(
    "lev.trend_strong", 0.7, low=0.4, high=2.0, step=0.1, unit="ATR", scopes="G", risk=-1,
    doc="Gap of the trend averages in the entry's favour from which leverage is raised.",
)  # fmt: skip
TREND_WEAK = declare(
    "lev.trend_weak", 0.3, low=0.0, high=0.6, step=0.05, unit="ATR", scopes="G", risk=-1,
    doc="Gap of the trend averages in the entry's favour below which leverage is cut.",
)  # fmt: skip
TREND_BOOST = declare(
    "lev.trend_boost", 1.1, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor with a strong trend behind the entry.",
)  # fmt: skip
TREND_CUT = declare(
    "lev.trend_cut", 0.8, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor with a weak trend, or one against the entry.",
)  # fmt: skip
ADX_STRONG = declare(
    "lev.adx_strong", 40.0, low=30, high=60, step=5, unit="points", scopes="G", risk=-1,
    doc="ADX above which leverage is raised.",
)  # fmt: skip
ADX_WEAK = declare(
    "lev.adx_weak", 20.0, low=10, high=30, step=5, unit="points", scopes="G", risk=-1,
    doc="ADX below which leverage is cut.",
)  # fmt: skip
ADX_BOOST = declare(
    "lev.adx_boost", 1.1, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor of a market that clearly trends.",
)  # fmt: skip
ADX_CUT = declare(
    "lev.adx_cut", 0.9, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor of a market that doesn't trend.",
)  # fmt: skip
SURE = declare(
    "lev.confidence_high", 0.7, low=0.5, high=0.95, step=0.05, unit="prob", scopes="G", risk=-1,
    doc="Confidence above which leverage is raised.",
)  # fmt: skip
UNSURE = declare(
    "lev.confidence_low", 0.4, low=0.2, high=0.6, step=0.05, unit="prob", scopes="G", risk=-1,
    doc="Confidence below which leverage is cut.",
)  # fmt: skip
SURE_BOOST = declare(
    "lev.confidence_boost", 1.1, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor of a sure decision.",
)  # fmt: skip
UNSURE_CUT = declare(
    "lev.confidence_cut", 0.7, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Leverage factor of an unsure decision.",
)  # fmt: skip
MARGIN_IN_USE = declare(
    "lev.margin_in_use", 0.6, low=0.2, high=0.9, step=0.05, unit="ratio", scopes="G", risk=1,
    doc="Share of equity put aside as margin above which leverage is cut by that share.",
)  # fmt: skip
RISK_BUDGET = declare(
    "lev.risk_budget_pct", 2.0, low=0.5, high=5, step=0.25, unit="% equity", scopes="G", risk=1,
    doc="Most loss at the stop of a leveraged entry, of equity.",
)  # fmt: skip
MIN_SIZE = declare(
    "lev.min_size_pct", 2.0, low=0.5, high=5, step=0.5, unit="%", scopes="G", risk=1,
    doc="Size of a leveraged entry whose edge isn't proven, of equity.",
)  # fmt: skip


def _regime(regime: Regime, default: float) -> Parameter:
    return declare(
        f"lev.regime_{regime.value.lower()}", default, low=0.3, high=1.5, step=0.05,
        unit="factor", scopes="G", risk=1, doc=f"Leverage factor in {regime.value}.",
    )  # fmt: skip


REGIME_FACTORS: dict[Regime, Parameter] = {
    Regime.STRONG_BULL: _regime(Regime.STRONG_BULL, 1.1),
    Regime.BULL: _regime(Regime.BULL, 1.0),
    Regime.SIDEWAYS: _regime(Regime.SIDEWAYS, 0.9),
    Regime.BEAR: _regime(Regime.BEAR, 0.9),
    Regime.STRONG_BEAR: _regime(Regime.STRONG_BEAR, 0.8),
    Regime.HIGH_VOL: _regime(Regime.HIGH_VOL, 0.7),
    Regime.CRASH: _regime(Regime.CRASH, 0.7),
}
