"""The command line around real runs: bad input refused, letters taken, a running engine asked."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest

from app.cli import run
from engine.core.clock import SECOND, monotonic_ns
from engine.journal.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
SIM = ("run", "--no-screen", "--feed", "sim", "--seed", "7", "--symbols", "BTC/USDT")
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("DATA_DIR", raising=False)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def _recording(rows: str) -> Callable[[Path], tuple[object, ...]]:
    def make(folder: Path) -> tuple[object, ...]:
        path = folder / "BTCUSDT-1m.csv"
        path.write_text(rows)
        return ("--replay", path)

    return make


def _locked(folder: Path) -> tuple[object, ...]:
    """The lock's owner here is a process that the test ends with."""
    path = folder / "locked.db"
    journal = Journal.open(path, mode="PAPER", feed="SIM")
    _held.append(journal)
    return ("--feed", "sim", "--db", path)


_held: list[Journal] = []


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    while _held:
        _held.pop().close()


def _newer(folder: Path) -> tuple[object, ...]:
    path = folder / "newer.db"
    Journal.open(path, mode="PAPER", feed="SIM").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return ("--feed", "sim", "--db", path)


def _other_feed(folder: Path) -> tuple[object, ...]:
    path = folder / "live.db"
    Journal.open(path, mode="PAPER", feed="LIVE").close()
    return ("--feed", "sim", "--db", path)


def _text(folder: Path) -> tuple[object, ...]:
    path = folder / "notes.db"
    path.write_text("these are my notes")
    return ("--feed", "sim", "--db", path)


def _below_a_file(folder: Path) -> tuple[object, ...]:
    (folder / "file").write_text("")
    return ("--feed", "sim", "--db", folder / "file" / "j.db")


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda folder: ("--replay", folder / "none.csv"), 3, "does not exist"),
        (lambda folder: ("--replay", folder), 3, "holds no recording"),
        (_recording(""), 3, "the file is empty"),
        (_recording("open,high\n1,2\n"), 3, "BTCUSDT-1m.csv"),
        (_recording("timestamp,open,high,low,close,volume\nx,1,1,1,1,1\n"), 3, "BTCUSDT-1m.csv"),
        (lambda _: ("--feed", "sim", "--set", "exit.nothing=1"), 2, "no parameter 'exit.nothing'"),
        (lambda _: ("--feed", "sim", "--profile", "bold"), 2, "no profile 'bold'"),
        (_locked, 6, "another engine owns"),
        (_newer, 5, "newer"),
        (_other_feed, 5, "is the journal of PAPER on LIVE"),
        (_text, 5, "is not a database"),
        (_below_a_file, 2, "can't be made"),
    ],
)
def test_a_run_that_can_not_be_is_refused_and_loses_nothing(
    cli: Cli, tmp_path: Path, make: Callable[[Path], tuple[object, ...]], code: int, message: str
) -> None:
    arguments = make(tmp_path)
    files = [path for path in tmp_path.iterdir() if path.is_file() and path.suffix in (".db",)]
    before = {path: path.read_bytes() for path in files}
    exit_code, out, err = cli("run", "--no-screen", *arguments)
    assert (exit_code, out) == (code, "")
    assert message in err
    assert "hint:" in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in files} == before


def test_a_letter_is_taken_once_at_the_next_start(cli: Cli) -> None:
    assert cli(*SIM, "--for", "30m")[0] == 0
    left = json.loads(cli("pause", "--reason", "night", "--json")[1])
    assert left["taken"] is False
    assert json.loads(cli("status", "--json")[1])["control"] == "ACTIVE"
    ended = json.loads(cli(*SIM, "--resume", "--for", "30m", "--json")[1])
    assert (ended["control"], ended["invariants_ok"]) == ("REDUCING", True)
    status = json.loads(cli("status", "--json")[1])
    assert (status["control"], status["control_reason"]) == ("REDUCING", "night")
    assert status["counts"]["command"] == 1
    cli(*SIM, "--resume", "--for", "30m")
    assert json.loads(cli("status", "--json")[1])["counts"]["command"] == 1


def test_a_run_tells_the_digest_that_the_journal_has(cli: Cli) -> None:
    ended = json.loads(cli(*SIM, "--for", "2h", "--json")[1])
    assert json.loads(cli("digest", "--json")[1])["digest"] == ended["digest"]
    status = json.loads(cli("status", "--json")[1])
    assert status["equity"] == ended["equity"]
    assert status["invariants_ok"] is True
    assert cli("verify")[0] == 0


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """An engine in a process of its own, ended in order."""
    command = [sys.executable, "-m", "app.main", *SIM, "--speed", "60"]
    with (folder / "run.txt").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)
    assert code == 0, (folder / "run.txt").read_text()


def test_a_running_engine_answers_its_command_line(cli: Cli, tmp_path: Path) -> None:
    wait, deadline = Event(), monotonic_ns() + 60 * SECOND
    with running(tmp_path) as pid:
        facts: dict[str, object] = {}
        while not facts.get("symbols"):
            assert monotonic_ns() < deadline, (tmp_path / "run.txt").read_text()
            wait.wait(0.1)
            code, out, _ = cli("status", "--json")
            facts = json.loads(out) if code == 0 else {}
        assert facts["engine"] == pid != os.getpid()
        answer = json.loads(cli("pause", "--json")[1])
        assert (answer["taken"], answer["ok"], answer["code"]) == (True, True, "paused")
        assert json.loads(cli("status", "--json")[1])["control"] == "REDUCING"
        code, _, err = cli("override", "BTC/USDT", "long", "--reason", "a test")
        assert code == 7
        assert "refused (" in err
        assert cli(*SIM)[0] == 6
    assert json.loads(cli("status", "--json")[1])["engine"] is None
    assert cli("verify")[0] == 0
