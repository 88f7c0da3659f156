"""The honesty report of a whole engine: recorded as it happens, the same after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from app.honesty import honesty_of
from engine.core.clock import MINUTE, SECOND
from engine.core.commands import ClosePosition
from engine.core.records import FollowedUp
from engine.execution.aftermath import STOPPED
from engine.journal.queries import Reader
from tests.engine.scripted import Script


def round_trip(script: Script) -> None:
    held = script.opened()
    script.send(ClosePosition(id=script.name(), position=held.id, fraction=1.0))
    script.price(60_010.0)


def test_the_command_line_and_the_running_engine_tell_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Script(tmp_path) as script:
        round_trip(script)
        for _ in range(8):
            script.wait(60)
            script.price(60_020.0)
        live = script.snapshot.honesty
        account = script.snapshot.account
        assert live is not None
        assert len(script.records(FollowedUp)) == 2
        with Reader(script.path) as reader:
            assert honesty_of(reader).total == live.total
            assert str(honesty_of(reader)) == str(live)
    net = account.realised - account.fees - account.funding
    assert live.total.net == net == account.equity - account.start_equity
    assert [row.aftermath.ended for row in live.fills if row.aftermath is not None] == [True, True]
    assert run(["honesty", "--db", str(script.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["adds_up"] is True
    assert told["agrees_with_ledger"] is True
    assert told["overall"]["n"] == 2
    assert told["fills"][0]["assumptions"]["source"] in ("quote", "book", "tick")
    assert run(["honesty", "--db", str(script.path)]) == 0
    assert "agrees with the ledger" in capsys.readouterr().out


def test_a_restart_goes_on_watching_and_says_what_it_missed(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.opened()
        script.wait(2)
        script.price(60_050.0)
    [cut] = script.records(FollowedUp)
    assert not cut.aftermath.ended
    with script.again(tmp_path) as after:
        after.wait(120)
        after.price(60_100.0)
        after.wait(200)
        after.price(60_200.0)
        *_, told = after.records(FollowedUp)
        view = after.snapshot.honesty
    assert told.aftermath.ended
    assert told.aftermath.later[0] == cut.aftermath.later[0]
    assert told.aftermath.later[-1].price == pytest.approx(60_100.0, rel=1e-4)
    assert view is not None
    assert view.overall.n == 1


def test_after_a_crash_what_fell_into_the_gap_is_not_known(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        held = script.opened()
        script.crash()
    with script.again(tmp_path, begin_ns=script.now_ns + 2 * MINUTE) as after:
        after.wait(250)
        after.price(60_100.0)
        told = after.records(FollowedUp)[-1].aftermath
    hows = [one.how for one in told.later]
    assert hows[:3] == [STOPPED] * 3
    assert told.time_ns <= held.opened_ns + SECOND
    assert told.ended
