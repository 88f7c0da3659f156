"""Properties of the portfolio layers on any history: bounds, order and symmetry."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.core.ids import generator
from engine.portfolio.construction import minimum_variance, risk_parity
from engine.risk.correlation import clusters, correlation_of, ledoit_wolf, shrunk_covariance
from engine.risk.returns import Floats
from engine.risk.var import backtest, tail_of


@st.composite
def samples(draw: st.DrawFn) -> Floats:
    """Returns of 2 to 12 symbols over 15 to 120 bars, of any scales and shared moves."""
    rng = generator(draw(st.integers(0, 10_000)), "property")
    n, width = draw(st.integers(15, 120)), draw(st.integers(2, 12))
    shared = draw(st.floats(0.0, 3.0))
    scales = np.exp(rng.uniform(-6.0, 0.0, width))
    rows = rng.standard_normal((n, width)) + shared * rng.standard_normal((n, 1))
    return np.asarray(rows * scales)


@given(samples())
def test_what_is_shrunk_is_a_correlation_and_can_be_inverted(rows: Floats) -> None:
    found = correlation_of(shrunk_covariance(rows))
    assert 0.0 <= found.shrinkage <= 1.0
    assert np.allclose(np.diag(found.matrix), 1.0)
    assert np.array_equal(found.matrix, found.matrix.T)
    assert np.abs(found.matrix).max() <= 1.0 + 1e-12
    assert np.linalg.eigvalsh(found.matrix).min() > -1e-12
    sample = np.asarray(np.corrcoef(rows.T))
    pairs = sample[~np.eye(len(sample), dtype=bool)]
    wanted = (1.0 - found.shrinkage) * sample + found.shrinkage * pairs.mean()
    np.fill_diagonal(wanted, 1.0)
    assert np.allclose(found.matrix, wanted)


@given(samples(), st.floats(0.1, 0.99))
def test_clusters_part_the_symbols_and_part_them_further_as_the_threshold_rises(
    rows: Floats, threshold: float
) -> None:
    matrix = correlation_of(shrunk_covariance(rows)).matrix
    groups = clusters(matrix, threshold)
    assert sorted(index for group in groups for index in group) == list(range(len(matrix)))
    home = {index: at for at, group in enumerate(groups) for index in group}
    for a in range(len(matrix)):
        for b in range(a):
            if matrix[a, b] > threshold:
                assert home[a] == home[b]
    for group in clusters(matrix, min(0.999, threshold + 0.05)):
        assert len({home[index] for index in group}) == 1


@given(samples())
def test_weights_are_a_portfolio_and_the_least_variance_is_the_least(rows: Floats) -> None:
    covariance = ledoit_wolf(rows).matrix + np.eye(rows.shape[1]) * 1e-9
    least, parity = minimum_variance(covariance), risk_parity(covariance)
    for weights in (least, parity):
        assert abs(weights.sum() - 1.0) < 1e-9
        assert weights.min() >= 0.0
    contributions = parity * (covariance @ parity)
    assert np.allclose(contributions, contributions.mean(), rtol=1e-5)
    variance = float(least @ covariance @ least)
    tolerance = 1e-9 * float(np.diag(covariance).max())
    slopes = covariance @ least
    assert slopes.min() >= variance - tolerance
    equal = np.full(len(least), 1.0 / len(least))
    for other in (parity, equal, *np.eye(len(least))):
        assert variance <= float(other @ covariance @ other) + tolerance


@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=300), st.floats(0.1, 10.0))
def test_the_tail_is_ordered_scales_and_is_exceeded_by_one_in_twenty_at_most(
    outcomes: list[float], scale: float
) -> None:
    pnl = np.array(outcomes)
    found, scaled = tail_of(pnl), tail_of(pnl * scale)
    assert found.cvar >= found.var - 1e-6
    assert np.isclose(scaled.var, found.var * scale)
    assert int((-pnl > found.var).sum()) <= 0.05 * len(pnl) + 1e-9
    if found.var > 0.0:
        assert int((-pnl >= found.var).sum()) >= 0.05 * len(pnl) - 1e-9


@given(st.lists(st.booleans(), max_size=400))
def test_any_series_of_exceptions_has_a_verdict_and_probabilities(hits: list[bool]) -> None:
    found = backtest(hits)
    assert found.verdict
    assert found.exceptions == sum(hits)
    for ratio in (found.kupiec, found.independence, found.coverage):
        assert ratio.p != ratio.p or 0.0 <= ratio.p <= 1.0
        assert not ratio.statistic < 0.0
