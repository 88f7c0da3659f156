"""Trades that were not made: whichever way, each is followed to the end it would have had."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.commands import Pause, Reject, TakeOver
from engine.core.records import Followed
from engine.core.views import Counterfactual
from tests.engine.scripted import BTC, PRICE, Script

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
