"""`changes`, `scoreboard`, `why` and answers to changes, on a journal that no engine has open."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from app.cli import app
from engine.core.clock import DAY, HOUR
from engine.core.commands import AnswerChange, Freeze, RevertChange
from engine.core.errors import CommandRefused, ConfigError, JournalError
from engine.core.learning import ChangeState, Evidence
from engine.core.records import (
    AnyRecord,
    ChangeMoved,
    ComparedOn,
    Followed,
    ParameterSet,
    TradeClosed,
)
from engine.core.views import Counterfactual
from engine.journal.mailbox import Mailbox
from tests.faults.journal import open_paper
from tests.faults.story import started
from tests.learning_help import START_NS, TRAIL, comparisons, ledger, make_change, shadow_of
from tests.ui.fakehub import make_trade


def invoke(*words: str, expect: int = 0) -> Any:
    told = CliRunner().invoke(app, list(words), standalone_mode=False)
    if told.exception is not None:
        raise told.exception
    assert told.return_value == expect, told.stdout
    return told


def facts(*words: str, expect: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(invoke(*words, "--json", expect=expect).stdout)
    return found


def written(path: Path, *records: AnyRecord) -> str:
    with open_paper(path) as journal:
        for record in (started(), *records):
            journal.append(record)
        journal.barrier()
    return str(path)


@pytest.fixture
def db(tmp_path: Path) -> str:
    held = make_change(4, before="1.0", after="1.5", target=msgspec.structs.replace(
        TRAIL, symbol="SOL/USDT", strategy=None))  # fmt: skip
    trade = make_trade(7, opened_ns=START_NS + HOUR, strategy="technical_composite")
    return written(
        tmp_path / "ledger.db",
        *ledger(40),
        ChangeMoved(time_ns=START_NS + 15 * DAY, change=held, why="applied"),
        TradeClosed(time_ns=START_NS + 15 * DAY, trade=trade, position="T-7"),
        ParameterSet(time_ns=START_NS + 15 * DAY, name=TRAIL.name,
                     scope=(None, None, "technical_composite"), before="1.25", after="null",
                     who="L-1"),
    )  # fmt: skip


def test_each_change_has_before_after_evidence_n_interval_verdict_and_who(db: str) -> None:
    found = facts("changes", "--db", db)
    rows = {row["id"]: row for row in found["changes"]}
    assert set(rows) == {"L-1", "L-2", "L-3", "L-4"}
    lapsed = rows["L-1"]
    assert (lapsed["before"], lapsed["after"], lapsed["who"]) == ("null", "1.25", "exits")
    assert lapsed["verdict"] == "lapsed undecided"
    assert lapsed["n"] == 40
    low, high = lapsed["interval"]
    assert low < lapsed["shadow"]["mean"] < high
    assert lapsed["shadow"]["ids"] == [f"W-{n}" for n in range(1, 41)]
    assert rows["L-2"]["verdict"] == "waits for a person"
    assert rows["L-4"]["verdict"] == "undecided"
    assert (rows["L-4"]["n"], rows["L-4"]["interval"]) == (0, [None, None])
    assert found["frozen"] == ["coin ETH/USDT"]
    assert found["trials"] == 3
    only = facts("changes", "--state", "asked", "--db", db)["changes"]
    assert [row["id"] for row in only] == ["L-2"]
    with pytest.raises(ConfigError, match="no state"):
        invoke("changes", "--state", "kpet", "--db", db)


def test_figures_are_counted_again_and_a_forged_one_is_found(db: str, tmp_path: Path) -> None:
    one = facts("changes", "l-1", "--check", "--db", db)
    assert one["agrees"]
    assert {check["figure"] for check in one["checks"]} == {"shadow", "net"}
    assert one["missing_ids"] == []
    assert len(one["comparisons"]) == 40
    records = ledger(20)
    last = max(n for n, r in enumerate(records) if isinstance(r, ChangeMoved)
               and r.change.shadow is not None)  # fmt: skip
    moved = records[last]
    assert isinstance(moved, ChangeMoved)
    assert moved.change.shadow is not None
    better = msgspec.structs.replace(moved.change.shadow, mean=moved.change.shadow.mean + 0.01)
    records[last] = msgspec.structs.replace(
        moved, change=msgspec.structs.replace(moved.change, shadow=better)
    )
    forged = written(tmp_path / "forged.db", *records)
    wrong = facts("changes", "--check", "--db", forged, expect=JournalError.exit_code)
    assert {row["id"]: row["agrees"] for row in wrong["changes"]} == {
        "L-1": False, "L-2": True, "L-3": True,
    }  # fmt: skip


def test_a_change_is_counted_again_with_the_share_of_the_error_that_it_was_given(
    tmp_path: Path,
) -> None:
    rows = comparisons("L-6", 15)
    begun, _ = shadow_of((), 0.01)
    shadow, net = shadow_of(rows, 0.01)
    change = make_change(6, shadow=begun, net=begun)
    ended = msgspec.structs.replace(
        change, state=ChangeState.LAPSED, shadow=shadow, net=net, ended_ns=START_NS + DAY
    )
    path = written(
        tmp_path / "share.db",
        ChangeMoved(time_ns=START_NS, change=change),
        *(ComparedOn(time_ns=START_NS, compared=one) for one in rows[:9]),
    )
    watched = facts("changes", "L-6", "--check", "--db", path)
    assert watched["shadow"]["alpha"] == 0.01
    assert (watched["n"], watched["agrees"]) == (9, True)
    with open_paper(Path(path)) as journal:
        for one in rows[9:]:
            journal.append(ComparedOn(time_ns=START_NS, compared=one))
        journal.append(ChangeMoved(time_ns=START_NS + DAY, change=ended))
        journal.barrier()
    assert facts("changes", "L-6", "--check", "--db", path)["agrees"]
    assert "at 99 %" in invoke("changes", "L-6", "--db", path).stdout


def test_why_it_was_proposed_is_counted_again_from_the_ids(tmp_path: Path) -> None:
    trades = [make_trade(n, pnl=Decimal(1 if n % 4 else -1)) for n in range(8)]
    closed = [TradeClosed(time_ns=START_NS, trade=one, position=one.id) for one in trades]
    ids = tuple(one.id for one in trades)
    for mean, agrees in ((0.75, True), (0.8, False)):
        evidence = Evidence(metric="share of winners", unit="prob", n=8, mean=mean, ids=ids)
        change = make_change(6, evidence=evidence)
        path = written(
            tmp_path / f"{mean}.db", *closed, ChangeMoved(time_ns=START_NS, change=change)
        )
        code = 0 if agrees else JournalError.exit_code
        [found] = facts("changes", "L-6", "--check", "--db", path, expect=code)["checks"]
        assert (found["figure"], found["agrees"]) == ("evidence", agrees)
        assert found["counted_again"]["mean"] == 0.75


def test_a_verdict_that_its_figures_do_not_bear_out_is_found(tmp_path: Path) -> None:
    for n, effect, agrees in ((200, 0.6, True), (30, 0.1, False)):
        rows = comparisons("L-6", n, effect)
        shadow, net = shadow_of(rows)
        kept = make_change(6, state=ChangeState.KEPT, shadow=shadow, net=net)
        path = written(
            tmp_path / f"{n}.db",
            *(ComparedOn(time_ns=START_NS, compared=one) for one in rows),
            ChangeMoved(time_ns=START_NS, change=kept),
        )
        code = 0 if agrees else JournalError.exit_code
        found = facts("changes", "L-6", "--check", "--db", path, expect=code)
        assert [one["agrees"] for one in found["checks"]] == [True, True, agrees]


def test_what_a_person_reads_says_undecided_with_its_figures(db: str) -> None:
    text = invoke("changes", "--db", db).stdout
    assert "lapsed undecided" in text
    assert "waits for a person" in text
    one = invoke("changes", "L-1", "--check", "--db", db).stdout
    assert "R in [" in one
    assert "counted again, the same" in one
    empty = written(Path(db).with_name("empty.db"))
    assert "nothing has been learned yet" in invoke("changes", "--db", empty).stdout


def test_why_tells_of_a_parameter_a_change_and_a_trade_from_the_ledger(db: str) -> None:
    parameter = facts("why", "exit.trail_distance_pct", "--db", db)
    assert [row["id"] for row in parameter["changes"]] == ["L-4", "L-1"]
    assert parameter["scoped"] == []  # what was tried was taken back, so nothing is set there
    assert parameter["history"][0]["after"] == "null"
    change = facts("why", "l-2", "--db", db)
    assert (change["id"], change["lean"]) == ("L-2", "loosens")
    trade = facts("why", "T-7", "--db", db)
    assert trade["exit_reason"] == "take_profit"
    assert {row["id"] for row in trade["knowledge"]["changes_in_force"]} == {
        "L-1", "L-3", "L-4",
    }  # fmt: skip


def test_the_scoreboard_gives_no_figure_under_thirty(tmp_path: Path) -> None:
    def refused(n: int, code: str) -> Followed:
        at = START_NS + n * DAY
        one = Counterfactual(
            id=f"X-{code}-{n}", symbol="BTC/USDT", kind="denied", code=code, time_ns=at,
            price=100.0, direction="LONG", pnl_pct=-1.0 - n / 100, ended="stop_loss",
        )  # fmt: skip
        return Followed(time_ns=at + HOUR, counterfactual=one)

    records = [refused(n, "spread") for n in range(60)]
    records += [refused(n, "cooldown") for n in range(29)]
    path = written(tmp_path / "board.db", *records)
    rows = {row["what"]: row for row in facts("scoreboard", "--db", path)["scores"]}
    assert (rows["spread"]["n"], rows["spread"]["says"]) == (60, "worth it")
    assert rows["spread"]["low"] > 0
    assert len(rows["spread"]["ids"]) == 60
    assert (rows["cooldown"]["mean"], rows["cooldown"]["says"]) == (None, "not enough: 29 of 30")
    assert "not enough: 29 of 30" in invoke("scoreboard", "--db", path).stdout


def test_answers_are_left_for_the_engine_or_refused_at_once(db: str) -> None:
    for words in (
        ("admit", "l-2"), ("refuse", "L-2", "--reason", "too thin"), ("revert", "L-4"),
        ("freeze", "exit.trail_distance_pct · SOL/USDT"), ("freeze", "*"),
        ("freeze", "exit.trail_distance_pct"), ("unfreeze", "coin ETH/USDT"),
    ):  # fmt: skip
        assert facts(*words, "--db", db)["code"] == "left"
    sent = Mailbox(Path(db)).take()
    assert [type(command) for command in sent] == [
        AnswerChange, AnswerChange, RevertChange, Freeze, Freeze, Freeze, Freeze,
    ]  # fmt: skip
    first, second = sent[0], sent[1]
    assert isinstance(first, AnswerChange)
    assert isinstance(second, AnswerChange)
    assert (first.change, first.admit, second.admit, second.reason) == (
        "L-2", True, False, "too thin",
    )  # fmt: skip
    for words, code in (
        (("admit", "L-1"), "not_asked"), (("refuse", "L-9"), "unknown_change"),
        (("revert", "L-1"), "not_in_force"), (("unfreeze", "coin X"), "not_frozen"),
        (("freeze", "exit.trail_distanse_pct"), "unknown_target"),
    ):  # fmt: skip
        with pytest.raises(CommandRefused) as refused:
            invoke(*words, "--db", db)
        assert refused.value.code == code
        assert facts(*words, "--db", db, expect=CommandRefused.exit_code)["code"] == code
    assert Mailbox(Path(db)).take() == sent


def test_every_state_has_its_words() -> None:
    from app.recount import VERDICTS

    assert set(VERDICTS) == set(ChangeState)
