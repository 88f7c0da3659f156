"""A served engine as a process of its own, and commands and screens beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.core.clock import pause
from tests.tty.harness import ROOT, Terminal
from tests.tty.warm import Warm

MINUTES = 120

PROGRAM = (sys.executable, "-m", "app.main")


class Served:
    """`quarterdeck serve` with these options, its journal in `folder`, until `close`."""

    def __init__(self, folder: Path, options: Sequence[str], journal: str) -> None:
        self.journal = folder / journal
        self.env = {"XDG_CONFIG_HOME": str(folder / "config"), "DATA_DIR": str(folder)}
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", *options, "--json"],
            cwd=ROOT, env={**os.environ, **self.env}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.began = json.loads(self.process.stdout.readline())

    def run(self, *arguments: str) -> tuple[int, str]:
        """A command beside the engine: its exit code, and what it said."""
        done = subprocess.run(
            [*PROGRAM, *arguments], cwd=ROOT, check=False,
            env={**os.environ, **self.env}, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def told(self, *arguments: str) -> dict[str, Any]:
        """A command that must succeed, and what it says as JSON."""
        code, text = self.run(*arguments, "--json")
        assert code == 0, text
        found: dict[str, Any] = json.loads(text)
        return found

    def status(self) -> dict[str, Any]:
        return self.told("status")

    def screen(self, *arguments: str, warm: Warm | None = None) -> Terminal:
        return Terminal(["-m", "app.main", *arguments], env=self.env, warm=warm)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=5.0)


def still(folder: Path) -> Served:
    """An engine on a recording that has come to its end, so that nothing moves."""
    recording = folder / "BTCUSDT-1m.csv"
    rows = ["open_time,open,high,low,close,volume"]
    for minute in range(MINUTES):
        price = 60_000 + minute % 7 * 10
        rows.append(
            f"{1_735_689_600_000 + minute * 60_000},{price},{price + 30},{price - 30},{price},9"
        )
    recording.write_text("\n".join(rows) + "\n")
    options = ["--replay", str(recording), "--speed", "max", "--symbols", "BTC/USDT"]
    return Served(folder, options, "paper-replay.db")


def leave(screen: Terminal, answer: str) -> None:
    """Quit by keys; a dialog hears nothing in its first moment, so that no key falls into it."""
    screen.key("q", "Leave Quarterdeck?")
    pause(0.6)
    screen.send(answer)
    assert screen.end() == 0
