"""A line between two ports of this machine: as slow as told, and cut or silent when told.

Each direction carries `rate` bytes a second and delivers them `delay_s` later, as a modem or
a train's link does; what waits is bounded, so that the sender feels the line's rate.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field

from engine.core.clock import SECOND, monotonic_ns

PIECE = 1_400
ROOM = 8 * PIECE
"""Bytes that may be on the line at a time in one direction."""

BUFFER = 16_384
PATIENCE_S = 0.2


@dataclass
class _Way:
    """One direction: what was read at `source`, each piece with when it is due at `sink`."""

    source: socket.socket
    sink: socket.socket
    back: bool
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque)
    held: int = 0
    free_ns: int = 0
    ended: bool = False


@dataclass
class _Link:
    """One connection: the end that dialled us, and the end that we dialled."""

    near: socket.socket
    far: socket.socket

    def __post_init__(self) -> None:
        self.ways = (_Way(self.near, self.far, False), _Way(self.far, self.near, True))


class Line:
    """A relay to a port of loopback; `port` of its own is where to connect.

    `rate` 0 carries whatever comes at once. `carried` counts the bytes that came back.
    """

    def __init__(self, to: int, *, rate: int = 0, delay_s: float = 0.0) -> None:
        self._to = to
        self._rate = rate
        self._delay_ns = int(delay_s * SECOND)
        self._links: list[_Link] = []
        self._frozen = False
        self._stop = False
        self._lock = threading.Lock()
        self.carried = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True, name="line")
        self._thread.start()

    def cut(self) -> None:
        """The connections drop: both ends are told so at once."""
        with self._lock:
            for link in list(self._links):
                self._end(link, reset=True)

    def freeze(self) -> None:
        """Nothing passes any more and nobody is told, as in a tunnel."""
        self._frozen = True

    def thaw(self) -> None:
        self._frozen = False

    def close(self) -> None:
        self._stop = True
        self._thread.join(2.0)
        self.cut()
        self._listener.close()
        self._selector.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop:
            self._selector.select(self._patience())
            with self._lock:
                self._let_in()
                for link in () if self._frozen else tuple(self._links):
                    self._carry(link)

    def _patience(self) -> float:
        with self._lock:
            ways = [way for link in self._links for way in link.ways]
            due = [way.pieces[0][0] for way in ways if way.pieces]
        if self._frozen or not due:
            return 0.01 if self._frozen else PATIENCE_S
        return min(PATIENCE_S, max(0.0, (min(due) - monotonic_ns()) / SECOND))

    def _let_in(self) -> None:
        try:
            near, _ = self._listener.accept()
        except BlockingIOError:
            return
        far = socket.socket()
        # The system's own buffers would hide the line's rate from whoever sends.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        try:
            far.connect(("127.0.0.1", self._to))
        except OSError:
            near.close()
            far.close()
            return
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links.append(_Link(near, far))

    def _carry(self, link: _Link) -> None:
        try:
            for way in link.ways:
                self._read(way)
                if not self._deliver(way):
                    self._end(link)
                    return
        except OSError:
            self._end(link)
            return
        for way in link.ways:
            self._listen(way)

    def _room(self, way: _Way) -> bool:
        return not way.ended and (not self._rate or way.held < ROOM)

    def _read(self, way: _Way) -> None:
        """Take what the sender has, as long as the line has room for it."""
        while self._room(way):
            try:
                data = way.source.recv(PIECE if self._rate else 1 << 16)
            except BlockingIOError:
                return
            way.ended = not data
            way.held += len(data)
            took = len(data) * SECOND // self._rate if self._rate else 0
            way.free_ns = max(monotonic_ns(), way.free_ns) + took
            way.pieces.append((way.free_ns + self._delay_ns, data))

    def _deliver(self, way: _Way) -> bool:
        """Hand over what is due; False when that was the end."""
        while way.pieces and way.pieces[0][0] <= monotonic_ns():
            due, data = way.pieces[0]
            if not data:
                return False
            try:
                sent = way.sink.send(data)
            except BlockingIOError:
                return True
            way.held -= sent
            if way.back:
                self.carried += sent
            if sent < len(data):
                way.pieces[0] = (due, data[sent:])
                return True
            way.pieces.popleft()
        return True

    def _listen(self, way: _Way) -> None:
        known = way.source in self._selector.get_map()
        if self._room(way) and not known:
            self._selector.register(way.source, selectors.EVENT_READ)
        elif known and not self._room(way):
            self._selector.unregister(way.source)

    def _end(self, link: _Link, *, reset: bool = False) -> None:
        self._links.remove(link)
        for end in (link.near, link.far):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            with contextlib.suppress(OSError):
                if reset:
                    # Nobody reads on in peace what was on its way.
                    linger = struct.pack("ii", 1, 0)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                end.close()
