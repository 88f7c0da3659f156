"""The size a decision asks for, before the account has a say: base × confidence × regime.

Part of the decision because a person reads it there; the risk room starts from the same
functions, so that what was shown and what is sized can't drift apart.
"""

from __future__ import annotations

from engine.core.parameters import Parameter, Parameters, declare
from engine.core.regimes import Regime

BASE = declare(
    "size.base_pct", 20.0, low=5, high=50, step=1, unit="% equity", scopes="GT", risk=1,
    doc="Size of an entry of full confidence in a neutral regime, before every limit.",
)  # fmt: skip
EXPONENT = declare(
    "size.confidence_exponent", 1.5, low=0.5, high=3.0, step=0.1, unit="power", scopes="GT",
    risk=-1, doc="How fast the size falls with less confidence: confidence to this power.",
)  # fmt: skip
REGIME_SIZE: dict[Regime, Parameter] = {
    Regime.BULL: declare(
        "regime.size_bull", 120.0, low=80, high=150, step=5, unit="%", scopes="GY", risk=1,
        doc="Share of the size that entries get in a rising market.",
    ),
    Regime.BEAR: declare(
        "regime.size_bear", 80.0, low=30, high=120, step=5, unit="%", scopes="GY", risk=1,
        doc="Share of the size that entries get in a falling market.",
    ),
    Regime.CRASH: declare(
        "regime.size_crash", 30.0, low=0, high=60, step=5, unit="%", scopes="GY", risk=1,
        doc="Share of the size that entries get in a crash.",
    ),
    Regime.SIDEWAYS: declare(
        "regime.size_sideways", 70.0, low=30, high=110, step=5, unit="%", scopes="GY", risk=1,
        doc="Share of the size that entries get in a sideways market.",
    ),
    Regime.HIGH_VOL: declare(
        "regime.size_highvol", 50.0, low=20, high=90, step=5, unit="%", scopes="GY", risk=1,
        doc="Share of the size that entries get in a very volatile market.",
    ),
}  # fmt: skip


def confidence_factor(parameters: Parameters, confidence: float, strategy: str) -> float:
    """Confidence to the power of `size.confidence_exponent`, in [0, 1]."""
    power = float(parameters.get(EXPONENT, strategy=strategy))
    return float(min(1.0, max(0.0, confidence)) ** power)


def regime_factor(
    parameters: Parameters, symbol: str, regime: Regime, regime_confidence: float
) -> float:
    """The regime's factor. What it adds counts as far as the regime is sure, cuts count full.

    A strong grade has its family's factor.
    """
    factor = float(parameters.get(REGIME_SIZE[regime.family], symbol)) / 100.0
    if factor > 1.0:
        return 1.0 + (factor - 1.0) * min(1.0, max(0.0, regime_confidence))
    return factor


def indicated_pct(
    parameters: Parameters,
    symbol: str,
    strategy: str,
    confidence: float,
    regime: Regime | None,
    regime_confidence: float,
) -> float:
    """base × confidence^exponent × regime factor, in percent of equity.

    With the defaults, confidence 0.72 and a sure bull: 20 % × 0.611 × 1.2 = 14.7 %.
    """
    base = float(parameters.get(BASE, strategy=strategy))
    size = base * confidence_factor(parameters, confidence, strategy)
    if regime is None:
        return size
    return size * regime_factor(parameters, symbol, regime, regime_confidence)
