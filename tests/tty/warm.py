"""Programs in terminals without their imports: one process imports, and forks for every run.

`python -m tests.tty.warm` takes requests on its standard input, a line each. What is forked
takes the terminal that it is told for its own, with a session of its own, and ends as any
interpreter does.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.core.clock import SECOND, monotonic_ns, pause

ROOT = Path(__file__).resolve().parents[2]
SCREEN = ("app.app", "app.session", "app.screens", "tests.tty.demo_engine")
"""What the demo imports."""
PROGRAM = ("app.cli", "app.attaching", "app.launch", "app.session", "app.app")
"""What an attached screen imports."""
ENGINE = (*PROGRAM, "app.compose", "engine.market.sim")
COLD_EVERY = 10
"""Of so many programs one is started as a person starts it, with everything that belongs to it."""


class Forked:
    """A forked program; what a `Popen` can do that the terminals need."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self._warm = warm
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and not _lives(self.pid):
            self.returncode = self._warm.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = monotonic_ns() + int(timeout * SECOND)
        while (code := self.poll()) is None:
            if monotonic_ns() > deadline:
                raise subprocess.TimeoutExpired("forked program", timeout)
            pause(0.003)
        return code

    def send_signal(self, number: int) -> None:
        # Until its code is asked for its number stays its own: no stranger is hit.
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _lives(pid: int) -> bool:
    return (
        Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    )


class Warm:
    """The process that has imported these modules; a context manager.

    No more than the program itself would: what is imported has to be let go of at its end.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tty.warm", *modules], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> Warm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10.0)

    def start(self, terminal: str, arguments: Sequence[str], env: Mapping[str, str]) -> Forked:
        """Run `-m MODULE ARGUMENTS…` in this terminal."""
        dash, module, *rest = arguments
        assert dash == "-m"
        request = {"tty": terminal, "module": module, "arguments": rest, "env": dict(env)}
        return Forked(self, self._ask(request))

    def ended(self, pid: int) -> int:
        """How a program that has ended did; forgets it."""
        return self._ask({"ended": pid})

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _own(request: dict[str, Any]) -> None:
    """Leave the parent's session and files behind and take the terminal."""
    os.setsid()
    terminal = os.open(request["tty"], os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(terminal, number)
    os.close(terminal)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["module"], *request["arguments"]]


def _serve() -> int:
    """Answer until nobody asks any more; in a fork, run what was asked for instead."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    os.write(1, b"0\n")
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "ended" in request:
            _, status = os.waitpid(request["ended"], 0)
            os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            continue
        pid = os.fork()
        if pid == 0:
            _own(request)
            code: int = importlib.import_module(request["module"]).main()
            return code
        os.write(1, f"{pid}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(_serve())
