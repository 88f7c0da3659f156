"""Recordings: what many tools write is read, and what can't be true is refused where it is."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.core.clock import HOUR, MINUTE, SECOND
from engine.core.errors import DataError
from engine.core.ids import generator
from engine.core.types import Bar, FeedStatus, Link, Tick
from engine.market import recordtable
from engine.market.recordings import load
from engine.market.recordname import symbol_of
from engine.market.replay import ReplayFeed
from engine.market.timeline import minute_bars
from tests.recorded import recorded

BEGIN_MS = 1_746_000_000_000
HEADER = "timestamp,open,high,low,close,volume"


def row(i: int, unit: int = 1_000_000, **changed: object) -> str:
    """A bar of minute `i` as CSV; `unit` is nanoseconds in the file's unit of time."""
    cells = {
        "timestamp": (BEGIN_MS + i * 60_000) * 1_000_000 // unit,
        "open": 100 + i,
        "high": 103 + i,
        "low": 98 + i,
        "close": 101 + i,
        "volume": 1.5,
    }
    return ",".join(str(v) for v in {**cells, **changed}.values())


def write(
    folder: Path, rows: list[str], name: str = "BTCUSDT-1m.csv", header: str = HEADER
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(([header] if header else []) + rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT.parquet", "BTC/USDT"),
        ("BTCUSDT-1m-2025-01.zip", "BTC/USDT"),
        ("BTC_USDT-5m.csv.gz", "BTC/USDT"),
        ("BTC-USDT.csv", "BTC/USDT"),
        ("ETHBTC-1h.csv", "ETH/BTC"),
        ("BTC_USDT_USDT-1m-futures.parquet", "BTC/USDT:USDT"),
        ("futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip", "BTC/USDT:USDT"),
        ("binance_um/1m/BTCUSDT.parquet", "BTC/USDT:USDT"),
        ("um/spot/BTCUSDT.parquet", "BTC/USDT"),
        ("1000PEPEUSDT.csv", "1000PEPE/USDT"),
        ("btcusdt.csv", "BTC/USDT"),
        ("export.csv", ""),
        ("PRICELIST.csv", ""),
        ("SPY_1m_202012.parquet", "SPY/USD"),
        ("2025.csv", ""),
    ],
)
def test_the_name_says_the_symbol(tmp_path: Path, name: str, symbol: str) -> None:
    assert symbol_of(tmp_path / name) == symbol


@pytest.mark.parametrize(
    ("unit", "name"), [(SECOND, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")]
)
@pytest.mark.parametrize("header", [HEADER, ""])
def test_times_are_told_from_their_magnitude(
    tmp_path: Path, unit: int, name: str, header: str
) -> None:
    path = write(tmp_path, [row(i, unit) for i in range(5)], header=header)
    (series,) = load(path)
    assert series.symbol == "BTC/USDT"
    assert series.span_ns == MINUTE
    assert series.first_ns == BEGIN_MS * 1_000_000
    assert series.values[2].tolist() == [102, 105, 100, 103, 1.5]


def test_dates_gzip_other_names_and_parquet_are_read_alike(tmp_path: Path) -> None:
    plain = load(write(tmp_path / "a", [row(i) for i in range(5)]))[0]
    frame = pd.DataFrame(plain.values, columns=["Open", "High", "Low", "Close", "Volume"])
    frame.insert(0, "Date", pd.to_datetime(plain.time_ns, utc=True))
    (tmp_path / "b").mkdir()
    frame.to_csv(tmp_path / "b" / "BTC_USDT-1m.csv.gz", index=False)
    frame.set_index("Date").to_parquet(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").rename(tmp_path / "BTCUSDT.parquet")
    for path in (tmp_path / "b", tmp_path / "BTCUSDT.parquet"):
        (other,) = load(path)
        assert other.time_ns.tolist() == plain.time_ns.tolist()
        assert other.values.tolist() == plain.values.tolist()


def kline(i: int, unit: int) -> str:
    return row(i, unit) + ",0,150.0,10,0.7,70.0,0"


KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def test_monthly_archives_join_with_and_without_header_in_either_unit(tmp_path: Path) -> None:
    months = [
        ("BTCUSDT-1m-2024-12", [kline(i, 1_000_000) for i in range(3)]),
        ("BTCUSDT-1m-2025-01", [KLINE_HEADER] + [kline(i, 1_000) for i in range(3, 7)]),
    ]
    for name, lines in months:
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.csv", "\n".join(lines) + "\n")
    (series,) = load(tmp_path)
    assert len(series.time_ns) == 7
    assert series.missing == 0
    assert series.values[:, 0].tolist() == [100 + i for i in range(7)]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "BTCUSDT-trades-2025-01",
            ["7,100.5,0.25,25.1,{t},true,true", "8,101,1,101,{u},false,true"],
        ),
        (
            "BTCUSDT-aggTrades-2025-01",
            ["7,100.5,0.25,70,71,{t},true,true", "8,101,1,72,72,{u},false,true"],
        ),
        (
            "BTCUSDT-trades-2025-02",
            [
                "id,price,qty,quote_qty,time,is_buyer_maker",
                "7,100.5,0.25,25.1,{t},true",
                "8,101,1,101,{u},false",
            ],
        ),
        (
            "BTCUSDT-trades-2025-03",
            ["time,price,size,side,id", "{t},100.5,0.25,sell,7", "{u},101,1,buy,8"],
        ),
    ],
)
def test_trade_archives_become_ticks(tmp_path: Path, name: str, lines: list[str]) -> None:
    text = "\n".join(lines).format(t=BEGIN_MS, u=BEGIN_MS + 61_000)
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
        archive.writestr(f"{name}.csv", text)
    feed = ReplayFeed(tmp_path)
    feed.start(lambda: None)
    events = feed.poll(100)
    ticks = [e for e in events if isinstance(e, Tick)]
    assert [(t.price, t.size, t.buyer_maker, t.trade_id) for t in ticks] == [
        (100.5, 0.25, True, "7"),
        (101.0, 1.0, False, "8"),
    ]
    assert [e.close for e in events if isinstance(e, Bar)] == [100.5]


Broken = Callable[[Path], Path]


def spoiled(i: int, **changed: Any) -> Broken:
    """A file of six good bars of which one has other cells."""
    return lambda folder: write(folder, [row(j, **(changed if j == i else {})) for j in range(6)])


def bytes_of(name: str, content: bytes) -> Broken:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def rows_of(order: list[int], extra: str = "", name: str = "BTCUSDT-1m.csv") -> Broken:
    return lambda folder: write(folder, [row(i) for i in order] + ([extra] if extra else []), name)


BAD: dict[str, tuple[Broken, str]] = {
    "missing": (lambda folder: folder / "BTCUSDT.csv", "does not exist"),
    "empty folder": (lambda folder: folder, "holds no recording"),
    "empty": (bytes_of("BTCUSDT.csv", b""), "empty"),
    "only blanks": (bytes_of("BTCUSDT.csv", b"\n\n \n"), "empty"),
    "only a header": (bytes_of("BTCUSDT.csv", HEADER.encode()), "no row"),
    "other ending": (bytes_of("BTCUSDT.txt", b"x"), "no recording by its name"),
    "corrupt parquet": (bytes_of("BTCUSDT.parquet", b"PAR1 nonsense"), "parquet"),
    "corrupt gzip": (bytes_of("BTCUSDT.csv.gz", gzip.compress(b"1,2\n" * 99)[:20]), "unpacked"),
    "corrupt zip": (bytes_of("BTCUSDT.zip", b"PK nonsense"), "unpacked"),
    "not text": (bytes_of("BTCUSDT.csv", bytes(range(128, 256)) * 9), "BTCUSDT.csv"),
    "odd line": (rows_of([0, 1, 2], "1,2,3,4,5,6,7,8,9"), "line 5"),
    "missing column": (
        lambda f: write(f, ["1746000000000,1,2,1,1"], header="timestamp,open,high,low,close"),
        "no column volume",
    ),
    "no symbol": (rows_of([0, 1, 2], name="2025.csv"), "symbol"),
    "no header": (lambda f: write(f, ["1746000000000,1,2"], header=""), "line 1: 3 columns"),
    "text": (spoiled(3, close="abc"), "line 5, column close: 'abc' is no number"),
    "nothing": (spoiled(3, volume=""), "line 5, column volume: the value is missing"),
    "nan": (spoiled(2, open="nan"), "line 4, column open"),
    "inf": (spoiled(2, high="inf"), "line 4, column high"),
    "high below low": (spoiled(4, high=5), "line 6, column high: high is below low"),
    "close above high": (spoiled(4, close=900), "line 6, column high: high is not the highest"),
    "open below low": (spoiled(0, open=1), "line 2, column low: low is not the lowest"),
    "negative": (spoiled(1, low=-3), "line 3, column low: a price is not above 0"),
    "zero": (spoiled(1, low=0), "line 3, column low: a price is not above 0"),
    "negative volume": (spoiled(1, volume=-1), "line 3, column volume: a volume is below 0"),
    "ancient": (spoiled(0, timestamp=12), "line 2, column timestamp: 12 is no time"),
    "no date": (
        lambda f: write(f, ["2025-01-01,1,2,1,1,1", "soon,1,2,1,1,1"]),
        "line 3, column timestamp: 'soon' is no time",
    ),
    "mixed units": (
        spoiled(5, timestamp=BEGIN_MS * 1_000 + 300_000_000),
        "line 7, column timestamp: the times change from milliseconds to microseconds",
    ),
    "backwards": (rows_of([0, 1, 3, 2]), "line 5, column timestamp: time runs backwards"),
    "conflict": (rows_of([0, 1, 2], row(2, close=102.5)), "line 5, column timestamp: a second"),
    "two timeframes": (
        rows_of([0, 1, 2, 3], row(4, timestamp=BEGIN_MS + 3 * 60_000 + 10_000)),
        "comes before the one before it is over",
    ),
    "one bar": (rows_of([0]), "one bar tells no timeframe"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_where_it_is_with_a_hint(tmp_path: Path, name: str) -> None:
    make, told = BAD[name]
    feed = ReplayFeed(make(tmp_path))
    with pytest.raises(DataError) as caught:
        feed.start(lambda: None)
    assert told in caught.value.message
    assert caught.value.hint


def test_identical_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [row(i) for i in (0, 1, 1, 2, 2, 2, 3)])
    (series,) = load(path)
    assert series.duplicates == 3
    assert series.values[:, 0].tolist() == [100, 101, 102, 103]


def test_files_that_overlap_must_agree(tmp_path: Path) -> None:
    write(tmp_path, [row(i) for i in range(5)], "BTCUSDT-1m-a.csv")
    write(tmp_path, [row(i) for i in range(3, 8)], "BTCUSDT-1m-b.csv")
    (series,) = load(tmp_path)
    assert len(series.time_ns) == 8
    assert series.duplicates == 2
    write(tmp_path, [row(i, close=100.5 + i) for i in range(3, 8)], "BTCUSDT-1m-b.csv")
    with pytest.raises(DataError, match="differ"):
        load(tmp_path)


def test_a_repeated_trade_must_tell_the_same(tmp_path: Path) -> None:
    header = "id,price,qty,time,is_buyer_maker"
    same = [f"{i},100,1,{BEGIN_MS + i},true" for i in (1, 2, 2, 3)]
    assert load(write(tmp_path, same, header=header))[0].duplicates == 1
    changed = [*same, f"3,101,1,{BEGIN_MS + 3},true"]
    with pytest.raises(DataError, match=r"line 6, column id: trade 3"):
        load(write(tmp_path, changed, header=header))


def test_several_symbols_play_over_the_time_that_they_share(tmp_path: Path) -> None:
    write(tmp_path, [row(i) for i in range(10)], "BTCUSDT-1m.csv")
    write(tmp_path, [row(i) for i in range(4, 15)], "ETHUSDT-1m.csv")
    first, second = load(tmp_path, ["ETH/USDT", "BTC/USDT"])
    assert (first.symbol, second.symbol) == ("ETH/USDT", "BTC/USDT")
    assert first.time_ns.tolist() == second.time_ns.tolist()
    assert len(first.time_ns) == 6
    write(tmp_path, [row(i) for i in range(50, 55)], "ETHUSDT-1m.csv")
    with pytest.raises(DataError, match="no time in common"):
        load(tmp_path)


def test_from_and_to_cut_whole_bars(tmp_path: Path) -> None:
    path = write(tmp_path, [row(i) for i in range(10)])
    begin = BEGIN_MS * 1_000_000
    feed = ReplayFeed(path, start=begin + MINUTE + 1, end=begin + 5 * MINUTE)
    feed.start(lambda: None)
    bars = [e for e in feed.poll(100) if isinstance(e, Bar)]
    assert [b.open_ns for b in bars] == [begin + i * MINUTE for i in (2, 3, 4)]
    with pytest.raises(DataError):
        ReplayFeed(path, start="2025-02-01", end="2025-01-01")
    with pytest.raises(DataError):
        ReplayFeed(path, start="yesterday")
    late = ReplayFeed(path, start="2031-01-01")
    with pytest.raises(DataError, match="between these dates"):
        late.start(lambda: None)


def test_an_unknown_symbol_is_answered_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, [row(i) for i in range(3)], "swap/BTCUSDT-1m.csv")
    with pytest.raises(DataError) as caught:
        load(tmp_path, ["BTC/USTD"])
    assert "BTC/USDT:USDT" in caught.value.hint
    assert load(tmp_path, ["BTC/USDT"])[0].symbol == "BTC/USDT:USDT"
    assert load(tmp_path, ["BTCUSDT"])[0].symbol == "BTC/USDT:USDT"


def test_a_symbol_column_wins_over_the_name(tmp_path: Path) -> None:
    rows = [f"{row(i)},{s}" for i in range(3) for s in ("ETHUSDT", "SOL/USDT")]
    path = write(tmp_path, rows, "export.csv", HEADER + ",symbol")
    assert [s.symbol for s in load(path)] == ["ETH/USDT", "SOL/USDT"]
    named = write(tmp_path, rows, "BTCUSDT.csv", HEADER + ",symbol")
    assert [s.symbol for s in load(named, ["SOL/USDT"])] == ["SOL/USDT"]


def test_a_gap_stays_a_gap_and_is_told_while_it_lasts(tmp_path: Path) -> None:
    feed = ReplayFeed(write(tmp_path, [row(i) for i in (0, 1, 2, 6, 7)]))
    feed.start(lambda: None)
    told: list[object] = []
    for event in feed.poll(100):
        if isinstance(event, FeedStatus):
            minute = (event.time_ns // 1_000_000 - BEGIN_MS) // 60_000
            told.append((event.link, minute))
        elif isinstance(event, Bar):
            told.append(event.open)
    assert told == [
        (Link.UP, 0),
        100.0,
        101.0,
        102.0,
        (Link.STALE, 4),
        (Link.UP, 7),
        106.0,
        107.0,
        (Link.ENDED, 8),
    ]


def test_history_ends_before_the_cursor(tmp_path: Path) -> None:
    feed = ReplayFeed(write(tmp_path, [row(i) for i in range(9)]), resume_at=6)
    feed.start(lambda: None)
    assert [b.open for b in feed.history("BTC/USDT", 3).bars] == [102, 103, 104]
    (following,) = feed.poll(1)
    assert isinstance(following, Bar)
    assert following.open == 105


def test_a_cursor_beyond_the_recording_is_refused(tmp_path: Path) -> None:
    feed = ReplayFeed(write(tmp_path, [row(i) for i in range(9)]), resume_at=99)
    with pytest.raises(DataError, match="beyond"):
        feed.start(lambda: None)


def test_recorded_hours_play_with_the_venues_halt() -> None:
    folder = recorded("ohlcv_crypto/finom_binance_spot/1h")
    feed = ReplayFeed(folder, ["BTC/USDT", "ETH/USDT"], start="2023-03-20", end="2023-03-28")
    feed.start(lambda: None)
    events = feed.poll(10_000)
    bars = [e for e in events if isinstance(e, Bar)]
    assert len(bars) == 2 * (8 * 24 - 1)
    assert {b.span_ns for b in bars} == {HOUR}
    assert sum(isinstance(e, FeedStatus) and e.link is Link.STALE for e in events) == 2


def test_recorded_perpetuals_and_trades_are_known_for_what_they_are() -> None:
    (perpetual,) = load(recorded("ohlcv_crypto/typhonun_binance_um/1m"), ["BTC/USDT"])
    assert perpetual.symbol == "BTC/USDT:USDT"
    assert perpetual.span_ns == MINUTE
    path = recorded("ticks/gocryptotrader_binance_spot/BTCUSDT-trades-20201116.csv")
    (trades,) = load(path)
    assert trades.symbol == "BTC/USDT"
    assert trades.span_ns == 0
    assert len(trades.time_ns) == 1_000


@pytest.mark.parametrize(("begins_s", "expected"), [(0.4, [0, 1, 3]), (30.0, [1, 3])])
def test_minutes_of_trades_whose_begin_or_end_was_not_recorded_make_no_bar(
    begins_s: float, expected: list[int]
) -> None:
    begin = BEGIN_MS * 1_000_000
    seconds = [begins_s, 50, 70, 110, 185, 239, 245]
    times = np.array([begin + int(s * SECOND) for s in seconds])
    prices = np.array([10.0, 11, 12, 9, 8, 14, 99])
    opens, rows = minute_bars(times, prices, np.full(7, 0.5))
    assert [(int(o) - begin) // MINUTE for o in opens] == expected
    assert rows[-2:].tolist() == [[12, 12, 9, 9, 1], [8, 14, 8, 14, 1]]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_flawless_file_is_read_alike_by_the_short_and_the_long_way(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = generator(5, "bars")
    opens = draws.uniform(50, 60, 500)
    closes = opens * draws.uniform(0.99, 1.01, 500)
    frame = (
        pd.DataFrame(
            {
                "open_time": BEGIN_MS + np.arange(500) * 60_000,
                "open": opens,
                "high": np.maximum(opens, closes) * 1.001,
                "low": np.minimum(opens, closes) * 0.999,
                "close": closes,
                "volume": draws.integers(1, 90, 500),
                "note": "kept out",
            }
        )
        .drop(index=77)
        .reset_index(drop=True)
    )
    path = tmp_path / f"BTCUSDT-1m.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    short = recordtable.read_tables(path, "BTC/USDT")["BTC/USDT"]
    monkeypatch.setattr(recordtable, "plain_columns", lambda path: None)
    long = recordtable.read_tables(path, "BTC/USDT")["BTC/USDT"]
    assert short.time_ns.tolist() == long.time_ns.tolist()
    assert short.values.tolist() == long.values.tolist()
    assert (short.span_ns, short.trades, short.duplicates) == (long.span_ns, False, 0)
    assert long.values[:, 3].tolist() == frame["close"].tolist()


def test_a_flawless_file_needs_no_pandas(tmp_path: Path) -> None:
    path = write(tmp_path, [row(i) for i in range(50)])
    code = (
        "import sys; from pathlib import Path; from engine.market.recordtable import read_tables; "
        f"read_tables(Path({str(path)!r}), 'BTC/USDT'); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
