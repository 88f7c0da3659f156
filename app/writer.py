"""The thread that writes to the terminal, made for terminals that stop reading or go away.

Textual's own blocks the event loop when 30 frames wait and dies with a traceback when the
terminal hangs up. This one never blocks its caller: frames that a stalled terminal can't
take are dropped as a whole and one full repaint is asked for when it reads again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

MAX_FRAMES = 30
# Larger writes are cut, so that a stop does not wait for one long frame on a slow link.
CHUNK = 4_096


class TerminalWriter(Thread):
    """Writes text to a file descriptor in the background.

    `on_gone` is called once when the terminal can't be written any more, `on_drained` when
    everything queued is out after frames were dropped. Both run in this thread.
    """

    def __init__(
        self, fd: int, on_gone: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        super().__init__(daemon=True, name="terminal-output")
        self._fd = fd
        self._on_gone = on_gone
        self._on_drained = on_drained
        self._queue: deque[str] = deque()
        self._changed = Condition()
        self._stopping = False
        self.dropped = False
        self._writing = False
        self.gone = False
        self.bytes = 0
        self.frames = 0

    @property
    def backlog(self) -> int:
        """Frames that the terminal has not taken yet."""
        return len(self._queue) + self._writing

    def write(self, text: str) -> None:
        """Queue text; dropped when the terminal is gone or has not read for 30 frames."""
        self.frames += 1
        with self._changed:
            if self.gone or self._stopping:
                return
            if self.dropped or len(self._queue) >= MAX_FRAMES:
                self.dropped = True
                return
            self._queue.append(text)
            self._changed.notify()

    def flush(self) -> None:
        """Nothing: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._stopping:
                    self._changed.wait()
                if not self._queue:
                    return
                data = "".join(self._queue).encode("utf-8", "replace")
                self._queue.clear()
                self._writing = True
            written = self._put(data)
            with self._changed:
                self._writing = False
                drained = self.dropped and not self._queue
                if drained:
                    self.dropped = False
            if not written:
                self._on_gone()
                return
            if drained:
                self._on_drained()

    def _put(self, data: bytes) -> bool:
        view = memoryview(data)
        while view:
            try:
                count = os.write(self._fd, view[:CHUNK])
            except InterruptedError:
                continue
            except OSError:
                with self._changed:
                    self.gone = True
                    self._queue.clear()
                return False
            self.bytes += count
            view = view[count:]
        return True

    def stop(self, timeout: float = 0.3) -> bool:
        """End the thread, waiting at most `timeout` seconds; False when it is stuck."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self.is_alive():
            self.join(timeout)
        return not self.is_alive()
