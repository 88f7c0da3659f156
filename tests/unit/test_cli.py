"""The command line in process: what it tells, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import typer
from msgspec import structs

from app.cli import app, run
from app.main import COMMANDS, only_options
from engine.core.clock import HOUR, MINUTE, wall_ns
from engine.core.commands import Ack, AnyCommand, Approve, ClosePosition, Override, Pause
from engine.core.records import Commanded, ParameterSet, ProposalChanged
from engine.core.types import Actor, Direction, ProposalState
from engine.journal.journal import Journal
from engine.journal.mailbox import Mailbox
from engine.journal.queries import Reader
from tests.cli_help import BTC, ETH, START, records, waiting, write

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and data of nobody but this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("DATA_DIR", "OLLAMA_HOST", "AI_MODEL", "AI_TIMEOUT", "AI_TRADING_ENABLED"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return write(tmp_path / "a.db", "SIM")


def letters(journal: Path) -> list[AnyCommand]:
    return Mailbox(journal).take()


def fresh() -> str:
    """The digest of the proposal that the journal of `records` holds."""
    return waiting(created_ns=START + 2 * HOUR).digest


# Reading.


def test_status_tells_mode_feed_control_and_money(cli: Run, db: Path) -> None:
    code, out, _ = cli("status", "--db", db, "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["mode"], facts["feed"], facts["control"]) == ("PAPER", "SIM", "REDUCING")
    # 10,000 + 200 realised + 0.5 * 200 unrealised - fees of 25 + 25.2 + 25.15
    assert facts["equity"] == facts["equity_from_fills"] == "10224.65"
    assert facts["invariants_ok"] is True
    assert (facts["open_positions"], facts["waiting"], facts["trades"]) == (1, 1, 1)
    assert facts["engine"] is None
    assert "10224.65" in cli("status", "--db", db)[1]


def test_status_audits_shorts_by_what_it_costs_to_buy_them_back(cli: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "short.db", more=records("LIVE", ETH))
    facts = json.loads(cli("status", "--db", path, "--json")[1])
    assert facts["equity"] == facts["equity_from_fills"] == "9624.65"
    assert facts["invariants_ok"] is True


@pytest.mark.parametrize("of", [BTC, ETH])
def test_status_and_verify_find_books_that_the_fills_deny(
    cli: Run, tmp_path: Path, of: Any
) -> None:
    path = write(tmp_path / "bad.db", more=records("LIVE", of, wrong=Decimal("0.01")))
    facts = json.loads(cli("status", "--db", path, "--json")[1])
    assert facts["invariants_ok"] is False
    code, _, err = cli("verify", "--db", path)
    assert code == 8
    assert "from the fills" in err


def test_status_before_the_first_account_claims_nothing(cli: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "new.db", more=records()[:1])
    facts = json.loads(cli("status", "--db", path, "--json")[1])
    assert facts["invariants_ok"] is None
    assert facts["equity"] is None


def test_trades_and_proposals_as_tables_and_as_json(cli: Run, db: Path) -> None:
    assert "+200.00" in cli("trades", "--db", db)[1]
    trade = json.loads(cli("trades", "--db", db, "--json")[1])["trades"][0]
    assert (trade["pnl"], trade["exit_reason"]) == ("200.0", "stop_loss")
    assert (
        json.loads(cli("trades", "--db", db, "--symbol", "eth/usdt", "--json")[1])["trades"] == []
    )
    proposal = json.loads(cli("proposals", "--db", db, "--json")[1])["proposals"][0]
    assert proposal["digest"] == fresh()
    assert fresh()[:12] in cli("proposals", "--db", db)[1]
    assert "none" in cli("proposals", "--db", db, "--state", "expired")[1]


def test_what_strangers_wrote_reaches_no_terminal(cli: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "x.db", more=records(reason="\x1b]52;c;aGk=\x07[@click=quit]"))
    out = cli("trades", "--db", path)[1]
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[@click=quit]" in out
    assert "\x1b" not in cli("trades", "--db", path, "--json")[1]


def test_the_journal_written_to_last_is_meant(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "quarterdeck"
    for name, feed, age in (("paper-live", "LIVE", 50), ("paper-sim", "SIM", 10)):
        path = write(folder / f"{name}.db", feed)
        for part in folder.glob(f"{name}.db*"):
            os.utime(part, (1_000_000 - age, 1_000_000 - age))
        assert path.exists()
    facts = json.loads(cli("status", "--json")[1])
    assert (facts["feed"], facts["because"]) == ("SIM", "written to last")
    facts = json.loads(cli("status", "--feed", "live", "--json")[1])
    assert facts["feed"] == "LIVE"
    assert "paper on live" in facts["because"]
    assert cli("status", "--feed", "replay")[0] == 5
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "elsewhere"))
    assert cli("status")[0] == 5


def test_a_running_engine_is_named_and_readable(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        journal.append_all(records("SIM"))
        journal.barrier()
        facts = json.loads(cli("status", "--db", path, "--json")[1])
        assert facts["engine"] == os.getpid()
    # A living process that took the number of a dead engine holds no lock.
    path.with_name("a.db.lock").write_text(f"{os.getpid()}\n")
    assert json.loads(cli("status", "--db", path, "--json")[1])["engine"] is None


def test_digest_and_verify(cli: Run, db: Path) -> None:
    with Reader(db) as reader:
        digest = reader.digest()
    assert json.loads(cli("digest", "--db", db, "--json")[1])["digest"] == digest
    assert cli("digest", "--db", db)[1].startswith(digest)
    assert cli("verify", "--db", db)[0] == 0
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE events SET body = replace(body, '50400', '50500')")
        connection.commit()
    code, _, err = cli("verify", "--db", db)
    assert code == 5
    assert "not the one that was written" in err


def test_export_writes_files_and_says_which(cli: Run, db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written = json.loads(cli("export", "--db", db, "--to", folder, "--json")[1])
    assert written["files"]["logs/exits.jsonl"] == 1
    assert json.loads((folder / "data/state.json").read_text())["mode"] == "PAPER"
    assert not (folder / "tables").exists()
    assert cli("export", "--db", db, "--to", folder, "--all")[0] == 0
    assert (folder / "tables" / "fills.jsonl").exists()
    (tmp_path / "file").write_text("")
    code, _, err = cli("export", "--db", db, "--to", tmp_path / "file")
    assert code == 5
    assert "can't write" in err


def test_a_backup_is_checked_and_put_back(cli: Run, db: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.backup"
    made = json.loads(cli("backup", "--db", db, "--to", copy, "--json")[1])
    assert made["digest"] == json.loads(cli("digest", "--db", db, "--json")[1])["digest"]
    code, _, err = cli("backup", "--db", db, "--to", copy)
    assert code == 5
    assert "exists already" in err
    with Journal.open(db, mode="PAPER", feed="SIM") as journal:
        journal.append_all(records("SIM"))
        journal.barrier()
        code, _, err = cli("restore", copy, "--db", db)
        assert code == 6
    assert cli("restore", copy, "--db", db)[0] == 0
    assert json.loads(cli("digest", "--db", db, "--json")[1])["digest"] == made["digest"]
    assert (tmp_path / "a.1.db").exists()
    assert cli("restore", tmp_path / "none", "--db", db)[0] == 5


# Acting.


def test_approval_is_left_with_what_was_shown(cli: Run, db: Path) -> None:
    code, out, _ = cli("approve", "P-2", "--digest", fresh()[:12], "--db", db, "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["taken"], facts["code"], facts["engine"]) == (False, "left", None)
    assert "--resume" in facts["text"]
    [command] = letters(db)
    assert isinstance(command, Approve)
    assert (command.digest, command.version, command.actor) == (fresh(), 1, Actor.COMMAND_LINE)
    assert command.id == facts["id"]


def test_two_commands_never_share_an_id(cli: Run, db: Path) -> None:
    cli("pause", "--db", db)
    cli("pause", "--db", db)
    one, other = letters(db)
    assert isinstance(one, Pause)
    assert one.id != other.id


def test_acts_say_what_they_mean(cli: Run, db: Path) -> None:
    assert cli("close", "btc/usdt", "--fraction", "0.5", "--reason", "news", "--db", db)[0] == 0
    assert cli("override", "eth/usdt", "long", "--reason", "I saw it", "--db", db)[0] == 0
    assert cli("resume", "--db", db)[0] == 0
    assert cli("halt", "--db", db)[0] == 0
    assert cli("reject", "P-2", "--reason", "no", "--db", db)[0] == 0
    assert cli("flatten", "--typed", "FLATTEN", "--db", db)[0] == 0
    close, override, *_ = letters(db)
    assert isinstance(close, ClosePosition)
    assert (close.position, close.fraction, close.reason) == ("T-2", 0.5, "news")
    assert isinstance(override, Override)
    assert (override.symbol, override.direction) == ("ETH/USDT", Direction.LONG)


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["approve", "P-2", "--digest", "beef"], "digest_mismatch", "look at it again"),
        (["approve", "P-9", "--digest", "beef"], "unknown_proposal", "see what waits"),
        (["reject", "P-9"], "unknown_proposal", "see what waits"),
        (["close", "T-9"], "unknown_position", "T-2 (BTC/USDT)"),
        (["close", "T-2", "--fraction", "1.5"], "bad_fraction", "0.5 is half"),
        (["close", "T-2", "--fraction", "nan"], "bad_fraction", "0.5 is half"),
        (["override", "ETH/USD", "long", "--reason", "x"], "unknown_symbol", "ETH/USDT"),
        (["override", "ETH/USDT", "up", "--reason", "x"], "bad_direction", "long or short"),
        (["override", "ETH/USDT", "long", "--reason", " "], "reason_needed", "--reason"),
        (["flatten"], "not_typed", "--typed FLATTEN"),
        (["flatten", "--typed", "flatten"], "not_typed", "--typed FLATTEN"),
    ],
)
def test_refusals_have_a_code_and_leave_nothing(
    cli: Run, db: Path, arguments: list[str], code: str, hint: str
) -> None:
    exit_code, out, err = cli(*arguments, "--db", db)
    assert (exit_code, out) == (7, "")
    assert code in err
    assert f"  hint: {hint}" in err or hint in err.split("hint:")[1]
    exit_code, out, _ = cli(*arguments, "--db", db, "--json")
    assert exit_code == 7
    assert json.loads(out)["code"] == code
    assert letters(db) == []


def test_what_ended_or_expired_can_not_be_approved(cli: Run, tmp_path: Path) -> None:
    ended = structs.replace(waiting(created_ns=START), state=ProposalState.REJECTED)
    path = write(
        tmp_path / "ended.db",
        more=[*records(), ProposalChanged(time_ns=START, proposal=ended, who=Actor.PERSON)],
    )
    for command in (["approve", "P-2", "--digest", ended.digest], ["reject", "P-2"]):
        code, _, err = cli(*command, "--db", path)
        assert code == 7
        assert "already_ended" in err
    old = write(tmp_path / "old.db", "LIVE")  # waits, but days before the machine's now
    code, _, err = cli("approve", "P-2", "--digest", fresh(), "--db", old)
    assert code == 7
    assert "expired" in err


def test_a_live_proposal_of_this_minute_can_be_approved(cli: Run, tmp_path: Path) -> None:
    now = wall_ns() - MINUTE
    path = write(tmp_path / "live.db", more=records("LIVE", start_ns=now - 2 * HOUR))
    digest = waiting(created_ns=now).digest
    assert cli("approve", "P-2", "--digest", digest, "--db", path)[0] == 0


@contextmanager
def answering(path: Path, answer: Callable[[AnyCommand], Ack | None]) -> Iterator[None]:
    """An engine that holds the journal and does nothing but answer commands."""
    stop = Event()
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        mailbox = Mailbox(path)

        def serve() -> None:
            while not stop.wait(0.01):
                for command in mailbox.take():
                    ack = answer(command)
                    if ack is not None:
                        journal.append(Commanded(time_ns=START, command=command, ack=ack))
                        journal.barrier()
                        mailbox.confirm()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_the_answer_of_a_running_engine_is_told(cli: Run, db: Path) -> None:
    def answer(command: AnyCommand) -> Ack:
        ok = isinstance(command, Pause)
        code, text = ("paused", "paused: no new entries") if ok else ("engine_fault", "a fault")
        return Ack(id=command.id, ok=ok, code=code, text=text, time_ns=START)

    with answering(db, answer):
        code, out, _ = cli("pause", "--db", db, "--json")
        facts = json.loads(out)
        assert (code, facts["taken"], facts["code"]) == (0, True, "paused")
        code, _, err = cli("resume", "--db", db)
        assert code == 7
        assert "engine_fault" in err


def test_a_silent_engine_is_not_waited_for_long(
    cli: Run, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.letters.ANSWER_WAIT_NS", 100_000_000)
    with answering(db, lambda _: None):
        code, out, _ = cli("pause", "--db", db, "--json")
    facts = json.loads(out)
    assert (code, facts["taken"], facts["code"]) == (0, False, "left")
    assert "has not answered" in facts["text"]


# The installation.


def test_info_tells_paths_and_versions(cli: Run, tmp_path: Path) -> None:
    write(tmp_path / "data" / "quarterdeck" / "paper-sim.db", "SIM")
    (tmp_path / "data" / "quarterdeck" / "paper-live.db").write_text("no journal")
    facts = json.loads(cli("info", "--json")[1])
    assert facts["config"] == str(tmp_path / "config" / "quarterdeck" / "config.toml")
    assert facts["data"] == str(tmp_path / "data" / "quarterdeck")
    assert facts["versions"]["textual"].count(".") == 2
    assert "dark" in facts["themes"]
    broken, good = facts["journals"]
    assert good["trouble"] == ""
    assert broken["trouble"]


def test_info_shows_no_secret(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_API_SECRET", "hunter2-hunter2")
    for arguments in (["info", "--json"], ["info"], ["config", "check", "--json"]):
        out = cli(*arguments)[1]
        assert "hunter2" not in out
    assert json.loads(cli("info", "--json")[1])["secrets_set"] == ["BINANCE_API_SECRET"]


def test_parameters_tell_where_a_value_came_from(cli: Run, tmp_path: Path) -> None:
    name = "approval.regular_ttl_sec"
    rows = json.loads(cli("parameters", name, "--json")[1])["parameters"]
    [row] = [row for row in rows if row["name"] == name]
    assert (row["value"], row["origin"], row["low"], row["high"]) == (1800, "default", 30, 7200)
    assert row["scopes"] == ["G"]
    file = tmp_path / "mine.toml"
    file.write_text(f'[parameters]\n"{name}" = 600\n')
    rows = json.loads(cli("parameters", name, "--config", file, "--json")[1])["parameters"]
    assert (rows[0]["value"], rows[0]["origin"]) == (600, "configuration")
    started = structs.replace(records()[0], parameters={name: "900"})
    review = "approval.review_above_size_pct"
    later = ParameterSet(
        time_ns=START, name=review, scope=("BTC/USDT", None, None), before="5.0", after="2.5",
        who="person",
    )  # fmt: skip
    path = write(tmp_path / "p.db", more=[started, later])
    rows = json.loads(cli("parameters", "approval.", "--db", path, "--json")[1])["parameters"]
    by_name = {row["name"]: row for row in rows}
    assert by_name[name]["value"] == 900
    assert "run" in by_name[name]["origin"]
    assert by_name[review]["value"] == 5.0
    assert by_name[review]["scoped"] == [{"scope": "BTC/USDT", "value": 2.5, "origin": "person"}]


def test_config_check_names_what_was_chosen(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[engine]\ncash = 500\n[parameters]\n"approval.regular_ttl_sec" = 600\n')
    monkeypatch.setenv("AI_MODEL", "small")
    facts = json.loads(cli("config", "check", "--config", file, "--json")[1])
    assert facts["settings"]["engine.cash"] == {"value": "500", "origin": str(file)}
    assert facts["settings"]["llm.model"] == {"value": "small", "origin": "AI_MODEL"}
    assert facts["parameters"]["approval.regular_ttl_sec"] == 600


# Bad input.


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[engine\n", "is no valid TOML", "nothing was changed"),
        ("[engine]\nsymbol = 1\n", "no setting 'engine.symbol'", "symbols"),
        ("[motor]\n", "no setting 'motor'", "known here"),
        ("[engine]\ncash = -5\n", "engine.cash", "-5"),
        ('[engine]\nsymbols = "BTCUSDT"\n', "'BTCUSDT' is no symbol", "BTCUSDT"),
        ('[engine]\nsymbols = "BTC/USDT,BTC/USDT"\n', "named twice", "BTC/USDT"),
        ('[engine]\ntimeframe = "soon"\n', "'soon' is no timeframe", "soon"),
        ('[engine]\nfeed = "radio"\n', "'radio' is no feed", "radio"),
        ('[engine]\nprofile = "bold"\n', "bold", "balanced"),
        ('[parameters]\n"exit.nothing" = 1\n', "no parameter 'exit.nothing'", ""),
        ('[parameters]\n"approval.regular_ttl_sec" = 1\n', "outside its bounds", "from 30"),
        ('[parameters]\n"approval.regular_ttl_sec" = "x"\n', "takes a whole number", "from 30"),
        ('[keys]\naprove = "b"\n', "keys.aprove", "approve"),
        ('[keys]\napprove = "ctrl+s"\n', "ctrl+s", ""),
        ('[keys]\napprove = "x"\n', "claimed by", "another key"),
        ('[screen]\ntheme = "neon"\n', "no theme 'neon'", "dark"),
    ],
)
def test_a_bad_configuration_is_told(
    cli: Run, tmp_path: Path, text: str, message: str, hint: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    code, out, err = cli("config", "check", "--config", file)
    assert (code, out) == (2, "")
    assert message in err
    assert hint in err
    assert "Traceback" not in err


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be asked " * 50)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.commit()


def _newer(path: Path) -> None:
    write(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_not_a_database, "is it a journal?"),
        (_empty, "belongs to another program"),
        (_foreign, "belongs to another program"),
        (_newer, "is newer"),
        (_folder, "there is no journal"),
        (lambda _: None, "there is no journal"),
    ],
)
@pytest.mark.parametrize("command", ["status", "trades", "pause", "export", "digest"])
def test_a_bad_journal_is_told_and_left_as_it_was(
    cli: Run, tmp_path: Path, make: Callable[[Path], None], message: str, command: str
) -> None:
    path = tmp_path / "j.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    code, out, err = cli(command, "--db", path)
    assert (code, out) == (5, "")
    assert message in err
    assert "hint:" in err or "is it" in err
    assert "Traceback" not in err
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not path.with_name("j.db.mailbox").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command"),
        (["status", "--bogus"], "No such option"),
        (["approve", "P-1"], "--digest"),
        (["trades", "--limit", "0"], "--limit"),
        (["status", "--feed", "radio"], "'radio' is no feed"),
        (["status", "--mode", "dream"], "'dream' is no mode"),
        (["proposals", "--state", "odd"], "'odd' is no state"),
        (["status", "--config", "/nonexistent/c.toml"], "no configuration file"),
        (["parameters", "zzzz"], "no parameter contains"),
        (["run"], "without a screen"),
        (["run", "--no-screen", "--cash", "-1"], "cash"),
        (["run", "--no-screen", "--symbols", "btc"], "is no symbol"),
        (["run", "--no-screen", "--speed", "fast"], "--speed"),
        (["run", "--no-screen", "--for", "ever"], "--for"),
        (["run", "--no-screen", "--feed", "sim", "--replay", "x"], "two feeds"),
        (["run", "--no-screen", "--set", "x"], "is no setting"),
        (["run", "--no-screen", "--feed", "sim", "--from", "yesterday"], "--from"),
        (["run", "--no-screen", "--feed", "sim", "--to", "13 o'clock"], "--to"),
    ],
)
def test_a_bad_command_line_is_told(cli: Run, arguments: list[str], message: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "hint:" in err


def test_a_fault_of_the_program_ends_in_a_report(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("never thought of")

    monkeypatch.setattr("app.reading.pick_for", fault)
    code, out, err = cli("status")
    assert (code, out) == (70, "")
    assert "Traceback" not in err
    [report] = (tmp_path / "config" / "quarterdeck").glob("crash-*.txt")
    assert str(report) in err
    assert "never thought of" in report.read_text()


def test_options_alone_open_the_screen_without_loading_the_commands() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    assert frozenset(command.commands) == COMMANDS
    assert only_options(["--feed", "sim", "--speed", "60", "--readonly"])
    for words in ([], ["status"], ["--feed", "sim", "stauts"], ["-h"], ["--readonly", "status"]):
        assert not only_options(words)
    probe = (
        "import sys; from app.main import COMMANDS; from app import opening; "
        "opening.command_line(); "
        "print([m for m in ('app.acting', 'app.compose', 'numpy', 'textual') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
