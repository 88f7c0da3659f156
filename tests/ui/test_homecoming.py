"""What the market did while no engine ran is put before the person, once and as news."""

from __future__ import annotations

import msgspec

from app.dialogs import Notice
from engine.core.clock import HOUR
from engine.core.views import Absence
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import START_NS, FakeHub, world

ABSENCE = Absence(
    position="POS-1", symbol="BTC/USDT", time_ns=START_NS, since_ns=START_NS - 3 * HOUR,
    price_before=61_000.0, price=58_000.0, low=57_900.0, high=61_200.0, move_pct=-4.92,
    stop_crossed=True, targets_reached=(), known=True, acts=True,
    text="LONG 0.01 BTC/USDT: nobody watched for 3 h 0 min; price 61000 → 58000; the stop at "
    "59000 was crossed; all of it is sold now by stop_loss",
)  # fmt: skip


def test_it_is_shown_once_and_any_key_that_closes_closes_it() -> None:
    async def script(deck: Deck) -> None:
        deck.hub.change(absences=(ABSENCE,))
        await deck.look()
        deck.hub.change()
        await deck.look()
        assert isinstance(deck.dialog, Notice)
        assert "nobody watched for 3 h" in deck.text
        assert "all of it is sold now by stop_loss" in deck.text
        await deck.press("escape")
        deck.hub.change()
        await deck.look()
        assert not isinstance(deck.app.screen, Notice)

    drive(script)


def test_it_waits_until_the_dialog_that_is_open_was_answered() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q")
        asked = deck.dialog
        deck.hub.change(absences=(ABSENCE,))
        await deck.look()
        deck.hub.change()
        await deck.look()
        assert deck.app.screen is asked
        await deck.press("escape")
        deck.hub.change()
        await deck.look()
        assert isinstance(deck.dialog, Notice)

    drive(script)


def test_a_screen_that_comes_much_later_is_not_told() -> None:
    async def script(deck: Deck) -> None:
        deck.hub.change()
        await deck.look()
        assert deck.app.screen is deck.app.base_screen()

    later = msgspec.structs.replace(world(), absences=(ABSENCE,), time_ns=START_NS + 11 * HOUR)
    drive(script, hub=FakeHub(later))


def test_the_positions_own_detail_tells_it_as_well() -> None:
    async def script(deck: Deck) -> None:
        snapshot = deck.hub.snapshot
        assert snapshot is not None
        position = snapshot.positions[0].position.id
        own = msgspec.structs.replace(ABSENCE, position=position, time_ns=START_NS - HOUR)
        deck.hub.change(absences=(own,))
        await deck.look()
        screen = deck.app.base_screen()
        assert screen is not None
        screen.focus_panel("positions")
        await deck.press("enter")
        assert "nobody watched for 3 h" in deck.text

    drive(script)
