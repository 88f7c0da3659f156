"""A preallocated file beside the database for what SQLite can't take.

On a full disk or behind a foreign lock a protective exit must still be recorded before it
is sent. This file's blocks exist since the start, so writing into them needs no space. It
also keeps the high-water mark: SQLite silently drops the end of a damaged write-ahead log,
and only somebody else's memory of the last commit can tell.

Layout: two mark slots in the first page, then two areas with the same entries, so that one
flipped byte never takes an entry with it.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from engine.core.errors import JournalError
from engine.core.types import Value
from engine.journal.errors import JournalUnavailable

_PAGE = 4096
_AREA = 1 << 20  # one megabyte holds about a thousand order intents
_SIZE = _PAGE + 2 * _AREA
_MARK = struct.Struct("<4s8sq8s")
_ENTRY = struct.Struct("<4sqqII")
_CRC = struct.Struct("<I")


class Mark(Value, frozen=True):
    """The last durable commit that somebody may have acted on."""

    seq: int
    chain: bytes


class Entry(Value, frozen=True):
    """One record that was committed here: its number in this file, its seq and its text."""

    number: int
    seq: int
    body: str


def beside(journal: Path) -> Path:
    """Where the emergency file of a journal lies."""
    return journal.with_name(journal.name + ".emergency")


def speaks_of_commits(journal: Path) -> bool:
    """Whether the file beside a journal remembers a commit of whatever journal was there."""
    try:
        with beside(journal).open("rb") as file:
            return b"QDM1" in file.read(_PAGE)
    except FileNotFoundError:
        return False


class EmergencyLog:
    """Marks and entries of one journal, told apart from others' by the journal's id.

    `folded` is the highest entry number that SQLite already holds.
    """

    def __init__(self, journal: Path, identity: bytes, folded: int) -> None:
        self._identity = identity
        self._slot = 0
        self._end = 0
        path = beside(journal)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._fd).st_size < _SIZE:
                # Zeros rather than a hole: a hole would need space when it is written to.
                os.pwrite(self._fd, bytes(_SIZE), 0)
                os.fsync(self._fd)
        except OSError as error:
            raise JournalError(
                f"can't prepare {path.name} beside the journal: {error.strerror}",
                "the folder needs about two megabytes of space",
            ) from None
        self.entries = [entry for entry in self._read() if entry.number > folded]
        self._number = max([folded, *(entry.number for entry in self.entries)])

    def mark(self, seq: int, chain: bytes) -> None:
        """Remember a durable commit; survives a kill, and costs no sync."""
        body = _MARK.pack(b"QDM1", self._identity, seq, chain)
        os.pwrite(self._fd, body + _CRC.pack(zlib.crc32(body)), self._slot * 512)
        self._slot ^= 1

    def last_mark(self) -> Mark | None:
        """The newest mark of this journal, or None."""
        best: Mark | None = None
        for slot in (0, 1):
            raw = os.pread(self._fd, _MARK.size + _CRC.size, slot * 512)
            body = raw[: _MARK.size]
            if raw[_MARK.size :] != _CRC.pack(zlib.crc32(body)):
                continue
            magic, identity, seq, chain = _MARK.unpack(body)
            known = magic == b"QDM1" and identity == self._identity
            if known and (best is None or seq > best.seq):
                best = Mark(seq=seq, chain=chain)
                self._slot = slot ^ 1
        return best

    def write(self, seq: int, body: str) -> Entry:
        """Commit one entry: when this returns it is on disk."""
        entry = Entry(number=self._number + 1, seq=seq, body=body)
        raw = self._pack(entry)
        if self._end + len(raw) > _AREA:
            raise JournalUnavailable(
                "the emergency log is full", "free disk space, then the journal catches up"
            )
        try:
            for area in (0, 1):
                os.pwrite(self._fd, raw, _PAGE + area * _AREA + self._end)
            os.fdatasync(self._fd)
        except OSError as error:
            raise JournalUnavailable(
                f"the emergency log can't be written: {error.strerror}", "check the disk"
            ) from None
        self._end += len(raw)
        self._number = entry.number
        self.entries.append(entry)
        return entry

    def covered(self, seq: int) -> int:
        """The highest entry number whose record has a seq up to `seq`; 0 if there is none."""
        return max((entry.number for entry in self.entries if entry.seq <= seq), default=0)

    def last(self) -> int:
        """The highest entry number of all."""
        return self._number

    def folded(self, number: int) -> None:
        """SQLite holds all entries up to `number`; their room is free once none is left."""
        self.entries = [entry for entry in self.entries if entry.number > number]
        if not self.entries:
            self._end = 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _pack(self, entry: Entry) -> bytes:
        payload = entry.body.encode()
        crc = zlib.crc32(self._identity + struct.pack("<qq", entry.number, entry.seq) + payload)
        return _ENTRY.pack(b"QDE1", entry.number, entry.seq, len(payload), crc) + payload

    def _read(self) -> list[Entry]:
        """Entries in order; each from whichever area has it intact."""
        areas = [os.pread(self._fd, _AREA, _PAGE + area * _AREA) for area in (0, 1)]
        found: list[Entry] = []
        at = 0
        while True:
            entry = next(filter(None, (self._entry(area, at) for area in areas)), None)
            if entry is None or (found and entry.number <= found[-1].number):
                break
            found.append(entry)
            at += len(self._pack(entry))
        self._end = at
        return found

    def _entry(self, area: bytes, at: int) -> Entry | None:
        if at + _ENTRY.size > len(area):
            return None
        magic, number, seq, length, crc = _ENTRY.unpack_from(area, at)
        payload = area[at + _ENTRY.size : at + _ENTRY.size + length]
        if magic != b"QDE1" or len(payload) != length:
            return None
        if crc != zlib.crc32(self._identity + struct.pack("<qq", number, seq) + payload):
            return None
        return Entry(number=number, seq=seq, body=payload.decode())
