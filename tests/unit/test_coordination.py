"""Expected value from few and many trades, and who wins when strategies disagree."""

from __future__ import annotations

import math

import pytest

from engine.core.parameters import Parameters
from engine.core.types import Action, Direction, InstrumentKind, Signal
from engine.market.costs import Costs
from engine.strategies.coordination import Coordinated, coordinate
from engine.strategies.expected_value import TradeStatistics
from tests.decision_help import CHEAP, close_to, context, trade


def statistics(*moves: float, strategy: str = "technical", regime: str = "BULL") -> TradeStatistics:
    kept = TradeStatistics(Parameters())
    kept.rebuild(trade(move, strategy=strategy, regime=regime) for move in moves)
    return kept


def test_without_trades_the_prior_speaks_and_says_so() -> None:
    told = TradeStatistics(Parameters()).expected("technical", "BULL", 100.0, CHEAP)
    assert told.prior
    assert told.n == 0
    assert close_to(told.probability, 0.45)
    assert close_to(told.win_bps, 200.0)
    assert close_to(told.loss_bps, 100.0)
    assert close_to(told.net_bps, 0.45 * 200 - 0.55 * 100 - 22.0)


def test_trades_move_the_estimate_from_the_prior_to_what_they_earned() -> None:
    few = statistics(*[50.0, -30.0] * 5).expected("technical", "BULL", 100.0, CHEAP)
    many = statistics(*[50.0, -30.0] * 5000).expected("technical", "BULL", 100.0, CHEAP)
    assert few.prior
    assert not many.prior
    assert 0.45 < few.probability < many.probability < 0.5
    assert close_to(many.probability, 0.5, 1e-3)
    # The fills had paid spread and slippage, so only fees remain to be taken off.
    assert close_to(many.net_bps, (50 - 30) / 2 - CHEAP.fees_bps, 0.02)
    assert few.n == 10


def test_the_formula_holds_for_any_tally() -> None:
    told = statistics(80.0, 10.0, -40.0).expected("technical", "BULL", 60.0, CHEAP)
    p, win, loss = told.probability, told.win_bps, told.loss_bps
    assert close_to(p, (20 * 0.45 + 2) / 23)
    assert close_to(win, (9 * 120 + 90 + 2 * 2) / 11)
    assert close_to(loss, (11 * 60 + 40 - 2) / 12)
    assert close_to(told.net_bps, p * win - (1 - p) * loss - 20 - 1 - 1)


@pytest.mark.parametrize("part", ["fees_bps", "spread_bps", "slippage_bps"])
def test_every_cost_is_taken_off(part: str) -> None:
    figures = {"fees_bps": 20.0, "spread_bps": 1.0, "slippage_bps": 1.0}
    dearer = Costs(**{**figures, part: figures[part] + 5.0})
    kept = TradeStatistics(Parameters())
    cheap = kept.expected("technical", "BULL", 100.0, CHEAP)
    assert close_to(kept.expected("technical", "BULL", 100.0, dearer).net_bps, cheap.net_bps - 5.0)


def test_without_a_stop_nothing_is_expected() -> None:
    told = TradeStatistics(Parameters()).expected("technical", "BULL", math.nan, CHEAP)
    assert math.isnan(told.net_bps)


def test_a_regime_counts_alone_when_it_has_trades_enough() -> None:
    kept = TradeStatistics(Parameters())
    for _ in range(29):
        kept.update(trade(-50.0, regime="BEAR"))
    for _ in range(100):
        kept.update(trade(50.0, regime="BULL"))
    assert kept.tally("technical", "BEAR") == (kept.tally("technical")[0], False)
    kept.update(trade(-50.0, regime="STRONG_BEAR"))
    own, alone = kept.tally("technical", "BEAR")
    assert alone
    assert own.n == own.losses == 30
    assert kept.expected("technical", "BEAR", 50.0, CHEAP).net_bps < 0.0
    assert kept.expected("technical", "BULL", 50.0, CHEAP).net_bps > 0.0


def test_rebuilding_gives_what_updating_gave() -> None:
    trades = [
        trade(move, strategy=f"s{i % 2}", number=i) for i, move in enumerate([9.0, -4.0, 2.0])
    ]
    updated, rebuilt = TradeStatistics(Parameters()), statistics(1.0, 2.0, 3.0)
    for one in trades:
        updated.update(one)
    rebuilt.rebuild(trades)
    for name in ("s0", "s1", "technical"):
        assert updated.expected(name, "BULL", 10.0, CHEAP) == rebuilt.expected(
            name, "BULL", 10.0, CHEAP
        )
    assert updated.recent(2) == rebuilt.recent(2)
    assert updated.recent(2)[0] == 2
    assert close_to(updated.recent(2)[1], (2.0 - 4.0) / 100)
    assert updated.recent(2)[2] == 0.5


# Coordination.


def signal(strategy: str, action: Action, confidence: float, stop: float = math.nan) -> Signal:
    return Signal(
        strategy=strategy, symbol="BTC/USDT:USDT", time_ns=1, action=action,
        confidence=confidence, entry=100.0, stop=stop, reason=f"{strategy} said so",
    )  # fmt: skip


def together(
    *signals: Signal,
    kept: TradeStatistics | None = None,
    holding: Direction | None = None,
    costs: Costs = CHEAP,
) -> Coordinated:
    asked = context(kind=InstrumentKind.SWAP, holding=holding)
    return coordinate(asked, signals, kept or TradeStatistics(Parameters()), lambda: costs)


def test_rank_is_confidence_times_expected_value() -> None:
    said = together(
        signal("a", Action.BUY, 0.9, stop=98.5), signal("b", Action.SELL, 0.5, stop=104.0)
    )
    ranks = {one.signal.strategy: one.rank for one in said.ranked}
    net = {one.signal.strategy: one.expected.net_bps for one in said.ranked}
    assert close_to(ranks["a"], 0.9 * net["a"])
    assert close_to(ranks["b"], 0.5 * net["b"])
    assert said.winner is not None
    assert said.winner.signal.strategy == "b"
    assert (said.action, said.confidence) == (Action.SELL, 0.5)
    assert said.signals[0].expected_value == net["a"]


def test_among_losers_the_smaller_loss_ranks_first_whatever_its_confidence() -> None:
    dear = Costs(fees_bps=500.0, spread_bps=0.0, slippage_bps=0.0)
    said = together(
        signal("a", Action.BUY, 0.4, stop=98.0), signal("b", Action.BUY, 0.9, stop=97.0), costs=dear
    )
    assert said.winner is not None
    assert said.winner.signal.strategy == "b"


def test_a_stop_left_open_is_the_plans_and_prices_the_signal() -> None:
    said = together(signal("a", Action.SELL, 0.5))
    assert said.winner is not None
    assert said.winner.stop == 102.0
    assert close_to(said.winner.expected.loss_bps, 200.0)


def test_a_tie_in_the_same_direction_keeps_the_order_and_a_contradiction_holds() -> None:
    alike = together(signal("a", Action.BUY, 0.5), signal("b", Action.BUY, 0.5))
    assert alike.winner is not None
    assert alike.winner.signal.strategy == "a"
    torn = together(signal("a", Action.BUY, 0.5), signal("b", Action.SELL, 0.5))
    assert torn.action is Action.HOLD
    assert torn.winner is None
    assert "contradict" in torn.reason


def test_what_is_held_is_not_bought_twice_but_is_sold() -> None:
    twice = together(signal("a", Action.BUY, 0.5), holding=Direction.LONG)
    assert twice.action is Action.HOLD
    assert "already" in twice.reason
    assert twice.winner is not None
    closing = together(signal("a", Action.SELL, 0.5), holding=Direction.LONG)
    assert closing.action is Action.SELL


def test_holding_strategies_cost_nothing_and_keep_their_reasons() -> None:
    def never() -> Costs:
        raise AssertionError("costs were asked for")

    hold = signal("a", Action.HOLD, 0.0)
    said = coordinate(context(), [hold], TradeStatistics(Parameters()), never)
    assert said.action is Action.HOLD
    assert "a said so" in said.reason
