"""What goes over the socket: length-prefixed msgpack, decoded strictly into these messages.

A frame is four bytes of length, most significant first, and that many bytes of one message.
Lengths are checked before anything is kept, because the other side may be anything.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TypeVar

import msgspec

from engine.core.commands import AnyCommand
from engine.core.errors import QuarterdeckError

PROTOCOL = 1
"""Goes up whenever a message changes its meaning or its shape."""

HEAD = 4
MAX_ASK = 64 * 1024
"""The longest frame that a screen may send: a command is a few hundred bytes."""

DIGITS = 30
"""How far from one an amount may be, in powers of ten; no price or quantity comes near it."""

MAX_TELL = 32 * 1024 * 1024
"""The longest frame that an engine may send: a whole state of hundreds of symbols."""


class WireError(QuarterdeckError):
    """The other side of a socket said what can't be said, or is not ours to speak to."""

    exit_code = 9


class Unreachable(WireError):
    """No engine answers at an address."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """Base of all messages."""


class Hello(Message, frozen=True, tag=1):
    """First words of a screen: what it speaks, and how often it wants to be told, in Hz."""

    protocol: int
    version: str
    hz: float = 10.0
    readonly: bool = False


class Follow(Message, frozen=True, tag=2):
    """Send me this stream from number `since` on, and go on sending it."""

    name: str
    since: int


class Order(Message, frozen=True, tag=3):
    """A command of a person."""

    command: AnyCommand


class Welcome(Message, frozen=True, tag=10):
    """The engine's answer to a `Hello` that it can serve.

    `engine` names this very run of this very process: streams go on only within one.
    """

    protocol: int
    version: str
    engine: str
    pid: int
    journal: str


class Refused(Message, frozen=True, tag=11):
    """The engine's answer to one that it can't, in words for a person."""

    text: str
    hint: str = ""


class State(Message, frozen=True, tag=12):
    """Those fields of the newest snapshot that are not as they were sent last."""

    fields: dict[str, msgspec.Raw]


class Item(Message, frozen=True):
    """One item of a stream: the name of its type, and itself."""

    kind: str
    body: msgspec.Raw


class Piece(Message, frozen=True, tag=13):
    """A stretch of a stream that ends before number `next`; `lost` were dropped before it."""

    name: str
    next: int
    lost: int
    items: tuple[Item, ...]


Ask = Hello | Follow | Order
Tell = Welcome | Refused | State | Piece

_asks: msgspec.msgpack.Decoder[Ask] = msgspec.msgpack.Decoder(Ask)
_tells: msgspec.msgpack.Decoder[Tell] = msgspec.msgpack.Decoder(Tell)

M = TypeVar("M")


def plain(value: object) -> object:
    """Text that carries a promise in its type (SafeText) as the text it is."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't cross the socket")


encode = msgspec.msgpack.Encoder(enc_hook=plain).encode


def frame(message: Message) -> bytes:
    """A message as it goes over the socket."""
    body = encode(message)
    return len(body).to_bytes(HEAD, "big") + body


def ask(body: bytes) -> Ask:
    """What a screen said. Raises `WireError` for anything else, amounts without end included."""
    said = _decoded(_asks, body)
    if isinstance(said, Order):
        _check_amounts(said.command)
    return said


def tell(body: bytes) -> Tell:
    """What an engine said. Raises `WireError` for anything else."""
    return _decoded(_tells, body)


def _check_amounts(command: AnyCommand) -> None:
    """NaN and the like compare with nothing, so they must not reach what compares."""
    for value in msgspec.structs.astuple(command):
        for one in value if isinstance(value, tuple) else (value,):
            endless = isinstance(one, float | Decimal) and not math.isfinite(one)
            if endless or (isinstance(one, Decimal) and abs(one.adjusted()) > DIGITS):
                raise WireError(f"an amount of {str(one)[:20]}")


def _decoded(decoder: msgspec.msgpack.Decoder[M], body: bytes) -> M:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError, ArithmeticError) as error:
        raise WireError(f"a frame that is no message: {error}") from None


class Unframer:
    """Bytes as they come in, frames as they go out; at most `limit` bytes a frame."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """Bytes of a frame that has not come to its end."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now. Raises `WireError` for one that is too long."""
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEAD:
            length = int.from_bytes(buffer[start : start + HEAD], "big")
            if not 0 < length <= self._limit:
                raise WireError(f"a frame of {length} bytes")
            end = start + HEAD + length
            if len(buffer) < end:
                break
            frames.append(bytes(buffer[start + HEAD : end]))
            start = end
        del buffer[:start]
        return frames
