"""The chart as it is read: timeframes, one candle at a time, and what was traded in it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.types import Bar, Direction, Fill, Liquidity, Side
from engine.core.views import Protection, Snapshot
from tests.ui import gallery
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, world
from widgets import frames, numbers
from widgets.chart import PriceChart
from widgets.frame import Frame
from widgets.marks import HELD, Stretch, Traded, traded_in

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
    marks = traded_in(traded(won), SYMBOL).marks
    assert [mark.sign for mark in marks] == ["▼", sign]
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=Traded(marks))
    assert "▼" in chart.text.split("\n", 2)[2]
    assert sign in chart.text
    for back in range(20):
        chart.point(-1)
        reading = chart.text.splitlines()[1]
        assert ("take profit" in reading) is (back == 7)
        assert ("SHORT 0.01 at" in reading) is (back == 19)


def lived(bars: list[Bar]) -> tuple[Snapshot, list[Fill], list[Protection]]:
    """A long of which half was sold with a gain and a quarter with a loss, its stop moved once."""
    entry = Decimal(repr(round(bars[-30].close, 2)))
    up, down = entry + Decimal("160"), entry - Decimal("120")
    fills = [
        Fill(id=f"F-{index}", order=f"O-{index}", symbol=SYMBOL, side=side, quantity=Decimal(size),
             price=price, fee=Decimal(0), fee_asset="USDT", liquidity=Liquidity.TAKER,
             time_ns=bars[at].open_ns + MINUTE, position="X-1")
        for index, (side, size, price, at) in enumerate((
            (Side.BUY, "0.04", entry, -30), (Side.SELL, "0.02", up, -22),
            (Side.SELL, "0.01", down, -15), (Side.SELL, "0.01", down, -8),
        ))
    ]  # fmt: skip
    states = [
        Protection(time_ns=bars[at].open_ns + MINUTE, position="X-1", symbol=SYMBOL,
                   direction=Direction.LONG, entry_price=entry, stop=stop, targets=(),
                   ended=not stop)
        for at, stop in ((-30, down), (-22, entry), (-8, Decimal(0)))
    ]  # fmt: skip
    base = world()
    trade = replace(
        base.trades[0], symbol=SYMBOL, direction=Direction.LONG, quantity=Decimal("0.04"),
        entry_price=entry, exit_price=entry + Decimal("5"), opened_ns=fills[0].time_ns,
        closed_ns=fills[-1].time_ns, pnl=Decimal("0.20"),
    )  # fmt: skip
    return replace(base, trades=(trade,), positions=()), fills, states


def test_parts_that_were_sold_are_marked_where_they_were_and_the_end_at_its_own_price() -> None:
    chart, bars = drawn(height=40)
    snapshot, fills, states = lived(bars)
    traded = traded_in(snapshot, SYMBOL, fills, states)
    assert [mark.sign for mark in traded.marks] == ["▲", "●", "○", "◆"]
    assert [mark.price for mark in traded.marks] == [float(fill.price) for fill in fills]
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=traded)
    body = chart.text.rsplit("\n", 1)[0]
    assert {"▲", "●", "○"} <= set(body)
    assert "part out" in chart.text.rsplit("\n", 1)[1]
    for _ in range(22):
        chart.point(-1)
    assert "● part 0.02 at" in chart.text.splitlines()[1]


def test_a_stop_is_drawn_at_each_of_its_prices_for_as_long_as_it_stood() -> None:
    chart, bars = drawn(height=40)
    snapshot, fills, states = lived(bars)
    first, second = traded_in(snapshot, SYMBOL, fills, states).stretches
    assert (first.start_ns, first.end_ns, first.price) == (
        states[0].time_ns, states[1].time_ns, float(states[0].stop),
    )  # fmt: skip
    assert (second.end_ns, second.price) == (states[2].time_ns, float(states[1].stop))
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=Traded((), (first, second)))
    rows = [row for row in chart.text.splitlines() if HELD in row]
    assert len(rows) == 2
    reaches = {(row.index(HELD), row.rindex(HELD)) for row in rows}
    assert len(reaches) == 2
    chart.pan(-60)
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=Traded((), (first, second)))
    assert HELD not in chart.text, "it stands in time, not on the screen"
    chart.pan(60)
    still = replace_end(second)
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=Traded((), (still,)))
    (row,) = [row for row in chart.text.splitlines() if HELD in row]
    assert row.rindex(HELD) > max(right for _, right in reaches), "one that stands reaches now"


@pytest.mark.parametrize("frame", [Frame.RULE, Frame.NONE])
@pytest.mark.parametrize("width", range(40, 80, 3))
def test_without_a_lower_edge_the_legend_stands_behind_the_times(frame: Frame, width: int) -> None:
    chart, bars = drawn(width, 16)
    chart.frame = frame
    chart.show_bars(SYMBOL, bars, None, None, "15m")
    plain = chart.text.splitlines()[-1]
    assert "in " not in plain, "nothing was traded"
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=traded_in(traded(True), SYMBOL))
    times = chart.text.splitlines()[-1].rstrip()
    assert times.endswith(" ▲in ◆out")
    before = times.removesuffix(" ▲in ◆out").split()
    assert before, "times are still told"
    assert before == plain.split()[: len(before)], "and none is cut"


def replace_end(stretch: Stretch) -> Stretch:
    return dataclasses.replace(stretch, end_ns=0)


def test_marks_of_other_symbols_and_other_prices_are_not_drawn() -> None:
    snapshot = traded(True)
    assert traded_in(snapshot, "ETH/USDT").marks == ()
    chart, bars = drawn()
    high = max(bar.high for bar in bars)
    made = traded_in(snapshot, SYMBOL).marks
    far = tuple(dataclasses.replace(mark, price=high * 2) for mark in made)
    chart.show_bars(SYMBOL, bars, None, None, "15m", traded=Traded(far))
    assert "◆" not in chart.text.replace("◆◇ out", "")


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
