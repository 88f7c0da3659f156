"""Many strategies, one symbol: who speaks for the technical side when they disagree.

Every signal that isn't HOLD is priced and ranked; the best one wins, alone. Averaging a
breakout with a reversal would give a trade that neither of them wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from engine.core.types import Action, Direction, ExpectedValue, Signal
from engine.market.costs import Costs
from engine.strategies.base import StrategyContext
from engine.strategies.expected_value import BPS, TradeStatistics
from engine.strategies.stops import initial_stop


@dataclass(frozen=True, slots=True)
class Ranked:
    """A signal with its price: the stop it would have, its expected value, its rank."""

    signal: Signal
    stop: float
    expected: ExpectedValue
    rank: float


@dataclass(frozen=True, slots=True)
class Coordinated:
    """What the strategies together say of one symbol.

    `winner` is the best signal, also where a position already stands as it wants; `action`
    is then HOLD. `ranked` holds all that spoke, best first, `signals` all that were asked.
    """

    action: Action
    confidence: float
    winner: Ranked | None
    ranked: tuple[Ranked, ...]
    signals: tuple[Signal, ...]
    reason: str


def coordinate(
    context: StrategyContext,
    signals: Iterable[Signal],
    statistics: TradeStatistics,
    costs: Callable[[], Costs],
    standing: Callable[[Signal], float] = lambda signal: 1.0,
) -> Coordinated:
    """Rank the signals by confidence × expected value and let the best one speak.

    `costs` is asked once, and only when somebody spoke. `standing` is what earlier results
    of such a signal multiply its rank by. Where the expected value is
    negative the rank is the expected value itself, since less confidence doesn't make a bad
    trade a better one; unknown values rank last. Equal ranks keep the strategies' order,
    unless they point in opposite directions: then nobody wins. What a position already has
    is HOLD: one position a symbol.
    """
    asked = tuple(signals)
    spoke = [signal for signal in asked if signal.action is not Action.HOLD]
    if not spoke:
        reason = "; ".join([f"{signal.strategy}: {signal.reason}" for signal in asked])
        return Coordinated(Action.HOLD, 0.0, None, (), asked, reason or "no strategy was asked")
    paid = costs()
    ranked = sorted(
        (_ranked(context, signal, statistics, paid, standing) for signal in spoke),
        key=lambda one: -one.rank,
    )
    priced = {one.signal.strategy: one.signal for one in ranked}
    asked = tuple([priced.get(signal.strategy, signal) for signal in asked])
    best = ranked[0]
    rest = tuple(ranked)
    action, reason = best.signal.action, best.signal.reason
    for other in ranked[1:]:
        if other.rank == best.rank and other.signal.action is not action:
            tie = f"{best.signal.strategy} and {other.signal.strategy} contradict at equal rank"
            return Coordinated(Action.HOLD, 0.0, None, rest, asked, tie)
    direction = Direction.LONG if action is Action.BUY else Direction.SHORT
    if context.holding is direction:
        held = f"already {direction}: {reason}"
        return Coordinated(Action.HOLD, 0.0, best, rest, asked, held)
    return Coordinated(action, best.signal.confidence, best, rest, asked, reason)


def _ranked(
    context: StrategyContext,
    signal: Signal,
    statistics: TradeStatistics,
    costs: Costs,
    standing: Callable[[Signal], float],
) -> Ranked:
    regime = context.regime.label if context.regime is not None else None
    stop = signal.stop
    if math.isnan(stop):
        direction = Direction.LONG if signal.action is Action.BUY else Direction.SHORT
        stop = initial_stop(
            context.parameters,
            context.symbol,
            regime,
            signal.strategy,
            direction,
            signal.entry,
            context.feature("atr"),
        )
    risk_bps = abs(signal.entry - stop) / signal.entry * BPS
    expected = statistics.expected(signal.strategy, regime or "", risk_bps, costs)
    net = expected.net_bps
    if math.isnan(net):
        rank = -math.inf
    else:
        rank = signal.confidence * net * standing(signal) if net > 0.0 else net
    priced = msgspec.structs.replace(signal, expected_value=net)
    return Ranked(priced, stop, expected, rank)
