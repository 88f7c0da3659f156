"""Reading, exporting, backing up and posting to a journal, beside the engine and after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.commands import AnyCommand, Approve, Pause
from engine.core.errors import JournalError, JournalLocked
from engine.core.ids import source
from engine.core.records import AnyRecord, Commanded, Filled, TradeClosed
from engine.core.types import Actor, Control, ProposalState
from engine.journal import Journal, Reader
from engine.journal.backup import back_up, check, restore
from engine.journal.export import ABSENT, LINES, export
from engine.journal.mailbox import Mailbox
from tests.faults.journal import open_paper
from tests.faults.story import START, Story, control, note, started

TRADES = 24


@pytest.fixture
def records() -> list[AnyRecord]:
    groups = Story(source(3, "trades")).groups(TRADES)
    return [started(), *(record for group in groups for record in group)]


@pytest.fixture
def journal(tmp_path: Path, records: list[AnyRecord]) -> Iterator[Journal]:
    with open_paper(tmp_path / "read.db") as journal:
        for record in records:
            journal.append(record)
        journal.barrier()
        yield journal


def test_a_reader_beside_the_engine_sees_what_is_committed(
    journal: Journal, records: list[AnyRecord]
) -> None:
    trades = [record.trade for record in records if isinstance(record, TradeClosed)]
    fills = [record.fill for record in records if isinstance(record, Filled)]
    with Reader(journal.path) as reader:
        assert reader.trades(-1) == trades[::-1]
        assert (
            reader.trades(2, symbol="BTC/USDT")
            == [t for t in trades[::-1] if t.symbol == "BTC/USDT"][:2]
        )
        assert reader.fills(-1) == fills[::-1]
        assert len(reader.orders(-1)) == len(fills)
        assert {order.state for order in reader.orders(-1)} == {"filled"}
        assert [p.id for p, _ in reader.positions()] == ["T-21", "T-14", "T-7"]
        assert [p.id for p in reader.proposals(state="waiting")] == ["P-24", "P-18", "P-12", "P-6"]
        proposal = reader.proposal("P-5")
        assert proposal is not None
        assert proposal.state is ProposalState.FILLED
        assert reader.proposal("P-999") is None
        decision = reader.decision("D-3")
        assert decision is not None
        assert len(decision.votes) == 2
        assert reader.denials() == [("SPREAD", TRADES // 4)]
        assert [d.id for d in reader.denied(2, code="SPREAD")] == ["B-24", "B-20"]
        assert len(reader.counterfactuals()) == TRADES // 4
        assert reader.accounts(1)[0].account.quote == "USDT"
        view = reader.control()
        assert view is not None
        assert view.state is Control.ACTIVE
        assert reader.parameter_history("risk.per_trade_pct")[0].after == "1.2"
        assert len(reader.parameters()) == 3
        done = reader.commanded("k-7")
        assert done is not None
        assert done.ack.ref == "P-7"
        assert set(reader.cooldowns()) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}
        status = reader.status()
        assert (status.trades, status.positions, status.waiting) == (len(trades), 3, 4)
        assert status.equity == reader.accounts(1)[0].account.equity
        assert status.run == started()
        journal.append(control(Control.HALTED, START, "later"))
        journal.barrier()
        view = reader.control()
        assert view is not None
        assert (view.state, view.who) == (Control.HALTED, Actor.PERSON)


def test_events_can_be_followed_and_searched(journal: Journal) -> None:
    with Reader(journal.path) as reader:
        first = reader.events(limit=5)
        assert [event.seq for event in first] == [1, 2, 3, 4, 5]
        assert reader.events(since=5, limit=1)[0].seq == 6
        assert {event.kind for event in reader.events(kind="trade")} == {"trade"}
        found = reader.events(text="RUHIG")
        assert found
        assert all("ruhig" in event.body for event in found)
        assert [event.seq for event in reader.last_events(2)] == [journal.seq - 1, journal.seq]


def test_columns_have_the_names_that_earlier_designs_gave_them(journal: Journal) -> None:
    wanted = {
        "trades": "timestamp symbol action entry_price exit_price pnl pnl_pct regime strategy_id "
        "indicators outcome quantity side leverage fees hold_duration_mins close_reason mfe mae",
        "regime_transitions": "from_regime to_regime indicators_at_transition timestamp symbol",
        "account_history": "timestamp balance equity day_start_balance daily_pnl drawdown",
        "active_conditions": "id coin direction trigger_price trigger_condition stop_loss_pct "
        "take_profit_pct strategy_id reasoning created_at valid_until triggered triggered_at",
        "param_values": "name scope value",
    }
    with Reader(journal.path) as reader:
        for table, columns in wanted.items():
            row = next(reader.table(table))
            assert set(columns.split()) <= set(row), table
        row = next(iter(r for r in reader.table("trades") if r["id"] == "T-1"))
        trade = reader.trades(-1)[-1]
        assert trade.id == "T-1"
        assert (row["action"], row["pnl"]) == ("BUY", str(trade.pnl))
        assert row["outcome"] == ("WIN" if trade.pnl > 0 else "LOSS")
        assert row["hold_duration_mins"] == (trade.closed_ns - trade.opened_ns) / 60e9
        condition = next(iter(r for r in reader.table("active_conditions") if r["id"] == "C-5"))
        assert condition["take_profit_pct"] == pytest.approx((110 / 105.5 - 1) * 100)


def test_a_copy_is_read_without_its_engine(journal: Journal, tmp_path: Path) -> None:
    digest = journal.digest()
    journal.close()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copyfile(journal.path, folder / "copy.db")
    with Reader(folder / "copy.db") as reader:
        assert reader.digest() == digest
        assert reader.verify() == journal.seq


def test_exports_are_complete_and_canonical(journal: Journal, tmp_path: Path) -> None:
    with Reader(journal.path) as reader:
        result = export(journal.path, tmp_path / "a", everything=True)
        export(journal.path, tmp_path / "b", everything=True)
        names = {name for name, _ in result.files}
        assert set(LINES) <= names
        assert {f"tables/{table}.jsonl" for table in reader.tables()} <= names
        counts = dict(result.files)
        assert counts["tables/events.jsonl"] == journal.seq
        assert counts["logs/attribution.jsonl"] == len(reader.trades(-1))
        assert counts["data/execution_quality.jsonl"] == len(reader.fills(-1))
    assert result.absent == ABSENT
    for name, count in result.files:
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        lines = [json.loads(line) for line in content.splitlines()]
        if name.endswith(".jsonl"):
            assert len(lines) == count
        for line in lines:
            if isinstance(line, dict):
                assert list(line) == sorted(line)
    state = json.loads((tmp_path / "a/data/state.json").read_text())
    assert [p["id"] for p in state["positions"]] == ["T-21", "T-14", "T-7"]
    equity = json.loads((tmp_path / "a/data/equity_history.json").read_text())
    assert Decimal(equity[-1]["equity"]) == Decimal(state["account"]["equity"])
    blocked = (tmp_path / "a/data/blocked_trades.jsonl").read_text().splitlines()
    assert json.loads(blocked[0])["later"]["marks"]["1m"] == 0.1


def test_an_empty_journal_exports_and_says_what_is_empty(tmp_path: Path) -> None:
    open_paper(tmp_path / "a.db").close()
    result = export(tmp_path / "a.db", tmp_path / "out")
    assert set(LINES) <= set(result.empty)
    with pytest.raises(JournalError, match="can't write"):
        export(tmp_path / "a.db", tmp_path / "a.db" / "below")


def test_a_backup_replaces_a_journal_only_when_no_engine_runs(
    journal: Journal, tmp_path: Path
) -> None:
    backup = back_up(journal.path, tmp_path / "backup.db")
    assert (backup.last_seq, backup.digest) == (journal.seq, journal.digest())
    with pytest.raises(JournalError, match="exists already"):
        back_up(journal.path, backup.path)
    journal.append(note("after the backup"))
    journal.barrier()
    with pytest.raises(JournalLocked):
        restore(backup.path, journal.path)
    journal.close()
    restore(backup.path, journal.path)
    with open_paper(journal.path) as again:
        assert again.digest() == backup.digest
    with Reader(tmp_path / "read.1.db") as aside:
        assert aside.last_events(1)[0].seq == backup.last_seq + 1


def test_a_backup_is_restored_where_no_engine_ever_ran(journal: Journal, tmp_path: Path) -> None:
    backup = back_up(journal.path, tmp_path / "backup.db")
    there = tmp_path / "new" / "machine" / "paper.db"
    restore(backup.path, there)
    with open_paper(there) as again:
        assert again.digest() == backup.digest
    with pytest.raises(JournalError, match="can't make the folder"):
        restore(backup.path, backup.path / "below" / "paper.db")


def test_a_damaged_backup_is_not_restored(journal: Journal, tmp_path: Path) -> None:
    backup = back_up(journal.path, tmp_path / "backup.db")
    journal.close()
    content = bytearray(backup.path.read_bytes())
    at = content.index(b'"kind":"fill"') + 30
    content[at] ^= 1
    backup.path.write_bytes(bytes(content))
    with pytest.raises(JournalError):
        check(backup.path)
    with pytest.raises(JournalError):
        restore(backup.path, journal.path)
    open_paper(journal.path).close()


def approve(name: str) -> AnyCommand:
    return Approve(id=name, actor=Actor.COMMAND_LINE, proposal="P-1", digest="d")


def test_a_command_waits_for_the_engine_and_comes_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    sender, engine = Mailbox(path), Mailbox(path)
    assert not engine.waiting()
    assert engine.take() == []
    sender.append(approve("c-1"))
    sender.append(Pause(id="c-2"))
    assert engine.waiting()
    assert engine.take() == [approve("c-1"), Pause(id="c-2")]
    assert not engine.waiting()
    assert engine.take() == []
    engine.confirm()
    sender.append(approve("c-3"))
    assert engine.take() == [approve("c-3")]
    engine.confirm()
    assert Mailbox(path).take() == []


def test_a_kill_between_taking_and_journaling_repeats_only_what_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    Mailbox(path).append(approve("c-1"))
    Mailbox(path).append(approve("c-2"))
    assert len(Mailbox(path).take()) == 2
    Mailbox(path).append(approve("c-3"))
    again = Mailbox(path)
    assert again.waiting()
    assert [command.id for command in again.take(done={"c-1"})] == ["c-2", "c-3"]
    again.confirm()
    assert Mailbox(path).take() == []


def test_a_command_that_was_journaled_but_not_confirmed_does_not_come_again(
    journal: Journal,
) -> None:
    Mailbox(journal.path).append(approve("k-1"))  # the story journaled this id
    Mailbox(journal.path).append(approve("k-new"))
    Mailbox(journal.path).take()
    assert [command.id for command in Mailbox(journal.path).take()] == ["k-new"]


def test_an_unconfirmed_command_is_seen_by_waiting_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Mailbox(path).append(approve("c-1"))
    Mailbox(path).take()
    assert Mailbox(path).waiting()


def test_torn_and_foreign_lines_are_rejected_and_harm_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    box = Mailbox(path)
    box.path.write_bytes(b'{"command":"approve","id":"torn')
    box.append(approve("c-1"))
    with box.path.open("ab") as file:
        file.write(b'{"command":"format_disk","id":"c-9"}\n\xff\xfe\n')
    assert [command.id for command in box.take()] == ["c-1"]
    assert len(box.rejected) == 3


def test_commands_of_a_journal_are_known_by_id(journal: Journal) -> None:
    with Reader(journal.path) as reader:
        done = {commanded.command.id for commanded in reader.commands(-1)}
    assert "k-1" in done
    assert all(isinstance(c, Commanded) for c in Reader(journal.path).commands(3))
