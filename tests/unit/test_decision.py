"""The combination of votes: arithmetic, absent sources, vetoes, and what SELL means."""

from __future__ import annotations

import math

import pytest

from engine.core.errors import QuarterdeckError
from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import Action, Decision, Direction, InstrumentKind
from engine.decision.combine import Combiner
from engine.decision.size import indicated_pct
from engine.decision.sources import WEIGHTS, DecisionContext, Opinion, TechnicalSource
from engine.strategies.coordination import coordinate
from engine.strategies.expected_value import TradeStatistics
from engine.strategies.technical import TechnicalSignal
from tests.decision_help import CHEAP, CONFIRMED, close_to, context, mirrored


class Says:
    """A source that always gives the same opinion, or none."""

    def __init__(self, name: str, opinion: Opinion | None) -> None:
        self.name = name
        self._opinion = opinion

    def vote(self, context: DecisionContext) -> Opinion | None:
        return self._opinion


def says(name: str, action: Action, confidence: float = 0.0, *, veto: bool = False) -> Says:
    return Says(name, Opinion(action, confidence, f"{action} because", veto))


def decide(
    *sources: Says,
    parameters: Parameters | None = None,
    kind: InstrumentKind = InstrumentKind.SWAP,
    holding: Direction | None = None,
    label: Regime | None = Regime.BULL,
    regime_confidence: float = 1.0,
) -> Decision:
    parameters = parameters or Parameters()
    asked = context(
        kind=kind, holding=holding, label=label, parameters=parameters,
        regime_confidence=regime_confidence,
    )  # fmt: skip
    said = coordinate(asked, [], TradeStatistics(parameters), lambda: CHEAP)
    return Combiner(parameters, sources).decide("D-1", DecisionContext(asked, said))


def test_the_default_weights_are_a_hundred_percent() -> None:
    assert {name: p.default for name, p in WEIGHTS.items()} == {
        "technical": 30.0, "rl": 25.0, "evolved": 20.0, "online": 15.0, "llm": 10.0,
    }  # fmt: skip
    assert sum(Parameters().get(p) for p in WEIGHTS.values()) == 100.0


def test_five_votes_give_their_weighted_mean() -> None:
    said = decide(
        says("technical", Action.BUY, 0.49),
        says("rl", Action.BUY, 0.65),
        says("evolved", Action.BUY, 0.9),
        says("online", Action.BUY, 0.8),
        says("llm", Action.HOLD),
    )
    assert said.action is Action.BUY
    assert close_to(said.confidence, 0.3 * 0.49 + 0.25 * 0.65 + 0.2 * 0.9 + 0.15 * 0.8)
    assert said.absent == ()
    assert [vote.weight for vote in said.votes] == [0.3, 0.25, 0.2, 0.15, 0.1]


def test_absent_sources_leave_their_weight_to_the_others_and_are_named() -> None:
    said = decide(
        says("technical", Action.BUY, 0.6), says("rl", Action.SELL, 0.1), Says("llm", None)
    )
    assert said.absent == ("evolved", "online", "llm")
    assert close_to(said.votes[0].weight, 30 / 55)
    assert close_to(said.votes[1].weight, 25 / 55)
    assert close_to(sum(vote.weight for vote in said.votes), 1.0)
    assert "absent: Evolved, Online, LLM" in said.reasoning
    alone = decide(says("technical", Action.BUY, 0.6))
    assert close_to(alone.confidence, 0.6)


def test_a_source_that_holds_is_heard_and_one_that_is_absent_is_not() -> None:
    with_hold = decide(says("technical", Action.BUY, 0.7), says("llm", Action.HOLD))
    without = decide(says("technical", Action.BUY, 0.7))
    assert close_to(with_hold.confidence, 0.7 * 30 / 40)
    assert close_to(without.confidence, 0.7)


def test_a_confidence_that_is_not_a_number_is_no_vote() -> None:
    said = decide(says("technical", Action.BUY, 0.7), says("rl", Action.BUY, math.nan))
    assert "rl" in said.absent
    assert close_to(said.confidence, 0.7)


def test_the_minimum_confidence_admits_from_itself_on() -> None:
    assert decide(says("technical", Action.BUY, 0.40)).action is Action.BUY
    below = decide(says("technical", Action.BUY, 0.39))
    assert below.action is Action.HOLD
    assert "below the minimum 40%" in below.reasoning
    assert below.size_pct == 0.0


def test_a_veto_holds_whatever_the_others_say() -> None:
    said = decide(says("technical", Action.BUY, 1.0), says("llm", Action.HOLD, veto=True))
    assert said.action is Action.HOLD
    assert "vetoed by LLM" in said.reasoning


@pytest.mark.parametrize(
    ("kind", "holding", "wanted", "action"),
    [
        (InstrumentKind.SPOT, None, Action.SELL, Action.HOLD),
        (InstrumentKind.SPOT, Direction.LONG, Action.SELL, Action.SELL),
        (InstrumentKind.SWAP, None, Action.SELL, Action.SELL),
        (InstrumentKind.SWAP, Direction.SHORT, Action.SELL, Action.HOLD),
        (InstrumentKind.SWAP, Direction.SHORT, Action.BUY, Action.BUY),
        (InstrumentKind.SPOT, Direction.LONG, Action.BUY, Action.HOLD),
        (InstrumentKind.SPOT, None, Action.BUY, Action.BUY),
    ],
)
def test_sell_closes_a_long_or_opens_a_short_where_there_is_one(
    kind: InstrumentKind, holding: Direction | None, wanted: Action, action: Action
) -> None:
    assert decide(says("technical", wanted, 0.9), kind=kind, holding=holding).action is action


def test_the_size_asked_for_is_the_example_of_the_field() -> None:
    said = decide(says("technical", Action.BUY, 0.72))
    assert close_to(said.size_pct, 20 * 0.72**1.5 * 1.2)
    assert round(said.size_pct, 1) == 14.7


def test_an_unsure_bull_adds_less_and_an_unsure_crash_cuts_no_less() -> None:
    def size(label: Regime, sure: float) -> float:
        return indicated_pct(Parameters(), "BTC/USDT", "technical", 1.0, label, sure)

    assert close_to(size(Regime.STRONG_BULL, 1.0), 24.0)
    assert close_to(size(Regime.BULL, 0.5), 22.0)
    assert close_to(size(Regime.CRASH, 0.1), 6.0)


def test_a_source_without_a_weight_is_refused() -> None:
    with pytest.raises(QuarterdeckError, match="oracle"):
        Combiner(Parameters(), [says("oracle", Action.BUY, 1.0)])


def test_the_technical_source_votes_what_the_strategies_agreed_on() -> None:
    parameters = Parameters()
    asked = context(kind=InstrumentKind.SWAP, parameters=parameters)
    signals = [TechnicalSignal().analyze(asked)]
    said = coordinate(asked, signals, TradeStatistics(parameters), lambda: CHEAP)
    decision = Combiner(parameters, [TechnicalSource()]).decide("D-7", DecisionContext(asked, said))
    assert decision.id == "D-7"
    assert decision.action is Action.BUY
    assert decision.winner == "technical"
    assert decision.reasoning.startswith("Technical LONG 60% by technical")
    assert decision.expected is not None
    assert decision.signals[0].expected_value == decision.expected.net_bps

    short = context(mirrored(CONFIRMED), parameters=parameters)
    held = coordinate(short, [TechnicalSignal().analyze(short)], TradeStatistics(parameters),
                      lambda: CHEAP)  # fmt: skip
    nothing = Combiner(parameters, [TechnicalSource()]).decide("D-8", DecisionContext(short, held))
    assert nothing.action is Action.HOLD
    assert "Technical HOLD" in nothing.reasoning
