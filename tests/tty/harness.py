"""Runs the program in a pseudo terminal as a terminal would: answers, counts and times.

The child draws into a pty whose other end is read here by one thread. `ESC[6n` is answered
as soon as the bytes before it have been read, after `delay` seconds to play a slow line.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from engine.core.clock import monotonic_ns, pause
from tests.tty.warm import Forked, Warm

ROOT = Path(__file__).resolve().parents[2]
ASK = b"\x1b[6n"


class Terminal:
    """One program in one pseudo terminal.

    `rate` limits reading to that many bytes a second (0: as fast as it comes), `answers`
    False plays a terminal that does not know `ESC[6n`. `program` is what is given the
    arguments: Python, or a command such as ssh. `warm` forks the program instead of starting it.
    `folder` is where it works, and leaves what a person writes to a file.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        answers: bool = True,
        rate: int = 0,
        program: Sequence[str] = (sys.executable,),
        warm: Warm | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.output = bytearray()
        self.answers = answers
        self.rate = rate
        self.reading = True
        self.asked = 0
        self._seen = threading.Condition()
        self._parent, child = pty.openpty()
        self.resize(columns, rows, tell=False)
        self.before = termios.tcgetattr(child)
        self.started_ns = monotonic_ns()
        keep = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"),
                "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8",
                "PYTHONPATH": str(ROOT)}  # fmt: skip
        keep |= env or {}
        self.process: subprocess.Popen[bytes] | Forked
        if warm is not None:
            self.process = warm.start(os.ttyname(child), arguments, keep)
        else:
            self.process = subprocess.Popen(
                [*program, *arguments], stdin=child, stdout=child, stderr=child, cwd=folder,
                env=keep, start_new_session=True, preexec_fn=_own_terminal,
            )  # fmt: skip
        self._child = child
        self._stop = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        answered = 0
        while not self._stop:
            if not self.reading:
                pause(0.01)
                continue
            ready, _, _ = select.select([self._parent], [], [], 0.05)
            if not ready:
                continue
            try:
                data = os.read(self._parent, min(self.rate // 20, 65_536) if self.rate else 65_536)
            except OSError:
                return
            if not data:
                return
            with self._seen:
                self.output += data
                self._seen.notify_all()
            asked = self.output.count(ASK)
            self.asked = asked
            if self.answers and asked > answered:
                self.send(b"\x1b[1;1R" * (asked - answered))
            answered = asked
            if self.rate:
                pause(len(data) / self.rate)

    def send(self, data: bytes | str) -> None:
        """Type."""
        raw = data.encode() if isinstance(data, str) else data
        try:
            os.write(self._parent, raw)
        except OSError:
            return

    def resize(self, columns: int, rows: int, tell: bool = True) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._parent, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.process.pid, signal.SIGWINCH)

    def wait(
        self, marker: bytes | str | Callable[[bytes], bool], timeout: float = 10.0, since: int = 0
    ) -> float:
        """Wait for a text after offset `since`; seconds since the call. Raises on timeout."""
        raw = marker.encode() if isinstance(marker, str) else marker
        began = monotonic_ns()

        def there() -> bool:
            tail = bytes(self.output[since:])
            return raw(tail) if callable(raw) else raw in tail

        with self._seen:
            if not self._seen.wait_for(there, timeout):
                shown = self.text()[-2_000:]
                raise AssertionError(f"{marker!r} did not come within {timeout} s; got {shown!r}")
        return (monotonic_ns() - began) / 1e9

    def settle(self, quiet: float = 0.4, timeout: float = 10.0) -> None:
        """Wait until nothing has come for `quiet` seconds."""
        deadline = monotonic_ns() + int(timeout * 1e9)
        size = -1
        while monotonic_ns() < deadline:
            if len(self.output) == size:
                return
            size = len(self.output)
            pause(quiet)

    def count(self, seconds: float) -> int:
        """Bytes that come within this time."""
        before = len(self.output)
        pause(seconds)
        return len(self.output) - before

    def text(self) -> str:
        """All output without escape sequences."""
        return re.sub(
            r"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|[@-_])", "", self.output.decode("utf-8", "replace")
        )

    def key(self, key: str, marker: str | bytes, timeout: float = 5.0) -> float:
        """Seconds from a key to the first byte of its effect."""
        since = len(self.output)
        self.send(key)
        return self.wait(marker, timeout, since)

    def restored(self) -> bool:
        """Whether modes and line discipline are as they were before the program."""
        now = termios.tcgetattr(self._child)
        return now[:4] == self.before[:4] and self.left_screen()

    def left_screen(self) -> bool:
        """Whether the alternate screen was left and the cursor shown, after all else."""
        out = bytes(self.output)
        return (
            out.rfind(b"\x1b[?1049l") > out.rfind(b"\x1b[?1049h")
            and out.rfind(b"\x1b[?25h") > out.rfind(b"\x1b[?25l")
            and out.rfind(b"\x1b[?1003l") >= out.rfind(b"\x1b[?1003h")
        )

    def end(self, timeout: float = 5.0) -> int:
        """Wait for the program to end by itself; its return code."""
        return self.process.wait(timeout)

    def hang_up(self) -> None:
        """The terminal goes away, as when a connection drops."""
        self._stop = True
        self._thread.join(1.0)
        os.close(self._child)
        os.close(self._parent)
        self._parent = self._child = -1

    def close(self) -> None:
        self._stop = True
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5.0)
        self._thread.join(1.0)
        for fd in (self._parent, self._child):
            if fd >= 0:
                os.close(fd)
        self._parent = self._child = -1

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _own_terminal() -> None:
    """Make the pty the controlling terminal, so that closing it hangs the program up."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
