"""Every stored statistic has a consumer: moving it moves what the engine does or says.

One table names the consumer of every field of every kind of knowledge, and a test looks that
no field is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine.core.clock import DAY, HOUR
from engine.core.learning import (
    CoinScore,
    CoinStatus,
    Evidence,
    Insight,
    InsightKind,
    Knowledge,
    PairScore,
    Pattern,
    Rule,
    RuleAction,
    Suggestion,
)
from engine.core.parameters import Parameters
from engine.learning.confidence import Sequence
from engine.learning.memory import Memory
from engine.learning.quick import QuickUpdate
from engine.learning.results import Results
from engine.llm.knowing import told_knowledge
from tests.knowledge_help import START, closed, entered

BTC, STRATEGY, PATTERN = "BTC/USDT", "ma_crossover", "ma_crossover·BULL·LONG"
NOW = START + 20 * DAY

BAD = CoinScore(
    symbol=BTC, trades=40, wins=8, losses=32, pnl_pct=-30.0, avg_winner_pct=1.0,
    avg_loser_pct=-1.2, gross_mean=-0.5, gross_low=-0.8, gross_high=-0.2, trend=-0.1,
)  # fmt: skip
GOOD = CoinScore(
    symbol=BTC, trades=40, wins=30, losses=10, pnl_pct=40.0, avg_winner_pct=2.0,
    avg_loser_pct=-1.0, gross_mean=0.5, gross_low=0.2, gross_high=0.8, trend=-0.4,
)  # fmt: skip
PAIR = PairScore(
    symbol=BTC, strategy=STRATEGY, trades=40, wins=8, losses=32, gross_mean=-0.5, gross_low=-0.8,
    gross_high=-0.2,
)  # fmt: skip
SEEN = Pattern(
    id=PATTERN, description="going long", made_by="engine", created_ns=START, used=40, wins=8,
    losses=32, pnl_pct=-20.0, confidence=0.25, gross_low=-0.8, gross_high=-0.2,
)  # fmt: skip
RULE = Rule(
    id="R-1", description="mornings", action=RuleAction.NO_TRADE, hours=(0,), weekdays=(),
    vol_level="", symbol="", made_by="person", created_ns=START,
)  # fmt: skip
LESSON = Insight(
    id="I-1", known_ns=START, source="statistics", kind=InsightKind.PROBLEM, text="mornings lose"
)


REWORDED = replace(LESSON, said="only Mondays lose", set_ns=START)


def results(trades: int = 40) -> Results:
    kept = Results(Sequence(), trades=trades, decided=["T-1"] * trades)
    for _ in range(trades):
        kept.observe("T-1", -0.5)
    return kept


def text(said: Suggestion | None) -> str:
    return said.after if said is not None else ""


def memory(*rows: Any) -> Memory:
    """A memory that was told these rows."""
    kept = Memory(Parameters())
    for row in rows:
        match row:
            case CoinScore():
                kept.coins.restore(row)
            case PairScore():
                kept.pairs.restore(row)
            case Pattern():
                kept.patterns.restore(row)
            case Rule():
                kept.rules.restore(row)
            case Insight():
                kept.insights.restore(row)
    return kept


# Consumers: each takes a row and gives what the engine makes of it.


def coin_verdict(row: CoinScore) -> Any:
    return text(memory().coins.judge(row, results()))


def coin_order(row: CoinScore) -> Any:
    return memory(row).order(BTC, STRATEGY, PATTERN)


def coin_entry(row: CoinScore) -> Any:
    bearing = memory(row).bearing(BTC, STRATEGY, PATTERN, "NORMAL", NOW)
    return bearing.factors, bearing.known


def coin_daily(row: CoinScore) -> Any:
    return [text(one) for one in memory(row).coins.daily(NOW, NOW - DAY)]


def coin_next_trade(row: CoinScore) -> Any:
    """Whether learners may still say something about it."""
    kept = memory(row)
    for number in range(5):
        _, said = kept.coins.process_trade_result(closed(-1.0, number + 1))
    return [text(one) for one in said]


def pair_verdict(row: PairScore) -> Any:
    return text(memory().pairs.judge(row, results()))


def pair_next_trade(row: PairScore) -> Any:
    """Whether learners may still say something about it."""
    kept = memory(row)
    said: list[Suggestion] = []
    for number in range(300):
        said += kept.pairs.process_trade_result(closed(-1.0, number + 1))[1]
    return [text(one) for one in said]


def pair_order(row: PairScore) -> Any:
    return memory(row).order(BTC, STRATEGY, PATTERN)


def pair_entry(row: PairScore) -> Any:
    return memory(row).bearing(BTC, STRATEGY, PATTERN, "NORMAL", NOW).known


def pair_daily(row: PairScore) -> Any:
    return [text(one) for one in memory(row).pairs.daily(NOW, NOW - DAY)]


def pattern_verdict(row: Pattern) -> Any:
    return text(memory().patterns.judge(row, results()))


def pattern_order(row: Pattern) -> Any:
    return memory(row).order(BTC, STRATEGY, PATTERN)


def pattern_entry(row: Pattern) -> Any:
    return memory(row).bearing(BTC, STRATEGY, PATTERN, "NORMAL", NOW).known


def pattern_daily(row: Pattern) -> Any:
    return [text(one) for one in memory(row).patterns.daily(NOW, NOW - DAY)]


def rule_entry(row: Rule) -> Any:
    return memory(row).rules.verdict(BTC, "NORMAL", NOW)


def rule_saved(row: Rule) -> Any:
    """Whether a rule that costs more than it saves comes up."""
    kept = memory(row)
    said: list[Suggestion] = []
    for number in range(60):
        _, found = kept.rules.saved(row.id, f"X-{number}", 1.0)
        said += found
    return len(said)


def prompt(row: Any) -> Any:
    """What a strategist, the advisor and reflection are told."""
    kept = memory(row)
    known: Knowledge = kept.get_knowledge_context(NOW)
    return told_knowledge(known, NOW)


def lesson_order(row: Insight) -> Any:
    other = replace(LESSON, id="I-5", text="another of the same moment")
    return [one.text for one in memory(other, row).insights.known(NOW)]


Consumer = tuple[Callable[[Any], Any], Any, dict[str, Any]]
"""Who reads the field, a row, and what is changed in it."""

CONSUMERS: dict[type[Any], dict[str, Consumer]] = {
    CoinScore: {
        "symbol": (coin_order, BAD, {"symbol": "ETH/USDT"}),
        "trades": (coin_order, replace(BAD, trades=4), {"trades": 400}),
        "wins": (coin_verdict, BAD, {"wins": 39}),
        "losses": (coin_order, replace(GOOD, gross_low=-0.1, losses=29), {"losses": 60}),
        "pnl_pct": (coin_verdict, BAD, {"pnl_pct": 1.0}),
        "avg_winner_pct": (coin_order, BAD, {"avg_winner_pct": 9.0}),
        "avg_loser_pct": (coin_order, GOOD, {"avg_loser_pct": -9.0}),
        "gross_mean": (coin_verdict, GOOD, {"gross_mean": 0.3}),
        "gross_low": (coin_verdict, GOOD, {"gross_low": -0.1}),
        "gross_high": (coin_verdict, BAD, {"gross_high": 0.1}),
        "trend": (coin_verdict, GOOD, {"trend": -0.6}),
        "status": (coin_entry, BAD, {"status": CoinStatus.REDUCED}),
        "status_by": (coin_next_trade, BAD, {"status_by": "person"}),
        "since_ns": (
            coin_daily,
            replace(BAD, status=CoinStatus.BLACKLISTED, since_ns=NOW - 7 * DAY),
            {"since_ns": NOW - 3 * DAY},
        ),
        "updated_ns": (
            coin_entry,
            replace(BAD, status=CoinStatus.PROBATION, since_ns=START),
            {"updated_ns": START + HOUR},
        ),
    },
    PairScore: {
        "symbol": (pair_order, PAIR, {"symbol": "ETH/USDT"}),
        "strategy": (pair_order, PAIR, {"strategy": "rsi_reversion"}),
        "trades": (pair_order, PAIR, {"trades": 4}),
        "wins": (pair_verdict, PAIR, {"wins": 30}),
        "losses": (pair_verdict, PAIR, {"losses": 5}),
        "gross_mean": (pair_order, PAIR, {"gross_mean": -0.1}),
        "gross_low": (
            pair_order,
            replace(PAIR, gross_mean=0.5, gross_high=0.9, gross_low=-0.1),
            {"gross_low": 0.1},
        ),
        "gross_high": (pair_verdict, PAIR, {"gross_high": 0.1}),
        "blocked": (pair_entry, PAIR, {"blocked": True}),
        "updated_ns": (
            pair_daily,
            replace(PAIR, blocked=True, updated_ns=NOW - 7 * DAY),
            {"updated_ns": NOW - 3 * DAY},
        ),
        "favoured": (pair_order, replace(PAIR, status_by="person"), {"favoured": True}),
        "status_by": (pair_next_trade, PAIR, {"status_by": "person"}),
        "since_ns": (
            pair_daily,
            replace(PAIR, blocked=True, since_ns=NOW - 7 * DAY),
            {"since_ns": NOW - 3 * DAY},
        ),
    },
    Pattern: {
        "id": (pattern_order, SEEN, {"id": "range"}),
        "description": (prompt, SEEN, {"description": "going short"}),
        "made_by": (prompt, SEEN, {"made_by": "person"}),
        "created_ns": (prompt, SEEN, {"created_ns": NOW + DAY}),
        "used": (prompt, SEEN, {"used": 41}),
        "wins": (prompt, SEEN, {"wins": 9}),
        "losses": (prompt, SEEN, {"losses": 31}),
        "pnl_pct": (pattern_verdict, SEEN, {"pnl_pct": 3.0}),
        "confidence": (pattern_order, SEEN, {"confidence": 0.4}),
        "gross_low": (
            pattern_order,
            replace(SEEN, confidence=0.9, gross_low=-0.1, gross_high=0.9),
            {"gross_low": 0.1},
        ),
        "gross_high": (pattern_verdict, SEEN, {"gross_high": 0.1}),
        "active": (pattern_entry, SEEN, {"active": False}),
        "last_used_ns": (
            pattern_daily,
            replace(SEEN, active=False, last_used_ns=NOW - 7 * DAY),
            {"last_used_ns": NOW - 3 * DAY},
        ),
        "set_by": (
            pattern_daily,
            replace(SEEN, active=False, last_used_ns=NOW - 7 * DAY),
            {"set_by": "person"},
        ),
    },
    Rule: {
        "id": (rule_entry, RULE, {"id": "R-2"}),
        "description": (rule_entry, RULE, {"description": "dawn"}),
        "action": (rule_entry, RULE, {"action": RuleAction.CAUTION}),
        "hours": (rule_entry, RULE, {"hours": (1,)}),
        "weekdays": (rule_entry, RULE, {"weekdays": (0,)}),
        "vol_level": (rule_entry, RULE, {"vol_level": "HIGH"}),
        "symbol": (rule_entry, RULE, {"symbol": "ETH/USDT"}),
        "made_by": (prompt, RULE, {"made_by": "engine"}),
        "created_ns": (prompt, RULE, {"created_ns": NOW + DAY}),
        "active": (rule_entry, RULE, {"active": False}),
        "triggered": (prompt, RULE, {"triggered": 3}),
        "saved_pct": (rule_saved, RULE, {"saved_pct": 1_000.0}),
    },
    Insight: {
        "id": (lesson_order, LESSON, {"id": "I-9"}),
        "known_ns": (prompt, LESSON, {"known_ns": NOW + DAY}),
        "source": (prompt, LESSON, {"source": "a model"}),
        "kind": (prompt, LESSON, {"kind": InsightKind.OPPORTUNITY}),
        "text": (prompt, LESSON, {"text": "evenings lose"}),
        "symbols": (prompt, LESSON, {"symbols": (BTC,)}),
        "pattern": (prompt, LESSON, {"pattern": "range"}),
        "evidence": (
            prompt,
            LESSON,
            {"evidence": Evidence(metric="x", unit="R", n=30, mean=0.1)},
        ),
        "change": (prompt, LESSON, {"change": "C-1"}),
        "struck": (prompt, LESSON, {"struck": True}),
        "said": (prompt, LESSON, {"said": "only Mondays lose"}),
        "set_by": (prompt, REWORDED, {"set_by": "person"}),
        "set_why": (prompt, REWORDED, {"set_why": "seen it"}),
        "set_ns": (prompt, REWORDED, {"set_ns": NOW + DAY}),
    },
}


def test_no_field_is_without_a_consumer() -> None:
    for kind, consumers in CONSUMERS.items():
        fields = {field.name for field in msgspec.structs.fields(kind)}
        assert fields == set(consumers), kind.__name__


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind, fields in CONSUMERS.items() for field in fields],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_moving_a_statistic_moves_its_consumer(kind: type[Any], field: str) -> None:
    consumer, row, changed = CONSUMERS[kind][field]
    assert set(changed) == {field}
    assert consumer(row) != consumer(replace(row, **changed))


# Parameters: each moved to its bounds changes what some row comes to.


def judged(parameters: Parameters) -> Any:
    """Everything that many bad, good and mixed trades come to, on the way."""
    said: list[Any] = []
    for chosen in ((-1.0, -1.0, 1.0), (1.5, 1.5, -1.0), (-1.0, 1.4)):
        kept = Memory(parameters)
        quick = QuickUpdate(kept)
        for number in range(240):
            one = closed(chosen[number % len(chosen)], number + 1)
            quick.opened(entered(one))
            taught = quick.process_trade_close(one, entered(one), one.trade.closed_ns)
            said += [(number, each.target.text, each.after) for each in taught.suggestions]
            said += [each.lasts_ns for each in taught.suggestions]
        said.append(kept.order(BTC, STRATEGY, PATTERN))
        said += [one.confidence for one in kept.patterns.patterns()]
    return said


def thin(parameters: Parameters) -> Any:
    kept = Memory(parameters)
    for number in range(3):
        kept.pairs.process_trade_result(closed(1.0, number + 1))
    return kept.order(BTC, STRATEGY, PATTERN)


def entry(*rows: Any) -> Callable[[Parameters], Any]:
    def run(parameters: Parameters) -> Any:
        kept = Memory(parameters)
        for row in rows:
            if isinstance(row, CoinScore):
                kept.coins.restore(row)
            else:
                kept.rules.restore(row)
        return kept.bearing(BTC, STRATEGY, PATTERN, "NORMAL", NOW).factors

    return run


def locked(parameters: Parameters) -> Any:
    kept = Memory(parameters)
    kept.coins.restore(replace(BAD, status=CoinStatus.BLACKLISTED, since_ns=NOW - 7 * DAY))
    return [text(one) for one in kept.coins.daily(NOW, NOW - DAY)]


def switched(parameters: Parameters) -> Any:
    return text(Memory(parameters).patterns.judge(SEEN, results()))


def favoured(parameters: Parameters) -> Any:
    return text(Memory(parameters).coins.judge(replace(GOOD, trend=0.0, wins=24), results()))


SCENARIOS: dict[str, Callable[[Parameters], Any]] = {
    "coin.min_trades": judged,
    "coin.blacklist_winrate": judged,
    "coin.reduce_winrate": judged,
    "coin.favor_winrate": favoured,
    "coin.reduced_mult": entry(replace(BAD, status=CoinStatus.REDUCED)),
    "coin.favored_mult": entry(replace(GOOD, status=CoinStatus.FAVOURED)),
    "coin.unblacklist_days": locked,
    "coin.reduced_days": judged,
    "pattern.initial_confidence": judged,
    "pattern.deactivate_below": switched,
    "pattern.prior_trades": judged,
    "order.prior_trades": thin,
    "order.tilt_thin": thin,
    "order.tilt_shown": judged,
    "rule.reduce_mult": entry(replace(RULE, action=RuleAction.REDUCE_SIZE)),
    "rule.caution_mult": entry(replace(RULE, action=RuleAction.CAUTION)),
    "rule.increase_mult": entry(replace(RULE, action=RuleAction.INCREASE_SIZE)),
}


def test_every_parameter_of_knowledge_has_a_scenario() -> None:
    from engine.core.parameters import declared

    own = {name for name in declared() if name.startswith(("coin.", "pattern.", "order.", "rule."))}
    assert own == set(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_moving_a_parameter_to_its_bounds_changes_an_outcome(name: str) -> None:
    from engine.core.parameters import find

    parameter, outcomes = find(name), []
    for value in (parameter.low, parameter.default, parameter.high):
        parameters = Parameters()
        parameters.set(name, value, "test")
        outcomes.append(repr(SCENARIOS[name](parameters)))
    assert len(set(outcomes)) > 1
