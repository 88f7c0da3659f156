"""From a draft to a condition, or to the reason why not.

Whoever speaks, the market has the last word: prices are held against it at the moment of
arming, so that neither an absurd price nor an answer that came too late is ever watched for.
"""

from __future__ import annotations

import math
from itertools import pairwise

from engine.core.clock import SECOND
from engine.core.parameters import Parameters
from engine.core.types import Direction, TradeCondition
from engine.llm.settings import ENTRY_DISTANCE, LEVEL_DISTANCE, LIFETIME, STOP_LEAST
from engine.llm.situation import Draft, SymbolState

MOST_TARGETS = 5
"""Rungs that a ladder may have; the exit plan knows no more."""


def refusal(draft: Draft, state: SymbolState | None, params: Parameters) -> str:
    """Why this draft may not be armed against this market, or an empty string."""
    if state is None:
        return f"{draft.symbol} isn't followed"
    prices = (draft.entry, draft.stop, *draft.targets)
    if not all(math.isfinite(price) and price > 0 for price in (*prices, state.price)):
        return "a price is missing or no price"
    if draft.direction is Direction.SHORT and not state.can_short:
        return "spot can't be sold short"
    if state.held:
        return f"a {state.held} position is open already"
    if state.cooling:
        return "the symbol cools down"
    return _far(draft, state, params) or _sides(draft, params)


def _far(draft: Draft, state: SymbolState, params: Parameters) -> str:
    reach = float(params.get(ENTRY_DISTANCE, draft.symbol))
    away = abs(draft.entry / state.price - 1) * 100
    if away > reach:
        return f"entry {draft.entry:.8g} is {away:.3g} % from the market, allowed are {reach:g} %"
    if draft.entry == state.price:
        return f"the market is at {draft.entry:.8g} already"
    return ""


def _sides(draft: Draft, params: Parameters) -> str:
    sign, entry = draft.direction.sign, draft.entry
    loses = (entry - draft.stop) * sign / entry * 100
    wide = float(params.get(LEVEL_DISTANCE, draft.symbol))
    near = float(params.get(STOP_LEAST, draft.symbol))
    if loses <= 0:
        return f"stop {draft.stop:.8g} isn't on the losing side of {entry:.8g}"
    if not near <= loses <= wide:
        return f"stop is {loses:.3g} % from the entry, allowed are {near:g} to {wide:g} %"
    if not 1 <= len(draft.targets) <= MOST_TARGETS:
        return f"{len(draft.targets)} targets, allowed are 1 to {MOST_TARGETS}"
    gains = [(target - entry) * sign / entry * 100 for target in draft.targets]
    if min(gains) <= 0:
        return f"a target isn't on the winning side of {entry:.8g}"
    if max(gains) > wide:
        return f"a target is {max(gains):.3g} % from the entry, allowed are {wide:g} %"
    if any(later <= earlier for earlier, later in pairwise(gains)):
        return "targets aren't in the order in which they are reached"
    return ""


def condition_of(
    draft: Draft, state: SymbolState, params: Parameters, id: str, now_ns: int, strategy: str
) -> TradeCondition:
    """The condition of a draft that passed `refusal`; its validity is cut to the longest."""
    longest = int(params.get(LIFETIME))
    return TradeCondition(
        id=id,
        symbol=draft.symbol,
        direction=draft.direction,
        trigger=draft.entry,
        above=draft.entry > state.price,
        stop=draft.stop,
        targets=draft.targets,
        created_ns=now_ns,
        valid_until_ns=now_ns + max(1, min(draft.valid_sec, longest)) * SECOND,
        reasoning=draft.reasoning,
        strategy=strategy,
        pattern=draft.pattern,
    )
