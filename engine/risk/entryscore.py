"""The adaptive gate: the score that an entry needs, and how a drawdown moves it.

A score is the confidence on another scale, on which the threshold of 2.5 is the least
confidence of 0.40; thresholds, buckets and deltas are told in it. Where the threshold stands is
learned (`engine/learning/gate.py`); in a drawdown more is asked, at once and without learning.
"""

from __future__ import annotations

from engine.core.parameters import Parameters, declare

PER_CONFIDENCE = 2.5 / 0.40
"""Points of score for a confidence of 1."""

THRESHOLD = declare(
    "entry.threshold_score", 2.5, low=1.5, high=4.5, step=0.1, unit="score", scopes="GRYT",
    risk=-1, doc="Score that an entry needs before the drawdown is looked at; 6.25 × confidence.",
)  # fmt: skip
SEVERE = declare(
    "gate.dd_delta_severe", 0.75, low=0, high=1.5, step=0.05, unit="score", scopes="G", risk=-1,
    doc="More score asked in a drawdown of more than 8 %.",
)  # fmt: skip
HIGH = declare(
    "gate.dd_delta_high", 0.50, low=0, high=1.0, step=0.05, unit="score", scopes="G", risk=-1,
    doc="More score asked in a drawdown of more than 6 %.",
)  # fmt: skip
MID = declare(
    "gate.dd_delta_mid", 0.25, low=0, high=0.75, step=0.05, unit="score", scopes="G", risk=-1,
    doc="More score asked in a drawdown of more than 4 %.",
)  # fmt: skip
RELAX = declare(
    "gate.dd_delta_relax", -0.25, low=-0.5, high=0.0, step=0.05, unit="score", scopes="G", risk=-1,
    doc="Less score asked in a drawdown of less than 2 %; the least confidence stays.",
)  # fmt: skip

DRAWDOWNS = ((8.0, SEVERE), (6.0, HIGH), (4.0, MID))
"""Drawdown in percent of the equity peak, above which each delta holds; the first that fits."""

CALM = 2.0
"""Drawdown in percent below which the gate relaxes."""


def score_of(confidence: float) -> float:
    """The score of a confidence in [0, 1]."""
    return confidence * PER_CONFIDENCE


def drawdown_delta(params: Parameters, drawdown_pct: float) -> float:
    """What a drawdown adds to the threshold."""
    for above, delta in DRAWDOWNS:
        if drawdown_pct > above:
            return float(params.get(delta))
    return float(params.get(RELAX)) if drawdown_pct < CALM else 0.0


def needed(
    params: Parameters,
    drawdown_pct: float,
    symbol: str | None = None,
    regime: str | None = None,
    strategy: str | None = None,
) -> float:
    """The score that an entry needs now."""
    base = float(params.get(THRESHOLD, symbol, regime, strategy))
    return base + drawdown_delta(params, drawdown_pct)
