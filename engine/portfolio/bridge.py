"""From gross to net, exactly: what fees, spread, slippage and funding took, day by day.

The same fills are booked three times by the ledger's own rules: at the mid of their moment,
at the first price that they met, and at the price they got. The three profits differ by the
spread and by the slippage, so that the terms add up to the ledger's net to the last digit,
however positions overlap midnight. Costs stand on the day on which the profit does: when
the position, or the part of it, is closed; fees and funding on the day they were paid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.clock import DAY, iso
from engine.core.honesty import BridgeRow
from engine.core.types import ZERO, Fill
from engine.portfolio.holding import Holding, Terms, add, fee_in_quote
from engine.portfolio.pnl import MONEY, quotient

BPS = 10_000


def assumed(fill: Fill) -> dict[str, Any]:
    """What paper assumed for a fill; empty where a venue filled it."""
    found: dict[str, Any] = msgspec.json.decode(fill.assumptions) if fill.assumptions else {}
    return found


def met(fill: Fill) -> tuple[Decimal, Decimal]:
    """The mid of the market that a fill met, and the first price that its side met there.

    A journal from before both were kept has them in basis points. A fill that waited, and
    one of which nothing is known, met its own price.
    """
    told = assumed(fill)
    if "mid" in told and "best" in told:
        mid, best = Decimal(told["mid"]), Decimal(told["best"])
        if mid.is_finite() and best.is_finite() and mid > 0 and best > 0:
            return mid, best
    sign = 1 if fill.side.value == "BUY" else -1
    slipped = Decimal(repr(float(told.get("slippage_bps", 0.0)))) / BPS
    half = Decimal(repr(float(told.get("spread_bps", 0.0)))) / BPS / 2
    best = quotient(fill.price, 1 + sign * slipped)
    return quotient(best, 1 + sign * half), best


def cost_bps(fill: Fill) -> float:
    """What the fill gave against the mid; negative is worse than the mid."""
    mid, _ = met(fill)
    sign = 1 if fill.side.value == "BUY" else -1
    return float((mid - fill.price) / mid) * BPS * sign


@dataclass(slots=True)
class _Day:
    fills: int = 0
    notional: Decimal = ZERO
    at_mid: Decimal = ZERO
    at_best: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    def row(self, day: str) -> BridgeRow:
        subtract = MONEY.subtract
        costs = MONEY.add(self.fees, self.funding)
        return BridgeRow(
            day=day,
            fills=self.fills,
            notional=self.notional,
            gross=self.at_mid,
            fees=self.fees,
            spread=subtract(self.at_mid, self.at_best),
            slippage=subtract(self.at_best, self.realised),
            funding=self.funding,
            net=subtract(self.realised, costs),
        )


@dataclass(slots=True)
class Bridge:
    """Takes fills and funding in the order in which they were booked. Quote currency."""

    quote: str
    _days: dict[int, _Day] = field(default_factory=dict)
    _total: _Day = field(default_factory=_Day)
    _at_mid: dict[str, Holding] = field(default_factory=dict)
    _at_best: dict[str, Holding] = field(default_factory=dict)
    _real: dict[str, Holding] = field(default_factory=dict)

    def fill(self, fill: Fill, terms: Terms, fee_rate: Decimal | None = None) -> None:
        """Book one execution three times; a fill may come only once."""
        quantity, fee = fee_in_quote(fill, terms, self.quote, fee_rate)
        mid, best = met(fill)
        real = self._book(self._real, fill, terms, quantity, fee)
        changed = msgspec.structs.replace
        at_mid = self._book(self._at_mid, changed(fill, price=mid), terms, quantity, fee)
        at_best = self._book(self._at_best, changed(fill, price=best), terms, quantity, fee)
        worth = MONEY.multiply(MONEY.multiply(fill.quantity, fill.price), terms.contract_size)
        for day in (self._day(fill.time_ns), self._total):
            day.fills += 1
            day.notional = MONEY.add(day.notional, worth)
            day.fees = MONEY.add(day.fees, fee)
            day.realised = MONEY.add(day.realised, real)
            day.at_mid = MONEY.add(day.at_mid, at_mid)
            day.at_best = MONEY.add(day.at_best, at_best)

    def fund(self, time_ns: int, amount: Decimal) -> None:
        """Book a funding payment; positive was paid."""
        for day in (self._day(time_ns), self._total):
            day.funding = MONEY.add(day.funding, amount)

    def days(self) -> tuple[BridgeRow, ...]:
        """One row a day on which anything was booked, the oldest first."""
        return tuple(self._days[day].row(iso(day * DAY)[:10]) for day in sorted(self._days))

    def total(self) -> BridgeRow:
        return self._total.row("total")

    def open(self, marks: Mapping[str, Decimal | float]) -> BridgeRow:
        """What open positions would bring at their marks: in no day, and free of fees.

        A symbol without a mark counts at its own entry.
        """
        found = _Day()
        for id_, real in self._real.items():
            if not real.quantity:
                continue
            mark = _mark(marks.get(real.terms.symbol), real.entry_price)
            found.fills += 1
            found.notional = MONEY.add(found.notional, real.value(real.quantity, mark))
            found.realised = MONEY.add(found.realised, real.unrealised(mark))
            for side, name in ((self._at_mid[id_], "at_mid"), (self._at_best[id_], "at_best")):
                setattr(found, name, MONEY.add(getattr(found, name), side.unrealised(mark)))
        return found.row("open")

    def _day(self, time_ns: int) -> _Day:
        return self._days.setdefault(time_ns // DAY, _Day())

    def _book(
        self, books: dict[str, Holding], fill: Fill, terms: Terms, quantity: Decimal, fee: Decimal
    ) -> Decimal:
        """Book a fill into one of the three; returns by how much the profit moved."""
        holding = books.get(fill.position)
        if holding is None:
            holding = books[fill.position] = Holding(fill.position, terms)
        before = holding.realised
        add(holding, fill, quantity, fee)
        return MONEY.subtract(holding.realised, before)


def _mark(mark: Decimal | float | None, entry: Decimal) -> Decimal:
    if isinstance(mark, float):
        return Decimal(repr(mark)) if math.isfinite(mark) and mark > 0 else entry
    return mark if mark is not None else entry
