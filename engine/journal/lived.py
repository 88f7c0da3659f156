"""What learners need of a journal's events, folded beside the rest."""

from __future__ import annotations

import msgspec

from engine.core.denials import DenialCode
from engine.core.learning import CoinScore, Insight, PairScore, Pattern, Rule
from engine.core.records import (
    AnyRecord,
    CoinScored,
    InsightFound,
    PairScored,
    PatternScored,
    PerformanceMeasured,
    PositionEntered,
    RuleSet,
    TradeJournalled,
)
from engine.core.types import Value
from engine.journal.codec import decode

KINDS = frozenset(
    ("coin", "pair", "pattern", "rule", "insight", "entered", "trade_journal", "performance")
)
RECENT_INSIGHTS = 200


class Lived(Value, frozen=True):
    """What learners have lived through, and what they made of it: the last row of each.

    `trades` are entries and closed trades as they came, from which results are counted
    again, each with its newest state. `refused` is what rules refused, as (rule, candidate,
    what it came to in percent net, None while it is followed). `told` counts all that was
    ever told of knowledge.
    """

    coins: tuple[CoinScore, ...] = ()
    pairs: tuple[PairScore, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    rules: tuple[Rule, ...] = ()
    insights: tuple[Insight, ...] = ()
    trades: tuple[PositionEntered | TradeJournalled, ...] = ()
    refused: tuple[tuple[str, str, float | None], ...] = ()
    measured_ns: int = 0
    told: int = 0


class _Gate(msgspec.Struct):
    detail: str


class _Denial(msgspec.Struct):
    id: str
    code: str
    gate: _Gate


class _Ended(msgspec.Struct):
    id: str
    pnl_pct: float


class _Followed(msgspec.Struct):
    counterfactual: _Ended


_denials = msgspec.json.Decoder(_Denial, strict=False)
_followed = msgspec.json.Decoder(_Followed, strict=False)
_RULED = f'"{DenialCode.RULE_NO_TRADE}"'


class LivedFold:
    """Takes the events that concern learners one by one."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], PairScore] = {}
        self._patterns: dict[str, Pattern] = {}
        self._rules: dict[str, Rule] = {}
        self._coins: dict[str, CoinScore] = {}
        self._insights: dict[str, Insight] = {}
        self._trades: dict[str, PositionEntered | TradeJournalled] = {}
        self._refused: dict[str, tuple[str, str, float | None]] = {}
        self._measured_ns = 0
        self._told = 0

    def event(self, body: str) -> None:
        """One event of `KINDS`."""
        self._apply(decode(body))

    def _apply(self, record: AnyRecord) -> None:
        match record:
            case CoinScored(coin=coin):
                self._coins[coin.symbol] = coin
            case PairScored(pair=pair):
                self._pairs[pair.symbol, pair.strategy] = pair
            case PatternScored(pattern=pattern):
                self._patterns[pattern.id] = pattern
            case RuleSet(rule=rule):
                self._rules[rule.id] = rule
            case InsightFound(insight=insight):
                self._insights[insight.id] = insight
                if len(self._insights) > RECENT_INSIGHTS:
                    del self._insights[next(iter(self._insights))]
            case PositionEntered(context=context):
                self._trades[context.position] = record
                return
            case TradeJournalled(entry=entry):
                self._trades[entry.closed.trade.id] = record
                return
            case PerformanceMeasured():
                self._measured_ns = record.time_ns
                return
            case _:
                return
        self._told += 1

    def denied(self, body: str) -> None:
        """A refused candidate; only what a rule refused matters here."""
        if _RULED in body:
            denial = _denials.decode(body)
            if denial.code == DenialCode.RULE_NO_TRADE:
                self._refused[denial.id] = (rule_of(denial.gate.detail), denial.id, None)

    def followed(self, body: str, name: str) -> None:
        """What a refused candidate came to."""
        known = self._refused.get(name)
        if known is not None:
            ended = _followed.decode(body).counterfactual
            self._refused[name] = (*known[:2], ended.pnl_pct)

    def result(self) -> Lived:
        return Lived(
            coins=tuple(self._coins.values()),
            pairs=tuple(self._pairs.values()),
            patterns=tuple(self._patterns.values()),
            rules=tuple(self._rules.values()),
            insights=tuple(self._insights.values()),
            trades=tuple(self._trades.values()),
            refused=tuple(self._refused.values()),
            measured_ns=self._measured_ns,
            told=self._told,
        )


def rule_of(detail: str) -> str:
    """The rule that a gate's detail names: `R-3: no trades on Sundays`."""
    return detail.partition(":")[0]
