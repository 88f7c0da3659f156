"""What a live market did while no engine ran is told before anything is done about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import HOUR
from engine.core.records import Noted
from engine.core.types import Bar, History
from engine.core.views import Absence
from tests.engine.scripted import BTC, PRICE, SPAN, Script

HOURS = 3


def bars(script: Script, *closes: float) -> History:
    """Closed decision bars since the engine that was ended before this one."""
    first = script.now_ns - len(closes) * SPAN
    first -= first % SPAN
    return History(
        symbol=BTC,
        bars=tuple(
            Bar(
                symbol=BTC, open_ns=first + k * SPAN, span_ns=SPAN, open=close, high=close * 1.0005,
                low=close * 0.9995, close=close, volume=10.0,
            )
            for k, close in enumerate(closes)
        ),
    )  # fmt: skip


def absent(folder: Path, *closes: float, now: float) -> tuple[Absence, Script]:
    """A long is held, the engine ends, hours pass with these closes, and a price comes again."""
    with Script(folder, live=True) as script:
        position = script.opened()
    again = script.again(folder, begin_ns=script.now_ns + HOURS * HOUR, warm=False)
    again.__enter__()
    if closes:
        again.push(bars(again, *closes))
    before = len(again.orders())
    for _ in range(3):  # a price that is far from the last one is believed when it is repeated
        again.tick(now)
    [row] = again.snapshot.absences
    notes = [n for n in again.records(Noted) if n.ref == position.id and n.text == row.text]
    assert len(notes) == 1
    assert (len(again.orders()) > before) is row.acts
    return row, again


def test_a_stop_that_the_price_is_beyond_is_told_and_then_done(tmp_path: Path) -> None:
    row, again = absent(tmp_path, *[PRICE * 0.97] * 12, now=PRICE * 0.95)
    with again:
        assert row.stop_crossed
        assert row.acts
        assert "all of it is sold now by stop" in row.text
        assert f"{HOURS} h" in row.text
        assert row.move_pct == pytest.approx(-5, abs=0.1)
        again.price(PRICE * 0.95)
        assert not again.desk.book.open()


def test_a_stop_that_was_crossed_and_left_again_sells_nothing_and_is_said(tmp_path: Path) -> None:
    row, again = absent(tmp_path, *[PRICE] * 5, PRICE * 0.9, *[PRICE] * 6, now=PRICE)
    with again:
        assert row.stop_crossed
        assert not row.acts
        assert row.low < PRICE * 0.91
        assert "stop and targets stand" in row.text
        assert again.desk.book.open()


def test_where_nothing_was_crossed_it_is_watched_on(tmp_path: Path) -> None:
    row, again = absent(tmp_path, *[PRICE] * 12, now=PRICE * 1.0005)
    with again:
        assert (row.stop_crossed, row.targets_reached, row.acts) == (False, (), False)
        assert "neither stop nor target was crossed" in row.text
        assert "watched on" in row.text


def test_without_bars_it_says_that_what_lay_between_is_not_known(tmp_path: Path) -> None:
    row, again = absent(tmp_path, now=PRICE * 1.0005)
    with again:
        assert not row.known
        assert "not known" in row.text


def test_history_that_begins_late_says_since_when_it_knows(tmp_path: Path) -> None:
    row, again = absent(tmp_path, PRICE, PRICE, now=PRICE)
    with again:
        assert row.known
        assert "known only since" in row.text


def test_a_target_that_was_reached_and_left_is_said(tmp_path: Path) -> None:
    row, again = absent(tmp_path, *[PRICE] * 5, PRICE * 1.2, *[PRICE] * 6, now=PRICE)
    with again:
        assert row.targets_reached
        assert "target" in row.text
        assert not row.stop_crossed


def test_a_market_that_stood_still_is_said_to_have_done_nothing(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
    with script.again(tmp_path) as again:
        again.price(PRICE)
        [row] = again.snapshot.absences
        assert (row.position, row.acts, row.move_pct) == (position.id, False, 0.0)
        assert "the market stood still" in row.text
        assert "watched on" in row.text
        assert [n.text for n in again.records(Noted) if n.ref == position.id].count(row.text) == 1
        charted = again.engine.hub.stream(f"bars:{BTC}").items
        assert len(charted) > 50, "the chart goes on from where it was"
        assert "stood still" in again.snapshot.run.recovered
