"""The contract of a hub, for the one in the engine's process and the one behind a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.core.commands import Ack, AnyCommand, Approve, Pause
from engine.core.safetext import SafeText
from engine.core.types import Actor
from engine.core.views import EquityPoint, JournalLine
from engine.hub import Hub, LocalHub
from engine.wire.address import Door
from engine.wire.remote import KEPT, RemoteHub
from engine.wire.server import HubServer
from tests.ui.fakehub import make_bar, world
from tests.wire_help import until


class Pair:
    """An engine's side of a hub and the side that a screen has."""

    def __init__(self, engine: LocalHub, screen: Hub) -> None:
        self.engine = engine
        self.screen = screen

    def sees(self, what: Callable[[Hub], Any]) -> None:
        """What the screen sees in the end; a local hub sees it at once."""
        until(lambda: bool(what(self.screen)))


@pytest.fixture(params=["local", "remote"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    engine = LocalHub()
    if request.param == "local":
        yield Pair(engine, engine)
        return
    with ExitStack() as stack:
        server = HubServer(
            engine, Door(tmp_path / "deck.sock"), engine="one", version="1", journal="j"
        )
        server.start()
        stack.callback(server.stop)
        remote = RemoteHub(tmp_path / "deck.sock", "1", hz=30.0)
        stack.callback(remote.close)
        assert remote.start(5.0)
        yield Pair(engine, remote)


def line(seq: int, text: str = "") -> JournalLine:
    return JournalLine(
        seq=seq, time_ns=seq, kind="note", who=Actor.ENGINE, text=SafeText(text or f"line {seq}")
    )


def test_nothing_is_there_before_the_engine_says_something(pair: Pair) -> None:
    assert pair.screen.snapshot is None
    assert pair.screen.stream("journal").items == ()
    assert pair.screen.since("no such stream", 7).items == ()
    assert pair.screen.ack("never sent") is None


def test_a_snapshot_arrives_as_it_was_published(pair: Pair) -> None:
    before = world()
    pair.engine.publish(before)
    pair.sees(lambda hub: hub.snapshot is not None)
    got = pair.screen.snapshot
    assert got is not None
    # As text, because NaN stands for "none" in views and equals nothing.
    assert repr(got) == repr(before)


def test_what_did_not_change_stays_the_same_object(pair: Pair) -> None:
    first = world()
    assert first.positions
    assert first.markets
    assert first.proposals
    pair.engine.publish(first)
    pair.sees(lambda hub: hub.snapshot is not None)
    before = pair.screen.snapshot
    assert before is not None
    moved = msgspec.structs.replace(first.markets[0], last=first.markets[0].last + 1)
    after = msgspec.structs.replace(
        first, version=first.version + 1, markets=(moved, *first.markets[1:])
    )
    pair.engine.publish(after)
    pair.sees(lambda hub: hub.snapshot is not None and hub.snapshot.version == after.version)
    now = pair.screen.snapshot
    assert now is not None
    assert now.markets[0] is not before.markets[0]
    assert now.markets[0].last == moved.last
    for name in ("positions", "proposals", "outlooks", "trades", "orders", "limits"):
        rows, kept = getattr(now, name), getattr(before, name)
        assert len(rows) == len(kept)
        assert all(one is other for one, other in zip(rows, kept, strict=True)), name
    assert all(one is other for one, other in zip(now.markets[1:], before.markets[1:], strict=True))
    for name in ("run", "control", "account", "health", "feed"):
        assert getattr(now, name) is getattr(before, name), name


def test_only_the_newest_snapshot_counts(pair: Pair) -> None:
    first = world()
    for version in range(1, 200):
        pair.engine.publish(msgspec.structs.replace(first, version=version))
    pair.sees(lambda hub: hub.snapshot is not None and hub.snapshot.version == 199)


def test_streams_go_on_from_a_number(pair: Pair) -> None:
    for seq in range(10):
        pair.engine.append("journal", line(seq))
    pair.sees(lambda hub: hub.stream("journal").next == 10)
    piece = pair.screen.since("journal", 7)
    assert [item.seq for item in piece.items] == [7, 8, 9]
    assert (piece.next, piece.lost) == (10, 0)
    assert pair.screen.since("journal", 10).items == ()
    pair.engine.append("journal", line(10))
    pair.sees(lambda hub: [i.seq for i in hub.since("journal", 10).items] == [10])


def test_a_stream_says_what_it_lost(pair: Pair) -> None:
    for seq in range(KEPT + 3_000):
        pair.engine.append("journal", line(seq))
    pair.sees(lambda hub: hub.stream("journal").next == KEPT + 3_000)
    piece = pair.screen.since("journal", 0)
    assert piece.lost >= 3_000
    assert piece.lost + len(piece.items) == piece.next
    assert [item.seq for item in piece.items] == list(range(piece.lost, piece.next))


def test_streams_that_are_made_later_are_followed_too(pair: Pair) -> None:
    assert pair.screen.since("bars:BTC/USDT", 0).items == ()
    bar = make_bar("BTC/USDT", 1)
    pair.engine.append("bars:BTC/USDT", bar)
    point = EquityPoint(time_ns=1, equity=10_000.5, drawdown_pct=0.25)
    pair.engine.append("equity", point)
    pair.sees(lambda hub: hub.stream("bars:BTC/USDT").items == (bar,))
    pair.sees(lambda hub: hub.stream("equity").items == (point,))


def test_commands_come_in_order_and_their_acks_are_found(pair: Pair) -> None:
    pair.engine.publish(world())
    sent: list[AnyCommand] = [
        Pause(id="a", reason="break"),
        Approve(id="b", proposal="P-1", digest="d" * 64, version=2),
    ]
    for command in sent:
        pair.screen.send(command)
    taken: list[Any] = []

    def all_there(_: Hub) -> bool:
        taken.extend(pair.engine.take())
        return len(taken) >= 2

    pair.sees(all_there)
    assert taken == sent
    ack = Ack(id="a", ok=True, code="done", text="paused", time_ns=1)
    pair.engine.publish(msgspec.structs.replace(world(), acks=(ack,), version=900))
    pair.sees(lambda hub: hub.ack("a") == ack)
    assert pair.screen.ack("b") is None
