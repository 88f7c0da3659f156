"""`why`: what the journal answers is what the engine saw."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from engine.core.commands import Pause, SetParameter
from engine.core.errors import ConfigError
from engine.core.records import Denied, Outlooked
from engine.kernel import publish
from tests.engine.scripted import BTC, ETH, Script


def ask(path: Path, what: str) -> dict[str, Any]:
    told = CliRunner().invoke(
        app, ["why", what, "--db", str(path), "--json"], standalone_mode=False
    )
    if told.exception is not None:
        raise told.exception
    assert told.return_value == 0
    facts: dict[str, Any] = json.loads(told.stdout)
    return facts


def test_every_gate_of_a_symbol_with_value_threshold_distance_and_verdict(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), approval="auto") as script:
        script.want()
        script.price(script.desk.symbols[BTC].last)
        [shown] = [one for one in script.snapshot.outlooks if one.symbol == BTC]
        script.close()
    facts = ask(script.path, "btc/usdt")
    assert facts["symbol"] == BTC
    gates = facts["gates"]
    assert [gate["code"] for gate in gates] == [gate.code for gate in shown.gates]
    for gate in gates:
        assert {"value", "threshold", "distance", "verdict"} <= set(gate)
    verdicts = {gate["code"]: gate["verdict"] for gate in gates}
    assert verdicts["duplicate_position"] == "refuse"
    assert verdicts["control_state"] == "pass"
    assert facts["decision"]["action"] == "BUY"
    assert facts["engine"] is None
    other = ask(script.path, ETH)
    assert other["verdict"] == "no decision bar has closed yet"
    assert re.search(r"closes at \d\d:(00|15|30|45) UTC", other["waiting_for"])


def test_a_running_engine_s_answer_is_there_and_moves_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "OUTLOOK_EVERY_NS", 0)
    with Script(tmp_path) as script:
        assert script.snapshot
        script.desk.journal.barrier()
        script.want()
        assert script.snapshot
        script.desk.note("so that the barrier waits for what stands before it")
        script.desk.journal.barrier()
        facts = ask(script.path, BTC)
        assert facts["verdict"].startswith("BUY")
        assert facts["engine"] is not None


def test_outlooks_are_no_part_of_the_digest(tmp_path: Path) -> None:
    from engine.journal.queries import Reader

    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        with Script(folder, approval="auto") as script:
            script.want()
            for _ in range(3 if name == "a" else 0):
                script.kernel.publisher.last_outlooks()
            script.close()
        with Reader(script.path) as reader:
            digests.append(reader.digest())
            assert [one.outlook.symbol for one in reader.outlooks()] == [BTC]
            assert not [e for e in reader.events(limit=-1) if isinstance(e.record, Outlooked)]
    assert digests[0] == digests[1]


def test_a_trade_and_its_proposal_tell_decision_gates_factors_and_fills(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.price(float(position.stop) * 0.999)
        script.price(float(position.stop) * 0.999)
        [trade] = script.trades
        script.close()
    for name in (trade.id, trade.proposal, position.id):
        facts = ask(script.path, name)
        assert facts["decision"]["id"] == trade.decision
        assert facts["proposal"]["id"] == trade.proposal
        assert [gate["verdict"] for gate in facts["gates"]].count("pass") == len(facts["gates"])
        assert facts["factors"][0]["name"] == "base"
        assert [fill["side"] for fill in facts["fills"]] == ["BUY", "SELL"]
        assert facts["trade"]["id"] == trade.id
        assert [one["state"] for one in facts["changes"]] == ["waiting", "approved", "filled"]


def test_a_denial_tells_its_gate_and_what_became_of_it(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.send(Pause(id="p"))
        script.want()
        [denied] = script.records(Denied)
        script.wait(90_000)
        script.price(script.desk.symbols[BTC].last)
        script.price(script.desk.symbols[BTC].last)
        script.close()
    facts = ask(script.path, denied.id)
    assert facts["denial"]["code"] == "control_state"
    assert [gate["verdict"] for gate in facts["gates"]] == ["refuse"]
    assert facts["counterfactual"]["kind"] == "denied"
    assert facts["counterfactual"]["ended"]


def test_a_parameter_tells_bounds_origin_and_who_set_it_when(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.send(SetParameter(id="s", name="size.base_pct", value="15"))
        script.close()
    facts = ask(script.path, "size.base_pct")
    assert (facts["value"], facts["low"], facts["high"]) == (15.0, 5, 50)
    assert facts["origin"] == "person"
    [moved] = facts["history"]
    assert (moved["before"], moved["after"], moved["who"]) == ("20.0", "15.0", "person")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("BTC/USD", BTC), ("size.bse_pct", "size.base_pct"), ("P-11", "P-1")]
)
def test_an_unknown_name_is_refused_with_what_was_meant(
    tmp_path: Path, wrong: str, meant: str
) -> None:
    with Script(tmp_path) as script:
        script.proposed()
        script.close()
    with pytest.raises(ConfigError) as refused:
        ask(script.path, wrong)
    assert meant in str(refused.value.hint)


def test_a_person_reads_sentences_and_a_table(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.want()
        script.close()
    told = CliRunner().invoke(app, ["why", BTC, "--db", str(script.path)], standalone_mode=False)
    assert told.return_value == 0
    assert "distance" in told.stdout
    assert "circuit breakers" in told.stdout


def test_a_pair_s_name_also_finds_its_perpetual(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(f"{BTC}:USDT",)) as script:
        script.close_bar(symbol=f"{BTC}:USDT")
        script.close()
    assert ask(script.path, "btc/usdt")["symbol"] == f"{BTC}:USDT"
