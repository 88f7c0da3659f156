"""Entries of which nothing was bought: asked for again, how often, when, and when not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.core.commands import Pause
from engine.core.records import Noted
from engine.core.types import Action, Bar, Order, OrderState, ProposalState
from tests.engine.scripted import BTC, PRICE, SPAN, Script
from tests.faults.journal import locked

EMPTY = 1e-9
"""A size below every lot: whoever comes finds nothing."""


def wanted(script: Script) -> None:
    """A strategy wants an entry at the close of the bar that forms; nobody has traded since."""
    script.speaker.says[BTC] = (Action.BUY, 0.9)
    opened = script.now_ns - script.now_ns % SPAN
    script._jump(opened + SPAN)
    script.push(
        Bar(symbol=BTC, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE * 1.002,
            low=PRICE * 0.998, close=PRICE, volume=150.0)
    )  # fmt: skip


def emptied(script: Script) -> None:
    """The book is empty when an order arrives."""
    script.book(((PRICE - 6, EMPTY),), ((PRICE + 6, EMPTY),))


def ends(script: Script) -> list[OrderState]:
    return [order.state for order in script.orders()]


def test_an_entry_that_found_an_empty_book_is_asked_for_again_and_bought(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        wanted(script)
        emptied(script)
        assert ends(script) == [OrderState.CANCELLED]
        assert script.desk.book.open() == ()
        script.price(PRICE, after_s=0.5)
        assert len(script.orders()) == 1, "a second has not passed"
        script.price(PRICE, after_s=1.0)
        script.price(PRICE)
        first, second = script.orders()
        assert (first.state, second.state) == (OrderState.CANCELLED, OrderState.FILLED)
        assert first.proposal != second.proposal, "one proposal never has two orders"
        failed = script.desk.proposals.get(first.proposal)
        assert failed is not None
        assert failed.state is ProposalState.FAILED
        assert script.position.symbol == BTC
        [told] = [n for n in script.records(Noted) if "asked for again" in n.text]
        assert "the book held no more" in told.text
        assert "1 of 3" in told.text


@pytest.mark.parametrize("most", [0, 2, 4])
def test_it_is_asked_for_so_often_and_not_once_more(tmp_path: Path, most: int) -> None:
    settings = {"exec.entry_max_retries": most}
    with Script(tmp_path, approval="auto", settings=settings) as script:
        wanted(script)
        for _ in range(12):
            emptied(script)
            script.wait(1.1)
        assert ends(script) == [OrderState.CANCELLED] * (1 + most)


@pytest.mark.parametrize(("sleep", "orders"), [(0.25, 4), (10, 1)])
def test_the_pause_before_it_is_the_parameters(tmp_path: Path, sleep: float, orders: int) -> None:
    settings = {"exec.retry_sleep_sec": sleep}
    with Script(tmp_path, approval="auto", settings=settings) as script:
        wanted(script)
        for _ in range(8):
            emptied(script)
            script.wait(0.4)
        assert len(script.orders()) == orders


def test_what_a_person_approved_is_not_asked_for_again(tmp_path: Path) -> None:
    with Script(tmp_path, settings={"paper.latency_ms": 150}) as script:
        script.approve(script.proposed())
        emptied(script)
        for _ in range(3):
            emptied(script)
            script.wait(1.1)
        assert ends(script) == [OrderState.CANCELLED]


def test_nor_what_was_called_off_nor_what_the_gates_refuse_by_then(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", settings={"paper.latency_ms": 500}) as script:
        wanted(script)
        script.quote(PRICE - 6, PRICE + 6, after_s=0.1)
        script.send(Pause(id="p"))
        for _ in range(3):
            emptied(script)
            script.wait(1.1)
        assert ends(script) == [OrderState.CANCELLED]
        assert not [n for n in script.records(Noted) if "asked for again" in n.text]


def test_a_newer_decision_ends_the_asking(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        wanted(script)
        emptied(script)
        symbol = script.desk.symbols[BTC]
        assert symbol.decision is not None
        symbol.decision = msgspec.structs.replace(symbol.decision, id="D-newer")
        script.price(PRICE, after_s=2)
        assert len(script.orders()) == 1


def test_a_market_that_was_silent_meanwhile_is_not_asked(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        wanted(script)
        emptied(script)
        script.price(PRICE, after_s=70)
        script.price(PRICE)
        assert len(script.orders()) == 1


def test_a_locked_journal_is_asked_again_when_it_is_back_and_not_waited_for(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.desk.journal.barrier()
        with locked(script.path):
            wanted(script)
            script.quote(PRICE - 6, PRICE + 6)
            assert script.desk.proposals.ended(1)[0].state is ProposalState.FAILED
            script.quote(PRICE - 6, PRICE + 6, after_s=1.1)
        script.desk.journal.barrier()
        script.price(PRICE, after_s=1.1)
        script.price(PRICE)
        orders: list[Order] = script.orders()
        assert [order.state for order in orders] == [OrderState.CANCELLED, OrderState.FILLED]
