"""Snapshots in pieces: only what changed is sent, and what did not change stays the same object.

Screens find what moved by `is not`, so a snapshot that was decoded afresh would repaint
everything. Rows are therefore compared as encoded bytes, in which NaN equals itself, and
decoded only when they are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from engine.core import learning, types, views
from engine.core.views import Snapshot
from engine.wire.frames import Item, WireError, encode

NAMES: tuple[str, ...] = Snapshot.__struct_fields__

KINDS: dict[str, type[msgspec.Struct]] = {
    kind.__name__: kind
    for module in (types, learning, views)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, types.Value)
}
"""What an item of a stream may be."""

_MALFORMED = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, ArithmeticError)


class Dissector:
    """A snapshot as encoded fields, worked out once for all who are sent it."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._fields: dict[str, bytes] = {}

    def fields(self, snapshot: Snapshot) -> dict[str, bytes]:
        """Field names and encoded values; a new mapping for each new snapshot."""
        if snapshot is not self._snapshot:
            self._fields = {name: encode(getattr(snapshot, name)) for name in NAMES}
            self._snapshot = snapshot
        return self._fields


def changed(before: Mapping[str, bytes], now: Mapping[str, bytes]) -> dict[str, msgspec.Raw]:
    """The fields that are not as they were."""
    return {name: msgspec.Raw(raw) for name, raw in now.items() if before.get(name) != raw}


class Assembler:
    """Puts snapshots together again, keeping every field and row that has not changed."""

    def __init__(self) -> None:
        self._whole: dict[str, msgspec.msgpack.Decoder[Any]] = {}
        self._rows: dict[str, msgspec.msgpack.Decoder[Any]] = {}
        for field in msgspec.structs.fields(Snapshot):
            of = get_args(field.type)
            if get_origin(field.type) is tuple and len(of) == 2 and of[1] is Ellipsis:
                self._rows[field.name] = msgspec.msgpack.Decoder(of[0])
            else:
                self._whole[field.name] = msgspec.msgpack.Decoder(field.type)
        self._raw: dict[str, bytes] = {}
        self._values: dict[str, Any] = {}
        self._known: dict[str, dict[bytes, Any]] = {}

    def take(self, fields: Mapping[str, msgspec.Raw | bytes]) -> Snapshot:
        """The snapshot after these changes. Raises `WireError` for what is none."""
        try:
            for name, field in fields.items():
                raw = bytes(field)
                if raw != self._raw.get(name):
                    self._values[name] = self._value(name, raw)
                    self._raw[name] = raw
            return Snapshot(**self._values)
        except (KeyError, *_MALFORMED) as error:
            raise WireError(f"a snapshot that can't be read: {error}") from None

    def _value(self, name: str, raw: bytes) -> Any:
        decoder = self._rows.get(name)
        if decoder is None:
            return self._whole[name].decode(raw)
        before, now = self._known.get(name, {}), {}
        values = []
        for row in _raws.decode(raw):
            key = bytes(row)
            value = before.get(key)
            now[key] = decoder.decode(key) if value is None else value
            values.append(now[key])
        self._known[name] = now
        return tuple(values)


def pack(item: Any) -> Item:
    """An item of a stream for the way. Raises `TypeError` for what is no core value."""
    kind = type(item).__name__
    if KINDS.get(kind) is not type(item):
        raise TypeError(f"a stream holds a {kind}, which has no name on the wire")
    return Item(kind, msgspec.Raw(encode(item)))


def unpack(item: Item) -> Any:
    """The item of a stream as it was. Raises `WireError` for what is none."""
    decoder = _decoders.get(item.kind)
    if decoder is None:
        raise WireError(f"a stream holds {item.kind[:40]!r}, which this version does not know")
    try:
        return decoder.decode(item.body)
    except _MALFORMED as error:
        raise WireError(f"an item of a stream that can't be read: {error}") from None


_raws: msgspec.msgpack.Decoder[list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw])
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in KINDS.items()}
