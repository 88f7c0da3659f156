"""What a model once said is heard again in a replay: at its time, in every run the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.compose import build
from app.options import RunOptions
from engine.core.clock import MINUTE, SECOND
from engine.core.config import Config, EngineSection, LlmSection, PathsSection
from engine.core.errors import ConfigError
from engine.core.records import ConditionChanged, LlmCalled
from engine.journal.export import export
from engine.journal.queries import Reader
from engine.llm.recorded import PROMPT_CHECK, RecordedModel, load
from engine.llm.replies import Outcome
from engine.llm.rules import RULES
from engine.llm.strategist import MODEL
from tests.engine.scripted import BTC, ETH
from tests.engine.test_strategist import sim_engine
from tests.faults.ollama import answer, condition
from tests.llm_help import NOW, asking

NONCE = "nonce-2b7e1516"


def records(path: Path, kind: str) -> list[object]:
    with Reader(path) as reader:
        events = sorted(reader.events(kind=kind, limit=-1), key=lambda event: event.seq)
        return [event.record for event in events]


def spoke(path: Path) -> list[LlmCalled]:
    return [one for one in records(path, "llm") if isinstance(one, LlmCalled)]


def run(folder: Path, name: str, replies: Path | None) -> tuple[Path, str]:
    engine = sim_engine(folder, name, llm_replies=replies)
    engine.kernel.run()
    assert engine.kernel.fault is None
    with Reader(engine.path) as reader:
        return engine.path, reader.digest()


def called(reply: str, asked_ns: int, **changed: object) -> LlmCalled:
    row = LlmCalled(
        time_ns=asked_ns + 7 * SECOND, id="L-1", speaker="m", why_rules="", model="m",
        model_digest="d", prompt_sha="other", reply=reply, checks=(), verdicts=(),
        asked_ns=asked_ns,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changed)


def written(folder: Path, *rows: LlmCalled) -> Path:
    file = folder / "llm.jsonl"
    lines = [msgspec.json.encode({"seq": 1, **msgspec.to_builtins(row)}) for row in rows]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def test_a_recorded_reply_is_armed_at_its_time_and_the_digest_repeats(tmp_path: Path) -> None:
    rules, silent = run(tmp_path, "rules", None)
    [first, *_] = [
        one.condition
        for one in records(rules, "condition")
        if isinstance(one, ConditionChanged) and one.state == "armed"
    ]
    asked = first.created_ns
    wanted = condition(
        symbol=first.symbol, direction=str(first.direction), entry=first.trigger,
        stop=first.stop, targets=list(first.targets), reasoning=NONCE,
    )  # fmt: skip
    slow = called("", asked + 5 * MINUTE, failed="too slow: no answer within 30 s")
    replies = written(tmp_path, called(answer(wanted), asked), slow)
    path, digest = run(tmp_path, "one", replies)
    assert digest != silent
    assert digest == run(tmp_path, "two", replies)[1]

    [heard] = [one for one in spoke(path) if one.speaker == "m"]
    assert (heard.asked_ns, heard.time_ns) == (asked, asked + 7 * SECOND)
    assert (PROMPT_CHECK, False) in heard.checks
    assert len(heard.prompt_sha) == 64
    armed = [
        one
        for one in records(path, "condition")
        if isinstance(one, ConditionChanged) and one.condition.strategy == MODEL
    ]
    assert armed[0].condition.created_ns == asked + 7 * SECOND
    assert NONCE in armed[0].condition.reasoning
    others = {one.why_rules for one in spoke(path) if one.speaker == "rules"}
    assert others == {"no recorded reply", "too slow: no answer within 30 s"}
    assert all(one.model == "m" for one in spoke(path) if one.failed)

    # What was heard here is itself a recording, of the same words now.
    export(path, tmp_path / "out")
    again = tmp_path / "out" / "logs" / "llm.jsonl"
    assert [one.reply for one in load(again) if one.model] == [answer(wanted), ""]
    assert [one.reply for one in load(path) if one.model] == [answer(wanted), ""]
    path, _ = run(tmp_path, "three", again)
    assert [(PROMPT_CHECK, True) in one.checks for one in spoke(path) if one.speaker == "m"] == [
        True
    ]


def test_a_recorded_reply_meets_the_closed_form_again() -> None:
    now = [NOW]
    wrong = called(answer(condition(symbol="DOGE/USDT")), NOW)
    model = RecordedModel([wrong], lambda: now[0])
    assert model.ask(asking())
    assert model.take() is None
    now[0] = model.answer_ns
    reply = model.take()
    assert reply is not None
    assert (reply.outcome, reply.answer) == (Outcome.SCHEMA, None)
    assert model.answer_ns == 0


def test_a_row_of_another_time_or_role_is_no_answer() -> None:
    early = called(answer(condition()), NOW - 2 * MINUTE)
    advice = called(answer(condition()), NOW, role="advisor", subject=BTC)
    model = RecordedModel([early, advice], lambda: NOW)
    assert not model.ask(asking())
    assert model.why_not == "no recorded reply"
    assert RULES != MODEL


@pytest.mark.parametrize("text", ["no json\n", "[1]\n", '{"kind":"llm"}\n', ""], ids=repr)
def test_a_file_that_is_no_recording_is_refused_or_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "llm.jsonl"
    file.write_text(text, encoding="utf-8")
    if text:
        with pytest.raises(ConfigError, match="no recorded replies"):
            load(file)
    else:
        assert load(file) == []
    with pytest.raises(ConfigError, match="no recorded replies at"):
        load(tmp_path / "absent")


def test_a_live_market_hears_no_recording(tmp_path: Path) -> None:
    from tests.engine.scripted import ScriptedFeed, SteppedClock

    config = Config(
        engine=EngineSection(symbols=(BTC, ETH)),
        llm=LlmSection(),
        paths=PathsSection(db=str(tmp_path / "live.db")),
    )
    options = RunOptions(llm_replies=written(tmp_path))
    with pytest.raises(ConfigError, match="live market"):
        build(
            config, options, "test", feed=ScriptedFeed((BTC, ETH), live=True),
            clock=SteppedClock(NOW),
        )  # fmt: skip
