"""The language model on screen: its health, its last call, and words that try to act."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from engine.core.views import LlmCall, LlmView, Snapshot
from tests.ui import fakehub as fake
from tests.ui.deck import Deck, drive
from tests.ui.hostile import text
from widgets.frame import Frame
from widgets.llm import LlmPanel
from widgets.status import StatusLine

NONCE = "nonce-51d0"
SIZES = ((1, 1), (5, 3), (20, 5), (40, 9), (80, 24), (200, 60))


def view(**changed: Any) -> LlmView:
    known = LlmView(
        state="ok", reason="", model="qwen2.5:7b", model_digest="845dbda0ea48", calls=12,
        answered=9, schema_failures=2, truncated=1, timeouts=0, repaired=3, p50_ms=2_300.0,
        p95_ms=8_100.0, answers=(("nothing", 6), ("LONG BTC/USDT", 3)), collapsed=False,
        asked_ns=fake.START_NS,
    )  # fmt: skip
    return msgspec.structs.replace(known, **changed)


def call(**changed: Any) -> LlmCall:
    known = LlmCall(
        id="L-12", time_ns=fake.START_NS, speaker="qwen2.5:7b", why_rules="", model="qwen2.5:7b",
        model_digest="845dbda0ea48", prompt="Time: now", prompt_sha="ab" * 32,
        reply=f'{{"conditions": "{NONCE}"}}', checks=(("model", True), ("schema", False)),
        verdicts=(("TC-4", f"LONG BTC/USDT armed: {NONCE}"), ("", "SHORT refused: spot")),
        latency_ms=2_100.0, prompt_tokens=412, reply_tokens=96, done_reason="stop", repaired=False,
    )  # fmt: skip
    return msgspec.structs.replace(known, **changed)


def world(llm: LlmView | None) -> Snapshot:
    return msgspec.structs.replace(fake.world(), llm=llm)


def panel(llm: LlmView | None, *calls: LlmCall, width: int = 100, height: int = 40) -> LlmPanel:
    shown = LlmPanel()
    shown.fit(width, height)
    shown.show(world(llm), 0)
    shown.show_calls(calls)
    return shown


def test_health_and_the_last_call_are_told_in_full() -> None:
    told = panel(view(), call(id="L-11", speaker="rules"), call()).text
    for words in (
        "qwen2.5:7b 845dbda0ea48", "9/12 answered", "schema failures 2", "truncated 1",
        "p50 2.3 s", "p95 8.1 s", "3× LONG BTC/USDT", NONCE, "✓ model", "✕ schema", "TC-4",
        "SHORT refused", "1 of 2 armed", "412+96 tokens", "Time: now", "Earlier",
    ):  # fmt: skip
        assert words in told, words


def test_where_the_rules_speak_their_reason_stands_in_the_same_place() -> None:
    reason = "no server: nobody answers at the host"
    told = panel(view(state="rules", reason=reason), call(speaker="rules", why_rules=reason)).text
    assert "rules speak" in told
    assert told.count(reason) == 2
    assert "always the same answer" in panel(view(collapsed=True)).text


def test_every_role_has_its_health_its_calls_and_its_stream() -> None:
    advisor = view(role="advisor", answers=(("agree", 7), ("hold", 2)), timeouts=1, failed=3)
    reflection = view(role="reflection", state="asking", writing='{"findings": [', answers=())
    spoke = call(role="advisor", subject="BTC/USDT", verdicts=(("D-7", f"HOLD: {NONCE}"),))
    told = panel(
        view(others=(advisor, reflection)), call(), spoke,
        call(id="L-13", role="reflection", verdicts=(), recorded=True), height=60,
    ).text  # fmt: skip
    for words in (
        "Advisor", "7× agree", "2× hold", "no answer 3", "Reflection", "by the reflection",
        '{"findings": [', "advisor BTC/USDT", "nothing was found", "recorded",
    ):  # fmt: skip
        assert words in told, words
    absent = view(role="advisor", state="absent", reason="no server")
    assert "absent  no server" in panel(view(others=(absent,))).text


def test_an_answer_is_seen_while_it_is_written() -> None:
    told = panel(view(state="asking", writing='{"conditions": [')).text
    assert "Being written" in told
    assert '{"conditions": [' in told


def test_without_a_strategist_the_panel_says_how_to_have_one() -> None:
    assert "No strategist speaks here" in panel(None).text


@pytest.mark.parametrize(
    ("llm", "says"),
    [
        (None, "LLM off"),
        (view(), "LLM ok"),
        (view(state="asking"), "LLM ok"),
        (view(state="rules", reason="no model: pull it"), "rules speak: no model"),
        (view(collapsed=True), "LLM always the same"),
    ],
)
def test_the_status_line_says_who_speaks(llm: LlmView | None, says: str) -> None:
    line = StatusLine()
    line.show(world(llm))
    assert line.says.endswith(says)


def test_the_reasoning_screen_shows_what_the_stream_brings() -> None:
    hub = fake.FakeHub(world(view()))
    hub.append("llm", call())

    async def script(deck: Deck) -> None:
        await deck.press("3")
        await deck.look()
        assert "Language model" in deck.text
        assert "TC-4" in deck.text
        assert NONCE in deck.text
        rules = call(id="L-13", speaker="rules", why_rules="no server: gone", reply="")
        hub.append("llm", rules)
        hub.change(llm=view(state="rules", reason="no server: gone"))
        await deck.look()
        assert "the rules speak: no server: gone" in deck.text

    drive(script, hub=hub, size=(160, 50))


def test_an_unchanged_model_sends_nothing() -> None:
    shown = panel(view(), call())
    snapshot = world(shown.snapshot.llm if shown.snapshot else None)
    assert not shown.show(msgspec.structs.replace(snapshot, version=2), 0)


def test_words_that_try_to_act_are_drawn_as_words() -> None:
    for seed in range(40):
        bad = text(seed, 1)
        hostile = call(
            speaker=bad, why_rules=bad, reply=bad, prompt=bad, checks=((bad, True),),
            verdicts=((bad, bad),), latency_ms=math.nan,
        )  # fmt: skip
        poisoned = view(
            state="rules", reason=bad, model=bad, model_digest=bad, answers=((bad, 1),),
            writing=bad, p50_ms=math.nan, p95_ms=math.inf,
        )  # fmt: skip
        line = StatusLine()
        line.fit(120, 1)
        line.show(world(poisoned))
        assert line.render_line(0).text.isprintable()
        for width, height in SIZES:
            for frame in Frame:
                shown = LlmPanel(frame=frame)
                shown.fit(width, height)
                shown.show(world(poisoned), 0)
                shown.show_calls((hostile, hostile))
                for row in range(height):
                    strip = shown.render_line(row)
                    assert strip.text.isprintable()
                    assert strip.cell_length == width
                    assert not any(s.style and s.style.meta for s in strip)
