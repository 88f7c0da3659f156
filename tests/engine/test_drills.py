"""Drills pass as they are, and each fails when the protection that it is about is taken out."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.drills import DRILLS, run_drill
from engine.core.errors import ConfigError
from engine.kernel.exits import Exits
from engine.risk.runaway import Runaway

BLIND = (("data.max_quote_age_crypto_s", "120"), ("cb.data_stale_sec", "300"))


@pytest.mark.parametrize("name", DRILLS)
def test_each_drill_passes_and_repeats_to_the_last_figure(name: str) -> None:
    outcome = run_drill(name)
    assert outcome.passed, outcome.facts()
    assert run_drill(name).facts() == outcome.facts()


@pytest.mark.parametrize("name", ["feed-drop", "stale-feed"])
def test_a_dead_feed_fails_its_drill_when_prices_may_be_old(name: str) -> None:
    outcome = run_drill(name, BLIND)
    assert not outcome.passed
    assert not outcome.checks["nothing was sent on dead prices"]
    assert not outcome.checks["the breaker opened in time"]


def test_the_breaker_alone_keeps_a_frozen_feed_from_being_traded() -> None:
    """With the gate at its loosest, every refusal is the breaker's."""
    outcome = run_drill("stale-feed", BLIND[:1])
    assert outcome.checks["nothing was sent on dead prices"]
    assert set(outcome.figures["refused_by"]) == {"breaker_open"}


def test_a_flash_crash_fails_its_drill_without_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exits, "on_price", lambda *_: None)
    outcome = run_drill("flash-crash")
    assert not outcome.passed
    assert not outcome.checks["the position was closed"]
    assert not outcome.checks["the stop saved most of the fall"]


def test_a_runaway_fails_its_drill_without_its_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runaway, "asked", lambda *_: None)
    monkeypatch.setattr("app.drills.CALLS", 200)
    outcome = run_drill("runaway")
    assert not outcome.passed
    assert not outcome.checks["it was halted within a second"]
    assert outcome.checks["exposure stayed within the caps"]


def test_an_unknown_drill_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ConfigError, match="flash-crsh") as refused:
        run_drill("flash-crsh")
    assert "flash-crash" in str(refused.value.hint)


def test_the_command_prints_one_object_and_its_code_tells_the_verdict() -> None:
    runner = CliRunner()
    passed = runner.invoke(app, ["drill", "flash-crash", "--json"], standalone_mode=False)
    assert passed.return_value == 0
    facts = json.loads(passed.stdout)
    assert facts["passed"] is True
    assert set(facts) == {"name", "what", "passed", "checks", "figures"}
    failed = ["drill", "stale-feed"]
    for name, value in BLIND:
        failed += ["--set", f"{name}={value}"]
    told = runner.invoke(app, failed, standalone_mode=False)
    assert told.return_value == 1
    assert told.stdout.endswith("FAILED\n")
