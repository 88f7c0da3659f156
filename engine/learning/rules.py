"""Rules of time and volatility: when not to trade, when smaller, when larger.

A rule is a person's or a learner's; what it refused is followed to the end it would have
had, so that a rule which costs more than it saves comes up for being switched off.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from engine.core.clock import DAY, HOUR, day_of
from engine.core.learning import (
    REMOVED,
    ChangeKind,
    Lean,
    Rule,
    RuleAction,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters, declare
from engine.core.records import RuleSet
from engine.learning.coins import MIN_TRADES, UNBLACKLIST_DAYS
from engine.learning.confidence import Sequence
from engine.learning.results import share

REDUCE_MULT = declare(
    "rule.reduce_mult", 0.5, low=0.1, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor of a rule that reduces.",
)  # fmt: skip
CAUTION_MULT = declare(
    "rule.caution_mult", 0.8, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor of a rule that calls for caution.",
)  # fmt: skip
INCREASE_MULT = declare(
    "rule.increase_mult", 1.2, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor of a rule that increases; it counts only where nothing else reduces.",
)  # fmt: skip

THURSDAY = 3
"""The weekday of 1970-01-01."""


def hour_of(now_ns: int) -> int:
    """Hour of the day, UTC."""
    return now_ns // HOUR % 24


def weekday_of(now_ns: int) -> int:
    """Day of the week, UTC; Monday is 0."""
    return (day_of(now_ns) + THURSDAY) % 7


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules that hold now make of an entry: who refuses it, and its size factor.

    `factors` has at most one reduction, the strictest, and at most one boost.
    """

    refusal: str = ""
    factors: tuple[tuple[str, float], ...] = ()


NOTHING = Verdict()


class RuleBook:
    """All rules; carries out their changes. Owned by the kernel thread."""

    name = "rules"

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self.told = 0
        self._rules: dict[str, Rule] = {}
        self._saved: dict[str, Sequence] = {}
        self._refused: dict[str, list[str]] = {}

    def rule(self, name: str) -> Rule | None:
        return self._rules.get(name)

    def rules(self) -> tuple[Rule, ...]:
        return tuple(self._rules.values())

    def results(self) -> object:
        """What was counted, to be held against what a restart counts."""
        return dict(self._saved)

    def restore(self, rule: Rule) -> None:
        """The row as it was journaled last; one that was removed is left out."""
        if rule.made_by != REMOVED:
            self._rules[rule.id] = rule

    def set(self, rule: Rule) -> Rule:
        """Make or replace a rule; what it has done so far stays with it."""
        known = self._rules.get(rule.id)
        if known is not None:
            rule = replace(rule, triggered=known.triggered, saved_pct=known.saved_pct)
        self._rules[rule.id] = rule
        self.told += 1
        return rule

    # What follows for an entry.

    def holding(self, symbol: str, vol_level: str, now_ns: int) -> tuple[Rule, ...]:
        """The rules whose condition holds for this symbol now."""
        if not self._rules:
            return ()
        hour, weekday = hour_of(now_ns), weekday_of(now_ns)
        return tuple(
            [r for r in self._rules.values() if _matches(r, symbol, vol_level, hour, weekday)]
        )

    def verdict(self, symbol: str, vol_level: str, now_ns: int) -> Verdict:
        """What they make of an entry."""
        holding = self.holding(symbol, vol_level, now_ns)
        if not holding:
            return NOTHING
        refusal, found = "", list[tuple[str, float]]()
        for rule in holding:
            if rule.action is RuleAction.NO_TRADE:
                refusal = refusal or f"{rule.id}: {rule.description}"
            else:
                factor = float(self._params.get(MULTS[rule.action]))
                found.append((f"rule {rule.id}", factor))
        least = [min(found, key=lambda one: one[1])] if found else []
        most = [max(found, key=lambda one: one[1])] if found else []
        kept = [one for one in least if one[1] < 1.0] + [one for one in most if one[1] > 1.0]
        return Verdict(refusal, tuple(kept))

    # What came of it.

    def triggered(self, name: str) -> Rule | None:
        """A rule acted on an entry; its new row."""
        known = self._rules.get(name)
        if known is None:
            return None
        rule = self._rules[name] = replace(known, triggered=known.triggered + 1)
        self.told += 1
        return rule

    def saved(
        self, name: str, refused: str, net_pct: float
    ) -> tuple[Rule | None, list[Suggestion]]:
        """An entry that a rule refused has ended; what it would have made was not made."""
        known = self._rules.get(name)
        if known is None:
            return None, []
        sequence = self.count(name, refused, net_pct)
        rule = self._rules[name] = replace(known, saved_pct=known.saved_pct - net_pct)
        self.told += 1
        due = sequence.n % int(self._params.get(MIN_TRADES)) == 0
        if not (rule.active and due and sequence.verdict > 0 > rule.saved_pct):
            return rule, []
        why = (
            f"acted {rule.triggered} times; what it refused would have made "
            f"{-rule.saved_pct:+.2f} % in all, and the bound lies above zero"
        )
        ids = tuple(self._refused[name])
        suggestion = Suggestion(
            target=Target(kind=TargetKind.RULE, name=name),
            after=_text(replace(rule, active=False)),
            kind=ChangeKind.VERDICT,
            lean=Lean.LOOSENS,
            who=self.name,
            reason=why,
            evidence=sequence.evidence("result of what it refused", "%", ids, why),
            lasts_ns=int(self._params.get(UNBLACKLIST_DAYS)) * DAY,
        )
        return rule, [suggestion]

    def count(self, name: str, refused: str, net_pct: float) -> Sequence:
        """Count what a refused entry would have made, without a word."""
        if name not in self._saved:
            self._saved[name] = Sequence(share(len(self._saved) + 1))
            self._refused[name] = []
        self._saved[name].add(net_pct)
        if net_pct:
            self._refused[name].append(refused)
        return self._saved[name]

    # The ledger and a person.

    def current(self, target: Target) -> str:
        """The rule as JSON, `null` where there is none."""
        known = self._rules.get(target.name)
        return "null" if known is None else _text(known)

    def standing(self, target: Target) -> str:
        """As `current`: where there is no rule, none holds."""
        return self.current(target)

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> tuple[RuleSet, ...]:
        """Make, replace or (`null`) remove a rule."""
        wanted = msgspec.json.decode(value, type=Rule | None)
        if wanted is not None:
            rule = self.set(replace(wanted, id=target.name))
            return (RuleSet(time_ns=now_ns, rule=rule, who=by),)
        known = self._rules.pop(target.name, None)
        if known is None:
            return ()
        self.told += 1
        gone = replace(known, active=False, made_by=REMOVED)
        return (RuleSet(time_ns=now_ns, rule=gone, who=by),)


def holds(rule: Rule, symbol: str, vol_level: str, now_ns: int) -> bool:
    """Whether a rule is on and its condition holds."""
    return _matches(rule, symbol, vol_level, hour_of(now_ns), weekday_of(now_ns))


def _matches(rule: Rule, symbol: str, vol_level: str, hour: int, weekday: int) -> bool:
    return (
        rule.active
        and (not rule.hours or hour in rule.hours)
        and (not rule.weekdays or weekday in rule.weekdays)
        and (not rule.symbol or rule.symbol == symbol)
        and (not rule.vol_level or rule.vol_level == vol_level)
    )


def _text(rule: Rule) -> str:
    return msgspec.json.encode(rule).decode()


MULTS = {
    RuleAction.REDUCE_SIZE: REDUCE_MULT,
    RuleAction.CAUTION: CAUTION_MULT,
    RuleAction.INCREASE_SIZE: INCREASE_MULT,
}
