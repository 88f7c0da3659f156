"""Knowledge of ways into a trade and of hours: patterns and rules, switched by a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.core.learning import Knowledge, Pattern, Rule
from widgets import learned, numbers
from widgets.columns import Column
from widgets.facts import Fact, flow, paragraph
from widgets.known import KnowledgePanel, ends, proof
from widgets.lines import Line, run
from widgets.rows import Row

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class PatternsPanel(KnowledgePanel):
    """One row a way into a trade."""

    title = "Patterns"
    empty = (
        "No pattern is known yet.",
        "Each stands here with how often it was used and what it made; e switches it.",
    )
    columns = (
        Column("active", "", 5),
        Column("text", "Pattern", 14, most=16, grows=True),
        Column("sure", "Sure", 5, "right"),
        Column("used", "n", 3, "right", most=5),
        Column("result", "W/L", 5, "right", rank=2, most=8),
        Column("pnl", "%", 7, "right", rank=1, most=9),
        Column("interval", "95 % interval", 16, rank=3, most=18),
        Column("by", "By", 6, rank=5, most=14),
        Column("used_at", "Last", 6, rank=4),
    )

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        return knowledge.patterns

    def row(self, one: Pattern, now_ns: int) -> Row:
        return Row(
            one.id,
            {
                "active": ("● on", "gain") if one.active else ("○ off", "muted"),
                "text": run(one.description or one.id, "" if one.active else "soft"),
                "sure": (numbers.share(one.confidence), ""),
                "used": (str(one.used), "soft"),
                "result": (f"{one.wins}/{one.losses}", "soft"),
                "pnl": (numbers.number(one.pnl_pct, 2, sign=True), numbers.role(one.pnl_pct)),
                "interval": ends(one.gross_low, one.gross_high),
                "by": run(one.made_by, "muted"),
                "used_at": (learned.when(one.last_used_ns, now_ns), "muted"),
            },
            sort={
                "sure": one.confidence, "used": float(one.used), "pnl": one.pnl_pct,
                "used_at": float(one.last_used_ns),
            },
        )  # fmt: skip

    def details(self, row: Row, width: int) -> Sequence[Line]:
        one = self.find(row.key)
        if one is None:
            return ()
        facts: list[Fact] = [
            ("", (run(one.id, "bold"),)), ("", (proof(one.gross_low, one.gross_high, one.used),)),
        ]  # fmt: skip
        return [*flow(facts, width), *paragraph(one.description, width, "soft", limit=3)]


class RulesPanel(KnowledgePanel):
    """One row a time or volatility rule."""

    title = "Rules"
    empty = (
        "No rule is set.",
        "A rule of hours, weekdays or volatility stands here with what it spared; n makes one.",
    )
    columns = (
        Column("active", "", 5),
        Column("action", "Does", 8, most=13),
        Column("when", "When (UTC)", 12, most=24, grows=True),
        Column("hits", "n", 3, "right", most=6),
        Column("saved", "Saved %", 7, "right", rank=1, most=9),
        Column("text", "Rule", 10, rank=3, most=60),
        Column("by", "By", 6, rank=4, most=14),
    )

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        return knowledge.rules

    def row(self, one: Rule, now_ns: int) -> Row:
        return Row(
            one.id,
            {
                "active": ("● on", "gain") if one.active else ("○ off", "muted"),
                "action": (one.action.value.replace("_", " ").lower(), "bold"),
                "when": run(when_of(one), "" if one.active else "soft"),
                "hits": (str(one.triggered), "soft"),
                "saved": (numbers.number(one.saved_pct, 2, sign=True), numbers.role(one.saved_pct)),
                "text": run(one.description, "soft"),
                "by": run(one.made_by, "muted"),
            },
            sort={"hits": float(one.triggered), "saved": one.saved_pct},
            symbol=one.symbol,
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        one = self.find(row.key)
        if one is None:
            return ()
        return [
            *flow([("", (run(one.id, "bold"),)), ("", (run(when_of(one)),))], width),
            *paragraph(one.description, width, "soft", limit=3),
        ]


def when_of(rule: Rule) -> str:
    """The condition of a rule in words."""
    parts = [
        ranges(rule.hours, str, " h"),
        ranges(rule.weekdays, lambda day: _DAYS[day % 7]),
        f"{rule.vol_level.lower()} volatility" if rule.vol_level else "",
        rule.symbol,
    ]
    return ", ".join(part for part in parts if part) or "always"


def ranges(values: Sequence[int], name: Callable[[int], str], unit: str = "") -> str:
    """`0–3, 22` for 0 1 2 3 22, each end by its name."""
    found: list[str] = []
    ordered = sorted(set(values))
    start = 0
    for index in range(len(ordered)):
        last = index + 1 == len(ordered) or ordered[index + 1] != ordered[index] + 1
        if last:
            first, end = ordered[start], ordered[index]
            found.append(name(first) if first == end else f"{name(first)}–{name(end)}")
            start = index + 1
    return ", ".join(found) + (unit if found else "")
