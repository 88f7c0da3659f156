"""What was learned and what is in the news, as a model is told it: only what is known by then.

Lessons, patterns and headlines carry when they became knowable. Whoever builds a prompt passes
the engine time of the question, and nothing later gets in, whatever the store holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from engine.core.clock import iso
from engine.core.learning import CoinScore, CoinStatus, Insight, Knowledge, Pattern, Rule
from engine.core.news import Headline
from engine.core.safetext import SafeText

MOST_LESSONS = 8
MOST_PATTERNS = 8
MOST_HEADLINES = 10
LONGEST = 240
"""Characters of one lesson or headline."""


T = TypeVar("T", Headline, Insight)


def told_knowledge(knowledge: Knowledge | None, now_ns: int) -> dict[str, Any]:
    """Coins, patterns, rules and lessons as plain values; empty where nothing is known."""
    if knowledge is None:
        return {}
    coins = [one for one in knowledge.coins if one.trades and one.updated_ns <= now_ns]
    black = [
        one.symbol
        for one in knowledge.coins
        if one.status is CoinStatus.BLACKLISTED and one.since_ns <= now_ns
    ]
    patterns = [one for one in knowledge.patterns if one.active and one.created_ns <= now_ns]
    patterns.sort(key=lambda one: (-one.confidence, one.id))
    rules = [one for one in knowledge.rules if one.active and one.created_ns <= now_ns]
    told: dict[str, Any] = {
        "coins": [_coin(one) for one in coins],
        "blacklisted": black,
        "patterns": [_pattern(one) for one in patterns[:MOST_PATTERNS]],
        "rules": [_rule(one) for one in rules],
        "lessons": _lessons(knowledge.insights, now_ns),
    }
    return {name: value for name, value in told.items() if value}


def told_headlines(headlines: Iterable[Headline], now_ns: int) -> list[dict[str, str]]:
    """The newest headlines that could be read by then, as quoted data."""
    known = _newest((one for one in headlines if one.known_ns <= now_ns), MOST_HEADLINES)
    return [
        {"at": iso(one.known_ns), "source": _line(one.source), "text": _line(one.text)}
        for one in known
    ]


def _lessons(insights: Iterable[Insight], now_ns: int) -> list[dict[str, Any]]:
    told = (one.at(now_ns) for one in insights if one.known_ns <= now_ns)
    return [_lesson(one) for one in _newest((one for one in told if not one.struck), MOST_LESSONS)]


def _lesson(one: Insight) -> dict[str, Any]:
    """A lesson with what it is about, how much stands behind it, and what came of it."""
    told = {
        "kind": str(one.kind),
        "by": one.set_by if one.said else one.source,
        "text": _line(one.words),
        "symbols": list(one.symbols),
        "pattern": _line(one.pattern),
        "trades": one.evidence.n if one.evidence is not None else 0,
        "led_to_change": one.change,
        "because": _line(one.set_why) if one.said else "",
    }
    return {name: value for name, value in told.items() if value}


def _newest(known: Iterable[T], most: int) -> list[T]:
    return sorted(known, key=lambda one: -one.known_ns)[:most]


def _coin(score: CoinScore) -> dict[str, Any]:
    return {
        "symbol": score.symbol, "trades": score.trades, "won": score.wins,
        "net_pct": score.pnl_pct, "trend": score.trend, "recommendation": str(score.status),
    }  # fmt: skip


def _pattern(pattern: Pattern) -> dict[str, Any]:
    return {
        "name": pattern.id, "used": pattern.used, "won": pattern.wins,
        "lost": pattern.losses, "by": pattern.made_by, "confidence": pattern.confidence,
        "what": _line(pattern.description),
    }  # fmt: skip


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "does": str(rule.action), "when": _line(rule.description), "symbol": rule.symbol,
        "by": rule.made_by, "acted": rule.triggered, "saved_pct": rule.saved_pct,
    }  # fmt: skip


def _line(text: str) -> str:
    return str(SafeText(text).line(LONGEST))
