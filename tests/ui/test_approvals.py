"""Approving, rejecting and editing: what is sent is what was shown, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from engine.core.commands import Ack, Amend, AnyCommand, Approve, Reject, Veto
from engine.core.types import Mode, ProposalState
from engine.core.views import Snapshot
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, ack_of, make_proposal, obedient, world
from widgets.approvals import ApprovalsPanel


def test_a_approves_exactly_what_was_shown_on_paper() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a")
        sent = deck.hub.last()
        shown = make_proposal(17)
        assert isinstance(sent, Approve)
        assert (sent.proposal, sent.version, sent.digest) == (shown.id, 1, shown.digest)
        await deck.look()
        assert "P-17 approved" in deck.message

    drive(script)


def test_a_press_on_a_fresh_proposal_waits_until_it_was_on_screen() -> None:
    async def script(deck: Deck) -> None:
        deck.hub.change(proposals=(make_proposal(21),))
        await deck.look(100)
        await deck.pilot.press("a")
        assert deck.hub.sent == []
        deck.time.pass_ms(300)
        await deck.pilot.pause(0.3)  # the timer of the deferred act runs on real time
        assert isinstance(deck.hub.last(), Approve)

    drive(script, hub=FakeHub(world(proposals=())))


def test_a_row_that_slid_under_the_cursor_is_not_approved() -> None:
    async def script(deck: Deck) -> None:
        deck.hub.change(proposals=(make_proposal(18, "SOL/USDT"),))
        await deck.look(100)
        await deck.pilot.press("a")
        await deck.pilot.pause()
        assert deck.hub.sent == []
        assert "has just come under the cursor" in deck.message
        deck.time.pass_ms(300)
        await deck.pilot.press("a")
        assert isinstance(sent := deck.hub.last(), Approve)
        assert sent.proposal == "P-18"

    drive(script)


def test_a_second_press_sends_no_second_approval() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a", "a")
        assert [type(command) for command in deck.hub.sent] == [Approve]
        assert "on its way" in deck.message

    drive(script, hub=FakeHub(world(), script=None))


def test_a_row_that_slid_under_the_cursor_is_not_rejected() -> None:
    async def script(deck: Deck) -> None:
        deck.hub.change(proposals=(make_proposal(18, "SOL/USDT"),))
        await deck.look(100)
        await deck.pilot.press("x")
        await deck.pilot.pause()
        assert deck.hub.sent == []

    drive(script)


def test_a_click_chooses_the_row_that_is_then_approved() -> None:
    async def script(deck: Deck) -> None:
        row = next(y for y, text in enumerate(deck.rows) if "SOL/USDT" in text)
        await deck.pilot.click(offset=(10, row))
        await deck.look()
        await deck.press("a")
        assert isinstance(sent := deck.hub.last(), Approve)
        assert sent.proposal == "P-18"

    drive(script)


def test_a_version_that_the_screen_has_not_painted_is_not_approved() -> None:
    async def script(deck: Deck) -> None:
        newer = make_proposal(17, version=2, digest="f" * 64)
        deck.hub.change(proposals=(newer, make_proposal(18, "SOL/USDT")))
        await deck.press("a")
        sent = deck.hub.last()
        assert isinstance(sent, Approve)
        assert sent.version == 1
        assert sent.digest == make_proposal(17).digest

    drive(script)


def test_a_frozen_view_approves_what_it_shows() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("space")
        deck.hub.change(proposals=(make_proposal(17, version=2, digest="f" * 64),))
        await deck.look()
        assert "FROZEN" in deck.status
        await deck.press("a")
        assert isinstance(sent := deck.hub.last(), Approve)
        assert sent.version == 1

    drive(script)


@pytest.mark.parametrize("mode", [Mode.TESTNET, Mode.LIVE])
def test_real_venues_ask_and_cancel_has_the_focus(mode: Mode) -> None:
    snapshot = world()
    run = msgspec.structs.replace(snapshot.run, mode=mode)

    async def script(deck: Deck) -> None:
        await deck.press("a")
        assert deck.hub.sent == []
        assert "BTC/USDT" in deck.dialog.body.says
        assert "0.015" in deck.dialog.body.says
        await deck.press("enter")
        assert deck.hub.sent == []
        await deck.press("a", "a")
        assert deck.hub.sent == [], "the key that opened the dialog must not confirm it"
        await deck.press("y")
        assert isinstance(deck.hub.last(), Approve)

    drive(script, hub=FakeHub(msgspec.structs.replace(snapshot, run=run)))


def test_a_dialog_is_deaf_for_its_first_quarter_second() -> None:
    run = msgspec.structs.replace(world().run, mode=Mode.LIVE)

    async def script(deck: Deck) -> None:
        await deck.press("a")
        await deck.pilot.press("y")
        await deck.pilot.pause()
        assert deck.hub.sent == []
        assert deck.dialog.deaf
        await deck.press("y")
        assert isinstance(deck.hub.last(), Approve)

    drive(script, hub=FakeHub(world(run=run)))


def test_a_changed_proposal_shows_then_and_now_and_asks_again() -> None:
    newer = make_proposal(17, version=2, digest="e" * 64, price=make_proposal(17).price + 400)

    def script_of_engine(command: AnyCommand, snapshot: Snapshot) -> tuple[Ack, Snapshot]:
        if isinstance(command, Approve) and command.version == 1:
            moved = msgspec.structs.replace(snapshot, proposals=(newer,))
            return ack_of(command, False, "changed", "the price moved 0.65 %"), moved
        return obedient(command, snapshot)

    async def script(deck: Deck) -> None:
        await deck.press("a")
        await deck.look()
        assert "then" in deck.dialog.body.says
        assert "61,234.5" in deck.dialog.body.says
        assert "61,634.5" in deck.dialog.body.says
        await deck.press("y")
        sent = deck.hub.last()
        assert isinstance(sent, Approve)
        assert (sent.version, sent.digest) == (2, newer.digest)

    drive(script, hub=FakeHub(world(), script_of_engine))


def test_x_rejects_at_once_and_offers_a_line_for_the_reason() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("x")
        first = deck.hub.last()
        assert isinstance(first, Reject)
        assert (first.proposal, first.reason) == ("P-17", "")
        await deck.write("too thin")
        await deck.press("enter")
        second = deck.hub.last()
        assert isinstance(second, Reject)
        assert second.reason == "too thin"

    drive(script)


def test_e_sends_only_what_was_changed_and_then_asks_for_approval() -> None:
    def script_of_engine(command: AnyCommand, snapshot: Snapshot) -> tuple[Ack, Snapshot]:
        if isinstance(command, Amend):
            amended = make_proposal(17, version=2, digest="d" * 64, quantity=command.quantity)
            return ack_of(command), msgspec.structs.replace(snapshot, proposals=(amended,))
        return obedient(command, snapshot)

    async def script(deck: Deck) -> None:
        await deck.press("e", "enter")
        assert deck.hub.sent == [], "enter alone changes nothing"
        await deck.press("home", *["delete"] * 6)
        await deck.write("abc")
        await deck.press("enter")
        assert deck.hub.sent == [], "a wrong value stays in the form"
        assert "no price" in deck.dialog.query_one("#error").says  # type: ignore[attr-defined]
        await deck.press(*["backspace"] * 3)
        await deck.write("0.01")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, Amend)
        assert str(sent.quantity) == "0.01"
        assert (sent.stop, sent.targets, sent.leverage) == (None, None, None)
        await deck.look()
        await deck.press("y")
        approved = deck.hub.last()
        assert isinstance(approved, Approve)
        assert approved.version == 2

    drive(script, hub=FakeHub(world(), script_of_engine))


def test_o_on_a_proposal_vetoes_it_with_a_typed_reason() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("o")
        await deck.press("enter")
        assert deck.hub.sent == []
        await deck.write("news")
        await deck.press("enter")
        sent = deck.hub.last()
        assert isinstance(sent, Veto)
        assert (sent.target, sent.reason) == ("P-17", "news")

    drive(script)


def test_approving_from_another_panel_first_shows_the_approvals() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "a")
        assert deck.hub.sent == []
        assert deck.app.focused_panel() == "approvals"
        await deck.press("a")
        assert isinstance(deck.hub.last(), Approve)

    drive(script)


def test_nothing_is_approved_where_its_size_and_symbol_do_not_fit() -> None:
    async def script(deck: Deck) -> None:
        await deck.resize(50, 12)
        await deck.look()
        await deck.press("a")
        assert deck.hub.sent == []
        assert "too small" in deck.text
        assert "a approve" not in deck.text
        await deck.resize(80, 24)
        await deck.look()
        await deck.press("a")
        assert isinstance(deck.hub.last(), Approve)

    drive(script)


def test_a_read_only_screen_says_so_and_sends_nothing() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a")
        assert "read-only" in deck.message
        await deck.press("x", "p", "c")
        assert deck.hub.sent == []

    drive(script, readonly=True)


def test_with_an_empty_queue_the_key_says_why() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a")
        assert deck.hub.sent == []
        assert "no proposal waits" in deck.message

    drive(script, hub=FakeHub(world(proposals=())))


def test_j_moves_to_the_next_proposal_which_may_be_approved_when_read() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("j")
        await deck.look()
        await deck.press("a")
        assert isinstance(sent := deck.hub.last(), Approve)
        assert sent.proposal == "P-18"

    drive(script)


def test_the_cursor_stays_on_its_proposal_when_others_come_before_it() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("j")
        await deck.look()
        snapshot = deck.hub.snapshot
        assert snapshot is not None
        deck.hub.change(proposals=(make_proposal(30, "ETH/USDT"), *snapshot.proposals))
        await deck.look(50)
        await deck.pilot.press("a")
        assert isinstance(sent := deck.hub.last(), Approve)
        assert sent.proposal == "P-18"

    drive(script)


def test_a_proposal_that_is_no_longer_waiting_is_refused_by_the_key() -> None:
    done = make_proposal(17, state=ProposalState.APPROVED)

    async def script(deck: Deck) -> None:
        await deck.press("a")
        assert deck.hub.sent == []
        assert "already approved" in deck.message

    drive(script, hub=FakeHub(world(proposals=(done,))))


def test_in_another_tab_the_key_says_where_to_look() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "tab", "a")
        assert deck.hub.sent == []
        assert "open Approvals first" in deck.message

    drive(script, size=(80, 24))


def test_what_expires_unanswered_is_said_at_once_and_stands_where_it_waited() -> None:
    async def script(deck: Deck) -> None:
        snapshot = deck.hub.snapshot
        assert snapshot is not None
        mine = snapshot.proposals
        gone = [msgspec.structs.replace(one, state=ProposalState.EXPIRED) for one in mine]
        deck.hub.change(proposals=(), ended=tuple(gone))
        await deck.look()
        assert f"{gone[-1].id} expired unanswered" in deck.message
        panel = deck.app.query_one(ApprovalsPanel)
        assert f"{len(gone)} expired unanswered, the last one," in " ".join(panel.text.split())
        answered = msgspec.structs.replace(gone[-1], state=ProposalState.REJECTED)
        deck.hub.change(ended=(*gone, answered))
        await deck.look()
        assert "expired" not in panel.text

    drive(script)
