"""The time machine: every decision made again comes out the same, and what is not is named."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import machine as app_machine
from app.cli import run
from app.machine import DIFFERS, SAME, UNKNOWN, Story, TimeMachine, machine_of, stories
from engine.core.parameters import Scope
from engine.core.records import ParameterSet
from engine.core.release import code_version
from engine.core.types import Action, Decision
from engine.journal.queries import Reader
from tests.engine.scripted import Script
from tests.engine.test_replay import run as replay
from tests.faults.recording import record
from tests.recorded import recorded


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    market = record(folder / "market", 3_000)
    replay(folder / "journal.db", f"replay:{market}")
    return folder / "journal.db"


def voted(machine: TimeMachine) -> Iterator[Story]:
    """Decisions that votes made; a condition's has none."""
    return (story for story in stories(machine) if story.decision.votes)


def verdicts(path: Path, *settings: tuple[str, object]) -> Counter[str]:
    reader, machine = machine_of(path)
    with reader:
        return Counter(machine.again(story, settings).verdict for story in stories(machine))


def test_a_replays_decisions_made_again_are_the_same(journal: Path) -> None:
    found = verdicts(journal)
    assert found[SAME] >= 30
    assert set(found) == {SAME}
    with Reader(journal) as reader:
        assert reader.denials(), "denials are made again as well as proposals"


def test_bars_at_which_nobody_spoke_are_kept_too_and_come_out_by_their_digest(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, machine = machine_of(journal)
    with reader:
        quiet = [story for story in stories(machine) if story.digest]
        numbers = [int(name.removeprefix("D-")) for name in machine.ids]
        assert len(quiet) > len(machine.ids) / 2
        assert sorted(numbers) == list(range(1, max(numbers) + 1)), "no decision is missing"
        for story in quiet[:20]:
            assert story.decision.signals
            assert not any(s.action is not Action.HOLD for s in story.decision.signals)
            assert story.features
        monkeypatch.setattr(app_machine, "digest_of", lambda _: "another")
        remade = machine.again(quiet[0])
    assert remade.verdict == DIFFERS
    assert [one.what for one in remade.differences] == ["digest"]


def test_a_file_from_before_they_were_kept_is_read_without_them(
    journal: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.db"
    with contextlib.closing(sqlite3.connect(journal)) as now:
        now.execute("VACUUM INTO ?", (str(older),))
    with contextlib.closing(sqlite3.connect(older)) as connection:
        connection.execute("DROP TABLE quiet")
        connection.commit()
    reader, machine = machine_of(older)
    with reader:
        assert machine.ids
        assert not any(story.digest for story in stories(machine))


def test_recorded_days_of_perpetuals_made_again_is_the_same(tmp_path: Path) -> None:
    bars = recorded("ohlcv_crypto/typhonun_binance_um/1m")
    replay(
        tmp_path / "week.db", f"replay:{bars}", symbols=("BTC/USDT:USDT", "SOL/USDT:USDT"),
        timeframe="15m", start="2025-05-10", end="2025-05-14",
    )  # fmt: skip
    found = verdicts(tmp_path / "week.db")
    assert found[SAME] >= 30
    assert set(found) == {SAME}


def test_an_altered_parameter_is_shown_and_named(journal: Path) -> None:
    reader, machine = machine_of(journal)
    with reader:
        entered = next(s for s in voted(machine) if s.proposal is not None)
        least = entered.decision.confidence + 0.01
        remade = machine.again(entered, [("dec.min_confidence", min(least, 0.8))])
        assert remade.verdict == DIFFERS
        assert remade.why == (f"dec.min_confidence was 0.2, here {min(least, 0.8)}",)
        changed = {one.what: one for one in remade.differences}
        assert (changed["action"].then, changed["action"].now) == (
            str(entered.decision.action),
            "HOLD",
        )
        assert changed["gates.confidence.passed"].now == "False"
        smaller = machine.again(entered, [("size.base_pct", 5)])
        assert {"quantity", "factors.base.value"} <= {one.what for one in smaller.differences}
        assert machine.again(entered).verdict == SAME


def test_another_version_is_named_as_such(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_machine, "code_version", lambda: "9.9+feedc0de")
    reader, machine = machine_of(journal)
    with reader:
        story = next(iter(stories(machine)))
        remade = machine.again(story)
    assert story.code == code_version()
    assert remade.verdict == SAME
    assert remade.why == (f"made by version {code_version()}, made again by 9.9+feedc0de",)


def test_code_that_thinks_otherwise_is_found(journal: Path) -> None:
    from engine.strategies.ma_crossover import MaCrossover
    from engine.strategies.rsi_reversion import RsiReversion

    class Contrary(MaCrossover):
        def judge(self, context: object) -> object:  # type: ignore[override]
            verdict = super().judge(context)  # type: ignore[arg-type]
            return verdict._replace(confidence=verdict.confidence / 2)

    with Reader(journal) as reader:
        machine = TimeMachine(reader, (Contrary(), RsiReversion()))
        remade = [machine.again(story) for story in voted(machine)]
    assert Counter(one.verdict for one in remade)[DIFFERS] > 5
    assert all("the strategy technical is not part of this version" in one.why for one in remade)


def test_the_command_tells_inputs_outcome_and_differences(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, machine = machine_of(journal)
    with reader:
        traded = next(s for s in voted(machine) if s.trade is not None)
        name = traded.decision.id
    assert run(["decision", name, "--again", "--json", "--db", str(journal)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["again"]["verdict"] == "same"
    assert told["again"]["differences"] == []
    assert told["trade"]["decision"] == name
    assert len(told["inputs"]["features"]) > 40
    assert len(told["inputs"]["closes"]) == 64
    assert told["inputs"]["closes"][-1] == told["inputs"]["bar"]["close"]
    assert told["inputs"]["gates"]["account"]["equity"] > 0
    assert len(told["again"]["gates"]) == len(told["proposal"]["gates"])
    assert run(["decision", "--db", str(journal)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"of \d+ features: rsi \d", text)
    assert run(["decision", name, "--again", "--set", "dec.min_confidence=0.8", "--db",
                str(journal)]) == 1  # fmt: skip
    assert "made again: differs" in capsys.readouterr().out
    assert run(["decision", "--all", "--again", "--json", "--db", str(journal)]) == 0
    assert json.loads(capsys.readouterr().out)["differ"] == 0
    assert run(["decision", "D-0", "--db", str(journal)]) != 0
    assert "Journals of older versions" in capsys.readouterr().err


def test_values_moved_while_it_ran_are_those_of_the_moment(tmp_path: Path) -> None:
    """A scoped value and one that was moved back again are found in the events."""
    from engine.journal.settings import parameters_at, values_digest

    with Script(tmp_path, settings={"dec.min_confidence": "0.3"}) as script:
        desk = script.desk
        digests = []
        for value, scope in ((0.5, Scope()), (0.6, Scope(regime="BULL")), (0.3, Scope())):
            before = desk.params.setting("dec.min_confidence").value
            desk.params.set("dec.min_confidence", value, "person", scope)
            desk.record(
                ParameterSet(
                    time_ns=desk.now_ns, name="dec.min_confidence",
                    scope=(scope.symbol, scope.regime, scope.strategy), before=str(before),
                    after=str(value), who="person",
                )
            )  # fmt: skip
            digests.append(values_digest(desk.params))
        script.records(ParameterSet)
        with Reader(script.path) as reader:
            moved = [event.seq for event in reader.events(kind="parameter", limit=-1)]
            found = [values_digest(parameters_at(reader, seq)) for seq in moved]
            assert found == digests
    with script.again(tmp_path) as after, Reader(after.path) as reader:
        assert values_digest(parameters_at(reader)) == values_digest(after.desk.params)


def test_an_older_journal_says_that_inputs_are_missing(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "inputs", lambda *_: [])
    reader, machine = machine_of(journal)
    with reader:
        story = next(one for one in stories(machine) if not one.digest)
        remade = machine.again(story)
    assert remade.verdict == UNKNOWN
    assert remade.decision is None
    assert "not journaled" in remade.why[-1]
    assert isinstance(story.decision, Decision)
