"""The chart by keys: zoom, pan, and indicators that somebody else computes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import msgspec
import pytest

from app import launch, studies
from app.compose import ChartOverlays
from app.keymap import normal_key
from engine.core.clock import SECOND, monotonic_ns
from engine.core.errors import ConfigError, QuarterdeckError
from engine.core.types import Bar
from tests.ui import gallery
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import PRICES, SYMBOLS, FakeHub, make_bar, world
from widgets.chart import ZOOMS, PriceChart
from widgets.levels import Levels
from widgets.study import Study, short

IN, OUT = "right_square_bracket", "left_square_bracket"
OLDER, NEWER = "less_than_sign", "greater_than_sign"
BRAILLE = {chr(0x2800 + dots) for dots in range(1, 256)}


class FakeOverlays:
    """Keeps what was asked; the test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, float], int]] = []
        self.answers: list[Future[dict[str, list[float]]]] = []
        self.bars: Sequence[Bar] = ()

    def request(
        self, name: str, arguments: Mapping[str, float], bars: Sequence[Bar]
    ) -> Future[dict[str, list[float]]]:
        self.asked.append((name, dict(arguments), len(bars)))
        self.bars = bars
        future: Future[dict[str, list[float]]] = Future()
        self.answers.append(future)
        return future

    def close(self) -> bool:
        return True


def candles(text: str) -> set[int]:
    """The columns in which candles stand."""
    return {x for line in text.splitlines() for x, char in enumerate(line) if char in "┃╽╿╻╹"}


def levels_at(text: str) -> bool:
    """Whether entry, stop and targets are named."""
    return all(word in text for word in ("entry", "stop", "target"))


def test_keys_zoom_and_pan_and_the_levels_stay() -> None:
    async def script(deck: Deck) -> None:
        assert "zoom" not in deck.text
        assert levels_at(deck.text)
        await deck.press(OUT, OUT)
        assert "BTC/USDT 15m ×4 = 1 h  zoom 2/6" in deck.text
        assert levels_at(deck.text)
        await deck.press(*[IN] * 5)
        assert "zoom 6/6" in deck.text
        near = [row[60:] for row in deck.rows[2:15]]
        await deck.press(OLDER)
        assert "bars back" in deck.text
        assert levels_at(deck.text)
        assert [row[60:] for row in deck.rows[2:15]] != near
        await deck.press(NEWER)
        assert "bars back" not in deck.text
        assert [row[60:] for row in deck.rows[2:15]] == near
        assert deck.hub.sent == []

    drive(script)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)])
def test_the_chart_is_zoomed_maximised_at_every_size(size: tuple[int, int]) -> None:
    async def script(deck: Deck) -> None:
        deck.app.base_screen().focus_panel("chart")  # type: ignore[union-attr]
        await deck.press("z", OUT, OLDER)
        assert "zoom" in deck.text
        assert "Approvals ─" not in deck.text
        assert levels_at(deck.text)
        assert "nearer" in deck.footer

    drive(script, size=size)


def test_a_chart_that_is_not_on_screen_says_so() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "tab", "tab", OUT)
        assert "the chart is not on screen" in deck.message

    drive(script, size=(80, 24))


def test_each_zoom_shows_more_of_the_past_with_the_same_last_price() -> None:
    chart = PriceChart()
    chart.fit(100, 24)
    bars = gallery.bars_of("BTC/USDT")
    levels = Levels(bars[-1].close, bars[-1].close * 0.99, (bars[-1].close * 1.01,))
    reached = []
    for zoom in range(len(ZOOMS)):
        chart._zoom = zoom
        chart.show_bars("BTC/USDT", bars, None, levels, "15m")
        assert levels_at(chart.text)
        assert "61,245.8" in chart.text or f"{bars[-1].close:,.1f}" in chart.text
        together, step = ZOOMS[zoom]
        reached.append(len(candles(chart.text)) * together)
        assert len(candles(chart.text)) <= 100 // step + 1
    assert reached == sorted(reached)
    assert reached[-1] > reached[0] * 3


async def ask(deck: Deck, text: str) -> None:
    """Type into the overlay form and send it."""
    await deck.press("i")
    line = deck.app.screen.query_one("#field-overlays")
    line.value = text  # type: ignore[attr-defined]
    await deck.press("enter")


def test_an_overlay_is_asked_for_drawn_and_followed_bar_by_bar() -> None:
    fake = FakeOverlays()

    async def script(deck: Deck) -> None:
        deck.app.attach(deck.hub, fake)
        await ask(deck, "ema_indicator window=20; rsi")
        assert fake.asked == [("ema_indicator", {"window": 20}, 60), ("rsi", {}, 60)]
        assert "ema_indicator 20 …" in deck.text
        await deck.look()
        assert len(fake.asked) == 2, "a request under way is not repeated"
        fake.answers[0].set_result({"ema_indicator": [bar.close for bar in fake.bars]})
        fake.answers[1].set_result({"rsi": [50.0 + index % 9 for index in range(60)]})
        await deck.look()
        closing = fake.bars[-1].close
        assert f"ema_indicator 20 {closing:,.1f}" in deck.text
        assert "rsi 55.00" in deck.text
        assert " 58.00" in deck.text
        assert " 50.00" in deck.text
        chart = deck.app.base_screen().panels["chart"].text.splitlines()  # type: ignore[union-attr]
        strip = next(y for y, line in enumerate(chart) if "rsi" in line)
        assert BRAILLE & set("".join(chart[1:strip]))
        assert BRAILLE & set("".join(chart[strip:]))
        assert levels_at(deck.text)
        await deck.look()
        assert len(fake.asked) == 2, "no bar has closed since"
        deck.hub.append(f"bars:{SYMBOLS[0]}", make_bar(SYMBOLS[0], 60))
        deck.hub.change()
        await deck.look()
        assert [(name, count) for name, _, count in fake.asked[2:]] == [
            ("ema_indicator", 61), ("rsi", 61),
        ]  # fmt: skip
        assert "rsi 55.00" in deck.text, "the old line stays until the new one is there"
        await ask(deck, "none")
        chart = deck.app.base_screen().panels["chart"].text.splitlines()  # type: ignore[union-attr]
        assert "rsi" not in "".join(chart)
        assert "no overlay" in deck.message

    drive(script)


def test_what_cannot_be_computed_is_told_and_given_up() -> None:
    fake = FakeOverlays()

    async def script(deck: Deck) -> None:
        deck.app.attach(deck.hub, fake)
        await ask(deck, "emma; rsi")
        fake.answers[0].set_exception(ConfigError("there is no indicator 'emma'", "did you mean x"))
        await deck.look()
        assert "there is no indicator 'emma': did you mean x" in deck.message
        assert "emma" not in "\n".join(deck.rows[:30])
        assert "rsi …" in deck.text
        await deck.look()
        assert [name for name, _, _ in fake.asked] == ["emma", "rsi"]
        fake.answers[1].cancel()
        await deck.look()

    drive(script)


def test_another_symbol_gets_lines_of_its_own() -> None:
    fake = FakeOverlays()

    async def script(deck: Deck) -> None:
        deck.app.attach(deck.hub, fake)
        await ask(deck, "sma_indicator")
        fake.answers[0].set_result({"sma_indicator": [PRICES["BTC/USDT"]] * 60})
        await deck.look()
        assert "sma_indicator 61,234.5" in deck.text
        await deck.press("j")
        await deck.look()
        assert fake.bars[-1].symbol == "SOL/USDT"
        assert "sma_indicator …" in deck.text
        assert "sma_indicator 61" not in deck.text

    drive(script)


def test_without_anybody_who_computes_the_key_says_so() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("i")
        assert "no process that computes indicators" in deck.message

    drive(script, hub=FakeHub(world()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ema window", "window is no argument"),
        ("ema window=many", "is no argument"),
        ("9lives", "9lives is no name"),
        ("rsi; stoch; macd; cci; adx", "too many"),
        ("\x1b[2J", "is no name"),
    ],
)
def test_a_wrong_overlay_is_refused_before_it_is_asked_for(text: str, words: str) -> None:
    with pytest.raises(QuarterdeckError) as refused:
        studies.parse(text)
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_overlays_are_read_as_they_are_written() -> None:
    wanted = studies.parse("ema_indicator window=50, trend.kst fillna=true ; stoch window = 14")
    assert [each.text for each in wanted] == [
        "ema_indicator window=50", "trend.kst fillna=True", "stoch window=14",
    ]  # fmt: skip
    assert [each.on_price for each in wanted] == [True, False, False]
    assert studies.parse("none") == studies.parse("") == ()
    assert studies.parse("; ".join(each.text for each in wanted)) == wanted


def test_prices_are_over_the_candles_and_computed_by_a_process_that_ends_in_time() -> None:
    overlays = ChartOverlays()
    bars = gallery.bars_of("BTC/USDT")
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    asked = {name: overlays.request(name, {}, bars) for name in sorted(studies.PRICES)}
    for name, future in asked.items():
        (line,) = future.result(60.0).values()
        known = [value for value in line if math.isfinite(value)]
        assert known, name
        assert low - (high - low) < min(known) <= max(known) < high + (high - low), name
    with pytest.raises(ConfigError, match="no indicator"):
        overlays.request("emma_indicator", {}, bars).result(60.0)
    began = monotonic_ns()
    assert overlays.close()
    assert monotonic_ns() - began < SECOND


def test_leaving_flushes_the_engine_and_then_ends_the_process() -> None:
    ended: list[str] = []

    class Ends:
        def __init__(self, name: str) -> None:
            self.name = name

        def stop(self) -> None:
            ended.append(self.name)

        close = stop

    starter = launch.Starter(launch.Looks())
    starter.engine = Ends("engine")  # type: ignore[assignment]
    starter.overlays = Ends("overlays")  # type: ignore[assignment]
    starter.stop()
    assert ended == ["engine", "overlays"]


def test_brackets_can_be_given_to_other_actions() -> None:
    assert [normal_key(key) for key in "[]<>"] == [OUT, IN, OLDER, NEWER]


def test_a_study_of_merged_candles_takes_each_ones_last_bar() -> None:
    bars = gallery.bars_of("ETH/USDT", 8)
    study = Study("x", {bar.open_ns: float(index) for index, bar in enumerate(bars)})
    merged = [bar for bar in bars if bar.open_ns % (2 * bar.span_ns) == 0]
    wide = [msgspec.structs.replace(bar, span_ns=2 * bar.span_ns) for bar in merged]
    places = [bars.index(bar) + 1 for bar in merged]
    assert study.along(wide) == [float(min(place, len(bars) - 1)) for place in places]
    assert [short(value) for value in (12_345.6, 54.321, 0.00012345, 0.0, math.nan)] == [
        "12.3k", "54.32", "0.000123", "0", "–",
    ]  # fmt: skip
