"""Funding: whose hour it is, what it costs, and that no hour is paid for twice."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from engine.core.clock import HOUR, MILLISECOND, MINUTE, parse_iso
from engine.core.errors import DataError
from engine.core.records import Filled, Funded
from engine.core.types import Direction, Fill, Funding, Liquidity, Position, Side
from engine.journal import Journal, Reader
from engine.journal.schema import VERSION
from engine.market.funding import (
    Marks,
    NoRates,
    RecordedRates,
    SimulatedRates,
    beside,
    next_boundary,
    snap,
)
from engine.portfolio.funding import payment, pays
from engine.portfolio.ledger import Ledger, Terms
from tests.faults.journal import open_paper
from tests.recorded import recorded

PERP = "BTC/USDT:USDT"
EIGHT = parse_iso("2025-05-05T08:00")


def held(direction: Direction = Direction.LONG, quantity: str = "2") -> Position:
    return Position(
        id="POS-1", symbol=PERP, direction=direction, quantity=Decimal(quantity),
        entry_price=Decimal(100), opened_ns=EIGHT - HOUR, strategy="s", decision="D-1",
        proposal="P-1", regime="BULL", leverage=5, stop=Decimal(90), targets=(),
        fees=Decimal(0), realised=Decimal(0), initial_stop=Decimal(90),
        initial_quantity=Decimal(quantity),
    )  # fmt: skip


def entry(at_ns: int = EIGHT - HOUR) -> Fill:
    return Fill(
        id="F-1", order="O-1", symbol=PERP, side=Side.BUY, quantity=Decimal(2),
        price=Decimal(100), fee=Decimal("0.1"), fee_asset="USDT", liquidity=Liquidity.TAKER,
        time_ns=at_ns, position="POS-1",
    )  # fmt: skip


def test_hours_are_every_eighth_and_a_late_stamp_belongs_to_its_own() -> None:
    assert next_boundary(EIGHT) == EIGHT + 8 * HOUR
    assert next_boundary(EIGHT - 1) == EIGHT
    for late in (0, 1, 16):
        assert snap(EIGHT + late * MILLISECOND) == EIGHT
    assert snap(EIGHT - 3 * MILLISECOND) == EIGHT


@pytest.mark.parametrize(
    ("direction", "rate", "amount"),
    [
        (Direction.LONG, 0.0001, "0.02"),
        (Direction.SHORT, 0.0001, "-0.02"),
        (Direction.LONG, -0.0003, "-0.06"),
        (Direction.SHORT, -0.0003, "0.06"),
    ],
)
def test_longs_pay_a_positive_rate_on_their_notional_at_the_mark(
    direction: Direction, rate: float, amount: str
) -> None:
    made = payment(held(direction), EIGHT, rate, Decimal(100))
    assert made.amount == Decimal(amount)
    assert made.notional == 200
    tenth = payment(held(direction), EIGHT, rate, Decimal(100), Decimal("0.1"))
    assert tenth.amount == Decimal(amount) / 10


def test_who_opened_at_the_hour_does_not_pay_for_it() -> None:
    assert pays(held(), EIGHT)
    assert not pays(held(), EIGHT - HOUR)
    assert payment(held(), EIGHT, 0.1, Decimal(1)).id != (
        payment(held(), EIGHT + 8 * HOUR, 0.1, Decimal(1)).id
    )


def test_a_payment_is_booked_once_and_equity_is_short_of_just_that() -> None:
    ledger = Ledger("USDT", Decimal(1_000))
    ledger.apply(entry(), Terms(PERP, Direction.LONG, 5))
    before = ledger.account(EIGHT, {PERP: Decimal(100)}).equity
    due = payment(held(), EIGHT, 0.0001, Decimal(100))
    assert ledger.fund(due.position, due.amount, due.id)
    assert not ledger.fund(due.position, due.amount, due.id)
    assert ledger.funded(due.id)
    account = ledger.account(EIGHT, {PERP: Decimal(100)})
    assert before - account.equity == due.amount == account.funding
    ledger.verify(full=True)


def test_simulated_rates_repeat_are_small_and_favour_nobody() -> None:
    one, again, other = SimulatedRates(3), SimulatedRates(3), SimulatedRates(4)
    hours = [EIGHT + k * 8 * HOUR for k in range(2_000)]
    rates = [one.rate(PERP, hour) or 0.0 for hour in hours]
    assert rates[::-1] == [again.rate(PERP, hour) for hour in reversed(hours)]
    assert rates != [other.rate(PERP, hour) for hour in hours]
    assert rates != [one.rate("ETH/USDT:USDT", hour) for hour in hours]
    assert abs(sum(rates) / len(rates)) < 5e-6
    assert 1e-5 < max(map(abs, rates)) < 5e-4


def test_where_there_is_no_source_there_is_no_rate_and_a_reason() -> None:
    none = NoRates("the venue was not asked")
    assert none.rate(PERP, EIGHT) is None
    assert "not asked" in none.note
    marks = Marks.none()
    assert marks.at(PERP, EIGHT) is None
    assert "last price" in marks.note


def write(path: Path, rows: list[tuple[int, float]], column: str = "funding_rate") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["timestamp", column]).to_parquet(path)
    return path


def test_recorded_rates_are_found_by_symbol_and_hour(tmp_path: Path) -> None:
    at = EIGHT // MILLISECOND
    write(tmp_path / "BTCUSDT.parquet", [(at + 7, 0.0002), (at + 8 * 3_600_000, -0.0001)])
    write(tmp_path / "notes" / "ETHUSDT.parquet", [(at, 0.5e-4)])
    rates = RecordedRates.load(tmp_path, [PERP, "ETH/USDT:USDT", "XRP/USDT:USDT"])
    assert rates.rate(PERP, EIGHT) == 0.0002
    assert rates.rate(PERP, EIGHT + 8 * HOUR) == -0.0001
    assert rates.rate("ETH/USDT:USDT", EIGHT) == 0.5e-4
    assert rates.rate("XRP/USDT:USDT", EIGHT) is None
    assert rates.rate(PERP, EIGHT + 16 * HOUR) is None


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(EIGHT // MILLISECOND + 60_000, 0.0001)], "no funding hour"),
        ([(EIGHT // MILLISECOND, 1.5)], "no funding rate"),
        ([(EIGHT // MILLISECOND, float("nan"))], "no funding rate"),
        ([(EIGHT // MILLISECOND, 0.0001), (EIGHT // MILLISECOND + 5, 0.0002)], "two rates"),
    ],
)
def test_rates_that_can_not_be_are_refused_by_row(
    tmp_path: Path, rows: list[tuple[int, float]], says: str
) -> None:
    write(tmp_path / "BTCUSDT.parquet", rows)
    with pytest.raises(DataError, match=says):
        RecordedRates.load(tmp_path, [PERP])


def test_a_wrong_file_says_what_is_missing(tmp_path: Path) -> None:
    bad = tmp_path / "BTCUSDT.parquet"
    bad.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="can't be read"):
        RecordedRates.load(bad, [PERP])
    write(bad, [(1, 2.0)], column="rate")
    with pytest.raises(DataError, match="funding_rate"):
        RecordedRates.load(bad, [PERP])
    with pytest.raises(DataError, match="does not exist"):
        RecordedRates.load(tmp_path / "absent", [PERP])


def test_a_mark_is_known_from_its_stamp_for_one_minute(tmp_path: Path) -> None:
    write(tmp_path / "BTCUSDT.parquet", [(EIGHT // MILLISECOND, 100.5)], column="open")
    marks = Marks.load(tmp_path, [PERP])
    assert marks.at(PERP, EIGHT - 1) is None
    assert marks.at(PERP, EIGHT) == marks.at(PERP, EIGHT + MINUTE) == 100.5
    assert marks.at(PERP, EIGHT + MINUTE + 1) is None


def test_recorded_perpetuals_find_their_funding_beside_them() -> None:
    bars = recorded("ohlcv_crypto/typhonun_binance_um/1m/BTCUSDT.parquet")
    folder = beside(bars, "funding")
    assert folder is not None
    assert folder.name == "typhonun_binance_um"
    rates = RecordedRates.load(folder, [PERP])
    hours = [EIGHT + k * 8 * HOUR for k in range(80)]
    known = [rates.rate(PERP, hour) for hour in hours]
    assert None not in known
    assert len(set(known)) > 40
    assert beside(Path("/nowhere/at/all.parquet"), "funding") is None


def funding(number: int) -> Funding:
    return payment(held(), EIGHT + number * 8 * HOUR, 0.0001 * number, Decimal(100), note="test")


def test_payments_are_recovered_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(Filled(time_ns=EIGHT - HOUR, fill=entry()))
        for number in (1, 2, -3):
            journal.append(Funded(time_ns=EIGHT, funding=funding(number)))
        journal.append(Funded(time_ns=EIGHT, funding=funding(2)))
        journal.barrier()
    with open_paper(path) as journal:
        assert journal.recovered.funding == (funding(1), funding(2), funding(-3))
        assert journal.recovered.ids == {"F": 1}
    with Reader(path) as reader:
        rows = list(reader.table("funding"))
    assert sorted(row["amount"] for row in rows) == ["-0.06000000", "0.02000000", "0.04000000"]


def test_a_journal_from_before_funding_is_brought_forward_with_its_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(Filled(time_ns=EIGHT, fill=entry()))
        journal.barrier()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE funding; DROP TABLE outlooks; DROP TABLE control_history;"
            "DROP TABLE intra_trade_bars; DROP TABLE quiet; DROP TABLE news_items;"
            "DROP VIEW adaptations; DROP TABLE changes;"
            "DROP TABLE change_history; DROP TABLE change_evidence; DROP TABLE trials;"
            "DROP TABLE opportunities; DROP TABLE frozen_targets;"
            "DROP TABLE counterfactuals;"
            "CREATE TABLE counterfactuals (id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT,"
            "kind TEXT, code TEXT, price REAL, direction TEXT, pnl_pct REAL, ended TEXT,"
            "marks TEXT, seq INTEGER);"
            "DROP TABLE coin_scores; DROP TABLE pair_scores; DROP TABLE trading_patterns;"
            "DROP TABLE regime_rules; DROP TABLE insights; DROP TABLE trade_journal;"
            "DROP TABLE performance_snapshots; DROP TABLE strategy_performance;"
            "DROP TABLE circuit_breaker_events;"
            "CREATE TABLE circuit_breaker_events (seq INTEGER PRIMARY KEY, timestamp INTEGER,"
            "state TEXT, reason TEXT, who TEXT);"
            "INSERT INTO circuit_breaker_events VALUES (2, 1, 'HALTED', 'once', 'person');"
        )
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        assert len(journal.recovered.fills) == 1
        journal.append(Funded(time_ns=EIGHT, funding=funding(1)))
        journal.barrier()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
        assert connection.execute("SELECT count(*) FROM funding").fetchone()[0] == 1
    connection.close()
    assert (tmp_path / "a.v1.db").exists()
