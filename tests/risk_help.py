"""Builders the tests of the portfolio layers share: markets that move together by a known share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.core.clock import DAY, HOUR
from engine.core.ids import generator
from engine.core.parameters import Parameters
from engine.risk.portfolio import PortfolioRisk
from engine.risk.returns import Floats, ReturnsBook

SPAN = 4 * HOUR
BEGIN = 19_700 * DAY
NAMES = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "XRP/USDT", "LINK/USDT")


def moves(seed: int, bars: int, loadings: Sequence[float], scale: float = 0.01) -> Floats:
    """Log returns (bars, symbols): each symbol its share of one market, the rest its own, so
    that two symbols correlate by the product of their loadings."""
    rng = generator(seed, "moves")
    market = rng.standard_normal(bars)[:, None]
    own = rng.standard_normal((bars, len(loadings)))
    share = np.asarray(loadings)
    return np.asarray(scale * (share * market + np.sqrt(1.0 - share**2) * own))


def fill(book: ReturnsBook, returns: Floats, names: Sequence[str] = NAMES) -> None:
    """The closes of these returns into a book, from 100 at `BEGIN`."""
    closes = 100.0 * np.exp(np.cumsum(returns, axis=0))
    for name in names[: closes.shape[1]]:
        book.add(name, BEGIN, 100.0)
    for bar, row in enumerate(closes.tolist(), 1):
        for name, close in zip(names, row, strict=False):
            book.add(name, BEGIN + bar * book.span_ns, close)


def portfolio(
    parameters: Parameters | None = None,
    *,
    bars: int = 1_200,
    loadings: Sequence[float] = (0.9, 0.9, 0.3),
    seed: int = 7,
) -> PortfolioRisk:
    """Layers with a history of 4 h bars (200 days by default), refreshed."""
    risk = PortfolioRisk(SPAN, parameters if parameters is not None else Parameters())
    fill(risk.book, moves(seed, bars, loadings))
    risk.refresh()
    return risk
