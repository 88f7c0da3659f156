"""Frames, snapshots in pieces and the door: what crosses the socket, and what must not."""

from __future__ import annotations

import os
import socket
import stat
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import commands as c
from engine.core.types import Direction
from engine.wire.address import Door, address_of, alive, check_peer, dial, serving
from engine.wire.frames import (
    MAX_ASK,
    Follow,
    Hello,
    Item,
    Order,
    Unframer,
    Unreachable,
    WireError,
    ask,
    encode,
    frame,
    tell,
)
from engine.wire.rows import Assembler, Dissector, changed, pack, unpack
from tests.ui.fakehub import make_bar, world

COMMANDS: list[c.AnyCommand] = [
    c.Approve(id="1", proposal="P-1", digest="ab", version=3),
    c.Amend(
        id="2", proposal="P-1", digest="ab", quantity=Decimal("0.100"), targets=(Decimal("1.50"),)
    ),
    c.Override(id="3", symbol="BTC/USDT", direction=Direction.SHORT, reason="news"),
    c.ClosePosition(id="4", position="X-1", fraction=0.25),
    c.MoveStop(id="5", position="X-1", price=Decimal("59000.10")),
    c.Flatten(id="6", typed="FLATTEN"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_arrives_as_it_was_sent(command: c.AnyCommand) -> None:
    [body] = Unframer(MAX_ASK).feed(frame(Order(command)))
    assert ask(body) == Order(command)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_come_whole_however_the_bytes_were_cut(cuts: list[int]) -> None:
    said = [Follow(name, number) for number, name in enumerate(("journal", "equity", "bars:X"))]
    data = b"".join(map(frame, said))
    frames, unframer = [], Unframer(MAX_ASK)
    for cut in cuts:
        frames += unframer.feed(data[:cut])
        data = data[cut:]
    frames += unframer.feed(data)
    assert [ask(body) for body in frames] == said
    assert unframer.held == 0


@given(st.binary(max_size=200))
def test_bytes_of_anybody_are_a_message_or_an_error_of_ours(body: bytes) -> None:
    for read in (ask, tell):
        try:
            read(body)
        except WireError:
            continue
    try:
        Unframer(MAX_ASK).feed(body)
    except WireError:
        return


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 5_000,
        b"\x92\x01" * 3_000,
        encode([3, {"command": "approve", "id": 7}]),
        encode([3, {"command": "launch", "id": "x"}]),
        encode(
            [3, {"command": "move_stop", "id": "x", "position": "X", "price": "1e999999999999"}]
        ),
        encode([3, {"command": "move_stop", "id": "x", "position": "X", "price": "NaN"}]),
        encode([3, {"command": "close", "id": "x", "position": "X", "fraction": float("inf")}]),
        encode([99, "?"]),
        b"",
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        ask(body)


@pytest.mark.parametrize("length", [0, MAX_ASK + 1, 2**32 - 1])
def test_a_length_is_judged_before_anything_is_kept(length: int) -> None:
    with pytest.raises(WireError):
        Unframer(MAX_ASK).feed(length.to_bytes(4, "big"))


def test_only_what_changed_is_sent_and_the_rest_stays_the_same_object() -> None:
    dissector, assembler = Dissector(), Assembler()
    first = world()
    sent = dissector.fields(first)
    before = assembler.take(changed({}, sent))
    moved = msgspec.structs.replace(first, version=first.version + 1, time_ns=first.time_ns + 1)
    fields = dissector.fields(moved)
    difference = changed(sent, fields)
    assert set(difference) == {"version", "time_ns"}
    after = assembler.take(difference)
    assert after.version == moved.version
    assert after.markets is before.markets
    assert after.health is before.health


def test_a_snapshot_with_a_field_missing_or_wrong_is_refused() -> None:
    fields = changed({}, Dissector().fields(world()))
    with pytest.raises(WireError):
        Assembler().take({name: raw for name, raw in fields.items() if name != "account"})
    with pytest.raises(WireError):
        Assembler().take({**fields, "account": msgspec.Raw(encode([1, 2]))})
    with pytest.raises(WireError):
        Assembler().take({**fields, "surprise": msgspec.Raw(encode(1))})


def test_items_of_streams_cross_by_name_and_nothing_else_does() -> None:
    bar = make_bar("BTC/USDT", 3)
    assert unpack(pack(bar)) == bar
    with pytest.raises(TypeError):
        pack({"symbol": "BTC/USDT"})
    with pytest.raises(WireError):
        unpack(Item("Popen", msgspec.Raw(encode({}))))
    with pytest.raises(WireError):
        unpack(Item("Bar", msgspec.Raw(encode({"symbol": 1}))))


def test_an_engine_listens_beside_its_journal(tmp_path: Path) -> None:
    assert address_of(tmp_path / "paper-sim.db") == tmp_path / "paper-sim.db.sock"
    deep = tmp_path.joinpath(*["a-folder-with-a-name"] * 6, "paper.db")
    assert address_of(deep, {}) == deep.with_name("paper.db.sock")
    other = address_of(deep, {"XDG_RUNTIME_DIR": "/run/user/7"})
    assert other.parent == Path("/run/user/7/quarterdeck")
    assert other != address_of(deep.with_name("b.db"), {"XDG_RUNTIME_DIR": "/run/user/7"})
    with pytest.raises(WireError, match="too long"):
        Door(deep.with_name("x.sock"))


def test_the_door_is_ours_alone_and_goes_when_it_is_closed(tmp_path: Path) -> None:
    journal = tmp_path / "j.db"
    assert serving(journal) is None
    door = Door(address_of(journal))
    assert stat.S_IMODE(door.address.stat().st_mode) == 0o600
    assert serving(journal) == door.address
    door.close()
    door.close()
    assert serving(journal) is None
    assert not door.address.exists()


def test_a_socket_that_a_dead_engine_left_is_replaced(tmp_path: Path) -> None:
    address = tmp_path / "left.sock"
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(address))
    dead.close()
    assert address.exists()
    assert not alive(address)
    with pytest.raises(Unreachable):
        dial(address, 0.5)
    door = Door(address)
    assert alive(address)
    door.close()


def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    address = tmp_path / "taken.sock"
    door = Door(address)
    with pytest.raises(WireError, match="another engine listens"):
        Door(address)
    assert alive(address)
    door.close()
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stranger.bind(str(address))
    stranger.listen()
    with pytest.raises(WireError, match="another engine listens"):
        Door(address)
    assert address.exists()
    stranger.close()


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    address = tmp_path / "notes.sock"
    address.write_text("mine")
    with pytest.raises(WireError, match="can't listen"):
        Door(address)
    assert address.read_text() == "mine"


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system tells no credentials")
def test_another_user_at_the_other_end_is_turned_away() -> None:
    one, other = socket.socketpair()
    with one, other:
        check_peer(one, os.getuid())
        with pytest.raises(WireError, match="user"):
            check_peer(one, os.getuid() + 1)


def test_a_hello_survives_the_way() -> None:
    hello = Hello(1, "0.1.0", 4.0, True)
    [body] = Unframer(MAX_ASK).feed(frame(hello))
    assert ask(body) == hello
