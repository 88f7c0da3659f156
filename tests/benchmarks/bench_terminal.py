"""What the screen costs in a pseudo terminal: first frame, bytes, key to paint, leaving.

Run it with `python -m tests.benchmarks.bench_terminal`.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable

from engine.core.clock import monotonic_ns, pause
from engine.core.ids import source
from tests.benchmarks import report
from tests.tty.harness import Terminal

ROUNDS = report.runs(5)
KEYS = 40
CURSOR = "▸".encode()


def told(name: str, target: str, samples: list[float], unit: str) -> None:
    """One line: min, median and max beside the target."""
    report.show(name, target, samples, unit)


def demo(folder: str, *arguments: str) -> list[str]:
    return ["-m", "tests.tty.demo", "--state", folder, *arguments]


def first_frame(folder: str) -> None:
    """From the command to the first panel on the terminal, no engine yet."""
    took = []
    for _ in range(ROUNDS):
        with Terminal(demo(folder, "--bare")) as terminal:
            terminal.wait("Approvals")
            took.append((monotonic_ns() - terminal.started_ns) / 1e6)
    told("first frame from the command, 120x40", "≤ 300", took, "ms")
    for arguments in ((), ("--feed", "sim", "--speed", "60")):
        took = []
        for number in range(ROUNDS):
            home = f"{folder}/{len(arguments)}-{number}"
            env = {"XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "DATA_DIR": home}
            with Terminal(["-m", "app.main", *arguments], env=env) as terminal:
                terminal.wait("Approvals")
                took.append((monotonic_ns() - terminal.started_ns) / 1e6)
        name = " ".join(("quarterdeck", *arguments))
        told(f"  of `{name}`", "", took, "ms")


def bytes_sent(folder: str) -> None:
    """Idle, and with eight live symbols at 4 Hz, at two sizes and two event rates."""
    with Terminal(demo(folder, "--rate", "5", "--still")) as terminal:
        terminal.wait("PAPER")
        terminal.settle(1.0)
        told("idle, 120x40", "0", [terminal.count(1.0) for _ in range(3)], "B/s")
    for columns, rows, rate, target in (
        (120, 40, "200", "≤ 12"),
        (120, 40, "5000", "< 2 % more"),
        (80, 24, "200", "≤ 8"),
    ):
        arguments = demo(folder, "--rate", rate, "--symbols", "8", "--hz", "4")
        with Terminal(arguments, columns=columns, rows=rows) as terminal:
            terminal.wait("PAPER")
            pause(1.5)
            kilobytes = [terminal.count(2.0) / 2_000 for _ in range(3)]
            told(f"8 symbols at 4 Hz, {rate} events/s, {columns}x{rows}", target, kilobytes, "kB/s")


def latencies(terminal: Terminal, gap: float, timeout: float) -> list[float]:
    """Milliseconds from a cursor key to the first byte of the moved cursor."""
    draws = source(1, "gaps")
    moved: Callable[[bytes], bool] = lambda data: CURSOR in data  # noqa: E731
    took = []
    for number in range(KEYS):
        pause(gap + draws.random() * 0.1)
        since, began = len(terminal.output), monotonic_ns()
        terminal.send("j" if number % 2 == 0 else "k")
        terminal.wait(moved, timeout, since)
        took.append((monotonic_ns() - began) / 1e6)
    return sorted(took)


def key_to_paint(folder: str) -> None:
    """On a local terminal with the engine at 2,000 events/s, and on a 15 kB/s line."""
    for name, rate, target in (("local", 0, ("≤ 5", "≤ 30")), ("15 kB/s", 15_000, ("", "≤ 600"))):
        middles, tails = [], []
        for _ in range(3):
            arguments = demo(folder, "--rate", "2000", "--symbols", "8", "--hz", "4")
            with Terminal(arguments, rate=rate) as terminal:
                terminal.wait("PAPER")
                terminal.wait("Positions")
                pause(2.5)
                took = latencies(terminal, 0.05 if not rate else 0.2, 20.0)
                middles.append(took[len(took) // 2])
                tails.append(took[int(len(took) * 0.95)])
        told(f"key to paint, {name}, p50", target[0], middles, "ms")
        told(f"key to paint, {name}, p95", target[1], tails, "ms")


def key_to_paint_while_writing(folder: str) -> None:
    """On the Reasoning screen, while a reply of the model streams into its panel."""
    middles, tails = [], []
    for _ in range(3):
        arguments = demo(folder, "--rate", "2000", "--writing", "--hz", "4")
        with Terminal(arguments) as terminal:
            terminal.wait("PAPER")
            terminal.send("3")
            terminal.wait("because")
            pause(2.5)
            took = latencies(terminal, 0.05, 20.0)
            middles.append(took[len(took) // 2])
            tails.append(took[int(len(took) * 0.95)])
    told("key to paint, a reply streams, p50", "≤ 5", middles, "ms")
    told("key to paint, a reply streams, p95", "≤ 30", tails, "ms")


def leaving(folder: str) -> None:
    """From SIGTERM to the end of the process."""
    took = []
    for _ in range(ROUNDS):
        with Terminal(demo(folder, "--rate", "100")) as terminal:
            terminal.wait("PAPER")
            began = monotonic_ns()
            terminal.process.send_signal(signal.SIGTERM)
            terminal.end()
            took.append((monotonic_ns() - began) / 1e6)
    told("SIGTERM to gone", "≤ 1,000", took, "ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        first_frame(folder)
        bytes_sent(folder)
        key_to_paint(folder)
        key_to_paint_while_writing(folder)
        leaving(folder)


if __name__ == "__main__":
    main()
