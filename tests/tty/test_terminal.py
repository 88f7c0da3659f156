"""The program in a pseudo terminal: bytes, answers, signals, hang-ups, hostile text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.clock import pause
from tests.faults import typing, ui
from tests.tty.harness import ROOT, Terminal

pytestmark = pytest.mark.tty
DEMO = ("-m", "tests.tty.demo")


def test_an_idle_screen_sends_nothing(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--rate", "5", "--still", "--state", str(tmp_path)]) as terminal:
        terminal.wait("PAPER")
        terminal.settle(1.0)
        assert terminal.count(2.0) == 0


def test_live_figures_are_paced_by_the_terminals_answers(tmp_path: Path) -> None:
    arguments = [*DEMO, "--rate", "100", "--symbols", "8", "--hz", "20", "--state", str(tmp_path)]
    with Terminal(arguments, answers=False) as terminal:
        terminal.wait("PAPER")
        terminal.wait(b"\x1b[6n")
        pause(0.5)
        assert terminal.asked == 1, "it asked again without an answer"
        terminal.send(b"\x1b[1;1R")
        since = len(terminal.output)
        terminal.wait(b"\x1b[6n", since=since)


def test_inside_tmux_nothing_is_asked(tmp_path: Path) -> None:
    arguments = [*DEMO, "--rate", "50", "--state", str(tmp_path)]
    with Terminal(arguments, env={"TMUX": "/tmp/tmux-0/default,1,0"}) as terminal:
        terminal.wait("PAPER")
        pause(0.5)
        assert terminal.asked == 0


@pytest.mark.parametrize("attached", [False, True])
def test_no_burst_of_keys_pastes_clicks_and_sizes_ends_it_but_those_that_leave(
    tmp_path: Path, attached: bool
) -> None:
    done = typing.typed(tmp_path, seed=13, count=26, attached=attached)
    assert done.wrong == []
    assert done.bursts == 26


@pytest.mark.parametrize("number", [1, 2, 15], ids=["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_flushes_restores_and_leaves_within_a_second(number: int) -> None:
    ui.signals(1, seed=number, number=number)


def test_a_hang_up_flushes_and_leaves_within_a_second(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--rate", "50", "--state", str(tmp_path)]) as terminal:
        terminal.wait("PAPER")
        terminal.hang_up()
        terminal.end(2.0)
        assert (tmp_path / "flushed").exists()


def test_a_slow_flush_is_waited_for_on_a_signal(tmp_path: Path) -> None:
    arguments = [*DEMO, "--flush", "1.2", "--state", str(tmp_path)]
    with Terminal(arguments) as terminal:
        terminal.wait("PAPER")
        terminal.process.terminate()
        assert terminal.end(4.0) == 143
        assert (tmp_path / "flushed").exists()
        assert terminal.restored()


def test_a_terminal_that_does_not_read_keeps_nobody_from_leaving() -> None:
    ui.blocked_terminal(0.5)


def test_a_fault_of_the_screen_ends_in_a_report_and_a_restored_terminal(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--raise", "screen", "--state", str(tmp_path)]) as terminal:
        assert terminal.end(10.0) == 1
        terminal.settle(0.2)
        assert terminal.restored()
        assert "planted in the screen" in terminal.text()
        assert "Traceback" not in terminal.text()
        reports = list(tmp_path.glob("crash-*.txt"))
        assert len(reports) == 1
        assert str(reports[0]) in terminal.text().replace("\r\n", "")
        assert "Traceback" in reports[0].read_text()
        assert (tmp_path / "flushed").exists()


def test_a_fault_of_the_engine_stays_on_the_screen(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--raise", "engine", "--state", str(tmp_path)]) as terminal:
        terminal.wait("planted in the engine")
        assert terminal.process.poll() is None
        assert len(list(tmp_path.glob("crash-*.txt"))) == 1


def test_hostile_texts_write_no_escape_of_their_own() -> None:
    assert ui.hostile_texts(1, worlds=2).count > 50


def test_the_oracle_for_escapes_sees_what_it_should() -> None:
    assert ui.unexpected(b"\x1b[1;31mfine\x1b[0m\r\n") == []
    for bad in (b"\x1b]52;c;x\x07", b"\x1b]0;x\x07", b"\x1bPx\x1b\\", b"\xc2\x9b31m", b"\x08"):
        assert ui.unexpected(b"text " + bad + b" text")


def test_resizes_down_to_one_cell_raise_nothing() -> None:
    assert ui.resizes(30).count == 30


def test_a_storm_of_real_resizes(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--rate", "50", "--state", str(tmp_path)]) as terminal:
        terminal.wait("PAPER")
        for columns, rows in [(1, 1), (300, 90), (60, 15), (59, 14), (80, 24), (2, 50)] * 5:
            terminal.resize(columns, rows)
            pause(0.01)
        terminal.resize(120, 40)
        since = len(terminal.output)
        terminal.wait("Positions", since=since)
        assert terminal.process.poll() is None


def test_quitting_by_key_restores_the_terminal(tmp_path: Path) -> None:
    with Terminal([*DEMO, "--state", str(tmp_path)]) as terminal:
        terminal.wait("PAPER")
        terminal.key("q", "Leave Quarterdeck?")
        pause(0.4)
        terminal.send("y")
        assert terminal.end(3.0) == 0
        terminal.settle(0.2)
        assert terminal.restored()
        assert (tmp_path / "flushed").exists()


def test_an_engine_that_does_not_end_keeps_nobody_at_the_terminal(tmp_path: Path) -> None:
    arguments = [*DEMO, "--flush", "60", "--patience", "0.5", "--state", str(tmp_path)]
    with Terminal(arguments) as terminal:
        terminal.wait("PAPER")
        terminal.process.terminate()
        assert terminal.end(4.0) == 143
        assert terminal.restored()
        assert "did not end in time" in terminal.text()


def test_without_a_terminal_there_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    code = (
        "from app.app import QuarterdeckApp; from app.session import run;"
        "from app.options import AppOptions; from engine.core.errors import QuarterdeckError\n"
        "try: run(QuarterdeckApp(None, AppOptions()))\n"
        "except QuarterdeckError as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    assert "needs a terminal" in done.stdout
