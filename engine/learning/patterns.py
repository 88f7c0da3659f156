"""Patterns: ways into a trade that are recognised again, and how far each can be trusted.

Every trade has one. A condition names its own; what a strategy does in one kind of market
and direction is one too. Confidence orders candidates and tells a strategist what to think
of a pattern; only the bound switches one off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from engine.core.clock import DAY
from engine.core.learning import (
    ChangeKind,
    Closed,
    Lean,
    Pattern,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters, declare, family_of
from engine.core.records import PatternScored
from engine.core.types import Direction
from engine.learning.coins import (
    MIN_TRADES,
    PERSON,
    UNBLACKLIST_DAYS,
    came_round,
    stays,
)
from engine.learning.confidence import Sequence
from engine.learning.order import TILT_SHOWN, TILT_THIN
from engine.learning.results import Results, share

INITIAL = declare(
    "pattern.initial_confidence", 0.5, low=0.2, high=0.8, step=0.05, unit="prob", scopes="G",
    doc="Confidence in a pattern of which no trade has closed.",
)  # fmt: skip
DEACTIVATE_BELOW = declare(
    "pattern.deactivate_below", 0.3, low=0.1, high=0.45, step=0.05, unit="prob", scopes="G",
    risk=-1, doc="Confidence below which a pattern whose results are shown to be negative is "
    "switched off.",
)  # fmt: skip
PRIOR_TRADES = declare(
    "pattern.prior_trades", 10, low=2, high=50, step=1, unit="count", scopes="G",
    doc="How many trades the initial confidence weighs as much as.",
)  # fmt: skip

LONGEST = 40
"""Characters of a name that somebody else chose."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A pattern as it is seen in one entry: its id, in words, and who described it."""

    id: str
    words: str
    by: str


def named(name: str) -> str:
    """The id of a pattern that somebody calls so: `Range  Edge` and `range edge` are one."""
    return "_".join(name.lower().split())[:LONGEST]


def recognise(
    strategy: str, regime: str, direction: Direction, called: str = "", reason: str = ""
) -> Recognised:
    """The pattern of an entry: the one that its condition names, else the derived one."""
    name = named(called)
    if name:
        return Recognised(name, reason or called, strategy)
    family = family_of(regime) or "UNKNOWN"
    market = _MARKETS.get(family, "a market that is not known yet")
    verb = "going long" if direction is Direction.LONG else "going short"
    return Recognised(
        f"{strategy}·{family}·{direction}", f"{strategy} {verb} in {market}", "engine"
    )


_MARKETS = {
    "BULL": "a rising market",
    "BEAR": "a falling market",
    "SIDEWAYS": "a market without a trend",
    "HIGH_VOL": "a volatile market",
    "CRASH": "a crash",
}


class PatternLibrary:
    """All patterns with their results; carries out their activation.

    Trades of a pattern may overlap in several symbols, and a stop comes sooner than a
    target: counted as they close, losers would come first. So results are observed in the
    order in which their trades were opened. Owned by the kernel thread.
    """

    name = "patterns"

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self.told = 0
        self._patterns: dict[str, Pattern] = {}
        self._results: dict[str, Results] = {}
        self._opened: dict[str, dict[str, tuple[str, float] | None]] = {}

    def pattern(self, name: str) -> Pattern | None:
        return self._patterns.get(name)

    def patterns(self) -> tuple[Pattern, ...]:
        return tuple(self._patterns.values())

    def results(self) -> object:
        """What was counted, to be held against what a restart counts."""
        return (dict(self._results), dict(self._opened))

    def restore(self, pattern: Pattern) -> None:
        """The row as it was journaled last."""
        self._patterns[pattern.id] = pattern

    def opened(self, name: str, position: str) -> None:
        """A trade of this pattern began; those that close before it wait for it."""
        self._opened.setdefault(name, {})[position] = None

    def record_pattern_outcome(
        self, closed: Closed, position: str, seen: Recognised
    ) -> tuple[Pattern, list[Suggestion]]:
        """Count a closed trade; the new row, and what should follow from it."""
        now = closed.trade.closed_ns
        results = self.count(closed, position)
        low, high = results.bounds
        weight = float(self._params.get(PRIOR_TRADES))
        trusted = weight * float(self._params.get(INITIAL)) + results.wins
        pattern = self._patterns.get(closed.pattern) or Pattern(
            id=closed.pattern, description=seen.words, made_by=seen.by, created_ns=now
        )
        pattern = replace(
            pattern,
            used=results.trades,
            wins=results.wins,
            losses=results.losses,
            pnl_pct=results.pnl_pct,
            confidence=trusted / (weight + len(results.decided)),
            gross_low=low,
            gross_high=high,
            last_used_ns=now,
        )
        self._patterns[pattern.id] = pattern
        self.told += 1
        found = self.judge(pattern, results)
        return pattern, [] if found is None or pattern.set_by == PERSON else [found]

    def count(self, closed: Closed, position: str) -> Results:
        """Count a trade without a word; how a restart goes through its history."""
        name = closed.pattern
        results = self._results.get(name)
        if results is None:
            results = self._results[name] = Results(Sequence(share(len(self._results) + 1)))
        results.add(replace(closed, gross_r=math.nan))
        waiting = self._opened.setdefault(name, {})
        waiting[position] = (closed.trade.id, closed.gross_r)
        while waiting:
            first = next(iter(waiting))
            result = waiting[first]
            if result is None:
                break
            results.observe(*result)
            del waiting[first]
        return results

    def judge(self, pattern: Pattern, results: Results) -> Suggestion | None:
        """Off, where few trades won and the bound lies below zero."""
        if not results.due(int(self._params.get(MIN_TRADES))):
            return None
        below = float(self._params.get(DEACTIVATE_BELOW))
        if not (pattern.confidence < below and pattern.gross_high < 0.0 > pattern.pnl_pct):
            return None
        results.asked = len(results.decided)
        if not pattern.active:
            return None
        why = (
            f"confidence {pattern.confidence:.2f} after {pattern.used} trades is below "
            f"{below:.2f}, and the bound lies below zero{stays(self._params)}"
        )
        return self._suggest(pattern, results, False, why)

    def _suggest(self, pattern: Pattern, results: Results, active: bool, why: str) -> Suggestion:
        return Suggestion(
            target=Target(kind=TargetKind.PATTERN, name=pattern.id),
            after="true" if active else "false",
            kind=ChangeKind.TRIAL if active else ChangeKind.VERDICT,
            lean=Lean.LOOSENS if active else Lean.TIGHTENS,
            who=self.name,
            reason=why,
            evidence=results.evidence(why),
            lasts_ns=int(self._params.get(UNBLACKLIST_DAYS)) * DAY if active else 0,
        )

    def daily(self, now_ns: int, before_ns: int) -> Iterable[Suggestion]:
        """Patterns that the bound switched off and whose days were over since `before_ns`."""
        period = int(self._params.get(UNBLACKLIST_DAYS)) * DAY
        for pattern in self.patterns():
            shown = pattern.gross_high < 0.0
            if pattern.active or not shown or pattern.set_by == PERSON:
                continue
            if came_round(pattern.last_used_ns, before_ns, now_ns, period):
                results = self._results.get(pattern.id) or Results(Sequence())
                why = f"off for {period // DAY} days: another look"
                yield self._suggest(pattern, results, True, why)

    # What follows for an entry.

    def tilt(self, name: str) -> float:
        """By which fraction candidates of a pattern move in the order: confidence against
        the initial one, held to what is shown."""
        known = self._patterns.get(name)
        if known is None:
            return 0.0
        most = TILT_SHOWN if known.gross_low > 0.0 or known.gross_high < 0.0 else TILT_THIN
        limit = float(self._params.get(most))
        away = known.confidence / float(self._params.get(INITIAL)) - 1.0
        return max(-limit, min(limit, away))

    def refusal(self, name: str) -> str:
        """Why the pattern admits no entry, or nothing."""
        known = self._patterns.get(name)
        if known is None or known.active:
            return ""
        return f"the pattern {name} is switched off by {known.set_by or 'the bound'}"

    # The ledger and a person.

    def current(self, target: Target) -> str:
        """`false` where it was switched off, `null` where nobody did; `true` is a person's."""
        known = self._patterns.get(target.name)
        if known is None or (known.active and known.set_by != PERSON):
            return "null"
        return "true" if known.active else "false"

    def standing(self, target: Target) -> str:
        """`true` or `false`: every pattern is on until it is switched off."""
        return "true" if self.current(target) == "null" else "false"

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> tuple[PatternScored, ...]:
        """Switch it on or off; a pattern that nobody used yet is known from then on.

        What a person has set gives way to a person alone.
        """
        active = msgspec.json.decode(value)
        known = self._patterns.get(target.name) or Pattern(
            id=target.name,
            description=target.name,
            made_by=by,
            created_ns=now_ns,
            confidence=float(self._params.get(INITIAL)),
        )
        if known.set_by == PERSON and by != PERSON:
            return ()
        known = replace(
            known,
            active=True if active is None else bool(active),
            set_by="" if active is None else by,
        )
        self._patterns[known.id] = known
        self.told += 1
        return (PatternScored(time_ns=now_ns, pattern=known),)
