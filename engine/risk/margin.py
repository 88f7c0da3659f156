"""Isolated margin of a linear perpetual: what it must keep, and where it is liquidated.

A position with leverage ends before its stop if its margin is gone first, so that price is
worked out exactly and before the entry. Amounts are `Decimal` in the quote currency.

With q contracts in base units, entry E, margin W, side s (+1 long, −1 short) and price P:

    notional    N(P) = q·P
    maintenance M(N) = r_k·N − c_k in the tier k that holds N; c_k makes M continuous:
                c_k = c_(k−1) + floor_k·(r_k − r_(k−1))
    balance     B(P) = W + s·q·(P − E)
    ratio       M/B; at 1 the position is liquidated, so with k the tier of q·P
    liquidation P = (W + c_k − s·q·E) / (q·(r_k − s))

Sources: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts" (with the
other contracts' terms zero, as isolated margin has it) and "Maintenance Amount" in its table
of leverage and margin.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from engine.core.types import ZERO, Direction
from engine.portfolio.pnl import HUNDRED, MONEY, ONE, quotient

_TABLE = Path(__file__).with_name("margin_tiers.toml")


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of the requirement: up to which notional, its rate, and what is taken off."""

    cap: Decimal
    rate: Decimal
    leverage: int
    deducted: Decimal


@dataclass(frozen=True, slots=True)
class Tiers:
    """The steps of one symbol, smallest notional first. `source` is for a person to read."""

    symbol: str
    steps: tuple[Tier, ...]
    source: str

    def of(self, notional: Decimal) -> Tier:
        """The tier that holds a notional; the last one has no end."""
        for step in self.steps:
            if notional <= step.cap:
                return step
        return self.steps[-1]

    def maintenance(self, notional: Decimal) -> Decimal:
        """What the margin balance must stay above."""
        step = self.of(notional)
        return MONEY.subtract(MONEY.multiply(notional, step.rate), step.deducted)

    def leverage(self, notional: Decimal) -> int:
        """The most leverage at which the venue opens a position of this notional; 0: none."""
        return self.of(notional).leverage if notional <= self.steps[-1].cap else 0


def tiers_of(symbol: str, venue: str = "binance") -> Tiers:
    """The packaged tiers of a symbol, or the strict default where it has no row."""
    return _tiers(symbol, venue)


@cache
def _tiers(symbol: str, venue: str) -> Tiers:
    with _TABLE.open("rb") as file:
        table = tomllib.load(file)
    rows = table.get(venue, {}).get(symbol)
    known = rows is not None
    source = f"packaged {table['date']}" if known else "strict default, no tiers known"
    return Tiers(symbol, steps_of(rows if known else table["default"]["tiers"]), source)


def steps_of(rows: list[list[Any]]) -> tuple[Tier, ...]:
    """Tiers from rows of cap, rate and leverage, smallest first."""
    steps: list[Tier] = []
    floor, rate, deducted = ZERO, ZERO, ZERO
    for cap, this, leverage in rows:
        step = Decimal(this)
        if steps:
            deducted += floor * (step - rate)
        steps.append(Tier(Decimal(cap), step, int(leverage), deducted))
        floor, rate = Decimal(cap), step
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class Margin:
    """An isolated position as its margin sees it. `quantity` is in base units.

    `balance` put aside is the margin W; unrealised profit comes with the price that is
    asked about.
    """

    direction: Direction
    entry: Decimal
    quantity: Decimal
    margin: Decimal
    tiers: Tiers

    @classmethod
    def at(
        cls,
        direction: Direction,
        entry: Decimal,
        quantity: Decimal,
        leverage: int,
        tiers: Tiers,
    ) -> Margin:
        """A position that put aside its notional divided by its leverage."""
        return cls(direction, entry, quantity, initial_margin(entry * quantity, leverage), tiers)

    def notional(self, price: Decimal) -> Decimal:
        return MONEY.multiply(self.quantity, price)

    def balance(self, price: Decimal) -> Decimal:
        """Margin with the profit or loss at this price."""
        move = MONEY.multiply(MONEY.subtract(price, self.entry), self.quantity)
        return MONEY.add(self.margin, move * self.direction.sign)

    def maintenance(self, price: Decimal) -> Decimal:
        return self.tiers.maintenance(self.notional(price))

    def ratio(self, price: Decimal) -> float:
        """Maintenance over balance; 1 is liquidation, infinite where nothing is left."""
        balance = self.balance(price)
        if balance <= 0:
            return float("inf")
        return float(MONEY.divide(self.maintenance(price), balance))

    def price_at(self, ratio: Decimal) -> Decimal | None:
        """Where the margin ratio reaches `ratio`; None where no price above zero does.

        The requirement is continuous and rises with the notional by less than the price
        moves the balance, so the ratio crosses each level once and one tier holds the
        answer.
        """
        if not self.quantity > 0 or not ratio > 0:
            return None
        sign, size = self.direction.sign, self.quantity
        last, floor = len(self.tiers.steps) - 1, ZERO
        for k, step in enumerate(self.tiers.steps):
            wanted = MONEY.multiply(MONEY.divide(ONE, ratio), step.rate)
            spared = MONEY.multiply(MONEY.divide(ONE, ratio), step.deducted)
            numerator = self.margin + spared - sign * size * self.entry
            price = MONEY.divide(numerator, MONEY.multiply(size, wanted - sign))
            notional = MONEY.multiply(size, price)
            if price > 0 and floor <= notional and (notional <= step.cap or k == last):
                return quotient(price, ONE)
            floor = step.cap
        return None

    @property
    def liquidation(self) -> Decimal | None:
        """The price at which the position is liquidated; None where none above zero does it."""
        return self.price_at(ONE)

    @property
    def bankruptcy(self) -> Decimal:
        """The price at which the whole margin is lost; 0 for a long without leverage."""
        if not self.quantity:
            return ZERO
        per_unit = quotient(self.margin, self.quantity)
        return max(ZERO, self.entry - per_unit * self.direction.sign)


def initial_margin(notional: Decimal, leverage: int) -> Decimal:
    """What opening a position of this notional puts aside."""
    return quotient(notional, Decimal(leverage))


def distance_pct(direction: Direction, price: Decimal, liquidation: Decimal | None) -> float:
    """How far the price may still go against the position, in percent; negative: beyond.

    Infinite where there is no liquidation price.
    """
    if liquidation is None or price <= 0:
        return float("inf")
    gap = MONEY.subtract(price, liquidation) * direction.sign
    return float(MONEY.divide(MONEY.multiply(gap, HUNDRED), price))
