"""A restart goes on where the last run stopped, and nothing is sent a second time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.commands import (
    Amend,
    AnyCommand,
    ClosePosition,
    Halt,
    MoveStop,
    MoveTargets,
    Pause,
    Resume,
    TakeOver,
)
from engine.core.records import ConditionChanged, RunStarted
from engine.core.types import (
    Actor,
    Control,
    Direction,
    OrderState,
    ProposalState,
    Purpose,
    TradeCondition,
)
from engine.kernel.orders import plan_for
from tests.engine.scripted import BTC, ETH, PRICE, Script
from tests.faults.rebuild import belief, rebuilt


def test_the_next_engine_believes_what_the_last_one_did() -> None:
    assert rebuilt(12, seed=11) == []


def test_trades_of_two_symbols_are_followed_on_in_the_order_of_before() -> None:
    """The symbol that traded first is no longer followed first, once that trade is over."""
    assert rebuilt(16, seed=28825) == []


def test_a_first_start_journals_what_it_was_told(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        [started] = script.records(RunStarted)
        assert (started.resumed, started.symbols, started.seed) == (False, (BTC,), 7)


@pytest.mark.parametrize("end", [Script.close, Script.crash])
def test_a_position_is_watched_on_at_the_stop_it_had(
    tmp_path: Path, end: Callable[[Script], None]
) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        near = position.stop + 700
        script.send(MoveStop(id="1", position=position.id, price=near))
        script.send(MoveTargets(id="2", position=position.id, prices=(Decimal(60_900),)))
        script.send(TakeOver(id="3", position=position.id))
        end(script)
    with script.again(tmp_path) as again:
        held = again.position
        assert (held.stop, held.targets, held.taken_over) == (near, (Decimal(60_900),), True)
        again.price(float(near) + 1)
        assert not again.trades
        again.price(float(near) - 1)
        again.price(float(near) - 1)
        assert again.trades[0].quantity == position.quantity
        assert [o.purpose for o in again.orders()] == [Purpose.ENTRY, Purpose.EXIT]


def test_what_waits_can_be_approved_after_the_restart_by_the_digest_that_was_shown(
    tmp_path: Path,
) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.crash()
    with script.again(tmp_path) as again:
        assert again.desk.proposals.waiting() == (proposal,)
        assert again.approve(proposal).ok
        again.price(PRICE)
        assert again.position.proposal == proposal.id


def test_a_person_s_own_size_is_not_worked_out_again_after_a_restart(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        old = script.proposed()
        half = (old.quantity / 2).quantize(Decimal("0.00001"))
        script.send(Amend(id="1", proposal=old.id, digest=old.digest, quantity=half))
        script.crash()
    with script.again(tmp_path) as again:
        [proposal] = again.desk.proposals.waiting()
        assert again.approve(proposal).ok
        again.price(PRICE)
        assert again.position.quantity == half


@pytest.mark.parametrize(
    ("commands", "state"),
    [
        ((Pause(id="1", reason="lunch"),), Control.REDUCING),
        ((Halt(id="1"),), Control.HALTED),
        ((Halt(id="1"), Resume(id="2")), Control.ACTIVE),
        ((Halt(id="1"), Pause(id="2")), Control.HALTED),
    ],
)
def test_the_control_state_survives(
    tmp_path: Path, commands: tuple[AnyCommand, ...], state: Control
) -> None:
    with Script(tmp_path) as script:
        for command in commands:
            script.send(command)
        reason = script.desk.control.reason
        script.crash()
    with script.again(tmp_path) as again:
        assert again.state() is state
        if state is not Control.ACTIVE:
            assert again.desk.control.reason == reason


def test_a_day_s_figures_and_cooldowns_survive(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        position = script.opened(BTC)
        script.price(float(position.stop) - 1, BTC)
        script.price(float(position.stop) - 1, BTC)
        script.opened(ETH)
        before = belief(script)
        script.crash()
    with script.again(tmp_path, warm=False) as again:
        after = belief(again)
        for what in ("money", "limits", "cooldowns", "trades", "statistics"):
            assert after[what] == before[what], what
        assert again.desk.used.opened_risk > 0
        assert again.desk.cooldowns[BTC] > again.now_ns


def test_an_order_on_its_way_is_filled_once_where_market_time_stood_still(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.approve(proposal)
        script.crash()
    with script.again(tmp_path) as again:
        again.price(PRICE)
        [order] = again.orders()
        assert (order.state, order.filled) == (OrderState.FILLED, proposal.quantity)
        assert again.position.quantity == proposal.quantity
        assert again.desk.proposals.get(proposal.id).state is ProposalState.FILLED  # type: ignore[union-attr]


def test_an_order_on_its_way_is_ended_and_not_repeated_on_a_live_market(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        proposal = script.proposed()
        script.approve(proposal)
        script.crash()
    with script.again(tmp_path) as again:
        again.price(PRICE)
        [order] = again.orders()
        assert (order.state, order.filled) == (OrderState.CANCELLED, Decimal(0))
        assert "nothing is repeated" in order.reason
        assert again.desk.proposals.get(proposal.id).state is ProposalState.FAILED  # type: ignore[union-attr]
        assert again.desk.book.open() == ()


def test_a_part_close_on_its_way_sells_its_part_once(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.send(ClosePosition(id="1", position=position.id, fraction=0.5))
        script.crash()
    with script.again(tmp_path) as again:
        again.price(PRICE)
        left = again.position
        assert abs(left.quantity * 2 - position.quantity) <= Decimal("0.00001")
        lot = again.feed.instruments[BTC].lot_step
        assert again.desk.watches[position.id].lots * lot == left.quantity
        again.price(float(position.stop) - 1)
        again.price(float(position.stop) - 1)
        assert again.trades[0].quantity == position.quantity


def test_a_resting_limit_rests_on_and_opens_its_position(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        desk, orders = script.desk, script.kernel.orders
        waiting = script.proposed()
        proposal = desk.proposals.approve(waiting.id, waiting.digest, 0, desk.now_ns)
        position = desk.ids.next("POS")
        desk.book.plan(plan_for(proposal, position, desk.symbols[BTC], None))
        limit = Decimal(59_900)
        order = orders.make(
            symbol=BTC, direction=proposal.direction, purpose=Purpose.ENTRY,
            quantity=proposal.quantity, position=position, proposal=proposal.id,
            expected=limit, limit=limit,
        )  # fmt: skip
        orders.enter(order, (), desk.propose(proposal, Actor.PERSON, "a limit"))
        script.price(PRICE)
        assert desk.orders[order.id].state is OrderState.OPEN
        script.crash()
    with script.again(tmp_path) as again:
        assert [o.id for o in again.desk.broker.open_orders()] == [order.id]
        again.price(59_890)
        assert again.position.entry_price == limit
        assert again.position.stop == proposal.stop


def test_an_armed_condition_stays_armed(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        condition = TradeCondition(
            id="C-1", symbol=BTC, direction=Direction.LONG, trigger=PRICE + 500, above=True,
            stop=PRICE, targets=(), created_ns=script.now_ns,
            valid_until_ns=script.now_ns + 10**13, reasoning="breakout", strategy="technical",
        )  # fmt: skip
        script.desk.record(
            ConditionChanged(time_ns=script.now_ns, condition=condition, state="armed")
        )
        script.crash()
    with script.again(tmp_path) as again:
        assert again.desk.sniper.conditions() == (condition,)


def test_a_restarted_engine_can_value_what_it_holds_before_the_first_price(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, live=True) as script:
        script.opened()
        script.price(PRICE + 300)
        equity = script.snapshot.account.equity
        script.close()
    with script.again(tmp_path, warm=False) as again:
        assert abs(again.snapshot.account.equity - equity) < 1
        assert again.snapshot.run.recovered.startswith("recovered at")


@pytest.mark.parametrize("end", [Script.close, Script.crash])
@pytest.mark.parametrize("live", [False, True])
def test_a_close_on_its_way_at_the_stop_leaves_nothing_unprotected_and_sells_nothing_twice(
    tmp_path: Path, end: Callable[[Script], None], live: bool
) -> None:
    with Script(tmp_path, live=live) as script:
        position = script.opened()
        script.send(ClosePosition(id="1", position=position.id, fraction=0.5))
        end(script)
    with script.again(tmp_path, warm=False) as again:
        desk = again.desk
        lot = again.feed.instruments[BTC].lot_step
        on_its_way = sum((o.quantity for o in desk.orders.values()), Decimal(0))
        assert (on_its_way > 0) is not live
        assert desk.watches[position.id].lots * lot == position.quantity - on_its_way
        again.price(PRICE)
        for _ in range(3):
            again.price(float(position.stop) - 1)
        assert again.trades[0].quantity == position.quantity
        sold = [o.filled for o in again.orders() if o.purpose is not Purpose.ENTRY]
        assert sum(sold) == position.quantity
