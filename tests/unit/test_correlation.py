"""Shrunk correlations, clusters and what they make of a candidate's size and admission."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.core.clock import HOUR, MINUTE
from engine.core.parameters import Parameters
from engine.risk.correlation import (
    adjustment,
    clusters,
    correlation_of,
    ledoit_wolf,
    shrunk_covariance,
)
from engine.risk.portfolio import PortfolioRisk
from engine.risk.returns import ReturnsBook
from engine.risk.sizing import size_entry
from tests.decision_help import close_to, sizing
from tests.risk_help import BEGIN, NAMES, SPAN, fill, moves, portfolio

BTC, ETH, SOL = NAMES[:3]


def waves() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Twelve rows of four series that any language can write down again."""
    return np.array(
        [
            [
                math.sin(1.7 * i + 0.9 * j)
                + 0.5 * math.cos(0.31 * i * (j + 1))
                + 0.8 * math.sin(2.3 * i)
                for j in range(4)
            ]
            for i in range(12)
        ]
    )


LIBRARY = (
    (1.0, 0.48769957743112374, 0.37499476475742444, 0.2324028522518813),
    (0.48769957743112374, 1.0, 0.5197884319828397, 0.3734483942154111),
    (0.37499476475742444, 0.5197884319828397, 1.0, 0.48558482683374804),
    (0.2324028522518813, 0.3734483942154111, 0.48558482683374804, 1.0),
)
"""What PyPortfolioOpt 1.6.0 says of standardised `waves()` with its constant-correlation target,
when it is given the sample covariance that divides by n (its own divides by n − 1)."""


def test_shrinkage_is_that_of_the_library() -> None:
    rows = waves()
    found = ledoit_wolf((rows - rows.mean(axis=0)) / rows.std(axis=0))
    assert close_to(found.shrinkage, 0.6581641896459243, 1e-12)
    assert np.allclose(found.matrix, LIBRARY, rtol=1e-12)
    assert found.n == 12
    assert np.allclose(correlation_of(shrunk_covariance(rows)).matrix, LIBRARY, rtol=1e-12)


def test_shrinkage_is_the_papers_formula_term_by_term() -> None:
    """Appendix B of the paper, entry by entry, on returns of unequal scale."""
    rows = moves(3, 60, (0.9, 0.6, 0.3, 0.8)) * np.array([1.0, 1.5, 0.7, 1.2])
    x = rows - rows.mean(axis=0)
    n, width = x.shape
    s = x.T @ x / n
    pairs = [(i, j) for i in range(width) for j in range(width) if i != j]
    mean = sum(s[i, j] / math.sqrt(s[i, i] * s[j, j]) for i, j in pairs) / len(pairs)
    target = np.array([
        [s[i, i] if i == j else mean * math.sqrt(s[i, i] * s[j, j]) for j in range(width)]
        for i in range(width)
    ])  # fmt: skip
    pi = [
        [float(np.mean((x[:, i] * x[:, j] - s[i, j]) ** 2)) for j in range(width)]
        for i in range(width)
    ]

    def theta(at: int, i: int, j: int) -> float:
        return float(np.mean((x[:, at] ** 2 - s[at, at]) * (x[:, i] * x[:, j] - s[i, j])))

    rho = sum(pi[i][i] for i in range(width)) + sum(
        mean
        / 2
        * (
            math.sqrt(s[j, j] / s[i, i]) * theta(i, i, j)
            + math.sqrt(s[i, i] / s[j, j]) * theta(j, i, j)
        )
        for i, j in pairs
    )
    gamma = float(((target - s) ** 2).sum())
    wanted = max(0.0, min(1.0, (sum(map(sum, pi)) - rho) / gamma / n))
    found = ledoit_wolf(rows)
    assert 0.0 < wanted < 1.0
    assert close_to(found.shrinkage, wanted)
    assert np.allclose(found.matrix, wanted * target + (1 - wanted) * s)


def test_of_two_symbols_the_sample_is_the_target() -> None:
    rows = moves(5, 40, (0.9, 0.7))
    found = correlation_of(shrunk_covariance(rows))
    assert found.shrinkage == 0.0
    sample = np.asarray(np.corrcoef(rows.T))
    assert close_to(float(found.matrix[0, 1]), float(sample[0, 1]))


def test_few_samples_shrink_more_and_many_find_the_truth() -> None:
    loadings = (0.9, 0.9, 0.3)
    few = correlation_of(shrunk_covariance(moves(5, 30, loadings)))
    many = correlation_of(shrunk_covariance(moves(5, 20_000, loadings)))
    assert few.shrinkage > 10 * many.shrinkage > 0.0
    truth = np.outer(loadings, loadings)
    np.fill_diagonal(truth, 1.0)
    assert np.abs(many.matrix - truth).max() < 0.02


def test_a_symbol_that_stands_still_correlates_with_nothing() -> None:
    rows = moves(5, 100, (0.9, 0.9, 0.9))
    rows[:, 1] = 0.0
    found = correlation_of(shrunk_covariance(rows)).matrix
    assert np.isfinite(found).all()
    assert found[0, 1] == found[1, 2] == 0.0
    assert found[0, 2] > 0.5


def test_the_scale_of_one_symbol_says_nothing_of_the_others() -> None:
    rows = moves(5, 100, (0.9, 0.9, 0.3))
    louder = rows * np.array([1.0, 1.0, 50.0])
    assert np.allclose(
        correlation_of(shrunk_covariance(rows)).matrix,
        correlation_of(shrunk_covariance(louder)).matrix,
    )


def test_linked_by_a_third_is_one_cluster() -> None:
    matrix = np.eye(5)
    for a, b, rho in ((0, 3, 0.8), (3, 4, 0.75), (1, 2, 0.7)):
        matrix[a, b] = matrix[b, a] = rho
    assert clusters(matrix, 0.7) == ((0, 3, 4), (1,), (2,))
    assert clusters(matrix, 0.69) == ((0, 3, 4), (1, 2))
    assert clusters(np.empty((0, 0)), 0.7) == ()


def test_ten_of_twenty_five_is_a_factor_of_two_fifths() -> None:
    assert adjustment(10.0, 25.0) == 0.4
    assert adjustment(10.0, 10.0) == adjustment(10.0, 4.0) == adjustment(10.0, 0.0) == 1.0


def test_exposure_counts_the_cluster_only_where_another_of_it_is_held() -> None:
    risk = portfolio()
    assert risk.correlation.current.groups == ((BTC, ETH), (SOL,))
    beside = risk.correlation.beside
    assert beside(BTC, {ETH: 700.0, SOL: 300.0}).exposure == 700.0
    assert beside(BTC, {ETH: 700.0, BTC: 50.0}).exposure == 750.0
    assert beside(BTC, {BTC: 50.0, SOL: 300.0}).exposure == 0.0
    assert beside(SOL, {ETH: 700.0}).exposure == 0.0
    assert math.isnan(beside(BTC, {ETH: math.nan}).exposure or 0.0)


def test_short_positions_count_as_much_as_long_ones() -> None:
    risk = portfolio()
    assert risk.around(BTC, 1_000.0, {ETH: -700.0}).correlated == 700.0


def test_with_too_little_history_it_is_unknown_and_says_how_much_is_missing() -> None:
    risk = portfolio(bars=95)
    around = risk.around(BTC, 0.0, {ETH: 500.0})
    assert around.correlated is None
    assert around.correlated_with == "95 of 96 bars"
    assert risk.size_factor(around, 1_000.0, 100_000.0) is None
    full = portfolio(bars=96)
    assert full.around(BTC, 0.0, {ETH: 500.0}).correlated == 500.0


def test_a_held_symbol_without_history_counts_as_correlated_and_is_named() -> None:
    risk = portfolio()
    around = risk.around(BTC, 0.0, {"NEW/USDT": 400.0, SOL: 300.0})
    assert around.correlated == 400.0
    assert "NEW/USDT" in around.correlated_with


def test_a_new_symbol_an_hour_and_a_parameter_are_reasons_to_estimate_anew() -> None:
    parameters = Parameters()
    risk = PortfolioRisk(15 * 60 * 10**9, parameters)
    fill(risk.book, moves(1, 200, (0.9, 0.9)))
    span, now = risk.book.span_ns, risk.book.last_ns
    now += -now % HOUR
    risk.book.add(BTC, now, 100.0)
    risk.refresh()
    before = risk.estimates
    risk.refresh()
    risk.book.add(BTC, now + span, 101.0)
    risk.refresh()
    assert risk.estimates == before
    risk.book.add(BTC, now + HOUR, 101.0)
    risk.refresh()
    assert risk.estimates == before + 1
    parameters.set("risk.corr_threshold", 0.95, "test")
    risk.refresh()
    assert risk.estimates == before + 2
    assert risk.correlation.current.groups == ((BTC,), (ETH,))
    risk.book.add(SOL, now + HOUR, 20.0)
    risk.refresh()
    assert risk.estimates == before + 3
    assert risk.correlation.current.short == {SOL: 0}


def test_what_is_held_in_the_cluster_cuts_the_size_to_the_headroom() -> None:
    """20 % wanted, 4 % held beside it, 10 % allowed: the factor first, then what is left."""
    risk = portfolio()
    around = risk.around(BTC, 0.0, {ETH: 4_000.0})
    parameters = Parameters()
    alone = size_entry(sizing(), parameters)
    factor = risk.size_factor(around, alone.notional, 100_000.0)
    assert factor is not None
    assert close_to(factor, 10.0 / (4.0 + alone.pct))
    context = sizing(
        extra=(("correlation", factor),), headroom=risk.headroom(around, 100_000.0, None)
    )
    size = size_entry(context, parameters)
    named = {step.name: step.value for step in size.factors}
    assert close_to(named["correlation"], factor)
    assert close_to(named["correlated headroom"], 6.0)
    assert size.pct <= 6.0 + 1e-9


def test_without_room_the_size_stays_for_the_gate_to_refuse_by_name() -> None:
    risk = portfolio()
    around = risk.around(BTC, 0.0, {ETH: 12_000.0})
    assert [name for name, _ in risk.headroom(around, 100_000.0, None)] == ["sector headroom"]


def test_a_factor_that_is_not_known_is_named_as_absent() -> None:
    size = size_entry(sizing(unknown=("correlation",)), Parameters())
    assert "correlation" in size.absent
    assert "correlation" not in {step.name for step in size.factors}


def test_the_book_makes_no_return_across_a_hole_and_forgets_what_is_old() -> None:
    book = ReturnsBook(SPAN, 2)
    for slot, price in ((0, 100.0), (1, 110.0), (3, 121.0), (4, 133.1)):
        book.add(BTC, BEGIN + slot * SPAN, price)
    sample = book.returns(2, 2)
    assert np.allclose(sample.rows[:, 0], [math.log(1.1)] * 2)
    book.add(BTC, BEGIN + 40 * SPAN, 50.0)
    assert book.returns(2, 1).symbols == ()
    book.add(BTC, BEGIN + 3 * SPAN, 77.0)
    assert np.isnan(book.logs([BTC], 13)[:-1]).all()


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_none_leaves_a_hole(price: float) -> None:
    book = ReturnsBook(SPAN, 2)
    for slot, close in enumerate((100.0, price, 100.0, 101.0)):
        book.add(BTC, BEGIN + slot * SPAN, close)
    assert len(book.returns(2, 1).rows) == 1


def test_symbols_that_never_traded_at_the_same_time_do_not_spoil_the_others() -> None:
    book = ReturnsBook(SPAN, 30)
    fill(book, moves(1, 150, (0.9, 0.9)))
    for slot in range(20):
        book.add(SOL, BEGIN + slot * SPAN, 20.0 + slot)
    sample = book.returns(30, 100)
    assert sample.symbols == (BTC, ETH)
    assert sample.short == {SOL: 19}


@pytest.mark.parametrize("closed", [3, 40, 193, 194, 500, 611])
@pytest.mark.parametrize(("count", "step"), [(1, 1), (30, 1), (193, 1), (9, 24), (99, 24)])
def test_a_ring_gives_its_moments_in_order_wherever_its_seam_is(
    closed: int, count: int, step: int
) -> None:
    book = ReturnsBook(15 * MINUTE, days=2)
    for slot in range(closed):
        book.add("A", slot * book.span_ns, 1.0 + slot)
        book.add("B", slot * book.span_ns, 2.0 + slot)
    told = book.logs(("B", "A"), count, step)
    wanted = range(min(count, (book.capacity - 1) // step + 1) - 1, -1, -1)
    kept = range(max(0, closed - book.capacity), closed)
    for row, back in zip(told.tolist(), wanted, strict=True):
        slot = closed - 1 - back * step
        if slot in kept:
            assert row == [math.log(2.0 + slot), math.log(1.0 + slot)]
        else:
            assert np.isnan(row).all()
