"""The journal as the kernel uses it: what is appended is there again, or says why not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import JournalError, JournalLocked
from engine.core.ids import source
from engine.core.records import AnyRecord, Measured, Noted, OrderChanged, RunStarted
from engine.core.types import Control, OrderState
from engine.journal import Journal, JournalDamaged, JournalUnavailable, Reader
from engine.journal import writer as writer_module
from engine.journal.codec import GENESIS, decode, encode, kind_of, link, row_bytes
from engine.journal.migrations import migrate
from engine.journal.schema import VERSION, projection_tables
from engine.journal.store import Entry
from tests.faults.journal import child, finish, locked, open_paper
from tests.faults.story import START, Story, control, intent, note, started


def fill(journal: Journal, trades: int, seed: int = 1) -> list[AnyRecord]:
    records: list[AnyRecord] = []
    for group in Story(source(seed, "trades")).groups(trades):
        journal.append_all(group)
        records += group
    return records


def test_a_new_journal_is_empty_and_names_its_pair(tmp_path: Path) -> None:
    with open_paper(tmp_path / "deep" / "a.db") as journal:
        assert journal.recovered.empty
        assert journal.recovered.last_seq == 0
        assert journal.state == "ok"
        journal.append(started())
        journal.barrier()
        assert journal.pending == 0
        assert journal.last_commit_us > 0
        with Reader(journal.path) as reader:
            assert (reader.status().mode, reader.status().feed) == ("PAPER", "SIM")


def test_what_was_appended_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(started())
        records = fill(journal, 42)
        journal.append(control(Control.HALTED, START, "drawdown"))
        journal.append(intent(900, state=OrderState.SENT))
        seq = journal.seq
    with open_paper(path) as journal:
        state = journal.recovered
    kinds = [kind_of(record) for record in records]
    assert not state.empty
    assert state.last_seq == seq
    assert isinstance(state.run, RunStarted)
    assert state.run == started()
    assert state.control is not None
    assert (state.control.state, state.control.reason) == (Control.HALTED, "drawdown")
    assert len(state.fills) == kinds.count("fill")
    # Every seventh trade stays open, every sixth proposal waits.
    assert [position.id for position, _ in state.positions] == [
        f"T-{n}" for n in (7, 14, 21, 28, 35, 42)
    ]
    assert state.positions[0][1] == '{"high":1.5,"stop":null}'
    assert [proposal.id for proposal in state.proposals] == [f"P-{n}" for n in range(6, 43, 6)]
    assert [order.id for order in state.orders] == ["O-900"]
    assert [condition.id for condition in state.conditions] == [f"C-{n}" for n in (5, 15, 25, 35)]
    assert state.ids == {"D": 42, "P": 42, "O": 900, "F": 83, "T": 42, "B": 40, "C": 40}
    assert set(state.cooldowns) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}
    assert {p.scope[0]: p.after for p in state.parameters}["ETH/USDT"] == "1.4"
    assert state.cursor is not None
    assert state.cursor.position == 4100
    assert (state.trades_today, state.day) == (43, 20_212)
    assert state.peak_equity == Decimal("10100.5")
    assert len(state.trades) == 36
    assert state.counts["trade"] == 36


def test_the_digest_follows_content_and_order_alone(tmp_path: Path) -> None:
    digests = []
    for name, measured in (("a", False), ("b", True)):
        with open_paper(tmp_path / f"{name}.db") as journal:
            for record in fill(journal, 3):
                if measured:
                    journal.append(Measured(time_ns=record.time_ns, values={"x": 1.0}))
                    journal.barrier()
            digests.append(journal.digest())
    assert digests[0] == digests[1]
    with open_paper(tmp_path / "c.db") as journal:
        for group in Story(source(1, "trades")).groups(3):
            for record in group:
                if isinstance(record, OrderChanged) and record.order.limit is not None:
                    text = encode(record).replace(
                        f'"limit":"{record.order.limit}"',
                        f'"limit":"{record.order.limit + Decimal("0.01")}"',
                    )
                    record = decode(text)
                journal.append(record)
        assert journal.digest() != digests[0]


def test_the_digest_is_sha256_over_the_rows(tmp_path: Path) -> None:
    import hashlib

    with open_paper(tmp_path / "a.db") as journal:
        journal.append(note("one", 5))
        journal.append(note("two", 6))
        wanted = hashlib.sha256(
            row_bytes(1, 5, "note", encode(note("one", 5)))
            + row_bytes(2, 6, "note", encode(note("two", 6)))
        ).hexdigest()
        assert journal.digest() == wanted


def test_a_second_engine_is_told_who_owns_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path):
        lines, _ = finish(child("own", path))
        assert lines[0].startswith("JournalLocked another engine owns the journal a.db, process ")
        with pytest.raises(JournalLocked):
            open_paper(path)
    with open_paper(path) as journal:
        assert journal.state == "ok"


def test_the_owner_named_is_the_other_process(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    process = child("own", path)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline().startswith(b"owner")
    with pytest.raises(JournalLocked, match=f"process {process.pid}"):
        open_paper(path)
    process.stdin.close()
    process.wait(10)
    open_paper(path).close()


def test_fresh_moves_the_old_journal_aside(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    with open_paper(path, fresh=True) as journal:
        assert journal.moved_aside is None
        journal.append(note("old"))
        digest = journal.digest()
    for number in (1, 2):
        with open_paper(path, fresh=True) as journal:
            assert journal.recovered.empty
            assert journal.moved_aside == tmp_path / f"sim.{number}.db"
            journal.append(note("newer"))
    with Reader(tmp_path / "sim.1.db") as reader:
        assert reader.digest() == digest
    with open_paper(path) as journal:
        assert journal.recovered.last_seq == 1


def test_a_start_that_failed_leaves_the_last_run_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    open_paper(path).give_up()
    assert list(tmp_path.glob("sim*.db*")) == [tmp_path / "sim.db.lock"]
    with open_paper(path) as journal:
        journal.append(note("the last run"))
        digest = journal.digest()
    failed = open_paper(path, fresh=True)
    assert failed.moved_aside is not None
    failed.give_up()
    failed.give_up()
    with Reader(path) as reader:
        assert reader.digest() == digest
    assert not failed.moved_aside.exists()
    begun = open_paper(path, fresh=True)
    begun.append(note("something happened"))
    begun.give_up()
    with Reader(path) as reader:
        assert reader.digest() != digest


def test_a_pair_keeps_to_its_own_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_paper(path).close()
    with pytest.raises(JournalError, match="PAPER on SIM, not of PAPER on LIVE"):
        Journal.open(path, mode="PAPER", feed="LIVE")
    with pytest.raises(JournalError, match="not of LIVE on SIM"):
        Journal.open(path, mode="LIVE", feed="SIM")
    open_paper(path).close()


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary, nothing of this is a database")
    with pytest.raises(JournalError, match="not a database"):
        open_paper(text)
    with pytest.raises(JournalError, match="not a database"):
        open_paper(text, fresh=True)
    assert text.read_text().startswith("dear diary")
    with pytest.raises(JournalError, match="is a folder"):
        open_paper(tmp_path)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (n)")
    connection.close()
    with pytest.raises(JournalError, match="another program"):
        open_paper(foreign)
    below = text / "a.db"
    with pytest.raises(JournalError, match="can't use"):
        open_paper(below)
    with pytest.raises(JournalError, match="no journal"):
        Reader(tmp_path / "absent.db")
    with pytest.raises(JournalError, match="another program"):
        Reader(foreign)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_paper(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(JournalError, match="newer Quarterdeck"):
        open_paper(path)
    with pytest.raises(JournalError, match="newer"):
        Reader(path)


def test_a_failed_step_leaves_the_last_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_paper(path).close()
    connection = sqlite3.connect(path, isolation_level=None)

    def good(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE second (n)")

    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE third (n)")
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        migrate(connection, path, 1, {1: good, 2: bad}, 3)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    assert "second" in names
    assert "third" not in names
    assert (tmp_path / "a.v1.db").exists()
    with pytest.raises(JournalError, match="can't bring to 4"):
        migrate(connection, path, 2, {2: good}, 4)
    connection.close()


def test_groups_are_never_divided_between_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH", 4)
    path = tmp_path / "a.db"
    batches: list[set[str]] = []
    with open_paper(path) as journal:
        store = journal._writer._store
        write = store.write

        def counted(connection: sqlite3.Connection, batch: list[Entry]) -> None:
            write(connection, batch)
            batches.append({record.text for _, record, _ in batch if isinstance(record, Noted)})

        monkeypatch.setattr(store, "write", counted)
        with locked(path):
            for number, size in enumerate((3, 3, 1, 2, 6, 3)):
                seqs = journal.append_all([note(f"group {number}")] * size)
                assert seqs == list(range(seqs[0], seqs[0] + size))
        journal.barrier()
    assert len(batches) > 2
    for at, batch in enumerate(batches):
        for other in batches[at + 1 :]:
            assert not batch & other


def test_an_emergency_record_is_folded_in_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    process = child("starve", path, 300_000, DIE="1")
    lines, errors = finish(process)
    assert lines[-1].startswith("emergency"), errors
    number = int(lines[-1].split()[1])
    for folded in (1, 0):
        with open_paper(path) as journal, Reader(path) as reader:
            assert journal.recovered.folded == folded
            assert [order.id for order in journal.recovered.orders] == [
                f"O-{n}" for n in range(1, number + 1)
            ]
            assert len(reader.events(kind="order", limit=-1)) == number


def test_the_emergency_log_waits_for_nobody_and_does_not_double(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(note("before"))
        journal.barrier()
        with locked(path):
            record = intent(1)
            journal.append(record)
            with pytest.raises(JournalUnavailable, match="locked"):
                journal.barrier(0.3)
            assert "locked" in journal.state
            assert journal.pending == 1
            journal.emergency(record)
        journal.barrier()
        assert journal.state == "ok"
        # Committed by now: the same call again must not write it anew.
        journal.emergency(record)
        assert journal._emergency.entries == []
        journal.barrier()
    with open_paper(path) as journal:
        assert journal.recovered.folded == 0
        assert journal.recovered.counts["order"] == 1


def test_a_commit_that_overtook_its_emergency_record_is_recognised(tmp_path: Path) -> None:
    """The disk came back while the log was written, and the engine died right after."""
    path = tmp_path / "a.db"
    record = intent(1)
    with open_paper(path) as journal:
        seq = journal.append(record)
        journal.barrier()
        journal._emergency.write(seq, encode(record))
    with open_paper(path) as journal:
        assert journal.recovered.folded == 0
        assert journal.recovered.counts == {"order": 1}


def test_a_lost_tail_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        for number in range(1, 4):
            journal.append(intent(number))
        journal.barrier()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM events WHERE seq = 3")
    connection.close()
    with pytest.raises(JournalDamaged, match="ends at event 2, but event 3 was committed"):
        open_paper(path)


def test_a_vanished_journal_is_noticed_and_fresh_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(intent(1))
        journal.barrier()
    path.write_bytes(b"")
    with pytest.raises(JournalDamaged, match="remembers commits"):
        open_paper(path)
    path.unlink()
    with pytest.raises(JournalDamaged, match="remembers commits"):
        open_paper(path)
    with open_paper(path, fresh=True) as journal:
        assert journal.recovered.empty
    assert (tmp_path / "a.1.db.emergency").exists()


def test_a_changed_row_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        fill(journal, 2)
    with sqlite3.connect(path) as connection:
        connection.execute(
            'UPDATE events SET body = replace(body, \'"fee":"0\', \'"fee":"1\')'
            " WHERE seq = (SELECT max(seq) FROM events WHERE kind = 'fill')"
        )
    connection.close()
    with pytest.raises(JournalDamaged, match="is not the one that was written"):
        open_paper(path)
    with Reader(path) as reader, pytest.raises(JournalDamaged):
        reader.fills()


def test_readers_tables_are_mended_from_the_events(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        fill(journal, 9)
    with Reader(path) as reader:
        before = {name: list(reader.table(name)) for name in projection_tables()}
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM fills WHERE id = 'F-1'")
        connection.execute("UPDATE positions SET seq = 1")
    connection.close()
    open_paper(path).close()
    with Reader(path) as reader:
        assert {name: list(reader.table(name)) for name in projection_tables()} == before


def test_numbers_that_no_column_takes_do_not_hold_up_the_event(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    huge = OrderChanged(
        time_ns=START,
        order=decode(
            encode(intent(1)).replace(f'"created_ns":{START}', f'"created_ns":{1 << 63}')
        ).order,  # type: ignore[union-attr]
    )
    with open_paper(path) as journal:
        journal.append(huge)
        journal.barrier()
    with open_paper(path) as journal:
        assert journal.recovered.orders[0].created_ns == 1 << 63


def test_telemetry_is_dropped_and_counted_when_the_writer_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "TELEMETRY_BACKLOG", 5)
    monkeypatch.setattr(writer_module, "BACKLOG", 8)
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        with locked(path):
            journal.append(note("first"))
            with pytest.raises(JournalUnavailable):
                journal.barrier(0.3)
            for number in range(8):
                journal.append(note(f"{number}"))
            journal.append(Measured(time_ns=START, values={"x": 1.0}))
            assert journal.dropped == 1
            seq = journal.append(note("too much"))
            assert (journal.dropped, seq) == (2, journal.seq)
            assert journal.append(intent(1)) == seq + 1
        journal.barrier()
        with Reader(path) as reader:
            assert [event.kind for event in reader.events()] == ["note"] * 9 + ["order"]


def test_closing_twice_is_safe_and_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal = open_paper(tmp_path / "a.db")
    journal.append(note("one"))
    journal.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        journal.append(note("two"))
    assert not (tmp_path / "a.db-wal").exists()
    with open_paper(tmp_path / "a.db") as again:
        assert again.recovered.last_seq == 1


def test_closing_behind_a_lock_keeps_durable_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.journal.journal.CLOSE_S", 0.3)
    path = tmp_path / "a.db"
    journal = open_paper(path)
    with locked(path):
        journal.append(note("lost"))
        journal.append(intent(1))
        journal.close()
    with open_paper(path) as again:
        assert [order.id for order in again.recovered.orders] == ["O-1"]
        assert again.recovered.folded == 1


def test_an_unhandled_exception_ends_the_process_and_keeps_what_was_queued(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    lines, errors = finish(child("crash", path), timeout=10)
    assert lines == []
    assert "on purpose" in errors
    with Reader(path) as reader:
        assert [event.kind for event in reader.events()] == ["note"]


def test_the_chain_depends_on_every_part_of_a_row() -> None:
    base = link(GENESIS, row_bytes(1, 2, "note", "{}"))
    others = [
        link(bytes([1]) + GENESIS[1:], row_bytes(1, 2, "note", "{}")),
        link(GENESIS, row_bytes(2, 2, "note", "{}")),
        link(GENESIS, row_bytes(1, 3, "note", "{}")),
        link(GENESIS, row_bytes(1, 2, "order", "{}")),
        link(GENESIS, row_bytes(1, 2, "note", "{ }")),
    ]
    assert base not in others
    assert len(set(others)) == len(others)


def test_reading_does_not_load_the_writers_library() -> None:
    code = "import sys, engine.journal.queries; sys.exit('aiosqlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
