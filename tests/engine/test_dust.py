"""What the venue would not take back: refused before it is ordered, held where it happened."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.commands import ClosePosition, Flatten
from engine.core.records import Noted
from engine.core.types import OrderState, Position
from tests.engine.scripted import BTC, ETH, PRICE, Script

LEAST = 5.0


def close_to(script: Script, position: Position, worth: float) -> None:
    """Sell all of a position but so much, in quote, at the price that stands."""
    whole = float(position.quantity) * PRICE
    ack = script.send(
        ClosePosition(id=script.name(), position=position.id, fraction=1 - worth / whole)
    )
    assert ack.ok
    script.price(PRICE)


def leap(script: Script, share: float) -> None:
    """The market leaps so far; a leap is believed when a second price confirms it."""
    script.price(PRICE * share)
    script.price(PRICE * share)


@pytest.mark.parametrize("worth", [4.0, -4.0])
def test_a_part_that_is_too_small_or_leaves_too_little_is_refused_with_its_worth(
    tmp_path: Path, worth: float
) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        share = worth / (float(position.quantity) * PRICE)
        before = len(script.orders())
        ack = script.send(
            ClosePosition(id=script.name(), position=position.id, fraction=share % 1.0)
        )
        assert (ack.ok, ack.code) == (False, "dust")
        assert "below the venue's least order of 5" in ack.text
        assert "of it" in ack.text or "close all" in ack.text
        assert len(script.orders()) == before
        assert script.position.quantity == position.quantity
        script.price(float(position.stop) - 1)
        script.price(float(position.stop) - 1)
        [trade] = script.trades
        assert trade.quantity == position.quantity, "the stop still sells all of it"


def test_what_fell_below_the_least_order_is_held_marked_and_sold_when_it_can_be(
    tmp_path: Path,
) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        close_to(script, position, 6.0)
        rest = script.position.quantity
        orders = len(script.orders())
        assert script.snapshot.positions[0].dust == ""
        for step in range(20):
            script.price(PRICE * (0.7 + 0.001 * step))
        assert float(rest) * PRICE * 0.7 < LEAST
        assert script.position.quantity == rest
        assert len(script.orders()) == orders, "nothing was sent that the venue would refuse"
        assert "least order" in script.snapshot.positions[0].dust
        told = [one for one in script.records(Noted) if "DUST" in one.text]
        assert [(one.ref, one.symbol) for one in told] == [(position.id, BTC)]
        assert not [
            one for one in script.snapshot.breakers if one.name == "api_failures" and one.value
        ]
        assert float(rest) * PRICE * 0.9 > LEAST
        leap(script, 0.9)
        script.price(PRICE * 0.9)
        [trade] = script.trades
        assert trade.exit_reason == "stop_loss"
        assert script.desk.book.open() == ()
        assert all(order.state is OrderState.FILLED for order in script.orders())


def test_flatten_closes_what_can_be_closed_and_names_the_rest(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        position = script.opened(BTC)
        script.opened(ETH)
        close_to(script, position, 6.0)
        leap(script, 0.7)
        ack = script.send(Flatten(id=script.name(), typed="FLATTEN"))
        assert ack.ok
        assert "closing 1 positions" in ack.text
        assert "least order" in ack.text
        script.price(PRICE, ETH)
        assert [one.symbol for one in script.desk.book.open()] == [BTC]


def test_an_entry_is_large_enough_to_be_left_at_its_stop(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        worth_at_stop = proposal.quantity * proposal.stop
        [gate] = [gate for gate in proposal.gates if gate.code == "venue_minimum"]
        assert gate.threshold > LEAST * PRICE / float(proposal.stop)
        assert worth_at_stop > Decimal(5)
