"""Trades that were not made: whichever way, each is followed to the end it would have had."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.commands import Pause, Reject, TakeOver
from engine.core.records import Denied, Followed, Following, Noted
from engine.core.types import Bar, Direction
from engine.core.views import Counterfactual
from engine.journal.codec import decode
from engine.journal.projections import project
from engine.journal.queries import Reader
from engine.journal.recovered import Fold
from engine.kernel.appraisal import Wish
from engine.kernel.deciding import Candidate
from tests.engine.scripted import BTC, ETH, PRICE, Script

AGES = (("1m", MINUTE), ("5m", 5 * MINUTE), ("15m", 15 * MINUTE), ("60m", HOUR),
        ("4h", 4 * HOUR), ("24h", DAY))  # fmt: skip


def rejected(script: Script) -> None:
    proposal = script.proposed()
    assert script.send(Reject(id="x", proposal=proposal.id, reason="not today")).ok


def expired(script: Script) -> None:
    proposal = script.proposed()
    script.wait((proposal.expires_ns - script.now_ns) / 1e9 + 60)
    script.price(PRICE)
    script.cycle()


def denied(script: Script) -> None:
    script.send(Pause(id="p"))
    script.want()


def overridden(script: Script) -> None:
    position = script.opened()
    assert script.send(TakeOver(id="t", position=position.id, taken=True)).ok


def followed(script: Script) -> list[Counterfactual]:
    return list(script.snapshot.counterfactuals)


@pytest.mark.parametrize("way", [rejected, expired, denied, overridden])
def test_each_way_of_not_making_a_trade_is_followed_and_shown(tmp_path: Path, way) -> None:  # type: ignore[no-untyped-def]
    with Script(tmp_path, settings={"exit.max_holding_days": 14}) as script:
        way(script)
        [one] = followed(script)
        assert one.kind == way.__name__
        assert one.ended == ""
        assert one.price == pytest.approx(PRICE, rel=0.001)
        began = one.time_ns
        for name, after in AGES[:3]:
            script.wait((began + after - script.now_ns) / 1e9)
            script.price(PRICE * 1.0005)
            [one] = followed(script)
            assert one.marks[-1][0] == name
            assert one.marks[-1][1] == pytest.approx(0.05 - 0.2, abs=0.04)


def test_marks_go_on_to_a_day_and_then_it_ends(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        rejected(script)
        [one] = followed(script)
        for _, after in AGES:
            script.wait((one.time_ns + after - script.now_ns) / 1e9)
            script.price(PRICE * 1.0005)
        [kept] = [record.counterfactual for record in script.records(Followed)]
        assert [name for name, _ in kept.marks] == [name for name, _ in AGES]
        assert kept.ended == "24 h over"


@pytest.mark.parametrize(("move", "ended", "won"), [(0.97, "stop_loss", False)])
def test_a_refused_trade_ends_at_its_own_stop(
    tmp_path: Path, move: float, ended: str, won: bool
) -> None:
    with Script(tmp_path) as script:
        denied(script)
        script.price(PRICE * move)
        script.price(PRICE * move)
        [kept] = [record.counterfactual for record in script.records(Followed)]
        assert kept.ended == ended
        assert (kept.pnl_pct > 0) is won
        assert kept.code == "control_state"


def test_what_the_engine_would_have_done_goes_on_after_a_person_closed_in_a_hurry(
    tmp_path: Path,
) -> None:
    with Script(tmp_path) as script:
        overridden(script)
        position = script.position
        target = float(position.targets[-1])
        for k in range(1, 9):
            script.price(PRICE + (target - PRICE) * k / 8)
            script.price(PRICE + (target - PRICE) * k / 8)
        for _ in range(3):
            script.price(PRICE + (target - PRICE) * 0.4)
        [kept] = [record.counterfactual for record in script.records(Followed)]
        assert kept.kind == "overridden"
        assert kept.code == f"{position.id} taken over"
        assert kept.pnl_pct > 0
        assert script.desk.book.of_symbol(BTC)


def held_up(script: Script) -> Script:
    """The engine after a stop of an hour on a live market."""
    script.close()
    return script.again(script.path.parent, warm=False, begin_ns=script.now_ns + HOUR)


def test_a_refused_trade_is_followed_on_after_a_restart_on_a_live_market(tmp_path: Path) -> None:
    with Script(tmp_path, live=True, settings={"exit.max_holding_days": 14}) as script:
        denied(script)
        script.wait(70)
        script.price(PRICE * 1.001)
        [before] = followed(script)
        with held_up(script) as again:
            [one] = followed(again)
            assert one == before
            [said] = [r.text for r in again.records(Noted) if "are unknown" in r.text]
            assert said.startswith("1 trades that were not made are followed on")
            for _ in range(3):
                again.price(PRICE * 1.002)
            [one] = followed(again)
            assert one.unseen_ns == pytest.approx(HOUR, rel=0.01)
            # What 5, 15 and 60 minutes would have shown, nobody saw.
            assert [name for name, _ in one.marks] == ["1m"]
            again.wait(3 * HOUR / 1e9)
            again.price(PRICE * 1.003)
            [one] = followed(again)
            assert [name for name, _ in one.marks] == ["1m", "4h"]
            for _ in range(3):
                again.price(PRICE * 0.95)
            [kept] = [record.counterfactual for record in again.records(Followed)]
            assert (kept.ended, kept.own_exit) == ("stop_loss", True)


def test_a_day_that_ended_while_nobody_looked_ends_at_what_was_last_seen(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        denied(script)
        script.price(PRICE * 1.001)
        [before] = followed(script)
        script.close()
        with script.again(tmp_path, warm=False, begin_ns=script.now_ns + 2 * DAY) as again:
            for _ in range(3):
                again.price(PRICE * 1.2)
            [kept] = [record.counterfactual for record in again.records(Followed)]
            assert (kept.ended, kept.own_exit) == ("24 h over", False)
            assert kept.pnl_pct == before.pnl_pct
            assert kept.unseen_ns == pytest.approx(DAY, rel=0.01)
            assert kept.ended_ns == kept.time_ns + DAY


@pytest.mark.parametrize(
    ("way", "who"),
    [(rejected, "person"), (overridden, "person"), (expired, "engine"), (denied, "engine")],
)
def test_what_was_not_made_says_who_said_no_and_what_it_was(tmp_path: Path, way, who) -> None:  # type: ignore[no-untyped-def]
    with Script(tmp_path) as script:
        way(script)
        script.price(PRICE * 0.999)
        [one] = followed(script)
        assert (one.who, one.strategy, one.score) == (who, "technical", 0.9)
        assert one.stop < PRICE < one.targets[0]
        assert one.gross_pct == pytest.approx(one.pnl_pct + 0.2, abs=1e-3)
        assert (one.own_exit, one.ended_ns) == (False, 0)
        script.price(one.stop * 0.99)
        script.price(one.stop * 0.99)
        kept = script.records(Followed)[0].counterfactual
        assert (kept.own_exit, kept.ended_ns) == (True, script.records(Followed)[0].time_ns)
        with Reader(script.path) as reader:
            [row] = reader.table("counterfactuals")
        assert (row["who"], row["strategy_id"], row["own_exit"]) == (who, "technical", 1)


@pytest.mark.parametrize("before", [True, False])
def test_bars_between_the_last_note_and_the_cursor_are_gone_through_again(
    tmp_path: Path, before: bool
) -> None:
    with Script(tmp_path) as script:
        denied(script)
        script.crash()
        [noted] = script.records(Following)
    opened = noted.seen_ns + (-MINUTE if before else 0)
    again = script.again(tmp_path, warm=False, begin_ns=script.now_ns + MINUTE)
    again.feed.past[BTC] = (
        Bar(
            symbol=BTC, open_ns=opened, span_ns=MINUTE, open=PRICE, high=PRICE, low=PRICE * 0.9,
            close=PRICE, volume=1.0,
        ),
    )  # fmt: skip
    with again:
        ended = [(one.ended, one.ended_ns) for one in followed(again)]
        assert ended == ([("", 0)] if before else [("stop_loss", opened + MINUTE)])
        again.price(PRICE)


def test_a_refusal_that_repeats_itself_within_a_second_is_one_trade(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        denied(script)
        decision = script.desk.symbols[BTC].decision
        assert decision is not None
        wish = Wish(
            symbol=script.desk.symbols[BTC], direction=Direction.LONG, strategy="technical",
            confidence=0.9,
        )  # fmt: skip
        again = Candidate(wish.symbol, decision, wish, 1.0)
        for _ in range(3):
            script.kernel.entries.propose(again)
        assert len(script.records(Denied)) == 4
        assert len(followed(script)) == 1
        script.wait(2)
        script.price(PRICE)
        script.kernel.entries.propose(again)
        assert len(followed(script)) == 2


def test_a_symbol_that_is_left_out_after_a_restart_is_followed_no_further(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        script.send(Pause(id="p"))
        script.want(symbol=ETH)
        script.close()
    with script.again(tmp_path, symbols=(BTC,)) as again:
        [kept] = [record.counterfactual for record in again.records(Followed)]
        assert (kept.symbol, kept.ended) == (ETH, "its symbol is not followed any more")
        again.price(PRICE)
        assert [view.ended for view in followed(again)] == [kept.ended]


def test_a_journal_that_told_less_of_what_was_not_made_is_read() -> None:
    old = (
        '{"kind":"counterfactual","time_ns":5,"counterfactual":{"id":"X-1","symbol":"BTC/USDT",'
        '"kind":"denied","code":"spread","time_ns":1,"price":2.0,"direction":"LONG",'
        '"pnl_pct":0.5,"ended":"stop_loss","marks":[["1m",0.1]]}}'
    )
    fold = Fold()
    fold.event(1, 5, "counterfactual", old)
    [view] = fold.result().followed
    assert (view.pnl_pct, view.who) == (0.5, "")
    assert math.isnan(view.gross_pct)
    assert math.isnan(view.stop)
    assert list(project(decode(old), 1))
