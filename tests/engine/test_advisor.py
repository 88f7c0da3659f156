"""The advisor's word: a fifth vote, a warning, a HOLD; never more risk, never in an exit's way."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import msgspec
import pytest

from app.machine import SAME, TimeMachine
from app.scrubbing import outcome
from engine.core.clock import SECOND, monotonic_ns, pause
from engine.core.config import LlmSection
from engine.core.records import Decided, EntryHeld, LlmCalled, Noted
from engine.core.types import Action, Decision, Vote
from engine.core.views import LlmView
from engine.journal.queries import Reader
from engine.llm.line import Line
from engine.llm.recorded import RecordedModel
from engine.llm.replies import Role
from tests.engine.scripted import BTC, PRICE, Script
from tests.faults import ollama
from tests.faults.ollama import ADVISOR, Behaviour, Ollama, advice, says
from tests.llm_help import unused_port

NONCE = "nonce-9c1185a5"


def live(folder: Path, host: str, **changed: object) -> Script:
    llm = LlmSection.model_validate({"host": host, "timeout": 5, **changed})
    return Script(folder, live=True, llm=llm, advisor=True)


def settled(script: Script, seconds: float = 15.0) -> None:
    """Only wall time passes until the advisor's line is free and the entry went on."""
    end = monotonic_ns() + int(seconds * SECOND)
    while script.kernel.advising._held:
        assert monotonic_ns() < end, "the advisor never answered"
        pause(0.002)
        script.run()
    script.run()


def wanted(script: Script, confidence: float = 0.9) -> None:
    script.want(confidence=confidence)
    settled(script)


def advised(script: Script) -> Decision:
    """The decision that was made again."""
    decisions = [one.decision for one in script.records(Decided)]
    return max(decisions, key=lambda one: one.id)


def again(script: Script) -> None:
    """The decision with the advisor's word comes out the same from its journaled inputs."""
    script.desk.journal.barrier()
    with Reader(script.path) as reader:
        machine = TimeMachine(reader, (script.speaker,))
        story = machine.story(advised(script).id)
        assert story is not None
        assert story.call is not None
        assert story.call.role == Role.ADVISOR
        first = next(one.decision for one in script.records(Decided))
        asked = machine.story(first.id)
        assert asked is not None
        assert any("decided again" in told for told in outcome(asked))
        assert BTC in story.prompt
        script.speaker.says[BTC] = (Action.BUY, 0.9)
        remade = machine.again(story)
    assert (remade.verdict, remade.differences) == (SAME, ())


def vote(decision: Decision) -> Vote:
    [found] = [one for one in decision.votes if one.source == "llm"]
    return found


def view(script: Script) -> LlmView:
    shown = script.snapshot.llm
    assert shown is not None
    [advisor] = [one for one in shown.others if one.role == "advisor"]
    return advisor


def told(stance: str = "agree", **changed: object) -> Behaviour:
    return says(advice(stance, reasoning=f"{NONCE} as it is", **changed))


def test_an_agreeing_advisor_is_the_fifth_vote_and_adds_no_confidence(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        word = Event()
        server.defaults[ADVISOR] = ollama.after(word, told(confidence=1.0))
        script.want()
        assert not script.desk.proposals.waiting()
        outlook = script.kernel.publisher._look.of(script.desk.symbols[BTC])
        assert outlook.verdict == "BUY waits for the advisor"
        word.set()
        settled(script)
        [proposal] = script.desk.proposals.waiting()
        first, again = (one.decision for one in script.records(Decided))
        assert proposal.decision == again.id != first.id
        assert "llm" in first.absent
        assert (vote(again).action, vote(again).weight) == (Action.BUY, 0.25)
        assert again.confidence == pytest.approx(first.confidence)
        assert NONCE in again.reasoning
        assert "beware: news ahead" in again.reasoning
        [called] = [one for one in script.records(LlmCalled) if one.role == "advisor"]
        assert (called.subject, called.speaker) == (BTC, ollama.MODEL)
        assert NONCE in called.reply
        assert view(script).answers == (("agree", 1),)
        [body] = server.asked_as[ADVISOR]
        assert '"direction": "LONG"' in body["messages"][1]["content"]


def test_a_sure_advisor_overrides_to_hold_and_what_that_was_worth_is_followed(
    tmp_path: Path,
) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        server.defaults[ADVISOR] = told("hold", confidence=0.6)
        wanted(script)
        assert not script.desk.proposals.waiting()
        assert advised(script).action is Action.HOLD
        assert "vetoed by LLM" in advised(script).reasoning
        [followed] = script.kernel.entries.follower.views()
        assert (followed.kind, followed.who) == ("vetoed", "advisor")
        shown = script.desk.symbols[BTC].decision
        assert shown is not None
        assert shown.id == advised(script).id
        again(script)


def test_an_unsure_hold_only_takes_confidence(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        server.defaults[ADVISOR] = told("hold", confidence=0.5)
        wanted(script)
        [proposal] = script.desk.proposals.waiting()
        first = script.records(Decided)[0].decision
        assert proposal.confidence == pytest.approx(first.confidence * 0.75)
        again(script)


NEUTRAL: dict[str, Behaviour] = {
    "silent": ollama.silent,
    "schema": says('{"stance": "buy more", "size": 5}'),
    "other side": says(advice("SHORT")),
    "error": ollama.refuses(500, "boom"),
    "blank": ollama.blank,
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_no_answer_is_a_neutral_vote_counted_apart_from_a_chosen_hold(
    tmp_path: Path, name: str
) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        server.defaults[ADVISOR] = NEUTRAL[name]
        if name == "silent":
            script.desk.params.set("llm.timeout_sec", 5, "test")
        wanted(script)
        [_] = script.desk.proposals.waiting()
        neutral = vote(advised(script))
        assert (neutral.action, neutral.confidence) == (Action.HOLD, 0.0)
        assert neutral.reason.startswith("neutral, no answer")
        shown = view(script)
        assert (shown.answers, shown.failed) == ((), 1)
        assert (shown.timeouts == 1) is (name == "silent")


def test_without_a_server_the_vote_is_absent_and_its_weight_the_others(tmp_path: Path) -> None:
    with live(tmp_path, f"http://127.0.0.1:{unused_port()}") as script:
        wanted(script)
        [proposal] = script.desk.proposals.waiting()
        [only] = [one.decision for one in script.records(Decided)]
        assert proposal.decision == only.id
        assert "llm" in only.absent
        assert view(script).state == "absent"


def test_switched_off_nothing_waits_and_nobody_is_asked(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host, enabled=False) as script:
        script.want()
        [_] = script.desk.proposals.waiting()
        assert server.asked_as[ADVISOR] == []
        shown = script.snapshot.llm
        assert shown is not None
        assert (shown.others, shown.reason) == ((), "the model is switched off")


def test_an_exit_signal_asks_nobody(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        wanted(script)
        [proposal] = script.desk.proposals.waiting()
        assert script.approve(proposal).ok
        script.price(script.desk.symbols[BTC].last)
        server.defaults[ADVISOR] = ollama.silent
        script.want(Action.SELL)
        script.price(script.desk.symbols[BTC].last)
        assert script.desk.book.open() == ()
        assert len(server.asked_as[ADVISOR]) == 1


def test_recorded_advice_is_heard_at_its_time_in_a_replay(tmp_path: Path) -> None:
    """On a clock that events move the answer comes at the engine time at which it had come."""
    with Script(tmp_path, advisor=True) as script:
        script.want()
        [first] = [one.decision for one in script.records(Decided)]
        [_] = script.desk.proposals.waiting()
    row = LlmCalled(
        time_ns=first.time_ns + 9 * SECOND, id="L-1", speaker="m", why_rules="", model="m",
        model_digest="", prompt_sha="", reply=advice("hold", confidence=0.9), checks=(),
        verdicts=(), role="advisor", subject=BTC, asked_ns=first.time_ns,
    )  # fmt: skip
    seen = []
    for name in ("two", "three"):
        (tmp_path / name).mkdir()
        with Script(tmp_path / name, advisor=True) as script:
            model = RecordedModel([row], lambda script=script: script.desk.now_ns)  # type: ignore[misc]
            script.desk.advisor = Line(Role.ADVISOR, model)
            script.desk.replays_replies = True
            script.want()
            script.wait(20)
            script.price(script.desk.symbols[BTC].last)
            assert not script.desk.proposals.waiting()
            [call] = [one for one in script.records(LlmCalled) if one.role == "advisor"]
            assert call.time_ns == row.time_ns
            assert call.asked_ns == first.time_ns
            seen.append([msgspec.structs.replace(one, prompt="") for one in (call,)])
            assert advised(script).action is Action.HOLD
    assert seen[0] == seen[1]


def test_an_entry_that_waited_when_the_engine_stopped_is_expired_and_followed(
    tmp_path: Path,
) -> None:
    """Never sent from before a restart; told, counted, and decided on anew at the next bar."""
    with Ollama() as server, live(tmp_path, server.host, timeout=60) as script:
        server.defaults[ADVISOR] = ollama.silent
        script.want()
        [waits] = script.records(EntryHeld)
        assert (waits.symbol, waits.over) == (BTC, False)
        script.crash()
    with (
        Ollama() as server,
        script.again(
            tmp_path, llm=LlmSection.model_validate({"host": server.host, "timeout": 5})
        ) as again,
    ):
        server.defaults[ADVISOR] = told(confidence=1.0)
        again.price(again.desk.symbols[BTC].last or PRICE)
        assert not again.desk.proposals.waiting()
        assert [one.over for one in again.records(EntryHeld)] == [False, True]
        [note] = [one for one in again.records(Noted) if "expired" in one.text]
        assert note.ref == waits.decision
        [followed] = again.kernel.entries.follower.running()
        assert (followed.view.kind, followed.view.code) == ("lost", waits.decision)
        again.close_bar()
        wanted(again)
        [proposal] = again.desk.proposals.waiting()
        assert proposal.decision != waits.decision
        assert [one.over for one in again.records(EntryHeld)] == [False, True, False, True]
        again.crash()
    with again.again(tmp_path) as third:
        third.price(third.desk.symbols[BTC].last or PRICE)
        assert len([one for one in third.records(Noted) if "expired: the engine" in one.text]) == 1


def test_every_wait_that_ends_is_told_to_be_over(tmp_path: Path) -> None:
    with Ollama() as server, live(tmp_path, server.host) as script:
        server.defaults[ADVISOR] = told("hold", confidence=0.9)
        wanted(script)
        script.wait(900)
        server.defaults[ADVISOR] = ollama.refuses(500, "boom")
        wanted(script)
        over: dict[str, list[bool]] = {}
        for one in script.records(EntryHeld):
            over.setdefault(one.id, []).append(one.over)
        assert over
        assert all(told == [False, True] for told in over.values())
