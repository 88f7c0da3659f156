"""The hub: the only object that the engine shares with the outside.

Screens and commands read `snapshot`, follow streams and send commands; the kernel
publishes and takes. Nothing here waits for anybody: a slow reader loses the oldest items of
a stream and is told how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol

import msgspec

from engine.core.commands import Ack, AnyCommand
from engine.core.views import Snapshot


class Slice(msgspec.Struct, frozen=True):
    """What a stream has after `since`: the items, where to go on, and how many were lost."""

    items: tuple[Any, ...]
    next: int
    lost: int


class Stream:
    """A bounded, numbered sequence: one writer, any number of readers.

    Numbers start at 0 and never repeat within a run; the oldest items fall out at `size`.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._items: deque[Any] = deque(maxlen=size)
        self._next = 0
        self._lock = Lock()

    def append(self, item: Any) -> None:
        with self._lock:
            self._items.append(item)
            self._next += 1

    def since(self, seq: int = 0) -> Slice:
        """Items numbered `seq` and later that are still here."""
        with self._lock:
            first = self._next - len(self._items)
            start = min(max(seq, first), self._next)
            skip = start - first
            if skip == len(self._items):
                items: tuple[Any, ...] = ()
            else:
                items = tuple(self._items)[skip:]
            return Slice(items, self._next, max(0, start - seq))


class Hub(Protocol):
    """What the outside sees of an engine, in this process or behind a socket."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest state, or None before the engine has published its first."""
        ...

    @property
    def trouble(self) -> str:
        """Why no command can reach the engine now, in words; empty when one can."""
        ...

    def stream(self, name: str) -> Slice:
        """Everything still held of a stream; see `since`."""
        ...

    def since(self, name: str, seq: int) -> Slice:
        """A stream from a number on; an unknown name is an empty stream.

        Names: `journal`, `equity`, `decisions`, `llm`, `compared`, `parameters`, `fills`,
        `protections`, `bars:<symbol>`.
        """
        ...

    def send(self, command: AnyCommand) -> None:
        """Hand a command to the engine; its `Ack` appears in a later snapshot."""
        ...

    def ack(self, command_id: str) -> Ack | None:
        """The ack of a command, while the engine still remembers it."""
        ...


class LocalHub:
    """The hub of an engine in this process.

    The kernel publishes by replacing one reference, so a reader never sees half a state
    and never holds the kernel up.
    """

    STREAMS = (
        "journal", "equity", "decisions", "llm", "compared", "parameters", "fills", "protections",
    )  # fmt: skip
    trouble = ""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self._snapshot: Snapshot | None = None
        self._streams: dict[str, Stream] = {name: Stream() for name in self.STREAMS}
        self._commands: deque[AnyCommand] = deque()
        self._wake = wake

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def stream(self, name: str) -> Slice:
        return self.since(name, 0)

    def since(self, name: str, seq: int) -> Slice:
        stream = self._streams.get(name)
        return stream.since(seq) if stream is not None else Slice((), 0, 0)

    def send(self, command: AnyCommand) -> None:
        self._commands.append(command)
        if self._wake is not None:
            self._wake()

    def ack(self, command_id: str) -> Ack | None:
        snapshot = self._snapshot
        if snapshot is None:
            return None
        return next((ack for ack in reversed(snapshot.acks) if ack.id == command_id), None)

    # The kernel's side of the door.

    def on_command(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a command comes in, so that the kernel need not poll."""
        self._wake = wake

    def take(self) -> list[AnyCommand]:
        """All commands waiting, in the order in which they came."""
        taken = []
        while self._commands:
            taken.append(self._commands.popleft())
        return taken

    def publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def append(self, name: str, item: Any, size: int = 2_000) -> None:
        """Add to a stream, which is made on first use."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(size)
        stream.append(item)
