"""The Learning screen: what it says at each size, and what a person's keys send."""

from __future__ import annotations

import msgspec
import pytest
from textual.widgets import Input

from app.learning import parse_numbers
from engine.core.clock import DAY
from engine.core.commands import (
    AnswerChange,
    Freeze,
    RevertChange,
    SetCoin,
    SetInsight,
    SetPair,
    SetPattern,
    SetRule,
)
from engine.core.learning import Change, ChangeState, LearningView
from engine.core.types import Mode
from tests.learning_help import START_NS, TRAIL, make_change
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, world
from tests.ui.fakelearning import SCORE, make_changes, make_learning, make_moves
from widgets.adaptations import AdaptationsPanel
from widgets.ledger import LedgerPanel
from widgets.rules import ranges
from widgets.scoreboard import ScoreboardPanel
from widgets.trajectory import TrajectoryPanel, at_times, course

replace = msgspec.structs.replace


def learned_hub() -> FakeHub:
    hub = FakeHub(world(learning=make_learning()))
    for one in make_changes()[1]:
        hub.append("compared", one)
    for move in make_moves():
        hub.append("parameters", move)
    return hub


async def ledger_open(deck: Deck) -> None:
    await deck.press("4")
    await deck.look()


def fill(deck: Deck, **values: str) -> None:
    """Put texts into the fields of the form that is open."""
    for name, text in values.items():
        deck.app.screen.query_one(f"#field-{name}", Input).value = text


def said(deck: Deck, name: str) -> str:
    screen = deck.app.base_screen()
    assert screen is not None
    lines = screen.panels[name].text.splitlines()
    return " ".join(" ".join(line.strip("│╭╰╮╯ ") for line in lines).split())


def test_the_ledger_says_where_each_change_stands_with_its_figures_at_every_size() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        for width, height in ((60, 15), (80, 24), (120, 40), (200, 60)):
            await deck.resize(width, height)
            await deck.look()
            text = said(deck, "changes")
            assert "? asks you" in text
            assert "2.0 → 1.75" in text
            if height >= 24:
                assert "◌ undecided" in text
                assert "exit.trail" in text
            assert "1 change asks" in deck.status
        proven = next(one for one in make_changes()[0] if one.state is ChangeState.KEPT).shadow
        assert proven is not None
        interval = f"[{proven.low:+.2f}, {proven.high:+.2f}]"
        assert interval in said(deck, "changes")
        for name, words in (
            ("trajectory", "entry.min_score"), ("coins", "▼ reduced"), ("pairs", "✕ blocked"),
            ("patterns", "● on"), ("rules", "0–3, 22 h"), ("insights", "SOL/USDT lost"),
            ("scoreboard", "12 – – not enough"),
        ):  # fmt: skip
            assert words in said(deck, name), name

    drive(script, hub=learned_hub())


def test_nothing_learned_yet_is_said_with_how_far_it_has_come() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        assert "12 opportunities have ended, 3 are followed" in said(deck, "changes")
        assert "No trade has closed yet" in said(deck, "coins")
        assert "Nothing has moved yet" in said(deck, "trajectory")
        assert "once 30 outcomes are known" in said(deck, "scoreboard")
        deck.hub.change(learning=None)
        await deck.look()
        assert "Nothing learns in this run" in said(deck, "changes")

    drive(script, hub=FakeHub(world(learning=LearningView(opportunities=12, following=3))))


def test_enter_opens_evidence_and_comparisons_and_w_writes_the_change() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("j", "enter")
        said = deck.dialog.body.says
        assert "Why it was proposed" in said
        assert "W-41" in said
        assert "before fees n 41" in said

    drive(script, hub=learned_hub())


def test_what_asks_is_admitted_after_reading_it_and_refused_at_once() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("a")
        assert "Admit L-9? It loosens risk." in deck.text
        assert "2.0 → 1.75" in deck.dialog.body.says
        await deck.press("enter")
        assert not deck.hub.sent  # Enter alone is Cancel
        await deck.press("a", "y")
        sent = deck.hub.last()
        assert isinstance(sent, AnswerChange)
        assert (sent.change, sent.admit) == ("L-9", True)
        await deck.press("x")
        sent = deck.hub.last()
        assert isinstance(sent, AnswerChange)
        assert (sent.change, sent.admit) == ("L-9", False)

    drive(script, hub=learned_hub())


def test_an_answer_is_bound_to_what_was_shown() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("a")
        changes = make_learning().changes
        gone = replace(changes[0], state=ChangeState.REFUSED, ended_ns=START_NS)
        deck.hub.change(learning=make_learning(changes=(*changes[1:], gone)))
        await deck.look()
        await deck.press("y")
        assert not deck.hub.sent
        assert "has moved meanwhile, it is refused" in deck.message

    drive(script, hub=learned_hub())


def test_a_row_that_slides_under_the_cursor_is_not_refused_by_the_key_for_the_other() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        other = replace(make_learning().changes[0], id="L-11", after="1.5")
        deck.hub.change(learning=make_learning(changes=(other, *make_learning().changes[1:])))
        deck.app.sampler.step()
        await deck.pilot.pause()
        await deck.pilot.pause()
        await deck.pilot.press("x")
        await deck.pilot.pause()
        assert not deck.hub.sent
        assert "L-11 has just come under the cursor" in deck.message

    drive(script, hub=learned_hub())


def test_what_does_not_ask_says_so_and_what_is_in_force_is_taken_back_with_a_reason() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("u")
        assert "L-9 is not in force, it is asked" in deck.message
        await deck.press("j", "a")
        assert "L-8 does not ask, it is applied" in deck.message
        await deck.press("u")
        await deck.write("no")
        await deck.press("enter")
        assert not deck.hub.sent
        await deck.write("t now")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, RevertChange)
        assert (sent.change, sent.reason) == ("L-8", "not now")

    drive(script, hub=learned_hub())


def test_freezing_is_instant_and_setting_free_asks() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("j", "f")
        assert deck.hub.last() == Freeze(id=deck.hub.last().id, target=TRAIL.text, frozen=True)
        count = len(deck.hub.sent)
        await deck.press("k", "f")  # this target is frozen already
        assert len(deck.hub.sent) == count
        await deck.press("y")
        sent = deck.hub.last()
        assert isinstance(sent, Freeze)
        assert (sent.target, sent.frozen) == (SCORE.text, False)
        await deck.press("F")
        sent = deck.hub.last()
        assert isinstance(sent, Freeze)
        assert (sent.target, sent.frozen) == ("*", True)

    drive(script, hub=learned_hub())


def test_a_person_sets_coins_patterns_and_rules() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        screen = deck.app.base_screen()
        assert screen is not None
        await deck.press("e")
        assert "select what is known first" in deck.message
        screen.focus_panel("coins")
        await deck.press("e")
        fill(deck, status="favored")
        await deck.press("enter")
        assert not deck.hub.sent
        fill(deck, status="favoured")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, SetCoin)
        assert (sent.symbol, sent.status) == ("BTC/USDT", "favoured")
        screen.focus_panel("patterns")
        for word, active in (("off", False), ("on", True), ("auto", None)):
            await deck.press("e")
            fill(deck, status=word, reason="seen enough")
            await deck.press("enter")
            pattern = deck.hub.last()
            assert isinstance(pattern, SetPattern)
            assert (pattern.pattern, pattern.active) == ("pullback-trend", active)
            assert pattern.reason == "seen enough"
        screen.focus_panel("pairs")
        await deck.press("e")
        fill(deck, status="favoured")
        await deck.press("enter")
        pair = deck.hub.last()
        assert isinstance(pair, SetPair)
        assert (pair.symbol, pair.strategy) == ("BTC/USDT", "technical_composite")
        assert pair.status == "favoured"
        screen.focus_panel("rules")
        await deck.press("n")
        fill(deck, description="quiet nights", action="no trade", hours="0-3 22")
        await deck.press("enter")
        rule = deck.hub.last()
        assert isinstance(rule, SetRule)
        assert (rule.rule, rule.action, rule.hours) == ("", "NO_TRADE", (0, 1, 2, 3, 22))
        assert rule.active

    drive(script, hub=learned_hub())


def test_a_person_strikes_an_insight_out_rewords_and_restores_it() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        screen = deck.app.base_screen()
        assert screen is not None
        screen.focus_panel("insights")
        for words, struck, text in (
            ("", True, ""),
            ("SOL lost on Mondays", False, "SOL lost on Mondays"),
            ("SOL/USDT lost in 15 of 21 trades", False, ""),
        ):
            await deck.press("e")
            fill(deck, text=words, reason="looked")
            await deck.press("enter")
            sent = deck.hub.last()
            assert isinstance(sent, SetInsight)
            assert (sent.insight, sent.struck, sent.text) == ("I-1", struck, text)
            assert sent.reason == "looked"

    drive(script, hub=learned_hub())


def test_nothing_is_sent_from_a_screen_that_only_reads() -> None:
    async def script(deck: Deck) -> None:
        await ledger_open(deck)
        await deck.press("a", "x", "f", "F")
        assert not deck.hub.sent
        assert "read-only" in deck.message

    drive(script, hub=learned_hub(), readonly=True)


def test_the_desk_shows_what_asks_first_and_what_changed_last() -> None:
    panel = AdaptationsPanel()
    panel.fit(60, 6)
    panel.show(world(learning=make_learning()), 0)
    lines = panel.text.splitlines()
    assert "1 asks you on screen 4" in lines[0]
    assert "entry.min_score 2.0 → 1.75" in lines[1]
    assert "undecided n 0" in lines[2]
    assert "undecided n 41" in lines[3]


def test_only_rows_of_changes_that_moved_are_drawn_again() -> None:
    panel = LedgerPanel()
    panel.fit(120, 30)
    view = make_learning()
    panel.show(world(learning=view), 0)
    built = panel.made.built
    moved = replace(view.changes[1], note="looked at")
    changes = (view.changes[0], moved, *view.changes[2:])
    panel.show(world(version=2, learning=replace(view, changes=changes)), 0)
    assert panel.made.built == built + 1


def test_a_course_goes_in_steps_and_leaves_out_what_nobody_knows() -> None:
    changes, _ = make_changes()
    marks = course(TRAIL.text, changes, make_moves())
    assert [mark.value for mark in marks] == [
        "null", "0.75", "1.0", "0.75", "1.25", "1.0", "1.5",
    ]  # fmt: skip
    values = at_times(marks, [START_NS - 61 * DAY, START_NS - 59 * DAY, START_NS])
    assert values[0] != values[0]
    assert values[1:] == [0.75, 1.5]
    assert course("nothing", changes, make_moves()) == ()


def test_a_course_begins_with_the_default_that_the_first_change_replaced() -> None:
    changes, _ = make_changes()
    applied = next(one for one in changes if one.target == TRAIL and one.ended_ns)
    first = replace(applied, before="null", stood="1.5", after="1.25")
    marks = course(TRAIL.text, (first,), ())
    assert [mark.value for mark in marks] == ["1.5", "1.25", "1.5"]


def test_a_target_that_only_asks_has_no_course_yet() -> None:
    panel = TrajectoryPanel()
    panel.fit(60, 11)
    rows = make_learning().changes
    asks = replace(rows[0], target=replace(SCORE, strategy="technical"))
    panel.show(world(learning=make_learning(changes=(asks, *rows[1:]))), 0)
    panel.show_moves(make_moves(), asks.id)
    assert "It has not moved yet" in panel.text
    assert "2.0 → 1.75" in panel.text
    panel.show_moves(make_moves(), "L-8")
    assert "It has not moved yet" not in panel.text
    first = panel.selected_key
    panel.move(-1)
    assert panel.selected_key not in (first, None)


def test_figures_without_proof_are_not_coloured_as_gains() -> None:
    panel = ScoreboardPanel()
    panel.fit(80, 12)
    panel.show(world(learning=make_learning()), 0)
    roles = {row.key: row.cells["mean"][0][1] for row in panel.table.rows}
    assert roles["gate spread"] == ""
    assert roles["gate cooldown"] == "gain"
    assert roles["person rejected"] == "muted"


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ()), ("0-3 22", (0, 1, 2, 3, 22)), ("5,6", (5, 6)), ("24", None), ("3-1", None),
     ("x", None)],
)  # fmt: skip
def test_hours_are_written_as_ranges(text: str, found: tuple[int, ...] | None) -> None:
    assert parse_numbers(text, 23) == found
    if found:
        assert parse_numbers(ranges(found, str).replace("–", "-"), 23) == found


def test_a_change_says_all_it_can_in_one_cell_of_width() -> None:
    one: Change = make_change()
    view = make_learning(changes=(one,))
    for width in (1, 2, 10, 24, 40):
        panel = LedgerPanel()
        panel.fit(width, 12)
        panel.show(world(learning=view), 0)
        assert all(panel.render_line(y).cell_length == width for y in range(12))
    assert world().run.mode is Mode.PAPER
