"""Coins: how trades in each symbol went, and what that makes of the next one.

Win rates of a handful of trades are noise, so they can only make a coin's size smaller for
a few days. To condemn or to favour a coin takes the bound on its results before fees: a coin
must not pay for what its trades cost.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from engine.core.clock import DAY
from engine.core.learning import (
    ChangeKind,
    Closed,
    CoinScore,
    CoinStatus,
    Lean,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters, declare
from engine.core.records import CoinScored
from engine.learning.confidence import Sequence
from engine.learning.order import tilt
from engine.learning.results import Results, share

MIN_TRADES = declare(
    "coin.min_trades", 5, low=3, high=20, step=1, unit="count", scopes="G",
    doc="Trades in a coin before its win rate may reduce sizes, and before it is looked at again.",
)  # fmt: skip
BLACKLIST_WINRATE = declare(
    "coin.blacklist_winrate", 0.30, low=0.1, high=0.45, step=0.05, unit="ratio", scopes="G",
    risk=-1, doc="Share of winners below which a coin whose results are shown to be negative is "
    "blacklisted.",
)  # fmt: skip
REDUCE_WINRATE = declare(
    "coin.reduce_winrate", 0.45, low=0.3, high=0.55, step=0.05, unit="ratio", scopes="G", risk=-1,
    doc="Share of winners below which a losing coin's sizes are reduced for some days.",
)  # fmt: skip
FAVOR_WINRATE = declare(
    "coin.favor_winrate", 0.60, low=0.5, high=0.8, step=0.05, unit="ratio", scopes="G", risk=-1,
    doc="Share of winners from which a coin whose results are shown to be positive is favoured.",
)  # fmt: skip
REDUCED_MULT = declare(
    "coin.reduced_mult", 0.5, low=0.1, high=1.0, step=0.1, unit="factor", scopes="G", risk=1,
    doc="Size factor of a coin that is reduced or on probation.",
)  # fmt: skip
FAVORED_MULT = declare(
    "coin.favored_mult", 1.5, low=1.0, high=2.0, step=0.1, unit="factor", scopes="G", risk=1,
    doc="Size factor of a favoured coin; it counts only where nothing else reduces.",
)  # fmt: skip
UNBLACKLIST_DAYS = declare(
    "coin.unblacklist_days", 7, low=1, high=30, step=1, unit="days", scopes="G", risk=-1,
    doc="Days after which a blacklist, a block or a switched-off pattern is up for a test trade.",
)  # fmt: skip
REDUCED_DAYS = declare(
    "coin.reduced_days", 3, low=1, high=14, step=1, unit="days", scopes="G", risk=-1,
    doc="Days for which few trades may reduce a coin's sizes before it is as it was.",
)  # fmt: skip

PERSON = "person"

AUTO = "auto"
"""What a person writes to leave a coin to the learners again."""


class CoinScorer:
    """The score and the status of every coin; carries out changes of the status.

    Owned by the kernel thread.
    """

    name = "coins"

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self.told = 0
        self._scores: dict[str, CoinScore] = {}
        self._results: dict[str, Results] = {}

    def score(self, symbol: str) -> CoinScore:
        return self._scores.get(symbol) or CoinScore(symbol=symbol)

    def scores(self) -> tuple[CoinScore, ...]:
        return tuple(self._scores.values())

    def results(self) -> object:
        """What was counted, to be held against what a restart counts."""
        return dict(self._results)

    def restore(self, score: CoinScore) -> None:
        """The row as it was journaled last; results are counted again from their trades."""
        self._scores[score.symbol] = score

    # Results.

    def process_trade_result(self, closed: Closed) -> tuple[CoinScore, list[Suggestion]]:
        """Count a closed trade; the new row, and what should follow from it."""
        symbol, now = closed.trade.symbol, closed.trade.closed_ns
        results = self.count(closed)
        low, high = results.bounds
        score = replace(
            self.score(symbol),
            trades=results.trades,
            wins=results.wins,
            losses=results.losses,
            pnl_pct=results.pnl_pct,
            avg_winner_pct=results.won_pct / results.wins if results.wins else 0.0,
            avg_loser_pct=results.lost_pct / results.losses if results.losses else 0.0,
            gross_mean=results.sequence.mean,
            gross_low=low,
            gross_high=high,
            trend=results.trend,
            updated_ns=now,
        )
        self._scores[symbol] = score
        self.told += 1
        found = self.judge(score, results)
        return score, [] if found is None or score.status_by == PERSON else [found]

    def count(self, closed: Closed) -> Results:
        """Count a trade without a word; how a restart goes through its history."""
        symbol = closed.trade.symbol
        results = self._results.get(symbol)
        if results is None:
            results = Results(Sequence(share(len(self._results) + 1)))
            self._results[symbol] = results
        results.add(closed)
        return results

    def judge(self, score: CoinScore, results: Results) -> Suggestion | None:
        """What a score calls for; at most one suggestion, the gravest first."""
        get = self._params.get
        if score.status is CoinStatus.PROBATION:
            return self._after_test(score, results)
        if not results.due(int(get(MIN_TRADES))):
            return None
        losing, rate = score.pnl_pct < 0.0, score.win_rate
        if losing and score.gross_high < 0.0 and rate < get(BLACKLIST_WINRATE):
            wanted = CoinStatus.BLACKLISTED
            why = "the bound on its results before fees lies below zero"
        elif not losing and score.gross_low > 0.0 and rate >= get(FAVOR_WINRATE):
            # What loses lately is not favoured for what it was.
            if not score.gross_mean + score.trend > 0.0:
                return None
            wanted = CoinStatus.FAVOURED
            why = "the bound on its results before fees lies above zero"
        elif losing and rate < get(REDUCE_WINRATE):
            wanted = CoinStatus.REDUCED
            why = f"below {get(REDUCE_WINRATE):.0%} and losing; so few trades prove nothing"
        else:
            return None
        results.asked = len(results.decided)
        if score.status in (wanted, CoinStatus.BLACKLISTED):
            return None
        return self._suggest(score, results, wanted, why)

    def _after_test(self, score: CoinScore, results: Results) -> Suggestion | None:
        """The one trade of a probation has closed."""
        if score.gross_high < 0.0:
            why = "the test trade leaves the bound below zero"
            return self._suggest(score, results, CoinStatus.BLACKLISTED, why)
        return self._suggest(score, results, CoinStatus.NORMAL, "the test trade is made")

    def _suggest(
        self, score: CoinScore, results: Results, wanted: CoinStatus, why: str
    ) -> Suggestion:
        days = REDUCED_DAYS if wanted is CoinStatus.REDUCED else UNBLACKLIST_DAYS
        decided = score.wins + score.losses
        told = f"{score.wins} of {decided} won, {score.pnl_pct:+.2f} % in all: {why}"
        thin, locks = wanted is CoinStatus.REDUCED, wanted is CoinStatus.BLACKLISTED
        told += stays(self._params) if locks else ""
        return Suggestion(
            target=Target(kind=TargetKind.COIN, name=score.symbol),
            after=_text(wanted),
            kind=_KINDS[wanted],
            lean=_LEANS[wanted],
            who=self.name,
            reason=told,
            evidence=results.thin(why) if thin else results.evidence(why),
            lasts_ns=0 if locks else int(self._params.get(days)) * DAY,
        )

    def daily(self, now_ns: int, before_ns: int) -> Iterable[Suggestion]:
        """Blacklisted coins whose days were over since `before_ns`: one test trade each."""
        period = int(self._params.get(UNBLACKLIST_DAYS)) * DAY
        for score in self.scores():
            if score.status is not CoinStatus.BLACKLISTED or score.status_by == PERSON:
                continue
            if came_round(score.since_ns, before_ns, now_ns, period):
                results = self._results.get(score.symbol) or Results(Sequence())
                why = f"blacklisted for {period // DAY} days: one test trade"
                yield self._suggest(score, results, CoinStatus.PROBATION, why)

    # What follows for an entry.

    def tilt(self, symbol: str) -> float:
        """By which fraction candidates of the coin move in the order.

        What a trade in it is expected to bring by its winners and losers, in average
        losses: a coin may win half the time and still lose more with each loser.
        """
        known = self._scores.get(symbol)
        if known is None or not known.avg_loser_pct < 0.0:
            return 0.0
        earned = known.wins * known.avg_winner_pct + known.losses * known.avg_loser_pct
        mean = earned / known.trades / -known.avg_loser_pct
        return tilt(self._params, known.trades, mean, known.gross_low, known.gross_high)

    def factor(self, symbol: str) -> float:
        """What the status makes of an entry's size."""
        return factor_of(self._params, self.score(symbol).status)

    def refusal(self, symbol: str) -> str:
        """Why the coin admits no entry, or nothing."""
        score = self.score(symbol)
        if score.status is CoinStatus.BLACKLISTED:
            return f"blacklisted by {score.status_by}"
        if score.status is CoinStatus.PROBATION and score.updated_ns > score.since_ns:
            return "its test trade is made, and nobody has decided on it yet"
        return ""

    # The ledger and a person.

    def current(self, target: Target) -> str:
        """The status as JSON; `null` where nobody ever set one."""
        score = self.score(target.name)
        return _text(score.status) if score.status_by else "null"

    def standing(self, target: Target) -> str:
        """The status in force, `normal` where nobody ever set one."""
        return _text(self.score(target.name).status)

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> tuple[CoinScored, ...]:
        """Set the status, or with `null` take back what was set.

        What a person has set gives way to a person alone.
        """
        score = self.score(target.name)
        if score.status_by == PERSON and by != PERSON:
            return ()
        wanted = msgspec.json.decode(value)
        score = replace(
            score,
            status=CoinStatus(wanted) if wanted is not None else CoinStatus.NORMAL,
            status_by=by if wanted is not None else "",
            since_ns=now_ns,
        )
        self._scores[target.name] = score
        self.told += 1
        return (CoinScored(time_ns=now_ns, coin=score),)


def stays(params: Parameters) -> str:
    """How long a lock lasts that rests on a verdict: opening it loosens risk, which is a
    person's to say, so it has no end of its own."""
    days = int(params.get(UNBLACKLIST_DAYS))
    return f"; it stays until you let it be tried again, about which it asks every {days} days"


def factor_of(params: Parameters, status: CoinStatus) -> float:
    """The size factor of a status; a person who enters a blacklisted coin does so reduced."""
    if status is CoinStatus.FAVOURED:
        return float(params.get(FAVORED_MULT))
    return 1.0 if status is CoinStatus.NORMAL else float(params.get(REDUCED_MULT))


def came_round(since_ns: int, before_ns: int, now_ns: int, period: int) -> bool:
    """Whether a multiple of `period` after `since_ns` lies in (before, now]."""
    if now_ns <= since_ns:
        return False
    return (now_ns - since_ns) // period > max(0, before_ns - since_ns) // period


def _text(status: CoinStatus) -> str:
    return msgspec.json.encode(status).decode()


_LEANS = {
    CoinStatus.BLACKLISTED: Lean.TIGHTENS,
    CoinStatus.REDUCED: Lean.TIGHTENS,
    CoinStatus.FAVOURED: Lean.LOOSENS,
    CoinStatus.PROBATION: Lean.LOOSENS,
    CoinStatus.NORMAL: Lean.LOOSENS,
}
_KINDS = {
    CoinStatus.BLACKLISTED: ChangeKind.VERDICT,
    CoinStatus.FAVOURED: ChangeKind.VERDICT,
    CoinStatus.REDUCED: ChangeKind.PRECAUTION,
    CoinStatus.PROBATION: ChangeKind.TRIAL,
    CoinStatus.NORMAL: ChangeKind.TRIAL,
}
