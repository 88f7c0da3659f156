"""Insights without a model: what the closed trades say by arithmetic, once an hour.

Trades are grouped by what was known when they were entered; the groups whose mean stands out
most are told with n, mean and the interval that holds at every look. An insight is a
sentence for a person and a prompt, never a verdict, and says so while its interval has both signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from engine.core.learning import Evidence, Insight, InsightKind
from engine.core.lived import JournalEntry
from engine.learning import confidence
from engine.learning.results import Results

LEAST = 5
"""Trades of a group before anything is said about it, and before it is said again."""

GROWN = 1.5
"""By how much a group has grown before it is told again: with more trades less changes."""

MOST = 6
"""Insights of one look; the others come when these have nothing new."""

BLOCK = 6
"""Hours of a part of the day."""

SOURCE = "statistics"

Key = Callable[[JournalEntry], str]


def hours_of(hour: int) -> str:
    """The part of the day that an hour belongs to, such as `06-11`."""
    start = hour - hour % BLOCK
    return f"{start:02}-{start + BLOCK - 1:02}"


GROUPS: tuple[tuple[str, Key], ...] = (
    ("coin", lambda one: one.context.symbol),
    ("pattern", lambda one: one.context.pattern),
    ("strategy", lambda one: one.context.strategy),
    ("regime", lambda one: one.context.regime),
    ("hours", lambda one: hours_of(one.context.hour)),
    ("exit", lambda one: one.closed.trade.exit_reason),
)
"""By what trades are grouped, and which group one belongs to."""


def grouped(entries: Iterable[JournalEntry], family: str, key: Key) -> dict[str, Results]:
    """Results of each group of one family, in the order in which groups came up."""
    found: dict[str, Results] = {}
    for entry in entries:
        name = key(entry)
        if name:
            known = found.get(name)
            if known is None:
                known = found[name] = Results(confidence.Sequence())
            known.add(entry.closed)
    return found


def group_evidence(entries: Iterable[JournalEntry], family: str, name: str) -> Evidence | None:
    """What one group has come to, None where it has no trade."""
    key = dict(GROUPS)[family]
    results = grouped(entries, family, key).get(name)
    return _evidence(results, family, name) if results is not None else None


def look(
    entries: Sequence[JournalEntry],
    known: Iterable[Insight],
    now_ns: int,
    name: Callable[[], str],
) -> tuple[Insight, ...]:
    """The groups that stand out most and have grown since they were last told.

    `known` are the insights so far, `name` gives a fresh id. Nothing here is random and
    nothing is remembered, so that the same history tells the same.
    """
    told: dict[str, int] = {}
    for one in known:
        if one.source == SOURCE and one.evidence is not None:
            note = one.evidence.note
            told[note] = max(told.get(note, 0), one.evidence.n)
    found: list[tuple[float, str, str, Evidence]] = []
    for family, key in GROUPS:
        for group, results in grouped(entries, family, key).items():
            evidence = _evidence(results, family, group)
            before = told.get(evidence.note, 0)
            if evidence.n >= max(before + LEAST, before * GROWN):
                sd = max(results.sequence.sd, 1e-9)
                weight = abs(evidence.mean) / sd * math.sqrt(evidence.n)
                found.append((weight, family, group, evidence))
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return tuple(_insight(*one[1:], now_ns, name()) for one in found[:MOST])


def _evidence(results: Results, family: str, name: str) -> Evidence:
    return results.evidence(f"{family} {name}")


def _insight(family: str, group: str, evidence: Evidence, now_ns: int, id: str) -> Insight:
    loses = evidence.mean < 0
    bound = evidence.high < 0 or evidence.low > 0
    verdict = "shown" if bound else "undecided"
    text = (
        f"{family} {group}: {evidence.mean:+.2f} R before fees on average over {evidence.n} "
        f"trades, interval {evidence.low:+.2f} to {evidence.high:+.2f}: {verdict}"
    )
    kind = InsightKind.PROBLEM if loses else InsightKind.OPPORTUNITY
    return Insight(
        id=id,
        known_ns=now_ns,
        source=SOURCE,
        kind=InsightKind.PATTERN if family == "pattern" else kind,
        text=text,
        symbols=(group,) if family == "coin" else (),
        pattern=group if family == "pattern" else "",
        evidence=evidence,
    )
