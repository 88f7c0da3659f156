"""Insights: what reflection found, by whom, and the change that it led to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.core.learning import Insight, InsightKind, Knowledge
from widgets import learned
from widgets.columns import Column
from widgets.facts import Fact, flow, paragraph
from widgets.known import KnowledgePanel
from widgets.lines import Line, Run, crop, run
from widgets.rows import Row

_KINDS: dict[InsightKind, tuple[str, str, str]] = {
    InsightKind.PATTERN: ("◇", "pattern", "note"),
    InsightKind.PROBLEM: ("▼", "problem", "warn"),
    InsightKind.OPPORTUNITY: ("▲", "chance", "gain"),
}
"""Sign, word and role of each kind."""

_UNDECIDED = "◌"
"""Stands in for the sign while the figures don't tell the finding from chance."""


class InsightsPanel(KnowledgePanel):
    """One row an insight, the newest first."""

    title = "Insights"
    empty = (
        "No insight yet.",
        "What reflection finds in closed trades stands here; e strikes one out or rewords it.",
    )
    columns = (
        Column("time", "Known", 6, rank=1),
        Column("kind", "Kind", 9),
        Column("text", "Found", 20, most=24, grows=True),
        Column("n", "n", 3, "right", rank=2, most=6),
        Column("source", "By", 8, rank=3, most=18),
        Column("change", "Led to", 6, rank=4, most=8),
    )

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        return knowledge.insights[::-1] if _oldest_first(knowledge) else knowledge.insights

    def row(self, one: Insight, now_ns: int) -> Row:
        return Row(
            one.id,
            {
                "time": (learned.when(one.known_ns, now_ns), "muted"),
                "kind": _kind(one),
                "text": _text(one),
                "n": (learned.count(one.evidence), "soft"),
                "source": run(one.source, "muted"),
                "change": run(one.change, "note"),
            },
            sort={"time": float(one.known_ns)},
            symbol=one.symbols[0] if one.symbols else "",
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        one: Insight | None = self.find(row.key)
        if one is None:
            return ()
        lines = paragraph(one.words, width, "muted" if one.struck else "", limit=3)
        if one.set_by:
            what = "struck out, nobody is told of it" if one.struck else f"found as: {one.text}"
            because = f" ({one.set_why})" if one.set_why else ""
            lines += paragraph(f"{what}; by a {one.set_by}{because}", width, "warn", limit=2)
        if one.evidence is not None:
            lines.append(crop(learned.figures(one.evidence), width))
        facts: list[Fact] = [("by", (run(one.source),))]
        if one.symbols:
            facts.append(("symbols", (run(", ".join(one.symbols)),)))
        if one.change:
            facts.append(("led to", (run(one.change, "note"),)))
        return [*lines, *flow(facts, width)]


def _kind(one: Insight) -> Run:
    """What was found, as it stands: a sign of its own once its interval leaves zero out."""
    sign, word, role = _KINDS[one.kind]
    if one.evidence is None or not learned.proven(one.evidence):
        return f"{_UNDECIDED} {word}", "muted"
    return f"{sign} {word}", role


def _text(one: Insight) -> tuple[Run, ...]:
    """Its words; what a person struck out or reworded says so."""
    if one.struck:
        return (("✕ ", "warn"), run(one.text, "muted"))
    return (("✎ ", "note"), run(one.words)) if one.said else (run(one.text),)


def _oldest_first(knowledge: Knowledge) -> bool:
    found = knowledge.insights
    return len(found) > 1 and found[0].known_ns < found[-1].known_ns
