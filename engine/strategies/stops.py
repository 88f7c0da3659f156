"""Where an entry's first stop lies: the distance by which risk is sized and EV is priced.

The exit plan is made when an order is made; strategies, expected value and sizing need the
stop before that, and must not find another one. A test holds this to the plan's answer.
"""

from __future__ import annotations

import math

from engine.core.parameters import Parameter, Parameters
from engine.core.regimes import Regime
from engine.core.types import Direction
from engine.position.settings import STOP_ATR, STOP_ATR_BY_REGIME


def stop_parameter(
    parameters: Parameters, symbol: str, regime: Regime | None, strategy: str
) -> Parameter:
    """The width that holds: one set by name, else the regime's, else the default width."""
    named = parameters.setting(STOP_ATR.name, symbol, regime, strategy).origin != "default"
    if regime is None or named:
        return STOP_ATR
    return STOP_ATR_BY_REGIME[regime.family]


def initial_stop(
    parameters: Parameters,
    symbol: str,
    regime: Regime | None,
    strategy: str,
    direction: Direction,
    price: float,
    atr: float,
) -> float:
    """The price of the first stop, `atr` (quote currency) times the width away from `price`.

    NaN where there can be none: an ATR that is not known, or a stop at zero or below.
    """
    if not (atr > 0.0 and math.isfinite(atr) and price > 0.0):
        return math.nan
    parameter = stop_parameter(parameters, symbol, regime, strategy)
    width = float(parameters.get(parameter, symbol, regime, strategy))
    stop = price - direction.sign * width * atr
    return stop if stop > 0.0 else math.nan
