"""Profiles: named sets of parameter values, three tempers and three styles, applied as one.

A person who wants less risk should not have to know thirty names. A profile sets values
globally and says so in their origin; whatever is set by name afterwards wins over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.core.errors import ParameterError
from engine.core.parameters import Parameters, Value


@dataclass(frozen=True, slots=True)
class RiskProfile:
    """A temper: what it is for, and the values in which it differs from the defaults."""

    name: str
    doc: str
    values: Mapping[str, Value]


CONSERVATIVE = RiskProfile(
    "conservative",
    "half the risk of balanced and a surer decision: for money that must not be missed",
    {
        "size.risk_regular_pct": 0.5,
        "size.risk_diamond_pct": 1.0,
        "size.base_pct": 10.0,
        "size.profile_max_pos_pct": 5.0,
        "size.max_position_pct": 10.0,
        "cand.max_open_positions": 5,
        "pos.max_new_per_cycle": 2,
        "cand.max_trades_per_day": 20,
        "risk.max_daily_risk_pct": 3.0,
        "risk.daily_loss_pct": 2.0,
        "risk.max_drawdown_pct": 10.0,
        "dec.min_confidence": 0.50,
        "lev.max_leverage": 2,
    },
)
"""Halves what can be lost (per trade, a day, from the peak) and the size of a position; the
higher minimum confidence and the lower counts keep it to fewer, surer trades."""

BALANCED = RiskProfile("balanced", "the defaults, as each parameter is declared", {})
"""The default. Holds no value of its own, so a changed default is never shadowed."""

AGGRESSIVE = RiskProfile(
    "aggressive",
    "twice the risk and more positions at a time, up to the bounds of the loss limits",
    {
        "size.risk_regular_pct": 2.0,
        "size.risk_diamond_pct": 3.0,
        "size.base_pct": 30.0,
        "size.profile_max_pos_pct": 25.0,
        "size.max_position_pct": 50.0,
        "risk.max_symbol_exposure_pct": 25.0,
        "cand.max_open_positions": 16,
        "pos.max_new_per_cycle": 8,
        "risk.max_daily_risk_pct": 10.0,
        "risk.daily_loss_pct": 6.0,
        "risk.max_drawdown_pct": 25.0,
        "dec.min_confidence": 0.35,
        "lev.auto_max": 10,
    },
)
"""Doubles the risk of a trade; the loss limits move to the ceilings that no profile may
lift. The only one whose hard cap of a position is above 25 %, for strategies made for it; the
exposure limit of a symbol still holds at 25 %. The only one that lets the leverage manager
choose: the others leave leverage above 1 to a person."""

FLOW = RiskProfile(
    "flow",
    "many short trades that follow the flow: fixed risk, early exits, room for sixteen",
    {
        "cand.max_open_positions": 16,
        "size.risk_regular_pct": 1.5,
        "risk.manager": "fixed",
        "exit.max_holding_days": 12,
    },
)
"""Goes with the exit profile of its name: a plain trailing stop, the ladder `flow`, out after
240 minutes, or when stale. Every entry risks the same, so that none outweighs the others."""

ML = RiskProfile(
    "ml",
    "fewer positions sized by how sure the model is, less where the market is wild",
    {
        "size.sizer": "confidence_weighted",
        "risk.manager": "volatility",
        "size.profile_max_pos_pct": 25.0,
        "risk.max_symbol_exposure_pct": 25.0,
    },
)
"""Goes with the exit profile of its name: late trailing, a wide ladder, scale-ins into profit;
those need the room of a position's hard cap, 25 %."""

SNIPER = RiskProfile(
    "sniper",
    "waits for its price: few positions, one a coin, the same risk at the condition's own stop",
    {
        "size.sizer": "fixed_fraction",
        "cand.max_open_positions": 5,
        "pos.max_new_per_cycle": 2,
        "pos.cooldown_min_per_ticker": 30,
    },
)
"""Goes with the exit profile of its name: the condition's own stop and targets, which is why
its size follows from the stop alone."""

PROFILES: Mapping[str, RiskProfile] = {
    profile.name: profile for profile in (CONSERVATIVE, BALANCED, AGGRESSIVE, FLOW, ML, SNIPER)
}


def apply_profile(parameters: Parameters, name: str) -> RiskProfile:
    """Set a profile's values, with `profile <name>` as their origin.

    Raises `ParameterError` for an unknown profile, or where a value is out of its bounds or
    its parameter isn't declared yet: import the engine's rooms first.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise ParameterError(f"there is no profile {name!r}", f"known: {', '.join(PROFILES)}")
    for parameter, value in profile.values.items():
        parameters.set(parameter, value, f"profile {name}")
    return profile
