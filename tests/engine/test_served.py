"""A served engine and its screens: who comes, who goes, who does not read, who lies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from engine.core.clock import SECOND, monotonic_ns
from engine.core.commands import Pause
from engine.core.types import Actor
from engine.core.views import JournalLine
from engine.hub import LocalHub
from engine.wire.address import Door
from engine.wire.frames import (
    MAX_ASK,
    MAX_TELL,
    PROTOCOL,
    Follow,
    Hello,
    Message,
    Order,
    Refused,
    State,
    Tell,
    Unframer,
    Welcome,
    WireError,
    frame,
    tell,
)
from engine.wire.remote import UNREACHABLE, RemoteHub
from engine.wire.server import CLIENTS, GREETING_NS, STALLED_NS, HubServer
from tests.ui.fakehub import world
from tests.wire_help import until

HELLO = Hello(PROTOCOL, "1", 30.0)


class Moved:
    """The machine's monotonic clock, moved ahead by the test."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return monotonic_ns() + self.ahead


class Deck:
    """An engine's hub that is served at a path of the test's own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.address = folder / "deck.sock"
        self.hub = LocalHub()
        self.clock = Moved()
        self._stack = stack
        self.server = self.serve("one")

    def serve(self, engine: str, uid: int | None = None) -> HubServer:
        server = HubServer(
            self.hub, Door(self.address), engine=engine, version="1", journal="j", uid=uid,
            clock=self.clock,
        )  # fmt: skip
        server.start()
        self._stack.callback(server.stop)
        return server

    def screen(self, *, readonly: bool = False) -> RemoteHub:
        hub = RemoteHub(self.address, "1", hz=30.0, readonly=readonly)
        self._stack.callback(hub.close)
        assert hub.start(5.0)
        return hub

    def raw(self, *said: Message) -> Raw:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(5.0)
        link.connect(str(self.address))
        self._stack.callback(link.close)
        raw = Raw(link)
        raw.says(b"".join(map(frame, said)))
        return raw

    def publish(self, version: int) -> None:
        self.hub.publish(msgspec.structs.replace(world(), version=version))


class Raw:
    """The other end as somebody would speak who does not use our client."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._frames = Unframer(MAX_TELL)

    def says(self, data: bytes) -> None:
        """Send; an engine that has hung up already is a matter for `hung_up`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.link.sendall(data)

    def hears(self) -> list[Tell]:
        """What comes next; nothing when the engine has hung up."""
        while True:
            try:
                data = self.link.recv(1 << 16)
            except ConnectionResetError:
                return []
            if not data:
                return []
            if frames := self._frames.feed(data):
                return [tell(body) for body in frames]

    def hung_up(self) -> bool:
        while self.hears():
            pass
        return True


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    with ExitStack() as stack:
        yield Deck(tmp_path, stack)


def line(seq: int) -> JournalLine:
    return JournalLine(seq=seq, time_ns=seq, kind="note", who=Actor.ENGINE, text="word " * 40)


def test_both_say_who_they_are(deck: Deck) -> None:
    [welcome] = deck.raw(HELLO).hears()
    assert welcome == Welcome(PROTOCOL, "1", "one", os.getpid(), "j")


@pytest.mark.parametrize(("protocol", "version"), [(PROTOCOL + 1, "1"), (PROTOCOL, "2")])
def test_another_version_is_told_so_and_let_go(deck: Deck, protocol: int, version: str) -> None:
    raw = deck.raw(Hello(protocol, version))
    [refused] = raw.hears()
    assert isinstance(refused, Refused)
    assert "version 1" in refused.text
    assert refused.hint
    assert raw.hung_up()


def test_a_screen_of_another_version_says_why_it_ends(deck: Deck) -> None:
    hub = RemoteHub(deck.address, "0.0.9")
    with pytest.raises(WireError, match=r"0\.0\.9"):
        hub.start(5.0)
    hub.close()
    assert "0.0.9" in hub.trouble


@pytest.mark.parametrize(
    "said",
    [
        frame(Follow("journal", 0)),
        frame(Order(Pause(id="x"))),
        frame(HELLO) + frame(HELLO),
        frame(HELLO) + frame(Follow("journal", -1)),
        frame(HELLO) + frame(Follow("n" * 101, 0)),
        frame(HELLO) + b"".join(frame(Follow(f"bars:{n}", 0)) for n in range(300)),
        (MAX_ASK + 1).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x05\xc1\xc1\xc1\xc1\xc1",
        frame(Hello(PROTOCOL, "1", 30.0, readonly=True)) + frame(Order(Pause(id="x"))),
    ],
)
def test_who_does_not_keep_to_the_protocol_is_let_go_and_nobody_else_is(
    deck: Deck, said: bytes
) -> None:
    other = deck.screen()
    raw = deck.raw()
    raw.says(said)
    assert raw.hung_up()
    deck.publish(5)
    until(lambda: other.snapshot is not None and other.snapshot.version == 5)
    assert deck.hub.take() == []
    assert deck.server.clients == 1


def test_who_says_nothing_is_let_go(deck: Deck) -> None:
    raw = deck.raw()
    until(lambda: deck.server.clients == 1)
    deck.clock.ahead += GREETING_NS + SECOND
    deck.screen()
    assert raw.hung_up()


def test_another_user_is_not_let_in(deck: Deck) -> None:
    deck.server.stop()
    server = deck.serve("one", uid=os.getuid() + 1)
    assert deck.raw(HELLO).hung_up()
    assert server.clients == 0
    assert "user" in server.dropped[0]


def test_there_is_an_end_to_how_many_may_come(deck: Deck) -> None:
    for _ in range(CLIENTS):
        assert isinstance(deck.raw(HELLO).hears()[0], Welcome)
    assert deck.raw(HELLO).hung_up()
    assert deck.server.clients == CLIENTS


def test_a_screen_that_does_not_read_holds_up_nobody_and_is_let_go(deck: Deck) -> None:
    quick = deck.screen()
    stuck = deck.raw(HELLO, Follow("journal", 0))
    until(lambda: deck.server.clients == 2)
    worst = 0
    for version in range(1, 400):
        before = monotonic_ns()
        deck.publish(version)
        for seq in range(20):
            deck.hub.append("journal", line(seq))
        worst = max(worst, monotonic_ns() - before)
    until(lambda: quick.snapshot is not None and quick.snapshot.version == 399)
    until(lambda: quick.stream("journal").next == 399 * 20)
    [client] = [one for one in deck.server._clients.values() if one.out]
    # One snapshot and one piece of a stream at most wait for it, however much was published.
    assert len(client.out) < 2_000_000
    deck.clock.ahead += STALLED_NS + SECOND
    until(lambda: deck.server.clients == 1)
    assert deck.server.dropped == ["a screen that does not read"]
    deck.publish(500)
    until(lambda: quick.snapshot is not None and quick.snapshot.version == 500)
    del stuck


def test_a_screen_that_was_away_goes_on_where_it_was(deck: Deck) -> None:
    hub = deck.screen()
    deck.publish(1)
    for seq in range(5):
        deck.hub.append("journal", line(seq))
    until(lambda: hub.stream("journal").next == 5 and hub.snapshot is not None)
    assert hub.snapshot is not None
    kept = hub.snapshot.markets
    deck.server.stop()
    until(lambda: bool(hub.trouble))
    hub.send(Pause(id="lost"))
    refusal = hub.ack("lost")
    assert refusal is not None
    assert (refusal.ok, refusal.code) == (False, UNREACHABLE)
    assert hub.snapshot.version == 1, "what is known is still shown"
    for seq in range(5, 9):
        deck.hub.append("journal", line(seq))
    deck.publish(2)
    deck.serve("one")
    until(lambda: hub.stream("journal").next == 9)
    assert [item.seq for item in hub.since("journal", 3).items] == [3, 4, 5, 6, 7, 8]
    until(lambda: hub.snapshot is not None and hub.snapshot.version == 2)
    assert hub.snapshot.markets is kept
    assert hub.trouble == ""
    assert deck.hub.take() == [], "nothing that was refused arrives later"
    hub.send(Pause(id="now"))
    until(lambda: [command.id for command in deck.hub.take()] == ["now"])


def test_another_engine_is_not_taken_for_the_one_that_was(deck: Deck) -> None:
    told: list[str] = []
    hub = RemoteHub(deck.address, "1", hz=30.0, another_engine=lambda: told.append("another"))
    assert hub.start(5.0)
    for seq in range(5):
        deck.hub.append("journal", line(seq))
    until(lambda: hub.stream("journal").next == 5)
    deck.server.stop()
    deck.hub = LocalHub()
    deck.serve("two")
    until(lambda: told == ["another"])
    until(lambda: "another engine" in hub.trouble)
    hub.send(Pause(id="meant for the first"))
    assert deck.hub.take() == []
    hub.close()


def test_the_last_snapshot_is_sent_before_the_engine_hangs_up(deck: Deck) -> None:
    raw = deck.raw(Hello(PROTOCOL, "1", 0.1))
    raw.hears()
    deck.publish(77)
    deck.server.stop()
    states = [one for one in raw.hears() if isinstance(one, State)]
    assert msgspec.msgpack.decode(states[-1].fields["version"]) == 77
    assert not deck.address.exists()
