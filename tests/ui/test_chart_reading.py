"""The chart as it is read: timeframes, one candle at a time, and what was traded in it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.types import Bar, Direction
from engine.core.views import Snapshot
from tests.ui import gallery
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, world
from widgets import frames, numbers
from widgets.chart import PriceChart
from widgets.marks import marks_of

replace = msgspec.structs.replace
SYMBOL = "BTC/USDT"
OUT = "left_square_bracket"


def chart_of(deck: Deck) -> PriceChart:
    screen = deck.app.base_screen()
    assert screen is not None
    chart = screen.panels["chart"]
    assert isinstance(chart, PriceChart)
    return chart


def drawn(width: int = 90, height: int = 24) -> tuple[PriceChart, list[Bar]]:
    chart, bars = PriceChart(), list(gallery.bars_of(SYMBOL))
    chart.fit(width, height)
    chart.show_bars(SYMBOL, bars, None, None, "15m")
    return chart, bars


def test_longer_timeframes_are_whole_numbers_of_the_bars_that_come() -> None:
    assert frames.frames(15 * MINUTE) == (1, 2, 4, 8, 16, 48, 96)
    assert [frames.name(15 * MINUTE * each) for each in frames.frames(15 * MINUTE)] == [
        "15m", "30m", "1h", "2h", "4h", "12h", "1d",
    ]  # fmt: skip
    assert frames.frames(DAY) == (1,)


def test_candles_of_another_timeframe_hold_the_same_prices() -> None:
    chart, bars = drawn()
    assert chart.next_frame() == "30m"
    assert chart.next_frame() == "1h"
    assert "1h" in chart.text.splitlines()[0]
    rows = [line.split("\t") for line in chart.export().splitlines()[1:]]
    inside = [bar for bar in bars if bar.open_ns // HOUR == bars[-1].open_ns // HOUR]
    assert float(rows[-1][2]) == max(bar.high for bar in inside)
    assert float(rows[-1][4]) == bars[-1].close
    assert float(rows[-1][5]) == pytest.approx(sum(bar.volume for bar in inside))
    for _ in range(5):
        chart.next_frame()
    assert chart.framed == 1


def test_reading_a_candle_tells_its_prices_and_comes_back_to_now() -> None:
    chart, bars = drawn()
    assert f"C {bars[-1].close:,.2f}" in chart.text
    chart.point(-1)
    chart.point(-1)
    bar = bars[-2]
    reading = chart.text.splitlines()[1]
    assert numbers.clock(bar.open_ns) in reading
    for letter, value in (("C", bar.close), ("H", bar.high), ("L", bar.low), ("O", bar.open)):
        assert f"{letter} {value:,.2f}" in reading
    assert "┊" in chart.text
    newer = replace(bars[-1], open_ns=bars[-1].open_ns + bars[-1].span_ns)
    chart.show_bars(SYMBOL, [*bars, newer], None, None, "15m")
    assert chart.text.splitlines()[1] == reading, "the candle that is read stays"
    assert chart.point_nowhere()
    assert not chart.point_nowhere()
    assert "┊" not in chart.text


def test_reading_past_the_edge_moves_the_chart_along() -> None:
    chart, bars = drawn(60, 16)
    for _ in range(len(bars) + 5):
        chart.point(-1)
    assert numbers.clock(bars[0].open_ns) in chart.text.splitlines()[1]
    assert "bars back" in chart.text
    for _ in range(len(bars) + 5):
        chart.point(1)
    assert f"C {bars[-1].close:,.2f}" in chart.text
    assert "bars back" not in chart.text


def traded(won: bool) -> Snapshot:
    """A world with one closed trade inside the bars of the gallery."""
    bars = gallery.bars_of(SYMBOL)
    base = world()
    first, last = bars[-20], bars[-8]
    trade = replace(
        base.trades[0], symbol=SYMBOL, direction=Direction.SHORT, quantity=Decimal("0.01"),
        entry_price=Decimal(repr(first.close)), exit_price=Decimal(repr(last.close)),
        opened_ns=first.open_ns + MINUTE, closed_ns=last.open_ns + MINUTE,
        pnl=Decimal("3.20" if won else "-3.20"), exit_reason="take_profit",
    )  # fmt: skip
    return replace(base, trades=(trade,), positions=())


@pytest.mark.parametrize(("won", "sign"), [(True, "◆"), (False, "◇")])
def test_entries_and_exits_stand_in_their_candles_and_are_told_there(won: bool, sign: str) -> None:
    chart, bars = drawn()
    marks = marks_of(traded(won), SYMBOL)
    assert [mark.sign for mark in marks] == ["▼", sign]
    chart.show_bars(SYMBOL, bars, None, None, "15m", marks=marks)
    assert "▼" in chart.text.split("\n", 2)[2]
    assert sign in chart.text
    for back in range(20):
        chart.point(-1)
        reading = chart.text.splitlines()[1]
        assert ("take profit" in reading) is (back == 7)
        assert ("SHORT 0.01 at" in reading) is (back == 19)


def test_marks_of_other_symbols_and_other_prices_are_not_drawn() -> None:
    snapshot = traded(True)
    assert marks_of(snapshot, "ETH/USDT") == ()
    chart, bars = drawn()
    high = max(bar.high for bar in bars)
    far = [dataclasses.replace(mark, price=high * 2) for mark in marks_of(snapshot, SYMBOL)]
    chart.show_bars(SYMBOL, bars, None, None, "15m", marks=far)
    assert "◆" not in chart.text


def test_keys_read_candles_change_the_timeframe_and_esc_leaves() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("comma", "comma")
        assert "┊" in deck.text
        await deck.press("full_stop")
        await deck.press("escape")
        assert "┊" not in deck.text
        await deck.press("T", "T")
        assert "candles of 1h" in deck.message
        assert "BTC/USDT 1h" in deck.text
        chart_of(deck)
        await deck.press("w")
        assert "wrote" in deck.message

    drive(script)


def test_the_chart_is_written_as_numbers_that_a_program_reads() -> None:
    async def script(deck: Deck) -> None:
        screen = deck.app.base_screen()
        assert screen is not None
        screen.focus_panel("chart")
        await deck.press("w")
        (path,) = deck.app.options.export_folder.glob("quarterdeck-chart-*.txt")
        head, *rows = path.read_text().splitlines()
        assert head.split("\t")[:5] == ["opened", "open", "high", "low", "close"]
        assert len(rows) >= 60
        assert all(len(row.split("\t")) == 6 and float(row.split("\t")[4]) for row in rows)

    drive(script, hub=FakeHub(world()))
