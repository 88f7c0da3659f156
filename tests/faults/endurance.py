"""Hours of a trading engine with a screen, compressed: what grows is found by looking.

The simulated market plays `hours` at many times its pace, entries approved by the engine
itself, so that positions are opened and left all the time. Memory, threads, file handles and
bytes to the terminal are sampled throughout and compared between an early and a late part.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.clock import MINUTE, SECOND, monotonic_ns, parse_iso, pause
from engine.journal.queries import Reader
from tests.tty.harness import Terminal
from tests.tty.served import Served

SYMBOLS = "BTC/USDT,ETH/USDT,SOL/USDT,BNB/USDT,XRP/USDT,ADA/USDT,DOGE/USDT,LTC/USDT"
SAMPLE_S = 0.5

GROWTH = 0.05
"""More memory in the last quarter than in the second, as a share, is too much."""

BYTES = 1.5
"""More bytes a second in the last quarter than in the second, as a factor, is too much."""


@dataclass(frozen=True)
class Sample:
    """One look: engine time, and what each watched process has."""

    engine_ns: int
    wall_ns: int
    memory: dict[str, int]
    threads: dict[str, int]
    handles: dict[str, int]
    written: dict[str, int]


@dataclass
class Endured:
    """What a run reached. `wrong` is empty when nothing grew."""

    hours: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    trades: int = 0
    wrong: list[str] = field(default_factory=list)

    def quarter(self, number: int) -> list[Sample]:
        """The samples of a quarter of the engine's time, counted from 0."""
        first, last = self.samples[0].engine_ns, self.samples[-1].engine_ns
        span = (last - first) / 4
        low, high = first + number * span, first + (number + 1) * span
        return [one for one in self.samples if low <= one.engine_ns <= high]

    def median(self, quarter: int, of: Callable[[Sample], int]) -> float:
        return statistics.median(of(one) for one in self.quarter(quarter))

    def bytes_a_second(self, quarter: int, screen: str) -> float:
        rows = self.quarter(quarter)
        seconds = (rows[-1].wall_ns - rows[0].wall_ns) / SECOND
        return (rows[-1].written[screen] - rows[0].written[screen]) / seconds

    def judge(self) -> None:
        """Compare the last quarter with the second: the first fills what is bounded."""
        for name in self.samples[-1].memory:
            early = self.median(1, lambda one, n=name: one.memory[n])  # type: ignore[misc]
            late = self.median(3, lambda one, n=name: one.memory[n])  # type: ignore[misc]
            if late > early * (1 + GROWTH):
                self.wrong.append(f"{name}: memory {early / 1e6:.1f} to {late / 1e6:.1f} MB")
            for what in ("threads", "handles"):
                early = self.median(1, lambda one, w=what, n=name: getattr(one, w)[n])  # type: ignore[misc]
                late = self.median(3, lambda one, w=what, n=name: getattr(one, w)[n])  # type: ignore[misc]
                if late > early:
                    self.wrong.append(f"{name}: {what} {early:g} to {late:g}")
        for name in self.samples[-1].written:
            early, late = self.bytes_a_second(1, name), self.bytes_a_second(3, name)
            if late > max(early, 500.0) * BYTES:
                self.wrong.append(f"{name}: {early:.0f} to {late:.0f} B/s")

    def told(self) -> list[str]:
        """A line for every figure, second quarter and last."""
        lines = []
        for name in self.samples[-1].memory:
            for what, unit in (("memory", 1e6), ("threads", 1.0), ("handles", 1.0)):
                values = [
                    self.median(k, lambda one, w=what, n=name: getattr(one, w)[n]) / unit  # type: ignore[misc]
                    for k in range(4)
                ]
                lines.append(f"{name} {what}: " + ", ".join(f"{value:.1f}" for value in values))
        for name in self.samples[-1].written:
            rates = [self.bytes_a_second(k, name) for k in range(4)]
            lines.append(f"{name} B/s: " + ", ".join(f"{rate:.0f}" for rate in rates))
        return lines


def _look(pid: int) -> tuple[int, int, int]:
    """Resident memory in bytes, threads, and open file handles of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    handles = len(os.listdir(f"/proc/{pid}/fd"))
    return int(facts["VmRSS"].split()[0]) * 1024, int(facts["Threads"]), handles


def _options(speed: float, seed: int) -> list[str]:
    return [
        "--feed", "sim", "--seed", str(seed), "--speed", f"{speed:g}", "--symbols", SYMBOLS,
        "--approval", "auto",
    ]  # fmt: skip


def _watch(
    journal: Path, processes: dict[str, int], screens: dict[str, Terminal], hours: float,
    done: Endured,
) -> None:  # fmt: skip
    """Sample until the engine has lived that many hours; raises where a process ended."""
    begin, now = 0, 0
    while not begin or now - begin < hours * 60 * MINUTE:
        pause(SAMPLE_S)
        with Reader(journal) as reader:
            found = reader.status()
        now = found.last_ns
        # The journal's first moment is that of the warm-up's end.
        begin = begin or now
        looks = {name: _look(pid) for name, pid in processes.items()}
        done.samples.append(
            Sample(
                now, monotonic_ns(),
                {name: look[0] for name, look in looks.items()},
                {name: look[1] for name, look in looks.items()},
                {name: look[2] for name, look in looks.items()},
                {name: len(screen.output) for name, screen in screens.items()},
            )
        )  # fmt: skip
        done.trades = found.trades
    done.hours = (now - begin) / (60 * MINUTE)


def embedded(folder: Path, hours: float, speed: float, seed: int) -> Endured:
    """An engine inside its screen."""
    done = Endured()
    journal = folder / "paper-sim.db"
    env = {"XDG_CONFIG_HOME": str(folder), "DATA_DIR": str(folder)}
    with Terminal(["-m", "app.main", *_options(speed, seed)], env=env) as screen:
        screen.wait("SIM", 60.0)
        _until_there(journal)
        _watch(journal, {"screen": screen.process.pid}, {"screen": screen}, hours, done)
        screen.process.terminate()
        screen.end(10.0)
    done.judge()
    return done


def served(folder: Path, hours: float, speed: float, seed: int) -> Endured:
    """An engine by itself with two screens attached to it."""
    done = Endured()
    engine = Served(folder, _options(speed, seed), "paper-sim.db")
    try:
        with (
            engine.screen("attach") as one,
            Terminal(
                ["-m", "app.main", "attach", "--readonly"], columns=80, rows=24, env=engine.env
            ) as two,
        ):
            for screen in (one, two):
                screen.wait("SIM", 60.0)
            _until_there(engine.journal)
            _watch(
                engine.journal,
                {"engine": engine.process.pid, "screen": one.process.pid,
                 "small screen": two.process.pid},
                {"screen": one, "small screen": two},
                hours,
                done,
            )  # fmt: skip
    finally:
        engine.close()
    done.judge()
    return done


def _until_there(journal: Path) -> None:
    """Wait until the journal's market has begun."""
    deadline = monotonic_ns() + 60 * SECOND
    while monotonic_ns() < deadline:
        if journal.exists():
            with Reader(journal) as reader:
                if reader.status().last_ns > parse_iso("2026-01-05"):
                    return
        pause(0.1)
    raise AssertionError("the engine did not begin")
