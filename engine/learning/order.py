"""How far results may move the order in which candidates are taken.

Order decides only who gets scarce room, so that thin results may count here, a little,
where they must neither block an entry nor enlarge one.
"""

from __future__ import annotations

import math

from engine.core.parameters import Parameters, declare

PRIOR_TRADES = declare(
    "order.prior_trades", 20, low=5, high=100, step=5, unit="count", scopes="G",
    doc="Trades without a result that a mean is averaged with before it moves an order.",
)  # fmt: skip
TILT_THIN = declare(
    "order.tilt_thin", 0.1, low=0.0, high=0.3, step=0.05, unit="fraction", scopes="G",
    doc="The most by which results without a bound move a candidate up or down in the order.",
)  # fmt: skip
TILT_SHOWN = declare(
    "order.tilt_shown", 0.5, low=0.0, high=0.9, step=0.05, unit="fraction", scopes="G",
    doc="The most by which results that the bound confirms move a candidate in the order.",
)  # fmt: skip


def tilt(params: Parameters, n: int, mean: float, low: float, high: float) -> float:
    """By how much results move an order: their shrunk mean in R, held to what is shown."""
    if not n or not math.isfinite(mean):
        return 0.0
    shrunk = n * mean / (n + float(params.get(PRIOR_TRADES)))
    shown = low > 0.0 or high < 0.0
    most = float(params.get(TILT_SHOWN if shown else TILT_THIN))
    return max(-most, min(most, shrunk))
