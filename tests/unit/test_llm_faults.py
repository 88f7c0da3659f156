"""F34 to F37 at small counts; `make soak` plays the same drivers towards the full ones."""

from __future__ import annotations

from tests.faults import llm


def test_fuzzed_answers_of_every_role_crash_nothing_and_leave_no_limit() -> None:
    assert llm.fuzzed(3_000, seed=1) == []


def test_a_misbehaving_server_makes_the_rules_speak_in_time() -> None:
    reached = llm.misbehaving(14, seed=1)
    assert reached.wrong == []
    assert reached.count == 14
    # The machine may hold up some turns, but not half of them.
    assert sorted(reached.lags_ms)[len(reached.lags_ms) // 2] < 50


def test_injected_headlines_change_no_limit_and_no_symbol() -> None:
    assert llm.injected(40, seed=1) == []


def test_one_answer_is_flagged_and_thinking_is_not() -> None:
    assert llm.collapsed(10, seed=1) == []
