"""An open position: its stop, what a person may move, and every way out."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.commands import (
    CancelOrder,
    ClosePosition,
    Flatten,
    Halt,
    MoveStop,
    MoveTargets,
    Pause,
    TakeOver,
)
from engine.core.records import Accounted, Cooldown, PositionChanged, TradeClosed
from engine.core.types import Action, Bar, Control, OrderState, Purpose
from engine.portfolio.recompute import recompute
from tests.engine.scripted import BTC, ETH, PRICE, SPAN, Script


def test_the_stop_fires_on_the_tick_that_reaches_it_and_the_books_close(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.tick(float(position.stop) + 1)
        assert len(script.orders()) == 1
        script.tick(float(position.stop) - 1)
        script.tick(float(position.stop) - 1)
        [trade] = script.trades
        assert trade.exit_reason == "stop_loss"
        assert trade.pnl < 0
        assert script.desk.book.open() == ()
        assert script.desk.watches == {}
        account = script.desk.ledger.account(script.now_ns, {})
        assert account.equity == account.cash == Decimal(10_000) + trade.pnl
        [cooldown] = script.records(Cooldown)
        assert cooldown.until_ns > script.now_ns


def test_an_exit_is_intended_on_disk_before_it_is_filled(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.price(float(position.stop) - 1)
        script.price(float(position.stop) - 1)
        exits = [order for order in script.orders() if order.purpose is Purpose.EXIT]
        assert [(order.state, order.exit_reason) for order in exits] == [
            (OrderState.FILLED, "stop_loss")
        ]
        assert exits[0].position == position.id


def test_equity_from_the_fills_equals_the_books_after_every_event(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        script.opened(BTC)
        script.opened(ETH)
        for step in range(12):
            script.price(PRICE * (1 + 0.002 * (step % 5 - 2)), BTC)
            script.price(PRICE * (1 - 0.002 * (step % 3)), ETH)
            ledger = script.desk.ledger
            account = ledger.account(script.desk.now_ns, script.desk.marks())
            equity = recompute(
                ledger.start,
                ledger.fills,
                {name: holding.terms for name, holding in ledger.holdings.items()},
                {name: Decimal(repr(mark)) for name, mark in script.desk.marks().items()},
            )
            assert account.equity == equity
        kept = script.records(Accounted)
        assert all(record.account.checked for record in kept)
        assert sum(record.why == "fill" for record in kept) == len(ledger.fills)


def test_targets_are_taken_one_by_one_and_the_rest_trails(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        first = float(position.targets[0])
        script.price(first + 1)
        script.price(first + 1)
        assert 0 < script.position.quantity < position.quantity
        [reduced] = [order for order in script.orders() if order.purpose is Purpose.REDUCE]
        assert reduced.exit_reason
        assert script.position.initial_quantity == position.quantity


def test_a_person_s_stop_holds_from_the_next_tick_on(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        near = Decimal(str(PRICE - 100))
        ack = script.send(MoveStop(id="1", position=position.id, price=near))
        assert (ack.ok, ack.code) == (True, "moved")
        assert script.position.stop == near
        [*_, kept] = script.records(PositionChanged)
        assert kept.position.stop == near
        script.tick(PRICE - 101)
        script.tick(PRICE - 101)
        assert script.trades[0].exit_reason in ("stop_loss", "stop_moved")


def test_a_stop_that_would_fire_at_once_is_refused(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        ack = script.send(MoveStop(id="1", position=position.id, price=Decimal(PRICE + 100)))
        assert (ack.ok, ack.code) == (False, "not_possible")
        assert script.position.stop == position.stop
        unknown = script.send(MoveStop(id="2", position="POS-9", price=Decimal(1)))
        assert (unknown.ok, unknown.code) == (False, "unknown_position")


def test_a_person_s_targets_replace_the_plan_s(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        wanted = (Decimal(60_200), Decimal(60_400))
        assert script.send(MoveTargets(id="1", position=position.id, prices=wanted)).ok
        assert list(script.position.targets) == list(wanted)
        script.price(60_201)
        script.price(60_201)
        assert list(script.position.targets) == [wanted[1]]
        script.price(60_401)
        script.price(60_401)
        assert script.trades[0].exit_price > Decimal(60_250)
        assert script.desk.book.open() == ()


def test_a_position_taken_over_keeps_its_levels_and_gets_no_new_ones(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        assert script.send(TakeOver(id="1", position=position.id)).code == "taken_over"
        assert script.position.taken_over
        # A rise that would have trailed the stop, and a strategy that wants out.
        first = float(position.targets[0])
        assert script.send(MoveTargets(id="2", position=position.id, prices=())).ok
        for step in range(5):
            script.price(PRICE + (first + 600 - PRICE) * step / 4)
        assert script.position.stop == position.stop
        script.want(Action.SELL)
        assert script.position.quantity == position.quantity
        assert script.send(TakeOver(id="3", position=position.id, taken=False)).code == "given_back"
        script.price(first + 610)
        script.cycle()
        assert script.position.stop > position.stop


def test_a_strategy_that_turns_closes_what_nobody_took_over(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.opened()
        script.want(Action.SELL)
        script.price(PRICE)
        assert script.trades[0].exit_reason == "exit_signal"


def test_a_part_is_closed_and_the_watch_holds_the_rest(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        ack = script.send(ClosePosition(id="1", position=position.id, fraction=0.5))
        assert (ack.ok, ack.code) == (True, "closing")
        script.price(PRICE)
        left = script.position
        half = (position.quantity / 2).quantize(Decimal("0.00001"))
        assert abs(left.quantity - half) <= Decimal("0.00001")
        lot = script.feed.instruments[BTC].lot_step
        assert script.desk.watches[position.id].lots * lot == left.quantity
        script.price(float(position.stop) - 1)
        script.price(float(position.stop) - 1)
        assert script.trades[0].quantity == position.quantity
        assert sum(
            order.filled for order in script.orders() if order.purpose is not Purpose.ENTRY
        ) == (position.quantity)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5])
def test_a_part_that_is_none_is_refused(tmp_path: Path, fraction: float) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        ack = script.send(ClosePosition(id="1", position=position.id, fraction=fraction))
        assert (ack.ok, ack.code) == (False, "bad_fraction")
        assert len(script.orders()) == 1


def test_a_second_close_while_one_is_on_its_way_sells_nothing_twice(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        first = ClosePosition(id="1", position=position.id)
        second = ClosePosition(id="2", position=position.id)
        script.engine.hub.send(first)
        assert script.send(second).code == "nothing_to_close"
        # The stop is reached while the close is on its way.
        script.tick(float(position.stop) - 1, after_s=0.01)
        script.price(float(position.stop) - 1)
        exits = [order for order in script.orders() if order.purpose is Purpose.EXIT]
        assert [order.filled for order in exits] == [position.quantity]
        assert script.desk.book.open() == ()


@pytest.mark.parametrize("control", [Pause(id="p"), Halt(id="h")])
def test_closing_passes_in_every_state(tmp_path: Path, control: Pause | Halt) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        assert script.send(control).ok
        assert script.send(ClosePosition(id="1", position=position.id)).ok
        script.price(PRICE)
        assert script.trades[0].exit_reason == "force_exit"


def test_flatten_needs_its_word_and_closes_everything(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        script.opened(BTC)
        script.opened(ETH)
        careless = script.send(Flatten(id="1", typed="flatten"))
        assert (careless.ok, careless.code) == (False, "not_typed")
        assert len(script.desk.book.open()) == 2
        assert script.send(Flatten(id="2", typed="FLATTEN")).code == "flattening"
        script.price(PRICE, BTC)
        script.price(PRICE, ETH)
        assert script.desk.book.open() == ()
        assert len(script.records(TradeClosed)) == 2
        assert script.state() is Control.REDUCING


def test_an_exit_can_t_be_cancelled_and_an_entry_can(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        order = script.approve(proposal).ref
        assert script.send(CancelOrder(id="1", order=order)).code == "cancelled"
        unknown = script.send(CancelOrder(id="2", order="O-99"))
        assert (unknown.ok, unknown.code) == (False, "unknown_order")
        script.price(PRICE)
        position = script.opened()
        assert script.send(ClosePosition(id="3", position=position.id)).ok
        [leaving] = [o for o in script.desk.orders.values() if o.purpose is Purpose.EXIT]
        refused = script.send(CancelOrder(id="4", order=leaving.id))
        assert (refused.ok, refused.code) == (False, "protective")


def test_a_bar_s_path_fires_the_stop_inside_it_on_a_feed_of_bars(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        # No ticks from here on: only bars tell the price.
        script.speaker.says[BTC] = (Action.BUY, 0.9)
        opened = script.now_ns - script.now_ns % SPAN
        for k in range(1, 4):
            at = opened + k * SPAN
            script.push(
                Bar(
                    symbol=BTC, open_ns=at, span_ns=SPAN, open=PRICE, high=PRICE + 60,
                    low=PRICE - 60 if k < 3 else PRICE - 2_000, close=PRICE, volume=100.0,
                )
            )  # fmt: skip
        [trade] = script.trades
        stop = float(trade.entry_price) - 2_000
        assert trade.exit_reason == "stop_loss"
        assert stop < float(trade.exit_price) < PRICE - 60
