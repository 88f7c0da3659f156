"""Exposure: what the positions hang on beside their own prices: sectors, size, factors.

Correlation finds what has moved together; a sector names what may start to, and a factor
says of how much of a portfolio's moves is the market's own.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.core.parameters import declare
from engine.risk.returns import Floats, ReturnsBook, gram, weighted

MAX_SECTOR = declare(
    "risk.max_sector_exposure_pct", 30.0, low=10, high=60, step=5, unit="%", scopes="GR", risk=1,
    doc="Most notional in one sector, of equity, candidate included.",
)  # fmt: skip

UNCLASSIFIED = "unclassified"
"""The sector of what the table doesn't know; limited as any other."""

_TABLE = Path(__file__).with_name("sectors.toml")

FACTORS = ("market", "momentum", "volatility")

FORM_DAYS = 7
"""Days behind the rank by which the momentum and volatility factors are formed, each day
anew from what had closed before it."""

SINGULAR = 1e-12
"""Smallest eigenvalue of the regressors' correlations at which they still differ."""

LEAST_FOR_RANKS = 6
"""Symbols from which on thirds of them are two at least: below, one coin would be a factor."""


class SectorTable(NamedTuple):
    """The packaged table: base asset or ticker to sector, and the day it was written."""

    of: Mapping[str, str]
    as_of: str


@cache
def sector_table() -> SectorTable:
    """The packaged table. Raises `ValueError` where it names something twice."""
    with _TABLE.open("rb") as stream:
        table = tomllib.load(stream)
    known: dict[str, str] = {}
    for sector, names in table["sectors"].items():
        for name in names:
            if name in known:
                raise ValueError(f"{name} is in {known[name]} and in {sector}")
            known[name] = sector
    return SectorTable(known, table["as_of"].isoformat())


def sector_of(symbol: str) -> str:
    """The sector of `BTC/USDT`, `1000PEPE/USDT:USDT` or `AAPL`."""
    base = symbol.split("/", 1)[0]
    table = sector_table().of
    return table.get(base) or table.get(base.removeprefix("1000"), UNCLASSIFIED)


def sector_exposures(notionals: Mapping[str, float]) -> dict[str, float]:
    """Absolute notional by sector, the largest first."""
    held: dict[str, float] = {}
    for symbol, worth in notionals.items():
        sector = sector_of(symbol)
        held[sector] = held.get(sector, 0.0) + abs(worth)
    return dict(sorted(held.items(), key=lambda item: (-item[1], item[0])))


def concentration(notionals: Mapping[str, float]) -> float:
    """The Herfindahl-Hirschman index of the positions' shares: 1 is one position, 1/n is n
    equal ones; NaN where nothing is held."""
    sizes = [abs(worth) for worth in notionals.values()]
    total = sum(sizes)
    return sum((size / total) ** 2 for size in sizes) if total > 0.0 else math.nan


class Beta(NamedTuple):
    """One regression coefficient with its standard error and the returns behind it."""

    factor: str
    value: float
    error: float
    n: int


class Factors(NamedTuple):
    """Factor returns per bar, shape (n, factors), beside the symbols' own, shape (n, symbols).

    `names` are the factors there are: without `LEAST_FOR_RANKS` symbols the market alone.
    """

    names: tuple[str, ...]
    returns: Floats
    symbols: tuple[str, ...]
    rows: Floats


def factors(book: ReturnsBook, days: int, least: int) -> Factors:
    """Build the factors from the book's own symbols.

    The market is the mean of all. Momentum is the third that rose most in the last
    `FORM_DAYS` less the third that rose least; volatility the third that moved most less the
    third that moved least. Ranks are made once a day from returns that lie before it.
    """
    sample = book.returns(days, least)
    rows, width = sample.rows, len(sample.symbols)
    if width < 2:
        return Factors((), np.empty((len(rows), 0)), sample.symbols, rows)
    market = rows.mean(axis=1)
    day, form = book.bars_per_day, FORM_DAYS * book.bars_per_day
    if width < LEAST_FOR_RANKS or len(rows) < form + least:
        return Factors(("market",), market[:, None], sample.symbols, rows)
    third = width // 3
    spreads = np.empty((len(rows) - form, 2))
    for start in range(form, len(rows), day):
        before, ahead = rows[start - form : start], rows[start : start + day]
        for column, rank in enumerate((before.sum(axis=0), before.std(axis=0))):
            order = np.argsort(rank, kind="stable")
            high, low = ahead[:, order[-third:]], ahead[:, order[:third]]
            at = slice(start - form, start - form + len(ahead))
            spreads[at, column] = high.mean(axis=1) - low.mean(axis=1)
    found = np.column_stack((market[form:], spreads))
    return Factors(FACTORS, found, sample.symbols, rows[form:])


def ordinary_least_squares(target: Floats, regressors: Floats) -> tuple[Floats, Floats]:
    """Coefficients and standard errors of a regression with intercept, the intercept left out.

    Errors are the classical ones, for independent residuals of equal spread; NaN where the
    regressors don't tell their coefficients apart.
    """
    n, width = regressors.shape
    design = np.column_stack((np.ones(n), regressors))
    nothing = np.full(width, np.nan)
    products = gram(design, design)
    scale = np.sqrt(np.diag(products))
    if n <= width + 1 or not (scale > 0.0).all():
        return nothing, nothing.copy()
    if np.linalg.eigvalsh(products / np.outer(scale, scale))[0] < SINGULAR:
        return nothing, nothing.copy()
    inverse = np.linalg.inv(products)
    found = inverse @ gram(design, target[:, None])[:, 0]
    residual = target - weighted(design, found)
    variance = float((residual**2).sum()) / (n - width - 1)
    errors = np.sqrt(variance * np.diag(inverse))
    return found[1:], errors[1:]


def betas(known: Factors, exposures: Mapping[str, float]) -> tuple[Beta, ...]:
    """The betas of the signed exposures together, per unit of gross exposure.

    Nothing where a held symbol isn't among the factors' symbols, or nothing is held.
    """
    gross = sum(abs(worth) for worth in exposures.values())
    if not known.names or gross <= 0.0 or any(name not in known.symbols for name in exposures):
        return ()
    weights = np.zeros(len(known.symbols))
    for name, worth in exposures.items():
        weights[known.symbols.index(name)] = worth / gross
    values, errors = ordinary_least_squares(weighted(known.rows, weights), known.returns)
    n = len(known.rows)
    return tuple(
        Beta(name, float(value), float(error), n)
        for name, value, error in zip(known.names, values, errors, strict=True)
    )
