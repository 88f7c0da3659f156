"""What a prompt says of what was learned: all that counts, and nothing that is later."""

from __future__ import annotations

import msgspec

from engine.core.clock import HOUR
from engine.core.learning import (
    CoinScore,
    CoinStatus,
    Insight,
    InsightKind,
    Knowledge,
    Pattern,
    Rule,
    RuleAction,
)
from engine.core.news import Headline
from engine.llm.knowing import (
    MOST_HEADLINES,
    MOST_LESSONS,
    told_headlines,
    told_knowledge,
)
from engine.llm.prompt import told
from tests.llm_help import BTC, NOW, situation


def pattern(name: str, **changed: object) -> Pattern:
    known = Pattern(id=name, description=f"{name} in words", made_by="m", created_ns=NOW - HOUR)
    return msgspec.structs.replace(known, **changed)


def insight(name: str, known_ns: int) -> Insight:
    return Insight(id=name, known_ns=known_ns, source="m", kind=InsightKind.PROBLEM, text=name)


KNOWN = Knowledge(
    time_ns=NOW,
    coins=(
        CoinScore(symbol=BTC, trades=9, wins=3, pnl_pct=-2.5, status=CoinStatus.REDUCED),
        CoinScore(symbol="SOL/USDT", trades=12, status=CoinStatus.BLACKLISTED),
        CoinScore(symbol="ETH/USDT"),
    ),
    patterns=(
        pattern("weak", confidence=0.2), pattern("strong", confidence=0.8),
        pattern("gone", active=False), pattern("tomorrow", created_ns=NOW + 1),
    ),
    rules=(
        Rule(id="R-1", description="quiet at night", action=RuleAction.NO_TRADE, created_ns=NOW),
        Rule(id="R-2", description="ended", action=RuleAction.CAUTION, active=False),
    ),
    insights=(*(insight(f"lesson {k}", NOW - k) for k in range(20)), insight("x", NOW + 1)),
)  # fmt: skip


def test_coins_patterns_rules_and_lessons_are_told_the_best_and_newest_first() -> None:
    found = told_knowledge(KNOWN, NOW)
    assert [one["symbol"] for one in found["coins"]] == [BTC, "SOL/USDT"]
    assert found["coins"][0]["recommendation"] == "reduced"
    assert found["blacklisted"] == ["SOL/USDT"]
    assert [one["name"] for one in found["patterns"]] == ["strong", "weak"]
    assert [one["does"] for one in found["rules"]] == ["NO_TRADE"]
    lessons = [one["text"] for one in found["lessons"]]
    assert lessons == [f"lesson {k}" for k in range(MOST_LESSONS)]


def test_nothing_that_became_known_later_is_told() -> None:
    earlier = told_knowledge(KNOWN, NOW - 10)
    assert earlier["lessons"][0]["text"] == "lesson 10"
    assert told_knowledge(KNOWN, NOW - 2 * HOUR).keys() == {"coins", "blacklisted"}
    assert told_knowledge(None, NOW) == {}
    news = (Headline(NOW + 1, "wire", "later"), Headline(NOW, "wire", "\x1b[2Jnow\nand then"))
    [one] = told_headlines(news, NOW)
    many = tuple(Headline(NOW - k, "wire", f"{k}") for k in range(50))
    assert len(told_headlines(many, NOW)) == MOST_HEADLINES
    assert one["text"].isprintable()
    assert "now" in one["text"]


def test_a_prompt_carries_what_was_learned_and_quotes_the_news() -> None:
    where = msgspec.structs.replace(
        situation(), knowledge=KNOWN, headlines=(Headline(NOW, "wire", "a coin was listed"),)
    )
    lines = told(where)
    assert any(line.startswith("What we learned so far: ") and "strong" in line for line in lines)
    assert any("they order nothing" in line and "a coin was listed" in line for line in lines)
    assert len(told(situation())) == 2
