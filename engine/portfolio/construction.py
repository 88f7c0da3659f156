"""Construction: how capital would be shared out, when shares have drifted, who makes room.

Pure functions of weights, covariances and scores. They propose; the kernel and its gates
decide, and nothing here raises exposure: weights only say how a given amount is shared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import HOUR
from engine.core.parameters import Parameters, declare

Floats = npt.NDArray[np.float64]

MIN_AGE = declare(
    "disp.min_age_hours", 4, low=1, high=24, step=1, unit="h", scopes="GR", risk=0,
    doc="How long a position must have been open before a better candidate may displace it.",
)  # fmt: skip
MAX_PNL = declare(
    "disp.max_pnl_pct", 1.0, low=0.25, high=3, step=0.25, unit="%", scopes="GR", risk=0,
    doc="A position whose P&L is further from zero than this is not stagnant.",
)  # fmt: skip
ADVANTAGE = declare(
    "disp.score_advantage", 2.0, low=0.5, high=4.0, step=0.25, unit="score", scopes="GR", risk=-1,
    doc="By how much a candidate's score (0 to 10) must exceed that of what it displaces.",
)  # fmt: skip
COOLDOWN = declare(
    "disp.cooldown_hours", 6, low=1, high=24, step=1, unit="h", scopes="G", risk=-1,
    doc="Time after a displacement before the next one.",
)  # fmt: skip
DRIFT = declare(
    "meta.rebalance_drift_pct", 10.0, low=2, high=30, step=1, unit="%", scopes="G", risk=1,
    doc="How far a share may exceed its target, in percent points, before it is trimmed.",
)  # fmt: skip

CONVERGED = 1e-12
"""Relative change of a sweep below which risk-parity weights stand still."""

MOST_SWEEPS = 2_000


def risk_parity(covariance: Floats, budgets: Floats | None = None) -> Floats:
    """Long-only weights whose contributions to the variance are as the budgets (equal ones).

    Minimises ½x′Σx − Σ bᵢ ln xᵢ, whose only stationary point has xᵢ(Σx)ᵢ = bᵢ, by cyclical
    coordinate descent (Spinu 2013; Griveau-Billion, Richard and Roncalli 2013). Raises
    `ValueError` for a matrix with a variance that isn't positive.
    """
    width = len(covariance)
    variances = np.diag(covariance)
    if not width or not (variances > 0.0).all():
        raise ValueError("risk parity needs a positive variance of every asset")
    shares = np.full(width, 1.0 / width) if budgets is None else budgets / budgets.sum()
    weights = 1.0 / np.sqrt(variances)
    for _ in range(MOST_SWEEPS):
        before = weights.copy()
        for at in range(width):
            rest = float(covariance[at] @ weights) - variances[at] * weights[at]
            root = math.sqrt(rest * rest + 4.0 * variances[at] * shares[at])
            weights[at] = (root - rest) / (2.0 * variances[at])
        if float(np.abs(weights - before).max()) <= CONVERGED * float(weights.max()):
            break
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def minimum_variance(covariance: Floats) -> Floats:
    """Long-only weights of the least variance.

    With y ≥ 0 minimising ½y′Σy − 1′y, w = y/Σy satisfies the same conditions as the least
    variance on the simplex; solved exactly by the active set of Lawson and Hanson (1974),
    chapter 23. Raises `ValueError` where the matrix isn't positive definite.
    """
    width = len(covariance)
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError("minimum variance needs a positive definite covariance") from None
    scaled = covariance / float(np.diag(covariance).mean())
    weights, active = np.zeros(width), np.zeros(width, dtype=bool)
    ones = np.ones(width)
    for _ in range(MOST_SWEEPS):
        pull = ones - scaled @ weights
        pull[active] = -math.inf
        if active.all() or float(pull.max()) <= 1e-10:
            break
        active[int(pull.argmax())] = True
        while True:
            inside = np.flatnonzero(active)
            solved = np.zeros(width)
            solved[inside] = np.linalg.solve(scaled[np.ix_(inside, inside)], ones[inside])
            if (solved[inside] > 0.0).all():
                weights = solved
                break
            falling = inside[solved[inside] <= 0.0]
            step = float(np.min(weights[falling] / (weights[falling] - solved[falling])))
            weights = weights + step * (solved - weights)
            active &= weights > 1e-15
            weights[~active] = 0.0
    return np.asarray(weights / weights.sum(), dtype=np.float64)


class Trim(NamedTuple):
    """Sell this fraction of a position: its share has drifted above its target.

    Shares are of the gross exposure, in percent.
    """

    symbol: str
    fraction: float
    share_pct: float
    target_pct: float


def rebalance(
    notionals: Mapping[str, float], targets: Mapping[str, float], parameters: Parameters
) -> tuple[Trim, ...]:
    """What to trim so that no share exceeds its target by more than the drift allowed.

    `notionals` absolute, `targets` weights of what is held (a symbol without one is left
    alone). A share beyond the drift goes back to its target of today's total, the rest stays
    cash; what is below its target isn't topped up, since buying is a decision of its own.
    """
    drift = float(parameters.get(DRIFT))
    total = sum(notionals.values())
    found = []
    for symbol, worth in notionals.items():
        target = targets.get(symbol)
        if target is None or worth <= 0.0:
            continue
        share = worth / total
        if (share - target) * 100.0 > drift:
            found.append(Trim(symbol, 1.0 - target / share, share * 100.0, target * 100.0))
    return tuple(sorted(found, key=lambda trim: (trim.target_pct - trim.share_pct, trim.symbol)))


@dataclass(frozen=True, slots=True)
class Standing:
    """An open position as displacement looks at it: `pnl_pct` of its entry, `score` 0 to 10.

    `taken_over` ones are a person's and never make room.
    """

    position: str
    symbol: str
    opened_ns: int
    pnl_pct: float
    score: float
    regime: str | None = None
    taken_over: bool = False


class Displacement(NamedTuple):
    """Close this position for a candidate that exceeds its score by `advantage`."""

    position: str
    symbol: str
    advantage: float
    reason: str


def score_of(confidence: float) -> float:
    """The 0 to 10 score by which candidates and positions are compared: ten confidences."""
    return 10.0 * confidence


def displaced(
    symbol: str,
    score: float,
    standing: Sequence[Standing],
    now_ns: int,
    last_ns: int | None,
    parameters: Parameters,
) -> Displacement | None:
    """Whom a candidate displaces when there is no room: the weakest stagnant position, or none.

    Stagnant is old enough with a P&L near zero. `last_ns` is when something was last
    displaced; within the cooldown nothing is, so that two good candidates in a row don't
    turn the book over. The candidate's own symbol makes no room for itself.
    """
    cooldown = int(parameters.get(COOLDOWN)) * HOUR
    if last_ns is not None and now_ns - last_ns < cooldown:
        return None
    best: Standing | None = None
    for one in standing:
        if one.taken_over or one.symbol == symbol or not math.isfinite(one.pnl_pct):
            continue
        age = now_ns - one.opened_ns
        if age < int(parameters.get(MIN_AGE, regime=one.regime)) * HOUR:
            continue
        if abs(one.pnl_pct) >= float(parameters.get(MAX_PNL, regime=one.regime)):
            continue
        if score - one.score < float(parameters.get(ADVANTAGE, regime=one.regime)):
            continue
        if best is None or (one.score, one.opened_ns) < (best.score, best.opened_ns):
            best = one
    if best is None:
        return None
    hours = (now_ns - best.opened_ns) / HOUR
    return Displacement(
        best.position,
        best.symbol,
        score - best.score,
        f"{symbol} scores {score:.1f} against {best.score:.1f}; stagnant at "
        f"{best.pnl_pct:+.2f} % after {hours:.1f} h",
    )
