"""How numbers read on the screen: signs, units, what is unknown."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import DAY, HOUR, MINUTE, SECOND
from widgets import numbers
from widgets.cells import cut, fit, plain, width_of, wrap
from widgets.spark import sparkline


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (numbers.money(Decimal("-1234.5"), sign=True), "−1,234.50"),
        (numbers.money(Decimal("12.345"), sign=True), "+12.34"),
        (numbers.money(0, sign=True), "0.00"),
        (numbers.percent(-0.001), "0.00 %"),
        (numbers.percent(1.25), "+1.25 %"),
        (numbers.percent(math.nan), numbers.NONE),
        (numbers.share(0.72), "72 %"),
        (numbers.quantity(Decimal("0.01500000")), "0.015"),
        (numbers.quantity(Decimal("1E+3")), "1,000"),
        (numbers.quantity(Decimal("-2.50")), "−2.5"),
        (numbers.price(61_234.5), "61,234.5"),
        (numbers.price(Decimal("0.00001230")), "0.00001230"),
        (numbers.price(math.nan), numbers.NONE),
        (numbers.basis_points(12.3), "+12 bp"),
        (numbers.basis_points(-3.44), "−3.4 bp"),
        (numbers.compact(12_345), "12.3k"),
        (numbers.compact(940), "940"),
        (numbers.age(12 * SECOND + 999), "12 s"),
        (numbers.age(3 * MINUTE), "3 m"),
        (numbers.age(50 * HOUR), "2 d"),
        (numbers.held(65 * MINUTE), "1 h 05"),
        (numbers.held(3 * DAY + 4 * HOUR), "3 d 4 h"),
        (numbers.remaining(59 * SECOND), "55 s"),
        (numbers.remaining(0), "now"),
        (numbers.arrow(-1), "▼"),
        (numbers.role(math.nan), ""),
        (numbers.rounded(0.0210449), "0.021045"),
    ],
)
def test_reads_as(text: str, wanted: str) -> None:
    assert text == wanted


def test_a_price_column_keeps_the_decimals_seen_once() -> None:
    ticks = numbers.Ticks()
    ticks.see("BTC/USDT", 61_234.51)
    ticks.see("BTC/USDT", 61_234.5)
    assert ticks.price("BTC/USDT", 61_234.5) == "61,234.50"
    assert ticks.price("ETH/USDT", 2_987.0) == "2,987"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_can_be_written(value: float) -> None:
    for write in (
        numbers.money, numbers.percent, numbers.share, numbers.basis_points, numbers.quantity,
        numbers.compact, numbers.price, numbers.rounded,
    ):  # fmt: skip
        text = write(value)
        assert text.isprintable()
        assert "-" not in text
        assert text != ""


@given(st.text(max_size=60), st.integers(0, 30), st.sampled_from(["left", "right", "center"]))
def test_text_fits_its_cells_exactly(text: str, width: int, align: str) -> None:
    clean = plain(text)
    assert width_of(fit(clean, width, align)) == width
    assert width_of(cut(clean, width)) <= width
    assert all(width_of(line) <= max(width, 2) for line in wrap(text, width))


def test_wrap_ends_in_an_ellipsis_where_it_was_cut() -> None:
    lines = wrap("one two three four five six", 9, limit=2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert wrap("one two", 20, limit=2) == ["one two"]


def test_a_sparkline_leaves_gaps_where_nothing_is_known() -> None:
    assert sparkline([1.0, math.nan, 2.0], 5) == "  ▁ █"
    assert sparkline([3.0, 3.0], 2) == "▄▄"
    assert sparkline([], 3) == "   "
