"""A disk that takes nothing (F4, F5 at the engine): no entry without a committed intent,
protection all the same, and no fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.commands import ClosePosition
from engine.core.records import Filled, Noted, OrderChanged
from engine.core.types import Action, Order, OrderState, ProposalState, Purpose
from engine.execution.broker import BrokerEvent
from engine.kernel import orders
from tests.engine.scripted import BTC, PRICE, Script
from tests.faults.journal import locked


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Barriers give up sooner: the disk of these tests never comes back in time."""
    monkeypatch.setattr(orders, "ENTRY_BARRIER_S", 0.05)
    monkeypatch.setattr(orders, "EXIT_BARRIER_S", 0.05)


@contextmanager
def watched(script: Script) -> Iterator[list[Order]]:
    """What the broker is sent."""
    sent: list[Order] = []
    submit = script.desk.broker.submit

    def spy(order: Order) -> list[BrokerEvent]:
        sent.append(order)
        return list(submit(order))

    script.desk.broker.submit = spy  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        script.desk.broker.submit = submit  # type: ignore[method-assign]


def test_an_approval_that_can_t_be_committed_sends_nothing(tmp_path: Path) -> None:
    with Script(tmp_path) as script, watched(script) as sent:
        proposal = script.proposed()
        script.desk.journal.barrier()
        with locked(script.path):
            ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "journal")
        assert sent == []
        script.price(PRICE)
        assert script.desk.book.open() == ()
        [order] = script.orders()
        assert (order.state, order.filled) == (OrderState.CANCELLED, Decimal(0))
        assert script.desk.proposals.get(proposal.id).state is ProposalState.FAILED  # type: ignore[union-attr]


def test_an_entry_by_itself_that_can_t_be_committed_is_told_and_the_engine_goes_on(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, approval="auto") as script, watched(script) as sent:
        script.desk.journal.barrier()
        with locked(script.path):
            script.want()
        assert sent == []
        [failed] = script.desk.proposals.ended(1)
        assert failed.state is ProposalState.FAILED
        assert "journal" in failed.note
        script.want()
        script.price(PRICE)
        assert len(sent) == 1
        assert script.position.symbol == BTC


def test_a_stop_fires_through_the_emergency_log(tmp_path: Path) -> None:
    with Script(tmp_path) as script, watched(script) as sent:
        position = script.opened()
        script.desk.journal.barrier()
        with locked(script.path):
            script.price(float(position.stop) - 1)
            script.price(float(position.stop) - 1)
            assert [order.purpose for order in sent] == [Purpose.ENTRY, Purpose.EXIT]
            assert script.desk.book.open() == ()
        assert script.trades[0].exit_reason == "stop_loss"
        intents = [r.order for r in script.records(OrderChanged) if r.order.id == sent[1].id]
        assert intents[0].state is OrderState.INTENT
        assert len(script.records(Filled)) == 2


def test_a_fill_is_told_outside_only_when_the_disk_is_back(tmp_path: Path) -> None:
    log = tmp_path / "acks"
    with Script(tmp_path, ack_log=log) as script:
        proposal = script.proposed()
        script.approve(proposal)
        script.desk.journal.barrier()
        with locked(script.path):
            script.price(PRICE)
            assert script.position.quantity == proposal.quantity
            assert not log.exists() or log.read_text() == ""
        script.desk.journal.barrier()
        script.cycle()
        assert len(log.read_text().split()) == 1


def test_a_strategy_that_turns_while_an_exit_is_on_its_way_is_no_fault(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        position = script.opened()
        # The decision falls due between the close and its fill.
        script.speaker.says[BTC] = (Action.SELL, 0.9)
        script.desk.params.set("paper.latency_ms", 5_000, "test")
        script.wait((script.now_ns // 10**9 // 900 * 900 + 900) - script.now_ns / 10**9 - 2)
        script.price(PRICE)
        script.send(ClosePosition(id="1", position=position.id))
        script.close_bar()
        script.wait(6)
        script.price(PRICE)
        exits = [order for order in script.orders() if order.purpose is Purpose.EXIT]
        assert [order.filled for order in exits] == [position.quantity]
        assert any("on its way" in note.text for note in script.records(Noted))
