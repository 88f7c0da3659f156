"""What the screen costs over a real sshd on loopback, through a line of a train's kind.

Run it with `python -m tests.benchmarks.bench_ssh`. The line's own part is measured with a
program that only echoes, in the same way.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.core.clock import monotonic_ns, pause
from engine.core.ids import source
from tests.benchmarks import report
from tests.benchmarks.bench_terminal import CURSOR, demo
from tests.tty.harness import Terminal
from tests.tty.line import Line
from tests.tty.sshd import Sshd, find, missing

KEYS = 40
ROUNDS = report.runs(3)
SECONDS = 4.0

ECHO = (
    "import os, tty\n"
    "tty.setraw(0)\n"
    "os.write(1, b'ready')\n"
    "while data := os.read(0, 64):\n"
    "    os.write(1, data)\n"
)

LINES = (
    ("100 ms", 0, 0.05),
    ("25 kB/s and 100 ms", 25_000, 0.05),
    ("15 kB/s", 15_000, 0.0),
)


def key_times(screen: Terminal, marker: bytes | None, gap: float) -> list[float]:
    """Milliseconds from each of `KEYS` keys to its effect; without a marker to its echo."""
    draws = source(1, "gaps")
    took = []
    for number in range(KEYS):
        pause(gap + draws.random() * 0.1)
        key = "jk"[number % 2]
        since, began = len(screen.output), monotonic_ns()
        screen.send(key)
        screen.wait(marker or key, 20.0, since)
        took.append((monotonic_ns() - began) / 1e6)
    return sorted(took)


def told(name: str, rounds: Sequence[Sequence[float]], target: tuple[str, str]) -> None:
    report.show(f"{name}, p50", target[0], [statistics.median(one) for one in rounds], "ms")
    report.show(f"{name}, p95", target[1], [one[int(len(one) * 0.95)] for one in rounds], "ms")


def keys(sshd: Sshd, folder: str) -> None:
    """Key to paint with eight live symbols, beside what the line alone takes for a key."""
    for name, rate, delay in LINES:
        with Line(sshd.port, rate=rate, delay_s=delay) as line:
            with sshd.open([sys.executable, "-c", ECHO], port=line.port) as echo:
                echo.wait("ready", 20.0)
                alone = key_times(echo, None, 0.05)
            told(f"a key and its echo, {name}", [alone], ("", ""))
            rounds = []
            for _ in range(ROUNDS):
                with live(sshd, line, folder) as screen:
                    rounds.append(key_times(screen, CURSOR, 0.2))
        middle = statistics.median(alone)
        if rate:
            target = ("", "≤ 600")
        else:
            target = (f"≤ {middle + 20:.0f}", "")
        told(f"key to paint, {name}", rounds, target)


def live(sshd: Sshd, line: Line, folder: str, *, columns: int = 120, rows: int = 40) -> Terminal:
    """The screen with eight live symbols, when it has settled to its pace."""
    command = [sys.executable, *demo(folder, "--rate", "2000", "--symbols", "8")]
    screen = sshd.open(command, port=line.port, columns=columns, rows=rows)
    screen.wait("PAPER", 30.0)
    pause(2.5)
    return screen


def rates(screen: Terminal, line: Line) -> tuple[list[float], list[float]]:
    """kB/s that the program writes, and that the line carries to it, over some seconds."""
    written, carried = [], []
    for _ in range(ROUNDS):
        before = line.carried
        written.append(screen.count(SECONDS) / SECONDS / 1_000)
        carried.append((line.carried - before) / SECONDS / 1_000)
    return written, carried


def volume(sshd: Sshd, folder: str) -> None:
    """Bytes a second on the line, quiet and with eight live symbols at 4 Hz."""
    with Line(sshd.port, rate=25_000, delay_s=0.05) as line:
        quiet = [sys.executable, *demo(folder, "--rate", "5", "--still")]
        with sshd.open(quiet, port=line.port) as screen:
            screen.wait("PAPER", 30.0)
            screen.settle(1.0)
            _, carried = rates(screen, line)
            report.show("idle, on the line, 120x40", "0", carried, "kB/s")
        for columns, rows, target in ((120, 40, "≤ 12"), (80, 24, "≤ 8")):
            with live(sshd, line, folder, columns=columns, rows=rows) as screen:
                written, carried = rates(screen, line)
                size = f"{columns}x{rows}"
                report.show(f"8 symbols at 4 Hz, written, {size}", target, written, "kB/s")
                report.show(f"8 symbols at 4 Hz, on the line, {size}", target, carried, "kB/s")


def inside_tmux(sshd: Sshd, folder: str) -> None:
    """The same inside tmux, which draws for itself and answers for the terminal."""
    tmux = find("tmux")
    if tmux is None:
        return
    start: Callable[[str, int], list[str]] = lambda name, rate: [  # noqa: E731
        tmux, "-L", name, "-f", "/dev/null", "new-session", sys.executable,
        *demo(folder, "--rate", str(rate), "--symbols", "8"),
    ]  # fmt: skip
    with (
        Line(sshd.port, rate=25_000, delay_s=0.05) as line,
        sshd.open(start("qd-bench", 2_000), port=line.port) as screen,
    ):
        screen.wait("PAPER", 30.0)
        pause(2.5)
        _, carried = rates(screen, line)
        report.show("8 symbols at 4 Hz, tmux, on the line, 120x40", "", carried, "kB/s")
        took = key_times(screen, CURSOR, 0.2)
        told("key to paint, tmux, 25 kB/s and 100 ms", [took], ("", ""))


def main() -> None:
    why = missing()
    if why:
        print(f"over SSH nothing was measured: {why}")
        return
    report.heading("over SSH")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "sshd"
        home.mkdir()
        with Sshd(home) as sshd:
            volume(sshd, folder)
            keys(sshd, folder)
            inside_tmux(sshd, folder)


if __name__ == "__main__":
    main()
