"""Knowledge from closed trades: precautions from few of them, verdicts from the bound alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from engine.core.clock import DAY
from engine.core.ids import source
from engine.core.learning import (
    ChangeKind,
    ChangeState,
    CoinStatus,
    Insight,
    InsightKind,
    Lean,
    Opportunity,
    Rule,
    RuleAction,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters
from engine.core.records import ChangeMoved
from engine.core.types import Actor, Direction
from engine.learning.coins import PERSON
from engine.learning.confidence import ALPHA, sequence_of
from engine.learning.ledger import ChangeLedger
from engine.learning.memory import Memory
from engine.learning.patterns import recognise
from engine.learning.quick import QuickUpdate
from engine.learning.results import FAMILIES, share
from engine.learning.rules import hour_of, weekday_of
from engine.learning.weigh import Weights
from tests.knowledge_help import START, closed, entered

BTC, ETH = "BTC/USDT", "ETH/USDT"


def taught(
    results: Iterable[float], memory: Memory | None = None, **kind: str
) -> tuple[Memory, list[Suggestion]]:
    """A memory after these results, and everything that was suggested on the way."""
    memory = memory or Memory(Parameters())
    quick = QuickUpdate(memory)
    said: list[Suggestion] = []
    for number, result in enumerate(results, memory.version // 3 + 1):
        one = closed(result, number, **kind)  # type: ignore[arg-type]  # a kind of text each
        quick.opened(entered(one))
        said += quick.process_trade_close(one, entered(one), one.trade.closed_ns).suggestions
    return memory, said


def of(said: list[Suggestion], kind: TargetKind) -> list[Suggestion]:
    return [one for one in said if one.target.kind is kind]


LOSING = [-1.0, 1.5, -1.0, -1.0, -1.0]
"""One of five won, and it lost in all."""


def test_few_losses_reduce_a_coin_for_some_days_and_never_more() -> None:
    memory, said = taught(LOSING)
    [one] = said
    assert (one.kind, one.lean, one.after) == (
        ChangeKind.PRECAUTION, Lean.TIGHTENS, '"reduced"',
    )  # fmt: skip
    assert one.lasts_ns == 3 * DAY
    assert not one.evidence.bound
    assert (one.evidence.n, one.evidence.mean) == (5, 0.2)
    # A suggestion is no change: the ledger applies it.
    assert memory.coins.factor(BTC) == 1.0
    memory.coins.apply(one.target, one.after, "C-1", START)
    assert memory.coins.factor(BTC) == 0.5
    memory.coins.apply(one.target, "null", "C-1", START)
    assert memory.coins.factor(BTC) == 1.0
    assert memory.coins.current(one.target) == "null"


def test_even_a_win_rate_of_a_blacklist_only_reduces_while_the_bound_is_open() -> None:
    _, said = taught([-1.0] * 10)
    assert {one.kind for one in said} == {ChangeKind.PRECAUTION}
    assert [one.evidence.n for one in said] == [5, 10]


def test_a_coin_is_looked_at_again_only_after_as_many_further_trades() -> None:
    _, said = taught([*LOSING, *[-1.0] * 4])
    assert len(said) == 1


def test_the_bound_blacklists_blocks_and_switches_off() -> None:
    memory, said = taught([-1.0] * 60)
    verdicts = [one for one in said if one.kind is ChangeKind.VERDICT]
    first = {one.target.kind: one for one in reversed(verdicts)}
    assert {kind: one.after for kind, one in first.items()} == {
        TargetKind.COIN: '"blacklisted"', TargetKind.PAIR: "true", TargetKind.PATTERN: "false",
    }  # fmt: skip
    for one in first.values():
        evidence = one.evidence
        assert evidence.bound
        assert evidence.high < 0
        assert len(evidence.ids) == evidence.n
        # A row can be computed again from the trades that it names.
        again = sequence_of([-1.0] * evidence.n, evidence.alpha)
        assert (again.mean, again.high) == (evidence.mean, evidence.high)
    assert memory.coins.score(BTC).gross_high < 0


def test_a_coin_is_not_condemned_for_its_costs() -> None:
    chance = source(1, "costs")
    _, said = taught([chance.choice((-0.05, 0.05)) for _ in range(300)])
    assert {one.kind for one in said} <= {ChangeKind.PRECAUTION}


def test_luck_without_an_edge_gives_no_verdict() -> None:
    chance = source(2, "fair")
    found = 0
    for _ in range(60):
        results = [chance.choice((-1.0, -1.0, 2.0)) for _ in range(120)]
        _, said = taught(results)
        found += any(one.kind is ChangeKind.VERDICT for one in said)
    assert found <= 2


def test_a_favoured_coin_loosens_and_so_waits_for_a_person() -> None:
    _, said = taught([1.5, 1.5, 1.5, -1.0] * 40)
    [first, *_] = of(said, TargetKind.COIN)
    assert (first.after, first.kind, first.lean) == (
        '"favoured"', ChangeKind.VERDICT, Lean.LOOSENS,
    )  # fmt: skip
    assert first.evidence.low > 0


def test_a_coin_that_loses_lately_is_not_favoured() -> None:
    memory, _ = taught([1.5] * 60)
    worse = [-0.5 if n % 2 else 0.3 for n in range(40)]
    memory, _ = taught(worse[:20], memory)
    memory, said = taught(worse[20:], memory)
    score = memory.coins.score(BTC)
    assert score.gross_low > 0.0 > score.gross_mean + score.trend
    assert not of(said, TargetKind.COIN)


def test_a_person_s_word_stands_until_it_is_taken_back() -> None:
    memory = Memory(Parameters())
    coin = Target(kind=TargetKind.COIN, name=BTC)
    memory.coins.apply(coin, '"favoured"', PERSON, START)
    memory, said = taught([-1.0] * 60, memory)
    assert not of(said, TargetKind.COIN)
    assert memory.coins.apply(coin, '"blacklisted"', "C-1", START) == ()
    assert memory.coins.score(BTC).status is CoinStatus.FAVOURED
    memory.coins.apply(coin, "null", PERSON, START)
    assert memory.coins.score(BTC).status is CoinStatus.NORMAL


def test_a_blacklisted_coin_gets_one_test_trade_after_its_days() -> None:
    memory, _ = taught([-1.0] * 60)
    quick, coin = QuickUpdate(memory), Target(kind=TargetKind.COIN, name=BTC)
    memory.coins.apply(coin, '"blacklisted"', "C-1", START)
    assert memory.coins.refusal(BTC) == "blacklisted by C-1"
    assert not list(quick.daily(START + 6 * DAY, START + 5 * DAY))
    [one] = quick.daily(START + 7 * DAY, START + 6 * DAY)
    assert (one.after, one.lean) == ('"probation"', Lean.LOOSENS)
    assert not list(quick.daily(START + 8 * DAY, START + 7 * DAY))
    memory.coins.apply(coin, one.after, "C-2", START + 8 * DAY)
    assert memory.coins.refusal(BTC) == ""
    assert memory.coins.factor(BTC) == 0.5
    _, said = taught([2.0], memory)
    [after] = of(said, TargetKind.COIN)
    assert after.after == '"blacklisted"'


def test_a_blacklist_holds_until_a_person_lets_the_coin_be_tried() -> None:
    memory, said = taught([-1.0] * 60)
    numbers = iter(range(1, 100))
    ledger = ChangeLedger(Parameters(), memory.appliers(), lambda: f"C-{next(numbers)}")
    [verdict, *_] = [one for one in of(said, TargetKind.COIN) if one.kind is ChangeKind.VERDICT]
    ledger.suggest(verdict, START)
    assert memory.coins.score(BTC).status is CoinStatus.BLACKLISTED
    ledger.tick(START + 7 * DAY)
    [ask] = memory.coins.daily(START + 7 * DAY, START + 6 * DAY)
    [moved] = ledger.suggest(ask, START + 7 * DAY)
    assert isinstance(moved, ChangeMoved)
    assert moved.change.state is ChangeState.ASKED
    # Asking loosens nothing.
    assert memory.coins.refusal(BTC) == "blacklisted by C-1"
    ledger.answer(moved.change.id, True, Actor.PERSON, "", START + 7 * DAY)
    assert memory.coins.score(BTC).status is CoinStatus.PROBATION
    assert ledger.find("C-1").state is ChangeState.SUPERSEDED
    ledger.revert(moved.change.id, Actor.PERSON, "", START + 8 * DAY)
    assert memory.coins.score(BTC).status is CoinStatus.BLACKLISTED


def test_a_test_trade_is_the_only_one_until_somebody_decides() -> None:
    memory, _ = taught([1.0])
    coin = Target(kind=TargetKind.COIN, name=BTC)
    memory.coins.apply(coin, '"probation"', "C-2", START)
    memory, said = taught([0.5], memory)
    assert [one.after for one in of(said, TargetKind.COIN)] == ['"normal"']
    assert "test trade is made" in memory.coins.refusal(BTC)


def test_the_error_is_shared_out_over_all_that_is_looked_at() -> None:
    assert sum(share(number) for number in range(1, 2_000)) * FAMILIES < ALPHA
    memory, _ = taught([-1.0] * 5)
    memory, _ = taught([-1.0] * 5, memory, symbol=ETH)
    first, second = memory.coins.score(BTC), memory.coins.score(ETH)
    assert second.gross_high - second.gross_low > first.gross_high - first.gross_low


def test_a_pattern_is_recognised_for_every_trade() -> None:
    derived = recognise("ma_crossover", "STRONG_BULL", Direction.LONG)
    assert (derived.id, derived.words) == (
        "ma_crossover·BULL·LONG", "ma_crossover going long in a rising market",
    )  # fmt: skip
    named = recognise("strategist_rules", "BULL", Direction.SHORT, "Range  Edge", "the edge holds")
    assert (named.id, named.words, named.by) == (
        "range_edge", "the edge holds", "strategist_rules",
    )  # fmt: skip


def test_confidence_in_a_pattern_begins_at_its_prior_and_follows_its_trades() -> None:
    memory, _ = taught([1.0, 1.0, -1.0])
    pattern = memory.patterns.pattern("ma_crossover·BULL·LONG")
    assert pattern is not None
    assert (pattern.used, pattern.wins, pattern.losses) == (3, 2, 1)
    assert pattern.confidence == pytest.approx((10 * 0.5 + 2) / 13)


def test_results_of_a_pattern_are_observed_in_the_order_of_their_entries() -> None:
    memory = Memory(Parameters())
    quick = QuickUpdate(memory)
    slow, fast = closed(2.0, 1), closed(-1.0, 2, symbol=ETH)
    for one in (slow, fast):
        quick.opened(entered(one))
    quick.process_trade_close(fast, entered(fast), START)
    pattern = memory.patterns.pattern(slow.pattern)
    assert pattern is not None
    # The loser is known, and is no evidence before the winner that began earlier.
    assert pattern.used == 1
    assert pattern.gross_high != pattern.gross_high
    quick.process_trade_close(slow, entered(slow), START)
    pattern = memory.patterns.pattern(slow.pattern)
    assert pattern is not None
    both = sequence_of([2.0, -1.0], share(1))
    assert (pattern.gross_low, pattern.gross_high) == (both.low, both.high)


def test_thin_results_move_an_order_a_little_and_shown_ones_more() -> None:
    memory, _ = taught([2.0] * 3)
    thin = memory.order(BTC, "ma_crossover", "ma_crossover·BULL·LONG")
    assert 1.0 < thin <= 1.3
    memory, _ = taught([2.0] * 60, memory)
    assert memory.order(BTC, "ma_crossover", "ma_crossover·BULL·LONG") > thin
    losing, _ = taught([-1.0] * 60)
    assert losing.order(BTC, "ma_crossover", "ma_crossover·BULL·LONG") < 0.9


RULE = Rule(id="R-1", description="no Sundays", action=RuleAction.NO_TRADE, weekdays=(6,))
SUNDAY = START - weekday_of(START) * DAY + 6 * DAY


def test_hours_and_weekdays_are_those_of_utc() -> None:
    assert (hour_of(0), weekday_of(0)) == (0, 3)
    assert weekday_of(SUNDAY) == 6


def test_a_rule_refuses_while_its_condition_holds() -> None:
    memory = Memory(Parameters())
    memory.rules.set(RULE)
    assert memory.rules.verdict(BTC, "NORMAL", SUNDAY).refusal == "R-1: no Sundays"
    assert memory.rules.verdict(BTC, "NORMAL", SUNDAY + DAY).refusal == ""


@pytest.mark.parametrize(
    ("actions", "factors"),
    [
        ((RuleAction.REDUCE_SIZE, RuleAction.CAUTION), [0.5]),
        ((RuleAction.CAUTION,), [0.8]),
        ((RuleAction.INCREASE_SIZE,), [1.2]),
        ((RuleAction.INCREASE_SIZE, RuleAction.CAUTION), [0.8, 1.2]),
    ],
)
def test_the_strictest_of_several_rules_holds(
    actions: tuple[RuleAction, ...], factors: list[float]
) -> None:
    memory = Memory(Parameters())
    for number, action in enumerate(actions):
        memory.rules.set(Rule(id=f"R-{number}", description="x", action=action, vol_level="HIGH"))
    assert [f for _, f in memory.rules.verdict(BTC, "HIGH", START).factors] == factors
    assert not memory.rules.verdict(BTC, "LOW", START).factors


def test_a_rule_that_refuses_what_would_have_earned_comes_up_for_being_switched_off() -> None:
    memory = Memory(Parameters())
    memory.rules.set(RULE)
    said: list[Suggestion] = []
    for number in range(60):
        memory.rules.triggered("R-1")
        rule, found = memory.rules.saved("R-1", f"X-{number}", 1.0)
        said += found
    assert rule is not None
    assert (rule.triggered, rule.saved_pct) == (60, -60.0)
    one = said[0]
    assert (one.lean, one.kind) == (Lean.LOOSENS, ChangeKind.VERDICT)
    memory.rules.apply(one.target, one.after, "C-1", START)
    assert not memory.rules.verdict(BTC, "", SUNDAY).refusal


def test_rules_are_made_replaced_and_taken_back_exactly() -> None:
    memory = Memory(Parameters())
    target = Target(kind=TargetKind.RULE, name="R-1")
    assert memory.rules.current(target) == "null"
    memory.rules.set(RULE)
    before = memory.rules.current(target)
    memory.rules.apply(target, before.replace('"NO_TRADE"', '"CAUTION"'), "C-1", START)
    assert memory.rules.verdict(BTC, "", SUNDAY).factors
    memory.rules.apply(target, before, "C-1", START)
    assert memory.rules.current(target) == before
    [gone] = memory.rules.apply(target, "null", "C-1", START)
    assert not memory.rules.rules()
    memory.rules.restore(gone.rule)
    assert not memory.rules.rules()


def test_an_insight_is_unseen_before_it_was_knowable() -> None:
    memory = Memory(Parameters())
    memory.insights.add(
        Insight(
            id="I-1", known_ns=START + DAY, source="statistics", kind=InsightKind.PROBLEM, text="x"
        )
    )
    assert memory.get_knowledge_context(START).insights == ()
    assert len(memory.get_knowledge_context(START + DAY).insights) == 1


def test_counting_a_history_again_gives_the_same_next_row() -> None:
    chance = source(3, "again")
    results = [chance.gauss(0.0, 1.0) for _ in range(40)]
    memory, _ = taught(results)
    again = Memory(Parameters())
    quick = QuickUpdate(again)
    for row in memory.coins.scores():
        again.coins.restore(row)
    for pair in memory.pairs.scores():
        again.pairs.restore(pair)
    for pattern in memory.patterns.patterns():
        again.patterns.restore(pattern)
    for number, result in enumerate(results, 1):
        one = closed(result, number)
        quick.opened(entered(one))
        quick.recount(one, entered(one))
    again.told = memory.version
    for each in (memory, again):
        taught([0.7, -1.0], each)
    now = START + DAY
    assert again.get_knowledge_context(now) == memory.get_knowledge_context(now)


def opportunity(**changed: object) -> Opportunity:
    values: dict[str, object] = {
        "id": "P-1", "symbol": BTC, "direction": Direction.LONG, "opened_ns": SUNDAY,
        "price": 100.0, "stop": 98.0, "targets": (), "atr": 1.0, "fee": 0.001,
        "spread": 0.0001, "strategy": "ma_crossover", "regime": "BULL", "confidence": 0.7,
        "kind": "denied", "pattern": "range", "vol_level": "HIGH",
    }  # fmt: skip
    return Opportunity(**{**values, **changed})  # type: ignore[arg-type]  # values of many types


@pytest.mark.parametrize(
    ("kind", "name", "value", "weight"),
    [
        (TargetKind.COIN, BTC, '"blacklisted"', 0.0),
        (TargetKind.COIN, BTC, '"reduced"', 0.5),
        (TargetKind.COIN, BTC, '"favoured"', 1.5),
        (TargetKind.COIN, BTC, "null", 1.0),
        (TargetKind.COIN, ETH, '"blacklisted"', 1.0),
        (TargetKind.PAIR, f"{BTC} × ma_crossover", "true", 0.0),
        (TargetKind.PAIR, f"{BTC} × rsi_reversion", "true", 1.0),
        (TargetKind.PATTERN, "range", "false", 0.0),
        (TargetKind.PATTERN, "breakout", "false", 1.0),
        (TargetKind.RULE, "R-1", "null", 1.0),
    ],
)
def test_old_and_new_weigh_an_opportunity_as_entries_are_sized(
    kind: TargetKind, name: str, value: str, weight: float
) -> None:
    weigh = Weights(Parameters()).weighers()[kind]
    assert weigh(Target(kind=kind, name=name), value, opportunity()) == weight


def test_a_rule_weighs_only_what_it_holds_for() -> None:
    weigh = Weights(Parameters()).weighers()[TargetKind.RULE]
    target = Target(kind=TargetKind.RULE, name="R-1")
    memory = Memory(Parameters())
    for action, weight in ((RuleAction.NO_TRADE, 0.0), (RuleAction.CAUTION, 0.8)):
        memory.rules.set(replace(RULE, action=action, vol_level="HIGH"))
        value = memory.rules.current(target)
        assert weigh(target, value, opportunity()) == weight
        assert weigh(target, value, opportunity(opened_ns=SUNDAY + DAY)) == 1.0
        assert weigh(target, value, opportunity(vol_level="LOW")) == 1.0


def test_a_trade_left_at_break_even_is_neither_won_nor_lost() -> None:
    """Stops at break-even come back with their costs; a coin is no worse for that."""
    # At a risk of two percent and costs of 0.2 %: net 0.0, −0.1, −0.02 and −0.2 %.
    memory, said = taught([0.1, 0.05, 0.09, 0.0] * 5)
    score = memory.coins.score(BTC)
    assert (score.trades, score.wins, score.losses) == (20, 0, 0)
    assert math.isnan(score.win_rate)
    assert score.pnl_pct < 0.0
    assert said == []
    # A price that went against the entry is a loss, and what earned more than it cost is won.
    memory, said = taught([-0.01, 0.11] * 3)
    score = memory.coins.score(BTC)
    assert (score.wins, score.losses) == (3, 3)
    [pattern] = memory.patterns.patterns()
    assert pattern.confidence == pytest.approx(0.5)


def test_a_reduction_counts_only_what_was_won_or_lost() -> None:
    _, said = taught([0.1] * 30 + [-1.0] * 4)
    assert said == []
    _, said = taught([0.1] * 30 + [-1.0] * 5)
    [one] = [each for each in said if each.target.kind is TargetKind.COIN]
    assert (one.after, one.evidence.n, len(one.evidence.ids)) == ('"reduced"', 5, 5)


def test_a_lock_stays_until_somebody_answers() -> None:
    """What a person is not there to loosen is not loosened by time."""
    memory, said = taught([-1.0] * 60)
    lock = next(each for each in said if each.after == '"blacklisted"')
    assert lock.lasts_ns == 0
    assert "stays until you" in lock.reason
    params = Parameters()
    names = iter(range(1, 99))
    ledger = ChangeLedger(params, memory.appliers(), lambda: f"C-{next(names)}")
    ledger.suggest(lock, START)
    asked = 0
    for day in range(400):
        now = START + day * DAY
        ledger.tick(now)
        for one in memory.coins.daily(now, now - DAY):
            asked += bool(ledger.suggest(one, now))
    assert memory.coins.score(BTC).status is CoinStatus.BLACKLISTED
    assert asked > 20
