"""The file beside the journal: what is in it survives one flipped byte and never grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.ids import source
from engine.journal import JournalUnavailable
from engine.journal.emergency import EmergencyLog, beside

IDENTITY = b"12345678"


def bodies(path: Path, folded: int = 0) -> list[str]:
    log = EmergencyLog(path, IDENTITY, folded)
    log.close()
    return [entry.body for entry in log.entries]


def test_entries_come_back_in_order_and_folded_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = EmergencyLog(path, IDENTITY, 0)
    assert [log.write(10 + n, f"entry {n}").number for n in range(3)] == [1, 2, 3]
    assert (log.covered(11), log.covered(9), log.last()) == (2, 0, 3)
    log.close()
    assert bodies(path) == ["entry 0", "entry 1", "entry 2"]
    assert bodies(path, folded=2) == ["entry 2"]
    other = EmergencyLog(path, b"another!", 0)
    assert other.entries == []
    other.close()


def test_one_flipped_byte_takes_no_entry_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = EmergencyLog(path, IDENTITY, 0)
    for number in range(4):
        log.write(number, f"entry {number}")
    log.close()
    content = beside(path).read_bytes()
    used = [at for at, byte in enumerate(content) if byte]
    rng = source(5, "flips")
    for at in rng.sample(used, 60):
        damaged = bytearray(content)
        damaged[at] ^= rng.randrange(1, 256)
        beside(path).write_bytes(damaged)
        assert bodies(path) == [f"entry {n}" for n in range(4)]


def test_an_entry_cut_off_midway_was_never_committed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = EmergencyLog(path, IDENTITY, 0)
    log.write(1, "whole")
    before = beside(path).read_bytes()
    log.write(2, "torn apart by a power failure")
    log.close()
    after = beside(path).read_bytes()
    first = next(at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    beside(path).write_bytes(after[: first + 20] + before[first + 20 :])
    assert bodies(path) == ["whole"]


def test_its_room_is_used_again_and_ends_with_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = EmergencyLog(path, IDENTITY, 0)
    size = beside(path).stat().st_size
    for number in range(1, 30):
        log.write(number, "x" * 100_000)
        log.folded(number)
    for number in range(30, 40):
        log.write(number, "x" * 100_000)
    with pytest.raises(JournalUnavailable, match="full"):
        log.write(40, "x" * 100_000)
    kept = len(log.entries)
    log.close()
    assert kept == 10
    assert beside(path).stat().st_size == size
    assert len(bodies(path, folded=29)) == kept


def test_the_newest_mark_wins_and_a_damaged_one_falls_back(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = EmergencyLog(path, IDENTITY, 0)
    assert log.last_mark() is None
    for seq in (1, 2, 3):
        log.mark(seq, bytes([seq]) * 8)
    mark = log.last_mark()
    assert mark is not None
    assert (mark.seq, mark.chain) == (3, b"\x03" * 8)
    log.close()
    content = bytearray(beside(path).read_bytes())
    content[content.index(b"\x03" * 8)] ^= 0xFF
    beside(path).write_bytes(content)
    log = EmergencyLog(path, IDENTITY, 0)
    mark = log.last_mark()
    log.close()
    assert mark is not None
    assert mark.seq == 2
