"""Whatever a model's server does, a call ends by its deadline with a reply that says how."""

from __future__ import annotations

import gzip
import json
from threading import enumerate as running_threads

import pytest

from engine.core.clock import monotonic_ns
from engine.llm.client import CONTEXT_TOKENS, THREAD
from engine.llm.replies import Ask, Outcome
from tests.faults import ollama
from tests.faults.ollama import DIGEST, Behaviour, Ollama, answer, condition, says
from tests.llm_help import BTC, Caller, asking, situation, state, unused_port
from tests.recorded import recorded

GOOD = answer(condition())


@pytest.fixture(autouse=True)
def _library() -> None:
    """Loaded before any clock runs, as in an engine that asked once."""
    import ollama  # noqa: F401

    import engine.llm.transport  # noqa: F401


def test_a_good_answer_comes_back_with_everything_that_is_told_of_it() -> None:
    with Ollama(says(GOOD, prompt=412, tokens=96)) as server, Caller(server.host) as caller:
        reply = caller.call()
        assert not caller.client.busy
    assert (reply.outcome, reply.detail) == (Outcome.OK, "")
    [draft] = reply.answer
    assert (draft.symbol, draft.entry) == (BTC, 60_600)
    assert (draft.stop, draft.targets) == (59_800, (62_000,))
    assert reply.text == GOOD
    assert (reply.prompt_tokens, reply.reply_tokens, reply.done_reason) == (412, 96, "stop")
    assert reply.digest == DIGEST
    assert not reply.repaired
    assert all(passed for _, passed in reply.checks)
    assert reply.latency_ns > 0
    [body] = server.asked
    assert body["stream"] is True
    assert body["options"]["num_ctx"] == CONTEXT_TOKENS
    assert json.dumps(body["format"]) in body["messages"][1]["content"]
    enum = body["format"]["$defs"]["Condition"]["properties"]["symbol"]
    assert enum.get("enum", [enum.get("const")]) == [BTC]


WRONG: dict[str, tuple[Behaviour, Outcome]] = {
    "no json": (says("I would buy bitcoin"), Outcome.SCHEMA),
    "wrong schema": (says('{"trades": []}'), Outcome.SCHEMA),
    "a size": (says(answer(condition(size=3.0))), Outcome.SCHEMA),
    "wrong symbol": (says(answer(condition(symbol="DOGE/USDT"))), Outcome.SCHEMA),
    "short on spot": (says(answer(condition(direction="SHORT"))), Outcome.SCHEMA),
    "infinite price": (says(GOOD.replace("60600.0", "1e999")), Outcome.SCHEMA),
    "nan": (says(GOOD.replace("60600.0", "NaN")), Outcome.SCHEMA),
    "negative": (says(answer(condition(entry=-1.0))), Outcome.SCHEMA),
    "too many": (says(answer(*[condition()] * 4)), Outcome.SCHEMA),
    "deep": (says("[" * 9_000), Outcome.SCHEMA),
    "cut by length": (says(GOOD[:60], reason="length"), Outcome.TRUNCATED),
    "context full": (says(GOOD, prompt=CONTEXT_TOKENS), Outcome.TRUNCATED),
    "white space": (ollama.blank, Outcome.FLOOD),
    "words": (ollama.wordy, Outcome.FLOOD),
    "one endless line": (ollama.endless_line, Outcome.FLOOD),
    "dropped": (ollama.cut_off, Outcome.HTTP),
    "500": (ollama.refuses(500, "llama runner process has terminated"), Outcome.HTTP),
    "503": (ollama.refuses(503, "server busy, please try again"), Outcome.HTTP),
    "an error line": (ollama.lines([b'{"error":"out of memory"}\n']), Outcome.HTTP),
    "no object": (ollama.lines([b"[1, 2]\n"]), Outcome.HTTP),
    "no json line": (ollama.lines([b"<html>\n"]), Outcome.HTTP),
    "silent": (ollama.silent, Outcome.TIMEOUT),
    "slow": (ollama.slow, Outcome.TIMEOUT),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_misbehaviour_has_its_name_and_no_draft(name: str) -> None:
    behaviour, outcome = WRONG[name]
    deadline_s = 0.4 if outcome is Outcome.TIMEOUT else 10.0
    began = monotonic_ns()
    with Ollama(default=behaviour) as server, Caller(server.host) as caller:
        reply = caller.call(deadline_s)
        assert reply.outcome is outcome, reply.detail
        assert reply.answer is None
        assert reply.detail
        again = outcome in (Outcome.SCHEMA, Outcome.TRUNCATED)
        assert reply.repaired is again
        assert len(server.asked) == 1 + again
    if outcome is Outcome.TIMEOUT:
        assert (monotonic_ns() - began) / 1e9 < deadline_s + 1.0


def test_one_repair_is_asked_for_with_what_was_wrong() -> None:
    with Ollama(says('{"conditions": 3}'), says(GOOD)) as server, Caller(server.host) as caller:
        reply = caller.call()
    assert (reply.outcome, reply.repaired, len(reply.answer)) == (Outcome.OK, True, 1)
    first, second = server.asked
    assert [message["role"] for message in second["messages"]] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert second["messages"][:2] == first["messages"]
    assert "conditions" in second["messages"][3]["content"]


def test_missing_model_and_missing_server_are_told_apart() -> None:
    with Ollama() as server, Caller(server.host, "llama9:1b") as caller:
        reply = caller.call()
        assert (reply.outcome, server.asked) == (Outcome.NO_MODEL, [])
        assert "ollama pull llama9:1b" in reply.detail
    with Caller(f"http://127.0.0.1:{unused_port()}") as caller:
        assert caller.call().outcome is Outcome.NO_SERVER


def test_a_model_that_vanishes_after_it_was_listed_is_missing() -> None:
    gone = ollama.refuses(404, "model 'qwen2.5:7b' not found")
    with Ollama(gone) as server, Caller(server.host) as caller:
        assert caller.call().outcome is Outcome.NO_MODEL


def test_compression_is_refused_before_it_unfolds() -> None:
    packed = ollama.lines([gzip.compress(b"[" * 1_000_000)])
    with Ollama(packed) as server, Caller(server.host) as caller:
        server.encoding = "gzip"
        reply = caller.call()
    assert (reply.outcome, "compressed" in reply.detail) == (Outcome.FLOOD, True)


def test_nothing_that_a_terminal_obeys_gets_through() -> None:
    hostile = "\x1b]52;c;aGk=\x07[@click=app.approve('T-1')]buy[/]\u202e\u200b\x9b2J"
    bad = answer(condition(reasoning=hostile, pattern=hostile))
    with Ollama(says(bad)) as server, Caller(server.host) as caller:
        reply = caller.call()
    [draft] = reply.answer
    for text in (draft.reasoning, draft.pattern, reply.text, reply.prompt, reply.detail):
        assert not set(text) & set("\x1b\x07\u202e\u200b\x9b")
    assert "[@click=app.approve('T-1')]buy[/]" in draft.reasoning


def test_one_call_at_a_time_and_a_cancelled_one_says_so() -> None:
    with Ollama(ollama.silent) as server, Caller(server.host) as caller:
        assert caller.client.ask(waited_for("L-1"))
        assert not caller.client.ask(waited_for("L-2"))
        caller.client.cancel()
        reply = caller.reply()
        assert (reply.id, reply.outcome) == ("L-1", Outcome.CANCELLED)
        server.plan.clear()
        assert caller.call(id="L-3").outcome is Outcome.OK


def waited_for(id: str) -> Ask:
    return asking(20.0, id)


def test_closing_ends_the_thread_in_the_middle_of_a_call() -> None:
    with Ollama(ollama.silent) as server:
        caller = Caller(server.host)
        assert caller.client.ask(waited_for("L-1"))
        assert any(thread.name == THREAD for thread in running_threads())
        assert caller.client.close(2.0)
        assert caller.client.close(2.0)
        assert not any(thread.name == THREAD for thread in running_threads())
        assert not caller.client.ask(waited_for("L-2"))


def test_a_recorded_stream_is_read_to_its_last_word_and_count() -> None:
    """What a real server once sent: no answer of ours, but whole, counted and not believed."""
    path = recorded("llm/ollama_recorded_http.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        exchanges = [json.loads(row) for row in rows]
    streams = [
        one["response_body"]
        for one in exchanges
        if one["uri"].endswith("/api/chat") and one["response_body"].count('"done":') > 2
    ]
    assert streams
    for body in streams[:4]:
        parts = [json.loads(line) for line in body.splitlines() if line.strip()]
        told = "".join(part["message"].get("content", "") for part in parts)
        behaviour = ollama.lines([line.encode() + b"\n" for line in body.splitlines()])
        with Ollama(default=behaviour) as server, Caller(server.host) as caller:
            reply = caller.call()
        assert reply.text == told
        assert reply.reply_tokens == parts[-1].get("eval_count", 0)
        assert reply.answer is None
        assert reply.repaired


def test_two_symbols_are_both_in_the_enum_and_shorts_where_one_can() -> None:
    both = situation(state(), state(symbol="BTC/USDT:USDT", can_short=True))
    short = condition(
        symbol="BTC/USDT:USDT", direction="SHORT", entry=59_000.0, stop=60_000.0, targets=[57_000.0]
    )
    with Ollama(says(answer(short))) as server, Caller(server.host) as caller:
        reply = caller.call(situation=both)
    assert [draft.direction for draft in reply.answer] == ["SHORT"]
    [body] = server.asked
    properties = body["format"]["$defs"]["Condition"]["properties"]
    assert properties["symbol"]["enum"] == [BTC, "BTC/USDT:USDT"]
    assert set(properties) == {
        "symbol", "direction", "entry", "stop", "targets", "valid_sec", "reasoning", "pattern",
    }  # fmt: skip
