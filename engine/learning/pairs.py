"""Pairs: which strategies do well in which symbols, as a table with two uses.

What a pair has shown moves the order of candidates, a little while it is thin and more once
the bound speaks; only the bound can block one.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine.core.clock import DAY
from engine.core.learning import (
    ChangeKind,
    Closed,
    Lean,
    PairScore,
    PairStatus,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters
from engine.core.records import PairScored
from engine.learning.adjust import UNSET
from engine.learning.coins import (
    MIN_TRADES,
    PERSON,
    REDUCE_WINRATE,
    UNBLACKLIST_DAYS,
    came_round,
    stays,
)
from engine.learning.confidence import Sequence
from engine.learning.order import TILT_SHOWN, tilt
from engine.learning.results import Results, share

BETWEEN = " × "


def pair_name(symbol: str, strategy: str) -> str:
    """`BTC/USDT × ma_crossover`: how a change names a pair."""
    return f"{symbol}{BETWEEN}{strategy}"


class PairTable:
    """The symbol × strategy table; carries out blocks. Owned by the kernel thread."""

    name = "pairs"

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self.told = 0
        self._scores: dict[tuple[str, str], PairScore] = {}
        self._results: dict[tuple[str, str], Results] = {}

    def score(self, symbol: str, strategy: str) -> PairScore:
        known = self._scores.get((symbol, strategy))
        return known or PairScore(symbol=symbol, strategy=strategy)

    def scores(self) -> tuple[PairScore, ...]:
        return tuple(self._scores.values())

    def results(self) -> object:
        """What was counted, to be held against what a restart counts."""
        return dict(self._results)

    def restore(self, score: PairScore) -> None:
        """The row as it was journaled last."""
        self._scores[score.symbol, score.strategy] = score

    def process_trade_result(self, closed: Closed) -> tuple[PairScore, list[Suggestion]]:
        """Count a closed trade; the new row, and what should follow from it."""
        trade = closed.trade
        results = self.count(closed)
        low, high = results.bounds
        score = replace(
            self.score(trade.symbol, trade.strategy),
            trades=results.trades,
            wins=results.wins,
            losses=results.losses,
            gross_mean=results.sequence.mean,
            gross_low=low,
            gross_high=high,
            updated_ns=trade.closed_ns,
        )
        self._scores[trade.symbol, trade.strategy] = score
        self.told += 1
        found = self.judge(score, results)
        return score, [] if found is None or score.status_by == PERSON else [found]

    def count(self, closed: Closed) -> Results:
        """Count a trade without a word; how a restart goes through its history."""
        key = closed.trade.symbol, closed.trade.strategy
        results = self._results.get(key)
        if results is None:
            results = self._results[key] = Results(Sequence(share(len(self._results) + 1)))
        results.add(closed)
        return results

    def judge(self, score: PairScore, results: Results) -> Suggestion | None:
        """A block where the bound lies below zero and few trades won: a pair that wins often
        and loses all the same has bad exits, and is not a bad pair."""
        if not results.due(int(self._params.get(MIN_TRADES))):
            return None
        rate = score.win_rate
        if not score.gross_high < 0.0 or rate >= self._params.get(REDUCE_WINRATE):
            return None
        results.asked = len(results.decided)
        if score.blocked:
            return None
        decided = score.wins + score.losses
        why = f"{score.wins} of {decided} won, and the bound lies below zero"
        why += stays(self._params)
        return self._suggest(score, results, True, why)

    def _suggest(self, score: PairScore, results: Results, block: bool, why: str) -> Suggestion:
        return Suggestion(
            target=Target(kind=TargetKind.PAIR, name=pair_name(score.symbol, score.strategy)),
            after="true" if block else "false",
            kind=ChangeKind.VERDICT if block else ChangeKind.TRIAL,
            lean=Lean.TIGHTENS if block else Lean.LOOSENS,
            who=self.name,
            reason=why,
            evidence=results.evidence(why),
            lasts_ns=0 if block else int(self._params.get(UNBLACKLIST_DAYS)) * DAY,
        )

    def daily(self, now_ns: int, before_ns: int) -> Iterable[Suggestion]:
        """Blocked pairs whose days were over since `before_ns`: up for another look."""
        period = int(self._params.get(UNBLACKLIST_DAYS)) * DAY
        for score in self.scores():
            if not score.blocked or score.status_by == PERSON:
                continue
            if came_round(score.since_ns or score.updated_ns, before_ns, now_ns, period):
                key = score.symbol, score.strategy
                results = self._results.get(key) or Results(Sequence())
                why = f"blocked for {period // DAY} days: another look"
                yield self._suggest(score, results, False, why)

    # What follows for an entry.

    def tilt(self, symbol: str, strategy: str) -> float:
        """By which fraction candidates of the pair move in the order: what it has shown, unless
        a person said otherwise."""
        known = self._scores.get((symbol, strategy))
        if known is None:
            return 0.0
        if known.status_by == PERSON:
            return float(self._params.get(TILT_SHOWN)) if known.favoured else 0.0
        n, mean = known.trades, known.gross_mean
        return tilt(self._params, n, mean, known.gross_low, known.gross_high)

    def refusal(self, symbol: str, strategy: str) -> str:
        """Why the pair admits no entry, or nothing."""
        known = self._scores.get((symbol, strategy))
        if known is None or not known.blocked:
            return ""
        return f"{strategy} is blocked in {symbol} by {known.status_by or 'the bound'}"

    # The ledger.

    def current(self, target: Target) -> str:
        """The status as a learner writes it: `true` where the pair is blocked, `null` where
        nobody decided; otherwise what a person said."""
        score = self.score(*target.name.split(BETWEEN))
        if score.status_by != PERSON:
            return "true" if score.blocked else "null"
        return _VALUES[score.status]

    def standing(self, target: Target) -> str:
        """`true` or `false`: a pair trades until it is blocked."""
        return "false" if self.current(target) == "null" else "true"

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> tuple[PairScored, ...]:
        """Set the status, or with `null` take back what was set.

        What a person has set gives way to a person alone.
        """
        symbol, strategy = target.name.split(BETWEEN)
        known = self.score(symbol, strategy)
        if known.status_by == PERSON and by != PERSON:
            return ()
        score = replace(
            known,
            blocked=value == _VALUES[PairStatus.BLOCKED],
            favoured=value == _VALUES[PairStatus.FAVOURED],
            status_by=by if value != UNSET else "",
            since_ns=now_ns,
            updated_ns=now_ns,
        )
        self._scores[symbol, strategy] = score
        self.told += 1
        return (PairScored(time_ns=now_ns, pair=score),)


def value_of(status: PairStatus | None) -> str:
    """A status as the ledger writes it; None is nothing set."""
    return UNSET if status is None else _VALUES[status]


_VALUES = {
    PairStatus.BLOCKED: "true",
    PairStatus.NORMAL: "false",
    PairStatus.FAVOURED: '"favoured"',
}
