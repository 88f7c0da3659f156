"""What a journal says was learned, as a running engine would show it; kept up event by event."""

from __future__ import annotations

from app.recount import AFTER_FEES, BEFORE_FEES, error_of
from engine.core.learning import (
    REMOVED,
    Change,
    ChangeState,
    CoinScore,
    Insight,
    Knowledge,
    LearningView,
    PairScore,
    Pattern,
    Rule,
)
from engine.core.records import (
    AnyRecord,
    ChangeMoved,
    CoinScored,
    ComparedOn,
    Frozen,
    InsightFound,
    OpportunityBegan,
    OpportunityEnded,
    PairScored,
    PatternScored,
    RuleSet,
    TrialsRun,
)
from engine.learning.confidence import ALPHA, Sequence
from engine.learning.ledger import KEEPING
from engine.learning.scoreboard import KINDS as SCORED
from engine.learning.scoreboard import Scoreboard

KINDS = (
    *SCORED, "change", "compared", "frozen", "trials", "opportunity", "coin", "pair", "pattern",
    "rule", "insight",
)  # fmt: skip
"""Kinds of records that have a part in it."""

SHOWN = 60
INSIGHTS = 200


class LearnedFold:
    """Takes the records of a journal in their order; `view` is what stands after them."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}
        self._compared: dict[str, tuple[Sequence, Sequence]] = {}
        self._shown: dict[str, Change] = {}
        self._frozen: set[str] = set()
        self._open: set[str] = set()
        self._coins: dict[str, CoinScore] = {}
        self._pairs: dict[tuple[str, str], PairScore] = {}
        self._patterns: dict[str, Pattern] = {}
        self._rules: dict[str, Rule] = {}
        self._insights: dict[str, Insight] = {}
        self._ended = 0
        self._trials = 0
        self._board = Scoreboard()
        self._time_ns = 0
        self._known: Knowledge | None = None

    def add(self, record: AnyRecord) -> None:
        """One record; those of other kinds change nothing."""
        self._board.add(record)
        self._time_ns = max(self._time_ns, record.time_ns)
        match record:
            case ChangeMoved(change=change):
                self._changes[change.id] = change
                self._shown.pop(change.id, None)
            case ComparedOn(compared=one):
                gross, net = self._counting(one.change)
                gross.add(one.new_gross - one.old_gross)
                net.add(one.new_net - one.old_net)
                self._shown.pop(one.change, None)
            case Frozen():
                (self._frozen.add if record.frozen else self._frozen.discard)(record.target)
            case TrialsRun(trials=tried):
                self._trials += len(tried.values)
            case OpportunityBegan(opportunity=wanted):
                self._open.add(wanted.id)
            case OpportunityEnded(opportunity=wanted):
                self._open.discard(wanted.id)
                self._ended += 1
            case _:
                self._learn(record)

    def _learn(self, record: AnyRecord) -> None:
        match record:
            case CoinScored(coin=coin):
                self._coins[coin.symbol] = coin
            case PairScored(pair=pair):
                self._pairs[pair.symbol, pair.strategy] = pair
            case PatternScored(pattern=pattern):
                self._patterns[pattern.id] = pattern
            case RuleSet(rule=rule) if rule.made_by == REMOVED:
                self._rules.pop(rule.id, None)
            case RuleSet(rule=rule):
                self._rules[rule.id] = rule
            case InsightFound(insight=insight):
                self._insights[insight.id] = insight
                if len(self._insights) > INSIGHTS:
                    del self._insights[next(iter(self._insights))]
            case _:
                return
        self._known = None

    def _counting(self, name: str) -> tuple[Sequence, Sequence]:
        """The comparison of a change, with the share of the error that it was given."""
        if name not in self._compared:
            change = self._changes.get(name)
            error = error_of(change) if change is not None else (ALPHA, KEEPING)
            self._compared[name] = Sequence(*error), Sequence(*error)
        return self._compared[name]

    def _change(self, name: str) -> Change:
        """A change with its comparison as far as it has come."""
        from msgspec.structs import replace

        shown = self._shown.get(name)
        if shown is None:
            shown, compared = self._changes[name], self._compared.get(name)
            if compared is not None:
                gross, net = compared
                shown = replace(
                    shown,
                    shadow=gross.evidence(BEFORE_FEES, "R"),
                    net=net.evidence(AFTER_FEES, "R"),
                )
            self._shown[name] = shown
        return shown

    def _knowledge(self) -> Knowledge:
        if self._known is None:
            self._known = Knowledge(
                time_ns=self._time_ns,
                coins=tuple(self._coins.values()),
                pairs=tuple(self._pairs.values()),
                patterns=tuple(self._patterns.values()),
                rules=tuple(self._rules.values()),
                insights=tuple(self._insights.values()),
            )
        return self._known

    def view(self) -> LearningView:
        """What asks, what is in force, then what ended, each the newest first."""
        changes = [self._change(name) for name in self._changes]
        changes.sort(key=_order)
        return LearningView(
            changes=tuple(changes[:SHOWN]),
            knowledge=self._knowledge(),
            scoreboard=self._board.rows(),
            frozen=tuple(sorted(self._frozen)),
            opportunities=self._ended,
            following=len(self._open),
            trials=self._trials,
        )


def _order(change: Change) -> tuple[int, int]:
    if change.state is ChangeState.ASKED:
        return 0, -change.made_ns
    if change.state.in_force:
        return 1, -change.made_ns
    return 2, -change.ended_ns
