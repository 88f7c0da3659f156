"""F15: a terminal that stops reading for a long time, and the engine inside that screen.

The engine's lag is measured in its own process, by waking the kernel and waiting for its turn,
first with a terminal that reads and then with one that does not: what the machine is busy
with is in both.
"""

from __future__ import annotations

import json
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.clock import SECOND, monotonic_ns, pause
from tests.tty.harness import Terminal

LIMIT_MS = 50.0
BEFORE_S = 18.0
"""How long the terminal reads first."""


@dataclass(frozen=True)
class Blocked:
    """Lags in milliseconds, and how long leaving took after the terminal had stopped."""

    seconds: float
    before: dict[str, Any]
    during: dict[str, Any]
    left_ms: float

    @property
    def note(self) -> str:
        return (
            f"engine lag p99 {self.during['p99_ms']:.1f} ms, worst {self.during['worst_ms']:.0f} "
            f"ms (reading: p99 {self.before['p99_ms']:.1f}, worst {self.before['worst_ms']:.0f}), "
            f"left in {self.left_ms:.0f} ms"
        )


def blocked(
    seconds: float, *, before_s: float = BEFORE_S, speed: float = 60.0, seed: int = 9
) -> Blocked:
    """Play a simulated market behind a terminal that stops reading for that long.

    Raises `AssertionError` when the engine stopped with it, or can't be left any more.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = [
            "-m", "tests.tty.blocked_child", str(folder / "lag.json"), "--feed", "sim",
            "--seed", str(seed), "--speed", f"{speed:g}", "--hz", "20",
        ]  # fmt: skip
        env = {"XDG_CONFIG_HOME": name, "DATA_DIR": name}
        with Terminal(arguments, columns=200, rows=60, answers=False, env=env) as terminal:
            terminal.wait("ACTIVE", 60.0)
            pause(2.0)
            before = _over(folder / "lag.json", before_s)
            terminal.reading = False
            pause(0.2)
            for _ in range(200):
                terminal.send("jk2317")
            during = _over(folder / "lag.json", seconds)
            assert during["events"] > before["events"], "the engine stood still"
            began = monotonic_ns()
            terminal.process.send_signal(signal.SIGTERM)
            terminal.end(5.0)
            left_ms = (monotonic_ns() - began) / 1e6
    return Blocked(seconds, before, during, left_ms)


def _over(file: Path, seconds: float) -> dict[str, Any]:
    """What the probe saw within the next seconds alone; the child begins anew when told."""
    deadline = monotonic_ns() + int(60 * SECOND)
    while not file.exists():
        assert monotonic_ns() < deadline, "the engine did not begin"
        pause(0.05)
    file.with_suffix(".again").touch()
    while file.with_suffix(".again").exists():
        assert monotonic_ns() < deadline, "the probe does not answer"
        pause(0.02)
    pause(seconds)
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts
