"""A hand-written view of learning in which every panel of screen 4 has something to show."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.core.clock import DAY, HOUR
from engine.core.learning import (
    Change,
    ChangeKind,
    ChangeState,
    CoinScore,
    CoinStatus,
    Compared,
    Evidence,
    Insight,
    InsightKind,
    Knowledge,
    Lean,
    LearningView,
    PairScore,
    Pattern,
    Rule,
    RuleAction,
    Score,
    Target,
    TargetKind,
)
from engine.core.views import ParameterMove
from engine.learning.confidence import sequence_of
from tests.learning_help import START_NS, TRAIL, comparisons, make_change, shadow_of

replace = msgspec.structs.replace
SCORE = Target(kind=TargetKind.PARAMETER, name="entry.min_score")
SOL = Target(kind=TargetKind.COIN, name="SOL/USDT")
BLOCK = Target(kind=TargetKind.PAIR, name="ETH/USDT rsi_reversion", symbol="ETH/USDT")


def watched(change: Change, n: int, effect: float, seed: int = 1) -> tuple[Change, list[Compared]]:
    """The change after `n` comparisons with this effect."""
    rows = comparisons(change.id, n, effect, seed)
    shadow, net = shadow_of(rows)
    return replace(change, shadow=shadow, net=net), rows


def make_changes() -> tuple[tuple[Change, ...], list[Compared]]:
    """One that asks, three in force, four that ended; with what they were compared on."""
    asks = make_change(
        9, target=SCORE, before="2.0", after="1.75", lean=Lean.LOOSENS, state=ChangeState.ASKED,
        applied_ns=0, ends_ns=START_NS + 60 * HOUR, who="gate",
        reason="entries between 1.75 and 2.0 that were refused would have made 0.21 R on average",
    )  # fmt: skip
    trial, one = watched(make_change(8, before="1.25", after="1.5", made_ns=START_NS - 2 * DAY,
                                     applied_ns=START_NS - 2 * DAY), 41, 0.12)  # fmt: skip
    kept, two = watched(make_change(
        5, target=Target(kind=TargetKind.PARAMETER, name="exit.time_stop_bars"), before="null",
        after="32", state=ChangeState.KEPT, decided_by="the comparison", ends_ns=0,
        made_ns=START_NS - 30 * DAY, applied_ns=START_NS - 30 * DAY), 210, 0.35)  # fmt: skip
    precaution = make_change(
        7, target=SOL, before='"normal"', after='"reduced"', kind=ChangeKind.PRECAUTION,
        lean=Lean.TIGHTENS, who="coins", reason="four losses in five trades",
        made_ns=START_NS - DAY, applied_ns=START_NS - DAY, ends_ns=START_NS + 2 * DAY,
    )  # fmt: skip
    back, three = watched(make_change(
        3, before="1.0", after="1.25", state=ChangeState.ROLLED_BACK, decided_by="the comparison",
        made_ns=START_NS - 20 * DAY, applied_ns=START_NS - 20 * DAY, ended_ns=START_NS - 6 * DAY,
        note="worse than what it replaced on 96 opportunities"), 96, -0.5)  # fmt: skip
    lapsed, four = watched(make_change(
        2, target=SCORE, before="1.5", after="2.0", state=ChangeState.LAPSED, lean=Lean.TIGHTENS,
        made_ns=START_NS - 70 * DAY, applied_ns=START_NS - 70 * DAY,
        ended_ns=START_NS - 10 * DAY), 64, 0.03)  # fmt: skip
    stopped = make_change(
        1, target=BLOCK, before="false", after="true", kind=ChangeKind.VERDICT, who="pairs",
        state=ChangeState.STOPPED, decided_by="the loss stop", lean=Lean.TIGHTENS,
        made_ns=START_NS - 40 * DAY, applied_ns=START_NS - 40 * DAY, ended_ns=START_NS - 35 * DAY,
    )  # fmt: skip
    reverted = make_change(
        4, before="0.75", after="1.0", state=ChangeState.REVERTED, decided_by="person",
        made_ns=START_NS - 50 * DAY, applied_ns=START_NS - 50 * DAY, ended_ns=START_NS - 45 * DAY,
    )  # fmt: skip
    rows = (asks, trial, precaution, kept, back, lapsed, stopped, reverted)
    return rows, [*one, *two, *three, *four]


def score(who: str, what: str, n: int, worth: float) -> Score:
    """A row of the scoreboard; under thirty it has no figure."""
    if n < 30:
        evidence = Evidence(metric="gained", unit="%", n=n, mean=float("nan"),
                            note=f"not enough: {n} of 30")  # fmt: skip
        return Score(who=who, what=what, evidence=evidence)
    values = (worth + (0.8 if index % 2 else -0.8) for index in range(n))
    return Score(who=who, what=what, evidence=sequence_of(values).evidence("gained", "%"))


def make_knowledge() -> Knowledge:
    """Two coins, a pair that is blocked, patterns, rules and insights."""
    coins = (
        CoinScore(symbol="BTC/USDT", trades=34, wins=19, losses=15, pnl_pct=4.2,
                  avg_winner_pct=1.1, avg_loser_pct=-0.9, gross_mean=0.14, gross_low=-0.31,
                  gross_high=0.62, trend=0.05, since_ns=START_NS - 9 * DAY),
        CoinScore(symbol="SOL/USDT", trades=21, wins=6, losses=15, pnl_pct=-9.4,
                  avg_winner_pct=0.8, avg_loser_pct=-1.2, gross_mean=-0.41, gross_low=-0.98,
                  gross_high=-0.02, trend=-0.2, status=CoinStatus.REDUCED, status_by="L-7",
                  since_ns=START_NS - DAY),
        CoinScore(symbol="ETH/USDT"),
    )  # fmt: skip
    pairs = (
        PairScore(symbol="BTC/USDT", strategy="technical_composite", trades=20, wins=12,
                  gross_mean=0.22, gross_low=-0.3, gross_high=0.8),
        PairScore(symbol="ETH/USDT", strategy="rsi_reversion", trades=40, wins=9,
                  gross_mean=-0.5, gross_low=-0.9, gross_high=-0.1, blocked=True),
    )  # fmt: skip
    patterns = (
        Pattern(id="pullback-trend", description="Pullback to the fast average in a bull trend",
                made_by="rules", created_ns=START_NS - 30 * DAY, used=18, wins=11, losses=7,
                pnl_pct=6.1, confidence=0.58, gross_low=-0.1, gross_high=0.7,
                last_used_ns=START_NS - HOUR),
        Pattern(id="breakout", description="Breakout over the twenty bar high",
                made_by="model", created_ns=START_NS - 3 * DAY, active=False),
    )  # fmt: skip
    rules = (
        Rule(id="R-1", description="The small hours lose", action=RuleAction.NO_TRADE,
             hours=(0, 1, 2, 3, 22), made_by="statistics", triggered=14, saved_pct=3.2),
        Rule(id="R-2", description="Smaller where it is wild", action=RuleAction.REDUCE_SIZE,
             weekdays=(5, 6), vol_level="HIGH", symbol="SOL/USDT", made_by="person",
             active=False),
    )  # fmt: skip
    insights = (
        Insight(id="I-1", known_ns=START_NS - 2 * HOUR, source="statistics",
                kind=InsightKind.PROBLEM, text="SOL/USDT lost in 15 of 21 trades",
                symbols=("SOL/USDT",), change="L-7",
                evidence=Evidence(metric="share of winners", unit="", n=21, mean=0.29)),
    )  # fmt: skip
    return Knowledge(
        time_ns=START_NS, coins=coins, pairs=pairs, patterns=patterns, rules=rules,
        insights=insights,
    )  # fmt: skip


def make_learning(**changes: Any) -> LearningView:
    """Everything at once."""
    rows, _ = make_changes()
    view = LearningView(
        changes=rows,
        knowledge=make_knowledge(),
        scoreboard=(
            score("gate", "cooldown", 58, 0.6), score("gate", "spread", 44, 0.04),
            score("person", "rejected", 12, 0.3), score("person", "approved", 37, -0.9),
        ),
        frozen=("coin ETH/USDT", SCORE.text),
        opportunities=412,
        following=9,
        trials=729,
        next_daily_ns=START_NS + 12 * HOUR,
        budget="cost so far 1.8 R of 24 R",
    )  # fmt: skip
    return replace(view, **changes)


def make_moves() -> list[ParameterMove]:
    """What was set by a person beside the ledger's own moves."""
    return [
        ParameterMove(time_ns=START_NS - 60 * DAY, target=TRAIL.text, before="null", after="0.75",
                      who="person")
    ]  # fmt: skip
