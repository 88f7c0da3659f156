"""Any indicator of the `ta` library by name, computed in a process of its own.

The long tail of indicators is wanted on charts and in users' strategies, and pandas in any
thread of the program would hold up its keys and its stops; so a niced child does the work
and the answer comes back as a future.
"""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.analysis.overlay_child import COLUMNS, LENGTH, Reply, Request
from engine.core.clock import SECOND, monotonic_ns
from engine.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Lines = dict[str, list[float]]

_WAITING = 64  # requests that may wait; a chart that asks faster than that is told so
_KEPT = 64  # answers kept, so that redrawing a chart computes nothing
_ANSWER_S = 30.0  # a child that takes longer is ended; `ta` needs seconds for a million rows
_IDLE_S = 300.0  # an unused child is ended, since pandas keeps 150 MB


class OverlayWorker:
    """Computes overlays in one child process, started with the first request.

    Safe for several threads. The futures fail with `ConfigError` for an unknown indicator
    or argument (the hint offers near names) and with `DataError` when the child was lost.
    """

    def __init__(self, answer_s: float = _ANSWER_S, idle_s: float = _IDLE_S) -> None:
        self._answer_s = answer_s
        self._idle_s = idle_s
        self._waiting: queue.Queue[tuple[Request, Future[Lines]] | None] = queue.Queue(_WAITING)
        self._kept: OrderedDict[bytes, Lines] = OrderedDict()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def request(
        self,
        name: str,
        kwargs: Mapping[str, object] | None,
        bars: NDArray[np.float64],
    ) -> Future[Lines]:
        """The lines of one indicator over bars of shape (n, 6), oldest first.

        Columns: open time (any unit), open, high, low, close, volume. Names are those of
        `ta`, with or without their module (`kst`, `trend.kst`); keyword arguments too
        (`window=20`). Every line has n values, NaN where the indicator has none yet.
        """
        future: Future[Lines] = Future()
        prices = np.ascontiguousarray(bars, dtype=np.float64)
        if prices.ndim != 2 or prices.shape[1] != len(COLUMNS) or not len(prices):
            future.set_exception(
                DataError(
                    f"bars of shape {prices.shape} can't be drawn on",
                    f"one row a bar with the columns {', '.join(COLUMNS)}",
                )
            )
            return future
        arguments: dict[str, float | int | bool] = {}
        for option, value in (kwargs or {}).items():
            if not isinstance(value, int | float):
                future.set_exception(
                    ConfigError(f"{option} = {value!r} is no number", "write it as in window=20")
                )
                return future
            arguments[option] = value
        request = Request(name, arguments, prices.tobytes())
        with self._lock:
            if self._closed:
                future.set_exception(DataError("overlays are no longer computed", "it is closing"))
                return future
            try:
                self._waiting.put_nowait((request, future))
            except queue.Full:
                future.set_exception(
                    DataError(f"{_WAITING} overlays are waiting already", "ask again in a moment")
                )
                return future
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="overlays", daemon=True)
                self._thread.start()
        return future

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the child and the thread; whether both ended in time. Waiting futures fail."""
        with self._lock:
            self._closed = True
            thread, child = self._thread, self._child
        if thread is None:
            return True
        if child is not None:
            child.kill()
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._fail_waiting()
        thread.join(timeout_s)
        return not thread.is_alive()

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def _run(self) -> None:
        while True:
            try:
                waiting = self._waiting.get(timeout=self._idle_s)
            except queue.Empty:
                self._end_child()
                continue
            if waiting is None or self._closed:
                if waiting is not None:
                    waiting[1].cancel()
                break
            request, future = waiting
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._answer(request))
            except (ConfigError, DataError) as error:
                future.set_exception(error)
        self._fail_waiting()
        self._end_child()

    def _fail_waiting(self) -> None:
        while True:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return
            if waiting is not None:
                waiting[1].cancel()

    def _answer(self, request: Request) -> Lines:
        body = msgspec.msgpack.encode(request)
        key = blake2b(body, digest_size=16).digest()
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return {name: list(line) for name, line in found.items()}
        try:
            reply = self._ask(body)
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            self._end_child()
            raise DataError(
                f"the overlay {request.name} was not computed: {error}",
                "the next request starts a new process",
            ) from error
        if reply.error:
            raise ConfigError(reply.error, reply.hint)
        lines = {name: np.frombuffer(line).tolist() for name, line in reply.lines.items()}
        self._kept[key] = lines
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return {name: list(line) for name, line in lines.items()}

    def _ask(self, body: bytes) -> Reply:
        child = self._alive_child()
        if child.stdin is None or child.stdout is None:
            raise EOFError("the process has no pipes")
        deadline = monotonic_ns() + int(self._answer_s * SECOND)
        child.stdin.write(LENGTH.pack(len(body)) + body)
        child.stdin.flush()
        out = child.stdout.fileno()
        length = LENGTH.unpack(_read(out, LENGTH.size, deadline))[0]
        return msgspec.msgpack.decode(_read(out, length, deadline), type=Reply)

    def _alive_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        child = subprocess.Popen(
            [sys.executable, "-m", "engine.analysis.overlay_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C in the terminal is not for the child
        )
        with self._lock:
            self._child = child
            if self._closed:
                child.kill()
        return child

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def _read(descriptor: int, length: int, deadline_ns: int) -> bytes:
    """Exactly `length` bytes of a pipe; `EOFError` when it ends or the deadline passes."""
    parts: list[bytes] = []
    missing = length
    while missing:
        left = (deadline_ns - monotonic_ns()) / SECOND
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise EOFError("it took too long")
        part = os.read(descriptor, missing)
        if not part:
            raise EOFError("the process ended")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
