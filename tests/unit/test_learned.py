"""What learning leaves in the journal: its tables, that they only grow, and its files."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from engine.core.clock import DAY
from engine.core.ids import source
from engine.core.learning import ChangeState
from engine.core.records import ChangeMoved, OpportunityEnded, TradeClosed
from engine.journal import Reader
from engine.journal.export import export
from engine.journal.lines import line
from engine.journal.migrations import STEPS
from engine.journal.rebuild import rebuild
from engine.journal.schema import LEARNING, statements
from engine.learning.confidence import sequence_of
from tests.faults.journal import open_paper
from tests.faults.story import Story, started
from tests.learning_help import TRAIL, ledger, make_change


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "learned.db"
    with open_paper(path) as journal:
        for record in (started(), *ledger()):
            journal.append(record)
        journal.barrier()
    return path


def test_changes_are_read_as_they_stand_with_their_history_and_comparisons(journal: Path) -> None:
    with Reader(journal) as reader:
        assert [r.change.id for r in reader.changes()] == ["L-3", "L-2", "L-1"]
        assert [r.change.id for r in reader.changes(state="asked")] == ["L-2"]
        found = reader.change("L-1")
        assert found is not None
        assert found.change.state is ChangeState.LAPSED
        assert found.change.shadow is not None
        assert found.change.shadow.n == 12
        history = reader.change_steps("L-1")
        assert [r.why for _, r in history] == ["suggested", "undecided"]
        compared = reader.compared("L-1")
        assert [one.opportunity for one in compared] == [f"W-{n}" for n in range(1, 13)]
        assert reader.change("L-9") is None
        assert [t.n for t in reader.trials()] == [3]
        assert len(reader.opportunities()) == 12
        one = reader.opportunities(name="W-3")[0]
        assert isinstance(one, OpportunityEnded)
        assert reader.frozen() == ["coin ETH/USDT"]


def test_no_sql_alters_evidence_or_trials(journal: Path) -> None:
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        for table in ("change_evidence", "trials"):
            before = connection.execute(f"SELECT * FROM {table}").fetchall()
            seq = before[0][0]
            width = len(before[0])
            for statement in (
                f"UPDATE {table} SET timestamp = 0",
                f"DELETE FROM {table}",
                f"INSERT OR REPLACE INTO {table} VALUES ({seq}{', NULL' * (width - 1)})",
            ):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(statement)
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == before


def test_a_rebuild_gives_the_same_tables_and_leaves_them_guarded(journal: Path) -> None:
    tables = ("changes", "change_history", "change_evidence", "trials", "opportunities",
              "frozen_targets")  # fmt: skip
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        before = {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in tables}
        assert all(before.values())
        connection.execute("DELETE FROM changes")
        rebuild(connection)
        assert {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in tables} == before
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute("DELETE FROM trials")


def test_opening_mends_a_table_that_lacks_evidence(journal: Path) -> None:
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER change_evidence_kept_delete")
        connection.execute("DELETE FROM change_evidence WHERE opportunity_id = 'W-3'")
    open_paper(journal).close()
    with Reader(journal) as reader:
        assert len(reader.compared("L-1")) == 12


def test_every_change_is_recomputed_from_the_exported_file_alone(
    journal: Path, tmp_path: Path
) -> None:
    done = export(journal, tmp_path / "out", everything=True)
    assert "logs/adaptations.jsonl" not in done.absent
    rows = [
        json.loads(text)
        for text in (tmp_path / "out" / "logs" / "adaptations.jsonl").read_text().splitlines()
    ]
    row = next(row for row in rows if row["id"] == "L-1")
    assert (row["type"], row["is_active"], row["before"], row["after"]) == (
        "parameter", 0, "null", "1.25",
    )  # fmt: skip
    values = [one["new_gross"] - one["old_gross"] for one in row["compared"]]
    again = sequence_of(values, row["shadow_alpha"], row["shadow_below"])
    assert (again.n, again.mean, again.low, again.high) == (
        row["shadow_n"], row["shadow_mean"], row["shadow_low"], row["shadow_high"],
    )  # fmt: skip
    assert row["impact"] == pytest.approx(row["net_mean"])
    for name in ("change_evidence", "opportunities", "trials"):
        lines = (tmp_path / "out" / "tables" / f"{name}.jsonl").read_text().splitlines()
        assert len(lines) == {"change_evidence": 12, "opportunities": 12, "trials": 1}[name]


def test_each_step_is_a_sentence_in_the_event_log() -> None:
    said = [made.text for record in ledger(1) if (made := line(1, record)) is not None]
    joined = "\n".join(said)
    assert "change applied: exit.trail_distance_pct · technical_composite unset → 1.25" in joined
    assert "change asked: entry.min_score 2.0 → 1.75, trial by gate, n 40" in joined
    assert "exits tried 3 values of exit.trail_distance_pct" in joined
    assert "coin ETH/USDT frozen against changes" in joined
    assert "traded LONG of technical_composite came to" in joined


def test_an_older_file_gets_the_tables_and_a_reader_of_one_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with open_paper(path) as journal:
        journal.append(started())
        journal.barrier()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP VIEW adaptations")
        for statement in statements(LEARNING):
            kind, name = statement.split()[1:3]
            if kind == "TABLE":
                connection.execute(f"DROP TABLE {name}")
        with Reader(path) as reader:
            assert (reader.changes(), reader.compared(), reader.frozen()) == ([], [], [])
        STEPS[4](connection)
        assert connection.execute("SELECT count(*) FROM adaptations").fetchone() == (0,)


def test_an_older_file_tells_the_error_of_its_changes_from_its_events(journal: Path) -> None:
    with Reader(journal) as reader:
        now = list(reader.table("adaptations"))
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("DROP VIEW adaptations")
        for column in ("stood", "shadow_alpha", "shadow_below"):
            connection.execute(f"ALTER TABLE changes DROP COLUMN {column}")
        connection.execute("CREATE VIEW adaptations AS SELECT * FROM changes")
        STEPS[7](connection)
    with Reader(journal) as reader:
        assert list(reader.table("adaptations")) == now
    assert any(row["shadow_alpha"] for row in now)


def test_the_week_and_the_day_around_a_change_are_told_from_its_trades(tmp_path: Path) -> None:
    path = tmp_path / "around.db"
    records = [r for group in Story(source(3, "trades")).groups(24) for r in group]
    closed = [r.trade for r in records if isinstance(r, TradeClosed)]
    middle = closed[len(closed) // 2].closed_ns
    with open_paper(path) as journal:
        for record in (started(), *records):
            journal.append(record)
        for number, scope in enumerate((None, "BTC/USDT"), 1):
            target = msgspec.structs.replace(TRAIL, strategy=None, symbol=scope)
            moved = make_change(number, target=target, made_ns=middle, applied_ns=middle)
            journal.append(ChangeMoved(time_ns=middle, change=moved))
        asked = make_change(3, made_ns=middle, applied_ns=0, state=ChangeState.ASKED)
        journal.append(ChangeMoved(time_ns=middle, change=asked))
        journal.barrier()
    with Reader(path) as reader:
        everywhere, one_symbol, waiting = reader.table("adaptations")
    for row, symbol in ((everywhere, None), (one_symbol, "BTC/USDT")):
        own = [t for t in closed if symbol in (None, t.symbol)]
        before = [t for t in own if t.closed_ns <= middle]
        after = [t for t in own if t.closed_ns > middle]
        assert before and after  # noqa: PT018 - both sides are needed for the rest
        assert row["pre_win_rate"] == pytest.approx(sum(t.won for t in before) / len(before))
        assert row["post_win_rate"] == pytest.approx(sum(t.won for t in after) / len(after))
        day = [t for t in before if t.closed_ns > middle - DAY]
        assert row["pre_pnl_24h"] == pytest.approx(float(sum(t.pnl for t in day)))
    assert waiting["post_win_rate"] is None
    assert waiting["is_active"] == 0
