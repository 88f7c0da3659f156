"""Records to canonical text and back, and the running hash that guards the text.

The digest, the hash chain and recovery all read the same text, so there is one writer of
it. Numbers that JSON does not know are the strings `nan`, `inf` and `-inf`, because a NaN
that comes back as null would no longer be the record that was written.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, get_args

import msgspec

from engine.core.records import AnyRecord, Record

GENESIS = bytes(8)
"""The link before the first event."""


def plain_text(value: object) -> object:
    """SafeText as the text it is; msgspec encodes no subclass of str by itself."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be journaled")


_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=plain_text)
_plain = msgspec.json.Encoder(enc_hook=plain_text)
_strict: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
_lax: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord, strict=False)


_kinds: dict[type[Record], str] = {
    kind: str(kind.__struct_config__.tag) for kind in get_args(AnyRecord)
}


def kind_of(record: Record) -> str:
    """The tag of a record, as it stands in the `kind` column."""
    return _kinds[type(record)]


def encode(record: msgspec.Struct) -> str:
    """Canonical JSON: fields in their declared order, keys of dicts sorted, nothing lost."""
    try:
        raw = _encoder.encode(record)
    except UnicodeEncodeError:
        raw = b"null"
    if b"null" in raw and not _reads_back(raw):
        raw = _plain.encode(
            _exact(msgspec.to_builtins(record, order="deterministic", enc_hook=plain_text))
        )
    return raw.decode()


def _reads_back(raw: bytes) -> bool:
    """Whether each null stands where a record allows None, and not for a NaN."""
    try:
        _strict.decode(raw)
    except msgspec.ValidationError:
        return False
    return True


def _exact(value: Any) -> Any:
    """The same value with non-finite numbers and unpaired surrogates written out."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {_exact(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def decode(body: str) -> AnyRecord:
    """The record of a canonical row; raises `msgspec.MsgspecError` on anything else."""
    try:
        return _strict.decode(body)
    except msgspec.ValidationError:
        return _lax.decode(body)


def row_bytes(seq: int, time_ns: int, kind: str, body: str) -> bytes:
    """What digest and chain are computed over for one event."""
    return f"{seq}\n{time_ns}\n{kind}\n{body}\n".encode()


def link(before: bytes, row: bytes) -> bytes:
    """The next link of the chain: 8 bytes that depend on this row and all before it."""
    return hashlib.sha256(before + row).digest()[:8]
