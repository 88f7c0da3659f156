"""A simulated market is the same market whoever looks, at whatever pace, in however many parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.compose import Engine
from app.headless import summary
from engine.core.clock import iso, parse_iso
from engine.core.commands import Shock
from engine.core.records import Cursor
from engine.journal.queries import Reader
from engine.kernel import loop
from tests.engine.test_replay import books, built, run

BTC = ("BTC/USDT",)
HOURS = 6


def last_cursor(db: Path) -> tuple[int, int]:
    with Reader(db) as reader:
        found = [e.record for e in reader.events(limit=-1) if isinstance(e.record, Cursor)]
    return found[-1].time_ns, found[-1].position


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_a_run_ends_at_the_same_event_whatever_its_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """The pace decides how many events come at a time, and nothing else."""
    first = run(tmp_path / "1.db", "sim", symbols=BTC, seed=3, lasting="2h")
    monkeypatch.setattr(loop, "BATCH", batch)
    again = run(tmp_path / "2.db", "sim", symbols=BTC, seed=3, lasting="2h", screen=True)
    assert first["to"] == iso(parse_iso(first["from"]) + 2 * 3_600_000_000_000)
    assert (first["to"], first["bars"], first["digest"]) == (
        again["to"],
        again["bars"],
        again["digest"],
    )
    assert last_cursor(tmp_path / "1.db") == last_cursor(tmp_path / "2.db")


def test_a_simulation_begun_without_a_screen_goes_on_exactly_under_one(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.db", "sim", seed=3, lasting=f"{HOURS}h")
    assert whole["fills"] > 2
    parts = tmp_path / "parts.db"
    run(parts, "sim", seed=3, lasting="2h")
    position = last_cursor(parts)
    for screen in (True, False):
        before = position
        run(parts, "sim", seed=3, lasting="119m", resume=True, screen=screen)
        position = last_cursor(parts)
        assert position > before
    # Each part begins to count at its first bar, a minute after the one before it ended.
    assert last_cursor(parts) == last_cursor(tmp_path / "whole.db")
    assert books(parts) == books(tmp_path / "whole.db")


def _play(engine: Engine, until_ns: int) -> None:
    while engine.desk.now_ns < until_ns:
        engine.kernel.step()


def test_what_a_market_was_asked_for_is_part_of_it_after_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "shocked.db"
    engine = built(db, "sim", symbols=BTC, seed=3)
    engine.kernel.begin()
    begin_ns = parse_iso("2026-01-05")
    _play(engine, begin_ns + 600_000_000_000)
    engine.hub.send(Shock(id="1", kind="news_up", symbol="BTC/USDT"))
    _play(engine, begin_ns + 900_000_000_000)
    position, now_ns = engine.desk.position, engine.desk.now_ns
    price, instant = engine.desk.symbols["BTC/USDT"].last, engine.desk.feed.poll(40)
    engine.kernel.end()
    assert summary(engine)["invariants_ok"]
    again = built(db, "sim", symbols=BTC, seed=3, resume=True)
    assert again.desk.feed.position == position
    assert again.desk.feed.poll(40) == instant
    again.kernel.begin()
    assert again.desk.now_ns == now_ns
    assert abs(again.desk.symbols["BTC/USDT"].last / price - 1) < 0.02
    again.kernel.end()
