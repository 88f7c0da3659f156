"""The engine's side of the socket: a thread of its own that reads the hub and tells screens.

Nothing waits here for a screen. What a screen has not read yet is bounded: a snapshot is made
only once everything before it has left, so it is always the newest; streams go piece by
piece; and a screen that takes nothing for ten seconds is let go.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread

from engine.core.clock import MILLISECOND, SECOND, monotonic_ns
from engine.core.views import Snapshot
from engine.hub import LocalHub
from engine.wire.address import Door, check_peer
from engine.wire.frames import (
    MAX_ASK,
    PROTOCOL,
    Ask,
    Follow,
    Hello,
    Message,
    Piece,
    Refused,
    State,
    Unframer,
    Welcome,
    WireError,
    ask,
    frame,
)
from engine.wire.rows import Dissector, changed, pack

CLIENTS = 64
FOLLOWS = 256
"""How many streams one screen may follow: one a symbol and a handful."""

PIECE = 500
"""Items of a stream in one frame."""

STALLED_NS = 10 * SECOND
GREETING_NS = 5 * SECOND
HURRY_NS = SECOND
HURRY_EVERY_NS = 10 * MILLISECOND
"""After a command its screen is told of every new snapshot for a second: one has the ack."""

SLOWEST_HZ, FASTEST_HZ = 0.1, 30.0


@dataclass
class _Client:
    """One screen: what it wants, what it has been sent, and what it has not read yet."""

    link: socket.socket
    since_ns: int
    frames: Unframer = field(default_factory=lambda: Unframer(MAX_ASK))
    out: bytearray = field(default_factory=bytearray)
    hello: Hello | None = None
    period_ns: int = SECOND
    due_ns: int = 0
    hurry_until_ns: int = 0
    moved_ns: int = 0
    snapshot: Snapshot | None = None
    sent: dict[str, bytes] = field(default_factory=dict)
    follows: dict[str, int] = field(default_factory=dict)
    leaving: bool = False


class HubServer:
    """Serves a hub at an address until `stop`. `start` may raise `WireError`.

    `engine` names this run and must never be used by another; `uid` is whose processes may
    come in; `journal` and `version` are told to screens.
    """

    def __init__(
        self,
        hub: LocalHub,
        door: Door,
        *,
        engine: str,
        version: str,
        journal: str,
        uid: int | None = None,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._hub = hub
        self._door = door
        self._welcome = Welcome(PROTOCOL, version, engine, os.getpid(), journal)
        self._uid = os.getuid() if uid is None else uid
        self._clock = clock
        self._clients: dict[int, _Client] = {}
        self._dissector = Dissector()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._stopping = False
        self._thread = Thread(target=self._run, name="qd-serve", daemon=True)
        self.dropped: list[str] = []

    @property
    def clients(self) -> int:
        """Screens that are connected now."""
        return len(self._clients)

    def start(self) -> None:
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._selector.register(self._door.listener, selectors.EVENT_READ)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Tell screens what is ready, hang up, and take the socket away; safe twice."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._bell.send(b".")
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._door.close()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
            for client in list(self._clients.values()):
                # The last snapshot says that the engine has ended in order.
                self._guarded(client, self._tell)
        finally:
            for client in list(self._clients.values()):
                self._drop(client, "")
            self._selector.close()
            self._bell.close()
            self._ear.close()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._patience()):
            if key.fileobj is self._door.listener:
                self._let_in()
            elif key.fileobj is self._ear:
                self._ear.recv(64)
            else:
                client = self._clients.get(key.fd)
                if client is not None and events & selectors.EVENT_READ:
                    self._guarded(client, self._hear)
                if client is not None and events & selectors.EVENT_WRITE:
                    self._guarded(client, self._write)
        for client in list(self._clients.values()):
            self._guarded(client, self._attend)

    def _patience(self) -> float | None:
        """How long nothing can be due; for ever while nobody is there."""
        if not self._clients:
            return None
        now = self._clock()
        due = min(client.due_ns for client in self._clients.values())
        return max(0.0, min((due - now) / SECOND, 1.0))

    def _guarded(self, client: _Client, act: Callable[[_Client], None]) -> None:
        """One screen's trouble ends that screen's connection and nothing else."""
        try:
            act(client)
        except WireError as error:
            self._drop(client, error.message)
        except OSError as error:
            self._drop(client, error.strerror or str(error))
        except Exception as error:  # noqa: BLE001 - the other screens must go on
            self._drop(client, f"{type(error).__name__}: {error}")

    def _let_in(self) -> None:
        try:
            link, _ = self._door.listener.accept()
        except OSError:
            return
        try:
            check_peer(link, self._uid)
            if len(self._clients) >= CLIENTS:
                raise WireError(f"{CLIENTS} screens are connected already")
        except (WireError, OSError) as error:
            self.dropped.append(str(error))
            link.close()
            return
        link.setblocking(False)
        now = self._clock()
        client = _Client(link, now, moved_ns=now, due_ns=now + GREETING_NS)
        self._clients[link.fileno()] = client
        self._selector.register(link, selectors.EVENT_READ)

    def _drop(self, client: _Client, why: str) -> None:
        if self._clients.pop(client.link.fileno(), None) is None:
            return
        if why:
            self.dropped.append(why)
            del self.dropped[:-100]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.link)
        client.link.close()

    # In.

    def _hear(self, client: _Client) -> None:
        try:
            data = client.link.recv(MAX_ASK)
        except BlockingIOError:
            return
        if not data:
            self._drop(client, "")
            return
        for body in client.frames.feed(data):
            if not client.leaving:
                self._obey(client, ask(body))

    def _obey(self, client: _Client, said: Ask) -> None:
        if isinstance(said, Hello):
            self._greet(client, said)
        elif client.hello is None:
            raise WireError("a screen that did not say hello")
        elif isinstance(said, Follow):
            if len(client.follows) >= FOLLOWS or len(said.name) > 100 or said.since < 0:
                raise WireError("a screen that asks for too much")
            client.follows[said.name] = said.since
            client.due_ns = 0
        elif client.hello.readonly:
            raise WireError("a command from a screen that may only look")
        else:
            self._hub.send(said.command)
            client.hurry_until_ns = self._clock() + HURRY_NS
            client.due_ns = min(client.due_ns, self._clock() + HURRY_EVERY_NS)

    def _greet(self, client: _Client, hello: Hello) -> None:
        if client.hello is not None:
            raise WireError("a screen that says hello twice")
        client.hello = hello
        ours = self._welcome
        if (hello.protocol, hello.version) != (ours.protocol, ours.version):
            self._say(
                client,
                Refused(
                    f"the engine is version {ours.version} (protocol {ours.protocol}), this "
                    f"program is {hello.version} (protocol {hello.protocol})",
                    "use the same version on both sides, or restart the engine",
                ),
            )
            client.leaving = True
            return
        hz = hello.hz if hello.hz > 0 else FASTEST_HZ
        client.period_ns = int(SECOND / min(max(hz, SLOWEST_HZ), FASTEST_HZ))
        client.due_ns = 0
        self._say(client, ours)

    # Out.

    def _attend(self, client: _Client) -> None:
        """Tell a screen what is due, or let it go."""
        now = self._clock()
        if client.hello is None and now - client.since_ns >= GREETING_NS:
            raise WireError("a screen that did not say hello in time")
        if client.out:
            if now - client.moved_ns >= STALLED_NS:
                raise WireError("a screen that does not read")
            client.due_ns = now + client.period_ns
            return
        if client.leaving:
            self._drop(client, "")
            return
        if client.hello is not None and now >= client.due_ns:
            every = HURRY_EVERY_NS if now < client.hurry_until_ns else client.period_ns
            client.due_ns = now + min(every, client.period_ns)
            self._tell(client)

    def _tell(self, client: _Client) -> None:
        if client.out or client.hello is None or client.leaving:
            return
        snapshot = self._hub.snapshot
        if snapshot is not None and snapshot is not client.snapshot:
            fields = self._dissector.fields(snapshot)
            self._say(client, State(changed(client.sent, fields)))
            client.snapshot, client.sent = snapshot, fields
        for name, since in client.follows.items():
            self._tell_stream(client, name, since)

    def _tell_stream(self, client: _Client, name: str, since: int) -> None:
        found = self._hub.since(name, since)
        if found.next == since:
            return
        items = found.items[:PIECE]
        end = found.next - len(found.items) + len(items)
        self._say(client, Piece(name, end, found.lost, tuple(map(pack, items))))
        client.follows[name] = end
        if end < found.next:
            client.due_ns = 0

    def _say(self, client: _Client, message: Message) -> None:
        if not client.out:
            client.moved_ns = self._clock()
        client.out += frame(message)
        self._write(client)

    def _write(self, client: _Client) -> None:
        """Give the socket what it takes; the selector says when it takes more."""
        try:
            while client.out:
                taken = client.link.send(client.out)
                del client.out[:taken]
                client.moved_ns = self._clock()
        except BlockingIOError:
            pass
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
        if self._selector.get_key(client.link).events != wanted:
            self._selector.modify(client.link, wanted)
