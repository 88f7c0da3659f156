"""What every strategy owes the engine, whatever its rules are.

A new strategy joins by being among the built-ins, or as one more entry of `STRATEGIES`.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from engine.analysis.layout import FEATURES, INDEX
from engine.core.types import Action, Direction, InstrumentKind, Signal
from engine.strategies.base import Strategy, StrategyContext, Verdict
from engine.strategies.builtin import builtin_strategies
from tests.decision_help import Walk, context, market

STRATEGIES = builtin_strategies()
BARS = 3000
SEED = 11

every = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.id)


@cache
def spoken(strategy: Strategy, kind: InstrumentKind, holding: Direction | None) -> list[Signal]:
    """One signal a bar over a random market."""
    walk = Walk(kind, holding=holding)
    return [strategy.analyze(walk.take(bar)) for bar in market(SEED, BARS)]


def test_ids_are_distinct_and_features_exist() -> None:
    assert len({strategy.id for strategy in STRATEGIES}) == len(STRATEGIES)
    for strategy in STRATEGIES:
        assert strategy.title
        assert strategy.features
        assert set(strategy.features) <= set(FEATURES)


@every
def test_it_speaks_in_every_direction_that_it_claims(strategy: Strategy) -> None:
    actions = {signal.action for signal in spoken(strategy, InstrumentKind.SWAP, None)}
    wanted = {Action.BUY if d is Direction.LONG else Action.SELL for d in strategy.directions}
    assert actions == wanted | {Action.HOLD}


@every
@pytest.mark.parametrize("kind", InstrumentKind)
def test_every_bar_gets_a_whole_signal(strategy: Strategy, kind: InstrumentKind) -> None:
    for signal, bar in zip(spoken(strategy, kind, None), market(SEED, BARS), strict=True):
        assert signal.strategy == strategy.id
        assert signal.time_ns == bar.close_ns
        assert signal.reason.strip()
        assert 0.0 <= signal.confidence <= 1.0
        assert signal.entry == bar.close
        if signal.action is Action.HOLD:
            assert signal.confidence == 0.0
            continue
        sign = 1.0 if signal.action is Action.BUY else -1.0
        assert math.isnan(signal.stop) or (signal.entry - signal.stop) * sign > 0.0
        assert math.isnan(signal.target) or (signal.target - signal.entry) * sign > 0.0


@every
def test_spot_is_never_sold_short_and_a_long_is_closed(strategy: Strategy) -> None:
    flat = spoken(strategy, InstrumentKind.SPOT, None)
    assert Action.SELL not in {signal.action for signal in flat}
    held = spoken(strategy, InstrumentKind.SPOT, Direction.LONG)
    shorts = spoken(strategy, InstrumentKind.SWAP, None)
    sold = [i for i, signal in enumerate(held) if signal.action is Action.SELL]
    assert sold
    assert sold == [i for i, signal in enumerate(shorts) if signal.action is Action.SELL]


@every
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_unknown_feature_holds_and_is_named(strategy: Strategy, bad: float) -> None:
    walk = Walk(InstrumentKind.SWAP)
    known = next(
        c for c in map(walk.take, market(SEED, BARS)) if strategy.analyze(c).action != Action.HOLD
    )
    for name in strategy.features:
        row = known.row.copy()
        row[INDEX[name]] = bad
        signal = strategy.analyze(_with_row(known, row))
        assert signal.action is Action.HOLD
        assert signal.confidence == 0.0
        assert name in signal.reason


def _with_row(
    base: StrategyContext, row: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> StrategyContext:
    return StrategyContext(
        base.symbol, base.time_ns, base.bar, row, base.previous, base.closes, base.regime,
        base.parameters, base.instrument, base.quote, base.holding,
    )  # fmt: skip


@every
def test_equal_bars_give_equal_signals_from_a_fresh_instance(strategy: Strategy) -> None:
    fresh = type(strategy)()
    walk = Walk(InstrumentKind.SWAP)
    again = [fresh.analyze(walk.take(bar)) for bar in market(SEED, BARS)]
    assert list(map(repr, again)) == list(map(repr, spoken(strategy, InstrumentKind.SWAP, None)))


@every
def test_no_signal_sees_a_later_bar(strategy: Strategy) -> None:
    """Another future after the cut, and asking twice, leave every earlier signal as it was."""
    seen = list(map(repr, spoken(strategy, InstrumentKind.SWAP, None)))
    bars = market(SEED, BARS)
    for cut in (700, 1501, 2400):
        walk = Walk(InstrumentKind.SWAP)
        fresh = type(strategy)()
        told: list[str] = []
        other = market(SEED + 1, BARS)
        for bar in (*bars[:cut], *other[cut : cut + 40]):
            asked = walk.take(bar)
            told.append(repr(fresh.analyze(asked)))
            assert told[-1] == repr(fresh.analyze(asked))
        assert told[:cut] == seen[:cut]


def test_the_base_keeps_its_promises_for_a_careless_strategy() -> None:
    """NaN and more than 1 as a confidence, and a short on spot, from rules that don't care."""

    class Careless(Strategy):
        id, title, features = "careless", "Careless", ("close",)
        said = Verdict(Action.SELL, math.nan, "because")

        def judge(self, context: StrategyContext) -> Verdict:
            return self.said

    careless = Careless()
    swap = context(kind=InstrumentKind.SWAP)
    assert careless.analyze(swap).action is Action.HOLD
    Careless.said = Verdict(Action.SELL, 7.0, "because")
    assert careless.analyze(swap).confidence == 1.0
    refused = careless.analyze(context())
    assert refused.action is Action.HOLD
    assert "spot" in refused.reason
    Careless.directions = frozenset({Direction.LONG})
    assert careless.analyze(swap).action is Action.HOLD
