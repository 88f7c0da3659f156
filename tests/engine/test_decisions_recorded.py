"""The whole chain from bar to size on a recorded market: it speaks, seldom, and adds up."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pandas as pd
import pytest

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.analysis.regime import RegimeDetector
from engine.core.clock import MINUTE
from engine.core.parameters import Parameters
from engine.core.types import Action, Bar, Direction
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, TechnicalSource
from engine.market.costs import CostModel, Costs
from engine.market.instruments import packaged
from engine.risk.limits import position_cap_pct, risk_limit_pct
from engine.risk.sizing import size_entry
from engine.strategies.base import StrategyContext
from engine.strategies.builtin import builtin_strategies
from engine.strategies.coordination import coordinate
from engine.strategies.expected_value import TradeStatistics
from tests.decision_help import close_to, sizing
from tests.recorded import recorded

BARS = 5000
SPAN = 15 * MINUTE


def _same(costs: Costs) -> Costs:
    return costs


@pytest.mark.parametrize("name", ["BTC", "SOL"])
def test_decisions_on_a_recorded_quarter_hour_market(name: str) -> None:
    table = pd.read_parquet(recorded(f"ohlcv_crypto/finom_binance_spot/15m/{name}USDT.parquet"))
    table = table.tail(BARS)
    symbol = f"{name}/USDT"
    parameters = Parameters()
    instrument = packaged(symbol, price=float(table.close.iloc[0]))
    indicators = IndicatorState(IndicatorSpec.from_parameters(parameters, symbol))
    detector, kept = RegimeDetector(), TradeStatistics(parameters)
    combiner = Combiner(parameters, [TechnicalSource()])
    costs = CostModel(parameters)
    strategies = builtin_strategies()
    decided, spoke = 0, {strategy.id: 0 for strategy in strategies}
    columns = table[["timestamp", "open", "high", "low", "close", "volume"]]
    for t, o, h, low, c, v in columns.itertuples(index=False):
        bar = Bar(
            symbol=symbol, open_ns=int(t) * 1_000_000, span_ns=SPAN, open=o, high=h, low=low,
            close=c, volume=v,
        )  # fmt: skip
        indicators.update_bar(bar)
        regime = detector.update(indicators)
        if regime is None:
            continue
        context = StrategyContext.at_close(bar, indicators, regime, parameters, instrument)
        volatility = context.feature("daily_volatility_pct")
        paid = costs.round_trip_bps(
            instrument, 500.0, None, None, volatility, bar.volume * c, bar_minutes=15.0
        )
        said = coordinate(
            context, [one.analyze(context) for one in strategies], kept, partial(_same, paid)
        )
        decision = combiner.decide("D-1", DecisionContext(context, said))
        for signal in decision.signals:
            spoke[signal.strategy] += signal.action is not Action.HOLD
            assert signal.action is not Action.SELL
        assert decision.absent == ("rl", "evolved", "online", "llm")
        if decision.action is Action.HOLD:
            continue
        decided += 1
        assert said.winner is not None
        ev = said.winner.expected
        gross = ev.probability * ev.win_bps - (1 - ev.probability) * ev.loss_bps
        assert close_to(ev.net_bps, gross - paid.total_bps)
        assert said.winner.rank == max(one.rank for one in said.ranked)
        size = size_entry(
            sizing(
                instrument=instrument, direction=Direction.LONG, price=Decimal(repr(c)),
                stop=Decimal(repr(said.winner.stop)), confidence=decision.confidence,
                equity=10_000.0, cash=10_000.0, daily_vol_pct=volatility, regime=regime.label,
                regime_confidence=regime.confidence,
            ),
            parameters,
        )  # fmt: skip
        assert size.refusal is None
        assert 0.0 < size.pct <= position_cap_pct(parameters)
        assert size.risk <= 100.0 * risk_limit_pct(parameters, diamond=False)
    assert all(spoke.values()), spoke
    assert 10 <= decided <= BARS // 20
