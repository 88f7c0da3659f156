"""The screen's side of the socket: a hub like the one in the engine's process.

A thread follows the engine and keeps what it said; whoever asks gets an answer at once, from
what is here. A lost connection is said, and tried again until the hub is closed; commands
are never kept for later, since what a person decided is about what they saw.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from engine.core.clock import SECOND, monotonic_ns
from engine.core.commands import Ack, AnyCommand
from engine.core.views import Snapshot
from engine.hub import LocalHub, Slice
from engine.wire.address import dial
from engine.wire.frames import (
    MAX_TELL,
    PROTOCOL,
    Follow,
    Hello,
    Order,
    Piece,
    State,
    Unframer,
    Welcome,
    WireError,
    frame,
    tell,
)
from engine.wire.rows import Assembler, unpack

KEPT = 5_000
"""Items of a stream that are kept here."""

REFUSALS = 200
AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""How long to wait between attempts to reach the engine again."""

DIAL_S = 2.0
ANSWER_NS = 5 * SECOND
SILENT_NS = 15 * SECOND
"""An engine's server says something well within this; after it the line counts as dead."""

UNREACHABLE = "unreachable"
"""Code of the ack of a command that never left."""

LOST = "the engine can't be reached; what is shown is old, and nothing can be ordered"


class Mirror:
    """The newest items of a stream under the engine's own numbers."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque(maxlen=KEPT)
        self._lock = Lock()
        self.next = 0

    def extend(self, items: list[Any], ends: int) -> None:
        """Items that end before number `ends`; a gap before them is lost for good."""
        with self._lock:
            if ends - len(items) != self.next:
                self._items.clear()
            self._items.extend(items)
            self.next = ends

    def since(self, seq: int) -> Slice:
        with self._lock:
            first = self.next - len(self._items)
            start = min(max(seq, first), self.next)
            items = tuple(self._items)[start - first :] if start < self.next else ()
            return Slice(items, self.next, max(0, start - seq))


class RemoteHub:
    """A hub whose engine is another process of this user. `start` it, and `close` it.

    `trouble` says in words why nothing can be ordered now, or is empty. One hub is one run
    of one engine: when another answers at the address, the hub ends and calls
    `another_engine`. `refused` holds why the engine turned us away for good.
    """

    def __init__(
        self,
        address: Path,
        version: str,
        *,
        hz: float = 10.0,
        readonly: bool = False,
        another_engine: Callable[[], None] | None = None,
    ) -> None:
        self.address = address
        self._hello = Hello(PROTOCOL, version, hz, readonly)
        self._another_engine = another_engine
        self._snapshot: Snapshot | None = None
        self._assembler = Assembler()
        self._mirrors: dict[str, Mirror] = {}
        self._lock = Lock()
        self._outgoing: deque[tuple[AnyCommand | None, bytes]] = deque()
        self._own: OrderedDict[str, Ack] = OrderedDict()
        self._linked = False
        self._closing = Event()
        self._answered = Event()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._thread = Thread(target=self._run, name="qd-attach", daemon=True)
        self.welcome: Welcome | None = None
        self.refused: WireError | None = None
        self.trouble = "the engine has not answered yet"
        self.received = 0
        """Bytes that came from the engine."""

    def start(self, wait_s: float = 0.0) -> bool:
        """Begin to follow; True when the engine has answered within `wait_s`.

        Raises `WireError` when it has turned us away by then.
        """
        self._thread.start()
        self._answered.wait(wait_s)
        if self.refused is not None:
            raise self.refused
        return self._linked

    def close(self, timeout_s: float = 1.0) -> None:
        """Hang up; the engine runs on."""
        self._closing.set()
        self._ring()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    # The hub.

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def stream(self, name: str) -> Slice:
        return self.since(name, 0)

    def since(self, name: str, seq: int) -> Slice:
        """What is here of a stream; the first question about one has the engine send it."""
        mirror = self._mirrors.get(name)
        if mirror is None:
            mirror = self._follow(name)
        return mirror.since(seq)

    def send(self, command: AnyCommand) -> None:
        """Hand a command to the engine, or refuse it here and now when it can't be reached."""
        body = frame(Order(command))
        with self._lock:
            if self._linked:
                self._outgoing.append((command, body))
            else:
                self._refuse(command)
        self._ring()

    def ack(self, command_id: str) -> Ack | None:
        own = self._own.get(command_id)
        snapshot = self._snapshot
        if own is not None or snapshot is None:
            return own
        return next((ack for ack in reversed(snapshot.acks) if ack.id == command_id), None)

    def _refuse(self, command: AnyCommand) -> None:
        now = self._snapshot.time_ns if self._snapshot is not None else 0
        self._own[command.id] = Ack(
            id=command.id, ok=False, code=UNREACHABLE, time_ns=now,
            text=f"nothing was sent: {self.trouble or LOST}",
        )  # fmt: skip
        while len(self._own) > REFUSALS:
            self._own.popitem(last=False)

    def _follow(self, name: str) -> Mirror:
        with self._lock:
            mirror = self._mirrors.setdefault(name, Mirror())
            if self._linked:
                self._outgoing.append((None, frame(Follow(name, mirror.next))))
        self._ring()
        return mirror

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b".")

    # The thread.

    def _run(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            try:
                link = dial(self.address, DIAL_S)
                with link:
                    attempt = 0
                    self._converse(link)
            except WireError as error:
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, the link is gone
                self._lost(WireError(f"{type(error).__name__}: {error}"))
            if self.refused is not None:
                break
            self._closing.wait(AGAIN_S[min(attempt, len(AGAIN_S) - 1)])
            attempt += 1
        self._lost(self.refused or WireError("this screen was closed"))
        self._bell.close()
        self._ear.close()

    def _lost(self, error: WireError) -> None:
        """Say so, and give back every command that had not left."""
        with self._lock:
            self._linked = False
            self.trouble = error.message if self.refused is not None else LOST
            for command, _ in self._outgoing:
                if command is not None:
                    self._refuse(command)
            self._outgoing.clear()
        if self.refused is not None:
            self._answered.set()

    def _converse(self, link: socket.socket) -> None:
        """Follow the engine until one of us hangs up. Raises `WireError` or `OSError`."""
        link.setblocking(False)
        frames = Unframer(MAX_TELL)
        pending = bytearray(frame(self._hello))
        heard_ns = monotonic_ns()
        with selectors.DefaultSelector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            selector.register(link, selectors.EVENT_READ)
            while not self._closing.is_set():
                pending = pending or self._next_words()
                writing = selectors.EVENT_WRITE if pending else 0
                selector.modify(link, selectors.EVENT_READ | writing)
                ready = {key.fd: events for key, events in selector.select(1.0)}
                if self._ear.fileno() in ready:
                    self._ear.recv(4_096)
                told = ready.get(link.fileno(), 0)
                if told & selectors.EVENT_WRITE:
                    with contextlib.suppress(BlockingIOError):
                        del pending[: link.send(pending)]
                if told & selectors.EVENT_READ:
                    heard_ns = monotonic_ns()
                    self._hear(link.recv(1 << 18), frames)
                elif monotonic_ns() - heard_ns > (SILENT_NS if self._linked else ANSWER_NS):
                    raise WireError("the engine does not answer")

    def _hear(self, data: bytes, frames: Unframer) -> None:
        if not data:
            raise WireError("the engine hung up")
        self.received += len(data)
        for body in frames.feed(data):
            self._take(body)

    def _next_words(self) -> bytearray:
        with self._lock:
            return bytearray(self._outgoing.popleft()[1]) if self._outgoing else bytearray()

    def _take(self, body: bytes) -> None:
        said = tell(body)
        if isinstance(said, State):
            self._snapshot = self._assembler.take(said.fields)
        elif isinstance(said, Piece):
            mirror = self._mirrors.get(said.name)
            if mirror is not None:
                mirror.extend([unpack(item) for item in said.items], said.next)
        elif isinstance(said, Welcome):
            self._welcomed(said)
        else:
            self.refused = WireError(said.text, said.hint)
            raise self.refused

    def _welcomed(self, said: Welcome) -> None:
        known = self.welcome
        if known is not None and known.engine != said.engine:
            self.refused = WireError("another engine has taken the place of this one")
            if self._another_engine is not None:
                self._another_engine()
            raise self.refused
        if (said.protocol, said.version) != (self._hello.protocol, self._hello.version):
            self.refused = WireError(
                f"the engine is version {said.version}, this program {self._hello.version}",
                "use the same version on both sides, or restart the engine",
            )
            raise self.refused
        self.welcome = said
        with self._lock:
            for name in LocalHub.STREAMS:
                self._mirrors.setdefault(name, Mirror())
            for name, mirror in self._mirrors.items():
                self._outgoing.append((None, frame(Follow(name, mirror.next))))
            self._linked = True
            self.trouble = ""
        self._answered.set()
