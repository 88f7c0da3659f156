"""The control state: a person's pause and halt, the breakers, the day, and what never resets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from engine.core.clock import DAY, day_of
from engine.core.commands import Halt, Pause, Resume
from engine.core.records import Accounted, ControlChanged, Denied, OrderChanged
from engine.core.types import Action, Actor, Control, OrderState, Purpose
from tests.engine.scripted import BTC, ETH, PRICE, Script
from tests.faults.races import pause_races


def test_pause_stops_entries_and_lets_exits_go_on(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), approval="auto") as script:
        script.want(symbol=BTC)
        script.price(PRICE, BTC)
        held = script.position
        assert script.send(Pause(id="p", reason="lunch")).code == "paused"
        assert script.send(Pause(id="q")).code == "already"
        script.want(symbol=ETH)
        assert [d.code for d in script.records(Denied)] == ["control_state"]
        script.price(float(held.stop) - 1, BTC)
        script.price(float(held.stop) - 1, BTC)
        assert script.trades[0].exit_reason == "stop_loss"
        assert script.send(Resume(id="r")).code == "resumed"
        assert script.send(Resume(id="s")).code == "already"
        kept = [(r.state, r.reason, r.who) for r in script.records(ControlChanged)]
        assert kept[0] == (Control.REDUCING, "lunch", Actor.PERSON)
        assert kept[1][0] is Control.ACTIVE


def test_pause_cancels_an_entry_that_waits_for_its_market(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.approve(script.proposed())
        assert script.send(Pause(id="p")).ok
        script.price(PRICE)
        script.price(PRICE)
        [order] = script.orders()
        assert (order.state, order.filled) == (OrderState.CANCELLED, Decimal(0))


def test_nothing_is_sent_after_a_pause_committed() -> None:
    assert pause_races(60, seed=1) == []


def test_halt_admits_nothing_automatic_but_protection(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.want()
        script.price(PRICE)
        held = script.position
        assert script.send(Halt(id="h", reason="look first")).code == "halted"
        script.want(Action.SELL)
        assert script.position.quantity == held.quantity
        script.price(float(held.stop) - 1)
        script.price(float(held.stop) - 1)
        assert script.trades[0].exit_reason == "stop_loss"
        assert script.state() is Control.HALTED


def test_a_day_s_loss_closes_the_day_and_midnight_opens_it(tmp_path: Path) -> None:
    with Script(tmp_path, settings={"risk.daily_loss_pct": 3.0}) as script:
        ledger = script.desk.ledger
        ledger.restore(day_of(script.now_ns), Decimal(10_300), Decimal(10_300), 4)
        script.cycle()
        assert script.state() is Control.ACTIVE, "2.9 % is below the limit"
        script.opened()
        script.price(PRICE * 0.97)
        script.cycle()
        control = script.desk.control
        assert (script.state(), control.who) == (Control.REDUCING, Actor.ENGINE)
        assert control.reason.startswith("day closed: loss 3.")
        assert "limit 3 %" in control.reason
        script.wait(3_600)
        script.cycle()
        assert script.state() is Control.REDUCING
        script.wait((DAY - script.now_ns % DAY) / 1e9 + 1)
        script.price(PRICE * 0.97)
        script.cycle()
        assert script.state() is Control.ACTIVE
        starts = [r for r in script.records(Accounted) if r.why == "day start"]
        assert day_of(starts[-1].time_ns) == day_of(starts[0].time_ns) + 1
        assert starts[-1].account.day_start_equity < Decimal(10_000)
        assert starts[-1].account.trades_today == 0


def test_a_person_s_pause_outlasts_midnight(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.send(Pause(id="p"))
        script.wait(DAY / 1e9)
        script.price(PRICE)
        script.cycle()
        assert script.state() is Control.REDUCING


def test_a_drawdown_halts_and_only_a_person_clears_it(tmp_path: Path) -> None:
    with Script(tmp_path, settings={"risk.max_drawdown_pct": 8.0}) as script:
        ledger = script.desk.ledger
        ledger.restore(day_of(script.now_ns), Decimal(10_000), Decimal(10_850), 0)
        script.opened()
        assert script.state() is Control.ACTIVE, "7.8 % is below the limit"
        script.price(PRICE * 0.95)
        script.cycle()
        control = script.desk.control
        assert (script.state(), control.who) == (Control.HALTED, Actor.ENGINE)
        assert control.reason.startswith("drawdown 8.")
        for _ in range(3):
            script.price(PRICE * 1.02, after_s=DAY / 1e9)
            script.cycle()
        assert script.state() is Control.HALTED
        assert script.send(Resume(id="r", reason="understood")).ok
        script.cycle()
        assert script.state() is Control.ACTIVE


def test_every_entry_has_its_gates_and_no_entry_follows_a_refusal(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", symbols=(BTC, ETH)) as script:
        for symbol in (BTC, ETH, BTC, ETH):
            script.want(symbol=symbol)
            script.price(PRICE, symbol)
        intents = [
            r
            for r in script.records(OrderChanged)
            if r.order.state is OrderState.INTENT and r.order.purpose is Purpose.ENTRY
        ]
        assert len(intents) == 2
        assert all(gate.passed for r in intents for gate in r.gates)
