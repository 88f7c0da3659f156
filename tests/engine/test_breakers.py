"""Breakers in a running engine: what they hold back, who is told, what a restart keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.core.clock import DAY, MINUTE
from engine.core.commands import Resume
from engine.core.errors import CommandRefused
from engine.core.records import BreakerChanged, Denied, ProposalChanged
from engine.core.types import Actor, BreakerState, Control, Direction, FeedStatus, Link, Purpose
from engine.core.views import BreakerView
from engine.journal.queries import Reader
from engine.kernel.deciding import Candidate
from tests.engine.scripted import BTC, ETH, PRICE, SPAN, Script
from tests.faults.runaway import runaways

QUICK: Mapping[str, object] = {
    "pos.cooldown_min_per_ticker": 0, "cb.consecutive_losses": 3, "risk.max_daily_risk_pct": 10,
}  # fmt: skip


def lose(script: Script) -> None:
    """Open at the price there is and be stopped out."""
    script.want()
    script.price(script.desk.symbols[BTC].last)
    stop = float(script.position.stop)
    script.price(stop * 0.999)
    script.price(stop * 0.999)
    assert script.desk.book.open() == ()


def breaker(script: Script, name: str) -> BreakerView:
    [view] = [one for one in script.snapshot.breakers if one.name == name]
    return view


def moves(script: Script, name: str) -> list[BreakerState]:
    found = script.records(BreakerChanged)
    return [one.breaker.state for one in found if one.breaker.name == name]


def test_losses_in_a_row_pause_entries_and_one_smaller_entry_is_tried(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", settings=QUICK) as script:
        for _ in range(3):
            lose(script)
        view = breaker(script, "losses")
        assert (view.state, view.value, view.limit) == (BreakerState.OPEN, 3.0, 3.0)
        script.want()
        assert [one.code for one in script.records(Denied)] == ["breaker_open"]
        script.wait(view.until_ns / 1e9 - script.now_ns / 1e9 + 60)
        script.want()
        script.price(script.desk.symbols[BTC].last)
        position = script.position
        approved = [one.proposal for one in script.records(ProposalChanged)]
        [factor] = [one for one in approved[-1].factors if one.name == "on trial"]
        assert factor.value == 0.5
        assert breaker(script, "losses").state is BreakerState.HALF_OPEN
        for step in (1.02, 1.04, 1.06, 1.08, 1.05, 1.03):
            for _ in range(2):
                script.price(float(position.entry_price) * step)
        assert script.trades[-1].won
        assert breaker(script, "losses").state is BreakerState.CLOSED
        assert moves(script, "losses") == [
            BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED,
        ]  # fmt: skip


def test_a_pause_outlasts_a_crash_and_a_person_ends_it(tmp_path: Path) -> None:
    script = Script(tmp_path, approval="auto", settings=QUICK)
    with script:
        for _ in range(3):
            lose(script)
        before = breaker(script, "losses")
        script.crash()
    with script.again(tmp_path, begin_ns=script.now_ns // SPAN * SPAN + SPAN) as after:
        assert breaker(after, "losses") == before
        after.want()
        assert after.desk.tally.denials == {"breaker_open": 1}
        ack = after.send(Resume(id="r-1"))
        assert ack.ok
        assert "losses in a row" in ack.text
        assert breaker(after, "losses").state is BreakerState.CLOSED
        assert after.records(BreakerChanged)[-1].who is Actor.PERSON
        after.want()
        after.price(after.desk.symbols[BTC].last)
        assert after.position


def candidate(script: Script) -> Candidate:
    """An entry that a strategy wants, before anybody judged it."""
    found: list[Candidate] = []
    entries = script.kernel.entries
    kept = entries.propose
    entries.propose = found.append  # type: ignore[method-assign, assignment]
    script.want()
    entries.propose = kept  # type: ignore[method-assign]
    [one] = found
    return one


CALLS = 20_000


def test_a_runaway_strategy_is_halted_in_the_call_that_is_one_too_many(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        wanted = candidate(script)
        at = script.desk.now_ns
        propose = script.kernel.entries.propose
        halted_after = 0
        for k in range(100):
            propose(wanted)
            if not halted_after and script.state() is Control.HALTED:
                halted_after = k + 1
        runaway = script.desk.breakers.runaway
        for _ in range(CALLS):
            runaway.asked((BTC, "LONG", "technical"), script.desk.now_ns)
            runaway.admit("P-1", script.desk.now_ns)
        assert script.desk.now_ns == at
        assert halted_after == 11
        script.price(PRICE)
        account = script.desk.ledger.account(script.desk.now_ns, script.desk.marks())
        assert account.exposure <= account.equity / 10 * 11 / 10
        assert len([o for o in script.orders() if o.purpose is Purpose.ENTRY]) == 1
        assert breaker(script, "runaway").state is BreakerState.OPEN
        script.wait(2 * DAY / 1e9)
        script.price(PRICE)
        assert script.state() is Control.HALTED
        assert script.send(Resume(id="r-1")).ok
        assert script.state() is Control.ACTIVE
        assert breaker(script, "runaway").state is BreakerState.CLOSED


def test_strategies_that_ask_without_end_are_halted_within_a_second_and_stay_so() -> None:
    assert runaways(600, seed=2) == []


def test_a_path_around_the_gates_still_sends_no_more_than_may_be_sent(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        orders = script.kernel.orders
        sent = refused = 0
        for _ in range(200):
            order = orders.make(
                symbol=BTC, direction=Direction.LONG, purpose=Purpose.ENTRY,
                quantity=script.desk.symbols[BTC].instrument.lot_step, position="POS-x",
                expected=script.desk.symbols[BTC].instrument.price_tick,
            )  # fmt: skip
            if refused:
                with pytest.raises(CommandRefused, match="runaway"):
                    orders.enter(order, ())
                refused += 1
            elif script.kernel.guard.admit(order):
                refused += 1
            else:
                sent += 1
        assert (sent, refused) == (5, 195)
        assert script.state() is Control.HALTED


def test_a_hard_breaker_left_open_halts_the_engine_that_follows(tmp_path: Path) -> None:
    script = Script(tmp_path, approval="auto")
    with script:
        for _ in range(6):
            trip = script.desk.breakers.runaway.admit("", script.desk.now_ns)
        assert trip is not None
        script.kernel.guard.tell()
        assert script.state() is Control.ACTIVE
        script.crash()
    with script.again(tmp_path) as after:
        assert after.state() is Control.HALTED
        assert "runaway" in after.snapshot.control.reason


def down(script: Script, reason: str = "reset by peer") -> None:
    for link in (Link.DOWN, Link.UP):
        script.push(FeedStatus(link=link, time_ns=script.now_ns, venue="scripted", reason=reason))


def test_a_feed_that_drops_again_and_again_stops_entries(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        for _ in range(4):
            down(script)
        assert breaker(script, "api_failures").state is BreakerState.CLOSED
        down(script)
        assert breaker(script, "api_failures").state is BreakerState.OPEN
        assert "reset by peer" in breaker(script, "api_failures").reason
        script.cycle()
        script.cycle()
        script.cycle()
        assert breaker(script, "api_failures").state is BreakerState.HALF_OPEN
        script.cycle()
        script.cycle()
        assert breaker(script, "api_failures").state is BreakerState.CLOSED


def test_a_silent_feed_opens_the_breaker_within_seconds_and_a_price_closes_it(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, live=True) as script:
        for _ in range(20):
            script.wait(1)
        assert breaker(script, "stale_data").state is BreakerState.OPEN
        assert 15 <= breaker(script, "stale_data").value <= 20
        script.price(PRICE)
        script.wait(1)
        assert breaker(script, "stale_data").state is BreakerState.CLOSED
        assert script.send(Resume(id="r-1")).code == "already"


def test_what_moved_is_in_the_table_that_readers_ask(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", settings=QUICK) as script:
        for _ in range(3):
            lose(script)
        script.desk.journal.barrier()
        with Reader(script.path) as reader:
            [row] = [r for r in reader.table("circuit_breaker_events") if r["breaker"] == "losses"]
            assert (row["state"], row["value"], row["threshold"]) == ("OPEN", 3.0, 3.0)
            assert row["until_ns"] == row["timestamp"] + 30 * MINUTE
            [known] = [one for one in reader.breakers() if one.breaker.name == "losses"]
            assert known.breaker.base == row["base"]


def test_value_at_risk_beyond_its_limit_holds_entries_and_a_smaller_book_frees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Script(tmp_path, approval="auto", symbols=(BTC, ETH)) as script:
        script.want()
        script.price(PRICE)
        assert script.position
        monkeypatch.setattr(
            type(script.desk.risk), "standing", lambda self, held: (None, 0.0, 400.0, "a test")
        )
        script.close_bar()
        script.cycle()
        view = breaker(script, "var")
        assert view.state is BreakerState.OPEN
        assert view.value == pytest.approx(4.0, abs=0.1)
        script.want(symbol=ETH)
        codes = [one.code for one in script.records(Denied)]
        assert codes == ["breaker_open"]
        held = script.position
        script.price(float(held.stop) * 0.999)
        script.price(float(held.stop) * 0.999)
        script.close_bar()
        script.cycle()
        assert breaker(script, "var").state is BreakerState.CLOSED
