"""Positions, orders and control: the safe direction is instant, the risky one asks."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.core.commands import (
    CancelOrder,
    ClosePosition,
    Flatten,
    MoveStop,
    MoveTargets,
    Override,
    Pause,
    Reject,
    Resume,
    SetApproval,
    SetSpeed,
    TakeOver,
)
from engine.core.types import Actor, Control, Direction, FeedKind
from engine.core.views import ControlView
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import START_NS, FakeHub, world


def paused(state: Control = Control.REDUCING) -> ControlView:
    return ControlView(state=state, reason="day loss over 3 %", since_ns=START_NS, who=Actor.ENGINE)


def test_p_pauses_at_once_and_the_effect_is_said() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("p")
        assert isinstance(deck.hub.last(), Pause)
        await deck.look()
        assert "REDUCING" in deck.status
        assert "pause done" in deck.message
        assert "p resume" in deck.footer

    drive(script)


def test_resuming_asks_shows_why_and_takes_no_enter_alone() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("p")
        assert deck.hub.sent == []
        assert "day loss over 3 %" in deck.dialog.body.says
        await deck.press("enter")
        assert deck.hub.sent == []
        await deck.press("p", "p", "y")
        assert isinstance(deck.hub.last(), Resume)

    drive(script, hub=FakeHub(world(control=paused(Control.HALTED))))


@pytest.mark.parametrize("opener", ["c", "q", "question_mark", "enter"])
def test_p_pauses_from_inside_a_dialog_which_stays_as_it_is(opener: str) -> None:
    async def script(deck: Deck) -> None:
        if opener in ("c", "enter"):
            await deck.press("tab")
        await deck.press(opener)
        dialog = deck.dialog
        index = dialog.choices.index
        await deck.press("p")
        assert [type(command) for command in deck.hub.sent] == [Pause]
        await deck.look()
        assert "REDUCING" in deck.status
        assert deck.dialog is dialog
        assert dialog.choices.index == index
        assert "pause done" in dialog.heading.says
        await deck.press("p")
        assert "paused already" in dialog.heading.says
        assert len(deck.hub.sent) == 1, "resuming is not asked inside a dialog"

    drive(script)


def test_p_pauses_in_the_quarter_second_in_which_a_dialog_is_deaf() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "c")
        deck.dialog._opened_ns = deck.time()
        assert deck.dialog.deaf
        await deck.pilot.press("a")
        assert deck.hub.sent == []
        await deck.pilot.press("p")
        assert [type(command) for command in deck.hub.sent] == [Pause]

    drive(script)


def test_a_line_that_is_typed_into_takes_the_letter_p() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("x")
        await deck.write("spread")
        assert [type(command).__name__ for command in deck.hub.sent] == ["Reject"]
        await deck.press("enter")
        last = deck.hub.last()
        assert isinstance(last, Reject)
        assert last.reason == "spread"
        await deck.press("slash")
        await deck.write("p")
        assert all(type(command) is not Pause for command in deck.hub.sent)

    drive(script)


def test_a_pause_inside_a_read_only_dialog_says_why_not() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("question_mark", "p")
        assert deck.hub.sent == []
        assert "read-only" in deck.dialog.heading.says

    drive(script, readonly=True)


def test_flatten_is_typed_in_full() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("ctrl+x")
        await deck.write("flatten")
        await deck.press("enter")
        assert deck.hub.sent == []
        await deck.press(*["backspace"] * 7)
        await deck.write("FLATTEN")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, Flatten)
        assert sent.typed == "FLATTEN"

    drive(script)


def test_s_checks_the_side_of_the_stop_before_it_sends() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("s")
        await deck.press("end", *["backspace"] * 10)
        await deck.write("3000")
        await deck.press("enter")
        assert deck.hub.sent == []
        assert "below the price" in deck.text
        await deck.press(*["backspace"] * 4)
        await deck.write("2950.5")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, MoveStop)
        assert (sent.position, sent.price) == ("T-3", Decimal("2950.5"))

    drive(script)


def test_t_replaces_the_targets() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("t", "end")
        await deck.write(" 3100")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, MoveTargets)
        assert sent.prices == (Decimal("3045.97"), Decimal("3100"))

    drive(script)


def test_c_closes_all_half_or_a_part() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("c", "c", "enter")
        assert deck.hub.sent == []
        await deck.press("c", "a")
        assert isinstance(sent := deck.hub.last(), ClosePosition)
        assert (sent.position, sent.fraction) == ("T-3", 1.0)
        await deck.press("c", "h")
        assert isinstance(sent := deck.hub.last(), ClosePosition)
        assert sent.fraction == 0.5
        await deck.press("c", "s")
        await deck.write("130")
        await deck.press("enter", *["backspace"] * 3)
        await deck.write("25")
        await deck.press("enter")
        assert isinstance(sent := deck.hub.last(), ClosePosition)
        assert sent.fraction == 0.25
        assert len(deck.hub.sent) == 3

    drive(script)


def test_o_on_a_position_takes_it_over() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "o", "y")
        sent = deck.hub.last()
        assert isinstance(sent, TakeOver)
        assert (sent.position, sent.taken) == ("T-3", True)

    drive(script)


def test_o_under_signals_proposes_with_direction_and_reason() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("2", "tab", "j", "o")
        await deck.write("up")
        await deck.press("tab")
        await deck.write("breakout")
        await deck.press("enter")
        assert deck.hub.sent == []
        await deck.press(*["backspace"] * 2)
        await deck.write("long")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, Override)
        assert (sent.symbol, sent.direction, sent.reason) == (
            "ETH/USDT",
            Direction.LONG,
            "breakout",
        )

    drive(script)


def test_x_in_the_orders_cancels_without_asking() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("7", "tab", "tab", "x")
        sent = deck.hub.last()
        assert isinstance(sent, CancelOrder)
        assert sent.order == "O-8"

    drive(script)


def test_speed_is_for_recordings_and_simulations_only() -> None:
    live = msgspec.structs.replace(world().feed, kind=FeedKind.LIVE, label="binance")

    async def simulated(deck: Deck) -> None:
        await deck.press("plus")
        assert isinstance(sent := deck.hub.last(), SetSpeed)
        assert sent.speed == 120.0
        await deck.press("minus")
        assert isinstance(sent := deck.hub.last(), SetSpeed)
        assert sent.speed == 30.0

    async def on_live(deck: Deck) -> None:
        await deck.press("plus")
        assert deck.hub.sent == []
        assert "a live market has no speed" in deck.message

    drive(simulated)
    drive(on_live, hub=FakeHub(world(feed=live)))


def test_the_palette_runs_what_has_no_key_and_loosening_asks() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("ctrl+p")
        await deck.write("approve its")
        await deck.pilot.app.workers.wait_for_complete()
        await deck.press("down", "enter")
        await deck.look()
        assert deck.hub.sent == []
        await deck.press("y")
        sent = deck.hub.last()
        assert isinstance(sent, SetApproval)
        assert sent.mode == "auto"

    drive(script)


def test_quitting_asks_and_pause_and_quit_waits_for_the_pause() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q")
        assert "without anybody watching the stops" in deck.dialog.body.says
        await deck.press("enter")
        assert deck.app.is_running
        await deck.press("q", "e")
        assert isinstance(deck.hub.last(), Pause)
        deck.app.sampler.step()
        await deck.pilot.pause()
        assert deck.app.return_value == 0

    drive(script)


def test_a_served_engine_offers_to_detach() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q")
        assert "runs on without this screen" in deck.dialog.body.says
        await deck.press("d")
        assert deck.app.return_value == 0
        assert deck.hub.sent == []

    drive(script, served=True)


def test_a_command_without_an_ack_is_said_to_be_unanswered() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("p")
        await deck.look(1_000)
        assert "pause new entries …" in deck.message
        await deck.look(5_000)
        assert "has not answered" in deck.message

    drive(script, hub=FakeHub(world(), script=None))


def test_the_chart_goes_from_a_proposal_that_ended_to_what_is_held() -> None:
    async def script(deck: Deck) -> None:
        proposal, held = world().proposals[0], world().positions[0]
        assert proposal.symbol != held.position.symbol
        deck.hub.change(proposals=(proposal,), positions=(held,))
        await deck.look()
        assert deck.app.chosen_symbol() == proposal.symbol
        deck.hub.change(proposals=(), positions=(held,))
        await deck.look()
        assert deck.app.chosen_symbol() == held.position.symbol

    drive(script)
