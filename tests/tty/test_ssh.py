"""Over a real sshd, inside a real tmux, on a line that is cut, silent or slow."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.journals import owner
from engine.core.clock import monotonic_ns, pause
from engine.core.ids import derive
from engine.core.records import Accounted
from engine.journal.queries import Reader
from tests.faults.drops import gone
from tests.tty.line import Line
from tests.tty.served import PROGRAM, Served, leave, still
from tests.tty.sshd import Sshd, find, needs
from tests.wire_help import until

pytestmark = [pytest.mark.tty, needs()]

TRAIN_RATE, TRAIN_DELAY_S = 25_000, 0.05
"""A train's link: 25 kB/s each way, 100 ms there and back."""

DEMO = (PROGRAM[0], "-m", "tests.tty.demo")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd"), alive_s=1) as server:
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    engine = still(tmp_path_factory.mktemp("served"))
    yield engine
    engine.close()


def train(sshd: Sshd) -> Line:
    return Line(sshd.port, rate=TRAIN_RATE, delay_s=TRAIN_DELAY_S)


def ends(pid: int, seconds: float = 15.0) -> None:
    """Wait for the end of a process; sshd takes three seconds to give a silent line up."""
    for _ in range(int(seconds / 0.01)):
        if gone(pid):
            return
        pause(0.01)
    raise AssertionError(f"process {pid} goes on")


def with_pid(command: tuple[str, ...], file: Path) -> list[str]:
    """The command, preceded by the number of its process written to a file."""
    return ["sh", "-c", f'echo $$ > {file}; exec "$@"', "sh", *command]


def test_a_screen_over_ssh_is_lost_and_attached_again_and_the_engine_stays(
    sshd: Sshd, served: Served, tmp_path: Path
) -> None:
    attach, pid = (*PROGRAM, "attach"), tmp_path / "pid"
    with Line(sshd.port) as line:
        with sshd.open(with_pid(attach, pid), port=line.port, env=served.env) as screen:
            screen.wait("REPLAY", 20.0)
            screen.settle(0.6)
            quiet = any(screen.count(1.0) == 0 for _ in range(5))
            assert quiet, "an idle screen sends nothing over ssh either"
            screen.key("p", "REDUCING", 10.0)
            line.cut()
            assert screen.end(10.0) == 255
        ends(int(pid.read_text()))
        with sshd.open(with_pid(attach, pid), port=line.port, env=served.env) as screen:
            screen.wait("REDUCING", 20.0)
            since = len(screen.output)
            screen.resize(80, 24)
            screen.wait("Adaptations", 10.0, since)
            line.freeze()
            ends(int(pid.read_text()))
    assert served.process.poll() is None
    assert owner(served.journal) == served.process.pid


def test_an_engine_inside_its_screen_flushes_and_goes_with_the_connection(
    sshd: Sshd, tmp_path: Path
) -> None:
    journal = tmp_path / "paper-sim.db"
    env = {"XDG_CONFIG_HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
    command = (*PROGRAM, "--feed", "sim", "--seed", "9")
    with Line(sshd.port) as line, sshd.open(command, port=line.port, env=env) as screen:
        screen.wait("SIM", 20.0)
        until(lambda: owner(journal) is not None)
        screen.wait("BTC", 20.0)
        pid = owner(journal)
        assert pid is not None
        line.cut()
        began = monotonic_ns()
        until(lambda: gone(pid))
        assert monotonic_ns() - began < 3_000_000_000
    assert owner(journal) is None
    with Reader(journal) as reader:
        told = [event.record for event in reader.events(limit=-1)]
    assert [one.why for one in told if isinstance(one, Accounted)][-1] == "stop"


@contextmanager
def tmux(folder: Path) -> Iterator[list[str]]:
    """The command of a tmux of the test's own; its server ends with the block."""
    name = f"qd-{derive(0, str(folder)) % 1_000_000}"
    command = [find("tmux") or "tmux", "-L", name, "-f", "/dev/null"]
    try:
        yield command
    finally:
        subprocess.run([*command, "kill-server"], check=False, capture_output=True)


@needs("tmux")
def test_an_engine_in_tmux_outlives_the_connection_and_is_come_back_to(
    sshd: Sshd, tmp_path: Path
) -> None:
    journal = tmp_path / "paper-sim.db"
    env = {"XDG_CONFIG_HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
    deck = [*PROGRAM, "--feed", "sim", "--seed", "9"]
    with tmux(tmp_path) as mux, train(sshd) as line:
        with sshd.open([*mux, "new-session", *deck], port=line.port, env=env) as screen:
            screen.wait("SIM", 20.0)
            screen.wait("ACTIVE", 20.0)
            pid = owner(journal)
            assert pid is not None
            line.cut()
            assert screen.end(10.0) == 255
        with sshd.open([*mux, "attach"], port=line.port, columns=80, rows=24, env=env) as screen:
            screen.wait("SIM", 20.0)
            screen.key("p", "REDUCING", 10.0)
            screen.resize(120, 40)
            screen.wait("Positions", 10.0, len(screen.output))
            assert owner(journal) == pid
            leave(screen, "y")
    until(lambda: owner(journal) is None)


def test_eight_live_symbols_fit_a_trains_link(sshd: Sshd, tmp_path: Path) -> None:
    arguments = [*DEMO, "--rate", "200", "--symbols", "8", "--state", str(tmp_path)]
    with train(sshd) as line, sshd.open(arguments, port=line.port) as screen:
        screen.wait("PAPER", 20.0)
        for columns, rows, limit in ((120, 40, 12_000), (80, 24, 8_000)):
            screen.resize(columns, rows)
            pause(0.7)
            carried = line.carried
            assert 0 < screen.count(1.5) <= 1.5 * limit
            assert line.carried - carried <= 1.5 * limit
        screen.resize(120, 40)
        pause(0.5)
        for key in "jk":
            screen.key(key, "▸", 5.0)
