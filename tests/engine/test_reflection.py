"""Reflection: statistics first, a model beside them, and nothing it says loosens anything."""

from __future__ import annotations

from pathlib import Path

from engine.core.clock import HOUR, SECOND, monotonic_ns, pause
from engine.core.config import LlmSection
from engine.core.learning import ChangeKind, Insight, InsightKind, Lean, RuleAction
from engine.core.records import ChangeMoved, InsightFound, LlmCalled
from engine.core.views import LlmCall
from engine.learning.looking import SOURCE, look
from tests.engine.scripted import BTC, PRICE, Script
from tests.faults import ollama
from tests.faults.ollama import REFLECTION, Ollama, findings, says

NONCE = "nonce-6f1d77aa"


def live(folder: Path, host: str = "", **changed: object) -> Script:
    llm = LlmSection.model_validate(
        {"host": host or "http://127.0.0.1:9", "timeout": 5, "enabled": bool(host), **changed}
    )
    settings = {
        "pos.cooldown_min_per_ticker": 0, "reflection.after_trades": 3, "ev.prior_win_rate": 0.7,
        "ev.prior_payoff": 4, "dec.min_confidence": 0.2, "risk.max_daily_risk_pct": 10,
        "cand.max_trades_per_day": 200,
    }  # fmt: skip
    return Script(folder, live=True, llm=llm, settings=settings)


def lose(script: Script, times: int = 1) -> None:
    """A trade that its stop ends."""
    for _ in range(times):
        script.price(PRICE)
        position = script.opened()
        script.price(float(position.stop) * 0.999)
        script.price(float(position.stop) * 0.999)


def heard(script: Script, seconds: float = 15.0) -> LlmCalled:
    end = monotonic_ns() + int(seconds * SECOND)
    script.cycle()
    while script.kernel.reflecting._asked is not None:
        assert monotonic_ns() < end, "reflection never answered"
        pause(0.002)
        script.run()
    [called] = [one for one in script.records(LlmCalled) if one.role == "reflection"]
    return called


def calls(script: Script) -> list[LlmCall]:
    return [one for one in script.engine.hub.since("llm", 0).items if isinstance(one, LlmCall)]


def insights(script: Script) -> list[Insight]:
    return [one.insight for one in script.records(InsightFound)]


def test_without_a_model_the_statistics_speak_and_are_kept(tmp_path: Path) -> None:
    with live(tmp_path) as script:
        lose(script, 5)
        script.wait(HOUR / SECOND)
        script.cycle()
        found = insights(script)
        assert {one.source for one in found} == {SOURCE}
        [coin] = [one for one in found if one.symbols == (BTC,)]
        assert coin.kind is InsightKind.PROBLEM
        assert coin.evidence is not None
        assert (coin.evidence.n, coin.evidence.mean < 0) == (5, True)
        assert len(coin.evidence.ids) == 5
        assert "undecided" in coin.text
        assert coin.known_ns <= script.desk.now_ns
        knowledge = script.kernel.learning.knowledge()
        assert knowledge is not None
        assert set(knowledge.insights) == set(found)
        script.wait(2 * 3_600)
        script.cycle()
        assert insights(script) == found, "nothing new, nothing told"


def test_a_finding_reaches_journal_and_screen_and_its_caution_the_ledger(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        found = {"kind": "problem", "text": f"{NONCE} bought too late", "symbols": [BTC],
                 "pattern": "", "caution": BTC}  # fmt: skip
        server.defaults[REFLECTION] = says(findings(found))
        lose(script, 3)
        called = heard(script)
        assert NONCE in called.reply
        assert called.verdicts[0][1].endswith(f"(caution {BTC})")
        [insight] = [one for one in insights(script) if one.source == ollama.MODEL]
        assert NONCE in insight.text
        [change] = [one.change for one in script.records(ChangeMoved)
                    if one.change.who.startswith("reflection")][:1]  # fmt: skip
        assert (change.kind, change.lean) == (ChangeKind.PRECAUTION, Lean.TIGHTENS)
        assert (change.evidence.n, change.evidence.bound) == (3, False)
        assert change.ends_ns - change.made_ns <= 24 * HOUR
        [rule] = [one for one in script.desk.memory.rules.rules() if one.id == f"caution {BTC}"]
        assert (rule.action, rule.symbol) == (RuleAction.CAUTION, BTC)
        [body] = server.asked_as[REFLECTION]
        assert "Closed trades, oldest first" in body["messages"][1]["content"]
        [shown] = [one for one in calls(script) if one.role == "reflection"]
        assert NONCE in shown.reply


def test_caution_that_our_trades_do_not_bear_out_is_not_proposed(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        found = {"kind": "problem", "text": "night is bad", "symbols": [], "pattern": "",
                 "caution": "00-05"}  # fmt: skip
        server.defaults[REFLECTION] = says(findings(found))
        lose(script, 3)
        hour = script.desk.now_ns // HOUR % 24
        called = heard(script)
        supported = hour <= 5
        assert ("not proposed" in called.verdicts[0][1]) is not supported


def test_a_silent_or_mad_model_costs_the_statistics_nothing(tmp_path: Path) -> None:
    bad = findings({"kind": "limit", "text": "raise the limits", "size": 9})
    with Ollama() as server, live(tmp_path, server.host) as script:
        server.defaults[REFLECTION] = says(bad)
        script.desk.params.set("reflection.after_trades", 50, "test")
        script.desk.params.set("reflection.interval_min", 360, "test")
        lose(script, 5)
        script.wait(6 * HOUR / SECOND)
        called = heard(script)
        assert called.failed.startswith("no valid answer")
        assert {one.source for one in insights(script)} == {SOURCE}
        assert not [one for one in script.records(ChangeMoved)
                    if one.change.who.startswith("reflection")]  # fmt: skip


def test_a_lesson_planted_for_later_stays_unseen_until_then(tmp_path: Path) -> None:
    """Point in time: strategist and reflection read nothing that was not knowable yet."""
    with Ollama() as server, live(tmp_path, server.host) as script:
        later = Insight(
            id="I-later", known_ns=script.desk.now_ns + HOUR, source="m",
            kind=InsightKind.OPPORTUNITY, text=f"{NONCE} will rise", symbols=(BTC,),
        )  # fmt: skip
        script.kernel.knowing.found(later)

        def told() -> list[bool]:
            said = len(server.asked)
            while len(server.asked) == said:
                if script.desk.strategist is not None and not script.desk.strategist.waiting:
                    script.cycle()
                pause(0.002)
                script.run()
            return [NONCE in body["messages"][1]["content"] for body in server.asked]

        assert told() == [False]
        script.wait(HOUR / SECOND)
        seen = told()
        assert seen[0] is False
        assert seen[-1] is True


def test_a_group_is_told_again_only_once_it_has_grown(tmp_path: Path) -> None:
    with live(tmp_path) as script:
        lose(script, 5)
        entries = list(script.kernel.reflecting._entries)
    names = iter(f"I-{k}" for k in range(1_000))
    known: list[Insight] = []
    told = []
    for n in range(1, 101):
        now = script.desk.now_ns + n
        # Newest first, as the memory gives them.
        found = look((entries * 20)[:n], known[::-1], now, lambda: next(names))
        known += found
        told += [one.evidence.n for one in found if one.symbols and one.evidence is not None]
    assert told == [5, 10, 15, 23, 35, 53, 80]
