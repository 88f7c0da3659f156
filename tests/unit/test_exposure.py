"""Sectors, concentration and factor betas."""

from __future__ import annotations

import math

import numpy as np

from engine.core.ids import generator
from engine.risk.exposure import (
    FACTORS,
    UNCLASSIFIED,
    betas,
    concentration,
    factors,
    ordinary_least_squares,
    sector_exposures,
    sector_of,
    sector_table,
)
from engine.risk.returns import ReturnsBook
from tests.decision_help import close_to
from tests.risk_help import NAMES, SPAN, fill, moves, portfolio


def test_the_table_is_dated_and_names_nothing_twice() -> None:
    table = sector_table()
    assert len(table.as_of) == 10
    assert len(table.of) > 150
    assert UNCLASSIFIED not in table.of.values()


def test_symbols_of_every_kind_find_their_sector() -> None:
    assert sector_of("BTC/USDT") == sector_of("BTC/USDT:USDT") == "store of value"
    assert sector_of("1000PEPE/USDT:USDT") == sector_of("PEPE/USDT") == "memes"
    assert sector_of("1INCH/USDT") == "finance"
    assert sector_of("AAPL") == "Information Technology"
    assert sector_of("NOBODY/USDT") == UNCLASSIFIED


def test_what_nobody_classified_is_a_sector_of_its_own_with_its_sum() -> None:
    held = sector_exposures({"AAA/USDT": 100.0, "BBB/USDT": -200.0, "ETH/USDT": 50.0})
    assert held == {UNCLASSIFIED: 300.0, "smart contracts": 50.0}
    assert list(held) == [UNCLASSIFIED, "smart contracts"]


def test_a_full_sector_says_which_and_leaves_no_headroom() -> None:
    risk = portfolio()
    around = risk.around("ADA/USDT", 0.0, {"ETH/USDT": 20_000.0, "SOL/USDT": 9_000.0})
    assert (around.sector, around.sector_exposure) == ("smart contracts", 29_000.0)
    ((name, left),) = risk.headroom(around, 100_000.0, None)
    assert name == "sector headroom"
    assert close_to(left, 1.0)


def test_concentration_is_one_over_the_number_of_equal_positions() -> None:
    assert concentration({"a": 5.0}) == 1.0
    assert close_to(concentration({"a": 5.0, "b": -5.0, "c": 5.0, "d": 5.0}), 0.25)
    assert math.isnan(concentration({}))


def test_least_squares_finds_the_coefficients_and_how_sure_it_is() -> None:
    rng = generator(9, "ols")
    regressors = rng.standard_normal((5_000, 2))
    target = 0.3 + regressors @ np.array([1.5, -0.5]) + 2.0 * rng.standard_normal(5_000)
    values, errors = ordinary_least_squares(target, regressors)
    assert np.abs(values - (1.5, -0.5)).max() < 4 * errors.max()
    assert np.allclose(errors, 2.0 / math.sqrt(5_000), rtol=0.05)


def test_regressors_that_say_the_same_have_no_coefficients() -> None:
    one = generator(9, "same").standard_normal((50, 1))
    values, errors = ordinary_least_squares(one[:, 0], np.hstack((one, 2.0 * one)))
    assert np.isnan(values).all()
    assert np.isnan(errors).all()


def test_all_symbols_alike_are_the_market_and_a_short_is_its_opposite() -> None:
    book = ReturnsBook(SPAN, 60)
    fill(book, moves(2, 360, (0.8,) * 6))
    found = factors(book, 60, 96)
    assert found.names == FACTORS
    everything = dict.fromkeys(NAMES, 1000.0)
    market, momentum, volatility = betas(found, everything)
    assert close_to(market.value, 1.0, 1e-9)
    assert abs(momentum.value) < 1e-9
    assert abs(volatility.value) < 1e-9
    assert market.n == 360 - 7 * 6
    short = betas(found, dict.fromkeys(NAMES, -1000.0))
    assert close_to(short[0].value, -1.0, 1e-9)


def test_the_loud_third_carries_the_volatility_factor() -> None:
    returns = moves(2, 360, (0.2,) * 6)
    returns[:, :2] *= 5.0
    book = ReturnsBook(SPAN, 60)
    fill(book, returns)
    found = factors(book, 60, 96)
    loud = betas(found, {NAMES[0]: 1.0, NAMES[1]: 1.0})[2]
    calm = betas(found, {NAMES[4]: 1.0})[2]
    assert loud.value > 0.3
    assert loud.value / loud.error > 3.0
    assert calm.value < loud.value


def test_factors_see_no_bar_that_they_are_regressed_on() -> None:
    """The rank of a day is made of what lies before it: its own moves don't change the sides."""
    returns = moves(2, 360, (0.5,) * 6)
    book, jumped = ReturnsBook(SPAN, 60), ReturnsBook(SPAN, 60)
    fill(book, returns)
    shocked = returns.copy()
    shocked[-1, 0] += 0.5
    fill(jumped, shocked)
    before, after = factors(book, 60, 96), factors(jumped, 60, 96)
    assert np.allclose(before.returns[:-1], after.returns[:-1])
    moved = after.returns[-1] - before.returns[-1]
    assert close_to(float(moved[0]), 0.5 / 6, 1e-6)
    for rank in moved[1:].tolist():
        assert any(close_to(rank, side, 1e-6) for side in (0.0, 0.25, -0.25))


def test_few_symbols_have_a_market_and_no_ranks_and_one_has_nothing() -> None:
    book = ReturnsBook(SPAN, 60)
    fill(book, moves(2, 360, (0.8, 0.8, 0.8)))
    found = factors(book, 60, 96)
    assert found.names == ("market",)
    assert [beta.factor for beta in betas(found, {NAMES[0]: 1.0})] == ["market"]
    assert betas(found, {}) == betas(found, {"NEW/USDT": 1.0}) == ()
    alone = ReturnsBook(SPAN, 60)
    fill(alone, moves(2, 360, (0.8,)))
    assert factors(alone, 60, 96).names == ()
