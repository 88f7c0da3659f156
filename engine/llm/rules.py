"""The strategist that needs no model: levels and regime become conditions by fixed rules.

It speaks wherever no model answers, and in every replay, so its answer depends on nothing
but the situation and the parameters: equal ones give equal drafts.
"""

from __future__ import annotations

import math

from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import Direction
from engine.llm.settings import BREAK_ATR, ENTRY_DISTANCE, LIFETIME, MOST, REWARD_RISK
from engine.llm.situation import Draft, Situation, SymbolState
from engine.strategies.stops import initial_stop

RULES = "strategist_rules"
"""The name under which the rules' entries are traded and counted."""

_QUIET = (Regime.CRASH, Regime.HIGH_VOL)


def speak(situation: Situation, params: Parameters) -> tuple[Draft, ...]:
    """Drafts for the symbols that offer one, the entry nearest to its market first.

    A rising regime is bought above its resistance, or where there is none above on the way
    back to its average; a falling one is sold the same way where that can be done; between
    levels that hold, the lower is bought and the upper sold. Nothing is said in a crash or
    in high volatility, where levels mean little.
    """
    drafts = [
        (abs(draft.entry / state.price - 1), draft)
        for state in situation.symbols
        if not state.held and not state.cooling
        for draft in _of(state, params)
    ]
    drafts.sort(key=lambda item: (item[0], item[1].symbol, item[1].direction))
    return tuple(draft for _, draft in drafts[: int(params.get(MOST))])


def _of(state: SymbolState, params: Parameters) -> list[Draft]:
    try:
        regime = Regime(state.regime)
    except ValueError:
        return []
    atr = state.feature("atr")
    if regime in _QUIET or not (atr > 0 and state.price > 0):
        return []
    if regime.direction:
        direction = Direction.LONG if regime.direction > 0 else Direction.SHORT
        drafts = [_with_trend(state, regime, direction, atr, params)]
    else:
        drafts = [_in_range(state, regime, each, atr, params) for each in Direction]
    reach = float(params.get(ENTRY_DISTANCE, state.symbol)) / 100
    return [
        draft
        for draft in drafts
        if draft is not None
        and (state.can_short or draft.direction is Direction.LONG)
        and abs(draft.entry / state.price - 1) <= reach
    ]


def _beyond(state: SymbolState, direction: Direction) -> float:
    """The nearest level ahead of the price on this side, NaN where there is none."""
    levels = (*state.supports, *state.resistances)
    if direction is Direction.LONG:
        return min((level for level in levels if level > state.price), default=math.nan)
    return max((level for level in levels if level < state.price), default=math.nan)


def _with_trend(
    state: SymbolState, regime: Regime, direction: Direction, atr: float, params: Parameters
) -> Draft | None:
    sign, word = direction.sign, "rising" if direction is Direction.LONG else "falling"
    level = _beyond(state, direction)
    if math.isfinite(level):
        entry = level + sign * float(params.get(BREAK_ATR, state.symbol, regime)) * atr
        said = f"{word} market: through {level:.8g} it has nothing in its way"
        return _draft(state, regime, direction, entry, atr, params, said, "breakout")
    average = state.feature("ema_20")
    if not (state.price - average) * sign > 0:
        return None
    said = f"{word} market without a level ahead: entered on its way back to the average"
    return _draft(state, regime, direction, average, atr, params, said, "pullback")


def _in_range(
    state: SymbolState, regime: Regime, direction: Direction, atr: float, params: Parameters
) -> Draft | None:
    behind = Direction.SHORT if direction is Direction.LONG else Direction.LONG
    near, far = _beyond(state, behind), _beyond(state, direction)
    if not (math.isfinite(near) and math.isfinite(far)):
        return None
    sign = direction.sign
    entry = near + sign * float(params.get(BREAK_ATR, state.symbol, regime)) * atr
    if (state.price - entry) * sign <= 0:
        return None
    said = f"no trend between {min(near, far):.8g} and {max(near, far):.8g}: the edge should hold"
    return _draft(state, regime, direction, entry, atr, params, said, "range", far)


def _draft(
    state: SymbolState,
    regime: Regime,
    direction: Direction,
    entry: float,
    atr: float,
    params: Parameters,
    said: str,
    pattern: str,
    most: float = math.nan,
) -> Draft | None:
    """A draft with the stop of every entry and a target worth its risk; `most` caps it."""
    stop = initial_stop(params, state.symbol, regime, RULES, direction, entry, atr)
    if not math.isfinite(stop):
        return None
    risk = abs(entry - stop)
    wanted = float(params.get(REWARD_RISK, state.symbol, regime)) * risk
    if math.isfinite(most):
        wanted = min(wanted, abs(most - entry))
        if wanted < risk:
            return None
    target = entry + direction.sign * wanted
    if target <= 0:
        return None
    adx, rsi = state.feature("adx"), state.feature("rsi")
    return Draft(
        symbol=state.symbol,
        direction=direction,
        entry=entry,
        stop=stop,
        targets=(target,),
        valid_sec=int(params.get(LIFETIME)),
        reasoning=f"{said}; ADX {adx:.1f}, RSI {rsi:.1f}, regime {state.regime}",
        pattern=pattern,
    )
