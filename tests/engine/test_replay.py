"""Replays and simulations that repeat themselves, resume, and find no edge where there is none."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.compose import Engine, build
from app.headless import summary
from app.options import RunOptions
from engine.core.clock import parse_iso
from engine.core.config import Config, EngineSection, PathsSection
from engine.core.ids import source
from engine.core.records import Filled
from engine.core.types import Trade
from engine.journal.queries import Reader
from tests.faults.recording import SYMBOLS, record
from tests.recorded import recorded

MINUTES = 6_000
LIVELY = (
    ("pos.cooldown_min_per_ticker", "0"), ("ev.prior_win_rate", "0.7"), ("ev.prior_payoff", "4"),
    ("dec.min_confidence", "0.2"),
)  # fmt: skip


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("market"), MINUTES)


@pytest.fixture(scope="module")
def whole(market: Path) -> Path:
    """The journal of a run that nobody interrupted."""
    db = market.parent / "whole.db"
    run(db, f"replay:{market}")
    return db


def run(
    db: Path,
    feed: str,
    *,
    symbols: tuple[str, ...] = SYMBOLS,
    timeframe: str = "5m",
    settings: tuple[tuple[str, str], ...] = LIVELY,
    seed: int | None = None,
    sim_edge: float = 0.0,
    **options: Any,
) -> dict[str, Any]:
    """One run to its end, as `quarterdeck run --no-screen --json` makes it."""
    engine = built(
        db, feed, symbols=symbols, timeframe=timeframe, settings=settings, seed=seed,
        sim_edge=sim_edge, **options,
    )  # fmt: skip
    engine.kernel.run()
    assert engine.kernel.fault is None, engine.kernel.fault
    result: dict[str, Any] = json.loads(json.dumps(summary(engine)))
    assert result["invariants_ok"], result["faults"]
    return result


def built(
    db: Path,
    feed: str,
    *,
    symbols: tuple[str, ...] = SYMBOLS,
    timeframe: str = "5m",
    settings: tuple[tuple[str, str], ...] = LIVELY,
    seed: int | None = None,
    sim_edge: float = 0.0,
    **options: Any,
) -> Engine:
    """The engine of such a run, not begun."""
    config = Config(
        engine=EngineSection(
            feed=feed, symbols=symbols, timeframe=timeframe, approval="auto", seed=seed, speed=0.0,
            sim_edge=sim_edge,
        ),
        paths=PathsSection(db=str(db)),
    )  # fmt: skip
    return build(config, RunOptions(settings=settings, symbols_given=True, **options), "test")


def books(db: Path) -> list[tuple[str, str, Decimal, Decimal, Decimal, int]]:
    with Reader(db) as reader:
        fills = [e.record.fill for e in reader.events(limit=-1) if isinstance(e.record, Filled)]
    return [(f.symbol, str(f.side), f.quantity, f.price, f.fee, f.time_ns) for f in fills]


def unmade(db: Path) -> list[Any]:
    """What trades that were not made came to; a restart may give them other ids."""
    with Reader(db) as reader:
        found = reader.counterfactuals(-1)
    plain = (msgspec.to_builtins(msgspec.structs.replace(one, id="")) for one in found)
    return sorted(plain, key=lambda one: (one["time_ns"], one["symbol"], one["kind"]))


def test_the_same_recording_gives_the_same_digest(market: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "1.db", f"replay:{market}")
    # Somebody who looks twenty times as often changes nothing.
    again = run(tmp_path / "2.db", f"replay:{market}", publish_hz=200.0)
    assert first["trades"] >= 20
    assert Decimal(first["fees"]) > 0
    assert first["digest"] == again["digest"]
    assert books(tmp_path / "1.db") == books(tmp_path / "2.db")


def test_one_altered_price_gives_another_digest(market: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "1.db", f"replay:{market}", lasting="2d")
    other = tmp_path / "other"
    other.mkdir()
    for file in sorted(market.glob("*.csv")):
        lines = file.read_text().splitlines()
        if file.name.startswith("BTC"):
            # A cent on the last close of a decision bar of the second day.
            cells = lines[2_000].split(",")
            cells[4] = f"{float(cells[4]) + 0.01:.2f}"
            cells[2] = f"{max(float(cells[2]), float(cells[4])):.2f}"
            lines[2_000] = ",".join(cells)
        (other / file.name).write_text("\n".join(lines))
    altered = run(tmp_path / "2.db", f"replay:{other}", lasting="2d")
    assert altered["bars"] == first["bars"]
    assert altered["digest"] != first["digest"]


def test_a_replay_in_parts_gives_the_books_of_the_whole(
    market: Path, whole: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts.db"
    chance = source(1, "parts")
    bars = run(parts, f"replay:{market}", lasting="400m")["bars"]
    while bars < MINUTES * len(SYMBOLS):
        minutes = chance.randrange(200, 1_500)
        more = run(parts, f"replay:{market}", lasting=f"{minutes}m", resume=True)
        assert more["bars"] > 0
        bars += more["bars"]
    assert bars == MINUTES * len(SYMBOLS)
    assert books(parts) == books(whole)
    assert len(unmade(parts)) > 10
    assert unmade(parts) == unmade(whole)


def test_a_killed_replay_follows_on_what_was_not_made(
    market: Path, whole: Path, tmp_path: Path
) -> None:
    """Whatever moment it is killed at: what lies since the last note is gone through again."""
    parts, chance = tmp_path / "parts.db", source(2, "kills")
    killed_at = sorted(chance.randrange(500, MINUTES * len(SYMBOLS)) for _ in range(8))
    for bars in killed_at:
        engine = built(parts, f"replay:{market}", resume=parts.exists())
        engine.kernel.begin()
        while engine.desk.feed.position < bars:
            assert engine.kernel.step()
        engine.desk.journal.barrier()
        engine.desk.journal.close()
    run(parts, f"replay:{market}", resume=True)
    assert len(unmade(parts)) > 5
    assert unmade(parts) == unmade(whole)


def test_a_fresh_replay_leaves_the_last_journal_beside(market: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "1.db", f"replay:{market}", lasting="1d")
    again = run(tmp_path / "1.db", f"replay:{market}", lasting="1d")
    assert first["digest"] == again["digest"]
    assert (tmp_path / "1.1.db").exists()


def test_a_seed_repeats_a_simulated_market_and_another_one_does_not(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / f"{k}.db", "sim", seed=seed, lasting="4h", timeframe="3m")
        for k, seed in enumerate((3, 3, 4))
    ]
    assert runs[0]["fills"] > 0
    assert runs[0]["digest"] == runs[1]["digest"] != runs[2]["digest"]


def test_the_common_month_of_recorded_minutes(tmp_path: Path) -> None:
    folder = recorded("ohlcv_crypto/typhonun_binance_um/1m")
    result = run(tmp_path / "1.db", f"replay:{folder}", timeframe="15m", settings=())
    assert result["trades"] >= 30
    assert Decimal(result["fees"]) > 0
    assert result["bars"] > 120_000
    assert parse_iso(result["to"]) - parse_iso(result["from"]) > 29 * 86_400 * 10**9


def test_without_an_edge_strategies_earn_minus_their_costs(tmp_path: Path) -> None:
    """A t-interval of 3.3 standard errors (1 in 1,000) around each strategy's gross mean."""
    trades: list[Trade] = []
    for seed in range(2):
        db = tmp_path / f"{seed}.db"
        run(db, "sim", seed=100 + seed, lasting="20h", timeframe="3m")
        with Reader(db) as reader:
            trades += reader.trades(-1)
    by: dict[str, list[tuple[float, float]]] = {}
    for trade in trades:
        worth = float(trade.entry_price * trade.quantity)
        net, fees = float(trade.pnl) / worth * 10_000, float(trade.fees) / worth * 10_000
        by.setdefault(trade.strategy, []).append((net, fees))
    assert sum(map(len, by.values())) > 30
    for strategy, results in by.items():
        n = len(results)
        if n < 10:
            continue
        nets = [net for net, _ in results]
        mean = math.fsum(nets) / n
        error = math.sqrt(math.fsum((x - mean) ** 2 for x in nets) / (n - 1) / n)
        # Fees are known to the cent; spread and slippage are in the prices, 1 to 5 bps a side.
        least, most = -math.fsum(fees for _, fees in results) / n - 10.0, -20.0 + 5.0
        assert least - 3.3 * error <= mean <= most + 3.3 * error, (strategy, n, mean, error)
