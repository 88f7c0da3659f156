"""The ledger: what the money did, in Decimal, from fills and from nothing else.

One formula serves spot and perpetuals. Opening a position puts margin aside (the notional
divided by the leverage; at 1x, and so always on spot, the whole notional), closing gives it
back with the profit:

    cash   = start + realised - fees - funding - margin
    equity = cash + margin + unrealised

A position's state depends on the set of its fills and not on the order of their arrival:
fills are replayed in the order of their time, a second copy is ignored by its id, and an
exit that arrives before its entry waits until the entry is here.

How it is checked. After every fill and in every `account`, cash as it was moved step by
step is compared with the identity above. `recompute` is a second code path over raw fills
that knows no average price and no margin. `verify` compares it with the first every
`VERIFY_EVERY` fills and at the roll of the day; positions that ended are then settled into
one amount, so that a long life costs no more per check than a short one. `verify(full=True)`
settles nothing beforehand and goes through every fill there ever was: recovery calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.core.clock import day_of
from engine.core.errors import InvariantBroken
from engine.core.types import ZERO, Account, Fill
from engine.portfolio.holding import TOLERANCE, Holding, Terms, add, fee_in_quote
from engine.portfolio.pnl import HUNDRED, MONEY
from engine.portfolio.recompute import recompute

__all__ = ["Applied", "Holding", "Ledger", "Terms", "drawdown_pct", "recompute"]

VERIFY_EVERY = 64
"""Fills between two recomputations; each goes through the fills that are not settled yet."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one fill did. `realised` is the change in realised profit, before fees.

    `duplicate` fills did nothing; `waiting` ones are kept until their entry arrives;
    `opened` and `closed` tell the position's two turning points.
    """

    holding: Holding
    realised: Decimal
    duplicate: bool = False
    waiting: bool = False
    opened: bool = False
    closed: bool = False


class Ledger:
    """Cash and positions of one account in one quote currency."""

    def __init__(self, quote: str, cash: Decimal) -> None:
        if not cash.is_finite():
            raise InvariantBroken(f"the account can't start with {cash}", "give an amount")
        self.quote = quote
        self.start = cash
        self.cash = cash
        self.realised = ZERO
        self.fees = ZERO
        self.funding = ZERO
        self.peak = cash
        self.day_start = cash
        self.trades_today = 0
        self.holdings: dict[str, Holding] = {}
        self.fills: list[Fill] = []
        self._rates: dict[str, Decimal] = {}
        self._seen: set[str] = set()
        self._funded: set[str] = set()
        self._open: dict[str, Holding] = {}
        self._settled: dict[str, Decimal] = {}
        self._settled_sum = ZERO
        self._unsettled: dict[str, Holding] = {}
        self._marks: dict[str, Decimal] = {}
        self._day: int | None = None
        self._last_equity = cash
        self._since_verify = 0

    # -- events ------------------------------------------------------------------------

    def apply(self, fill: Fill, terms: Terms, fee_rate: Decimal | None = None) -> Applied:
        """Book one execution; `terms` say what kind of position it belongs to.

        A fee in the quote currency is taken as it is; one in the base asset of an entry
        lowers what was bought; any other asset needs `fee_rate`, its price in the quote
        currency. Raises `InvariantBroken` on amounts that can't be, and leaves the books
        as they were.
        """
        holding = self.holdings.get(fill.position)
        if fill.id in self._seen:
            if holding is None:
                raise InvariantBroken(f"fill {fill.id} came again for another position", "")
            return Applied(holding, ZERO, duplicate=True)
        if holding is None:
            holding = Holding(fill.position, terms)
        elif holding.terms != terms:
            raise InvariantBroken(
                f"{fill.position} was opened as {holding.terms}, and a fill says {terms}",
                "a position keeps its direction, leverage and contract size for life",
            )
        quantity, fee = self._checked(fill, terms, fee_rate)
        if fee_rate is not None:
            self._rates[fill.id] = fee_rate
        self.holdings[fill.position] = holding
        self._seen.add(fill.id)
        self.fills.append(fill)
        self._marks.setdefault(fill.symbol, fill.price)

        realised, fees, margin = holding.realised, holding.fees, holding.margin
        first, was_closed = holding.opened_ns == 0, holding.closed
        add(holding, fill, quantity, fee)
        gained = MONEY.subtract(holding.realised, realised)
        paid = MONEY.subtract(holding.fees, fees)
        put_aside = MONEY.subtract(holding.margin, margin)
        self.realised = MONEY.add(self.realised, gained)
        self.fees = MONEY.add(self.fees, paid)
        self.cash = MONEY.subtract(MONEY.add(self.cash, gained), MONEY.add(paid, put_aside))

        if holding.quantity:
            self._open[holding.id] = holding
        else:
            self._open.pop(holding.id, None)
        self._settled_sum = MONEY.subtract(self._settled_sum, self._settled.pop(holding.id, ZERO))
        self._unsettled[holding.id] = holding
        self._check()
        opened = first and holding.opened_ns != 0
        if opened:
            self._count_trade(holding.opened_ns)
        self._since_verify += 1
        if self._since_verify >= VERIFY_EVERY:
            self.verify()
        return Applied(
            holding,
            gained,
            waiting=any(early is fill for early in holding.waiting),
            opened=opened,
            closed=holding.closed and not was_closed,
        )

    def fund(self, position: str, amount: Decimal, payment: str = "") -> bool:
        """Book a funding payment of a position; positive was paid, negative received.

        A `payment` id that was booked before does nothing, and the answer is False.
        """
        holding = self.holdings.get(position)
        if holding is None or not amount.is_finite():
            raise InvariantBroken(f"funding of {amount} for {position} can't be booked", "")
        if payment:
            if payment in self._funded:
                return False
            self._funded.add(payment)
        holding.funding = MONEY.add(holding.funding, amount)
        self.funding = MONEY.add(self.funding, amount)
        self.cash = MONEY.subtract(self.cash, amount)
        self._check()
        return True

    def funded(self, payment: str) -> bool:
        """Whether a funding payment of this id was booked."""
        return payment in self._funded

    # -- what it comes to --------------------------------------------------------------

    def account(
        self, now_ns: int, marks: Mapping[str, Decimal | float], *, keep: bool = True
    ) -> Account:
        """The account at `now_ns`, marked to `marks` (price by symbol).

        With `keep` false nothing is remembered (marks, day, high-water mark): a screen looks
        when it likes, and what it happens to see must not move a limit or a digest.

        A symbol without a mark keeps its last one, at first the price of its first fill.
        The first call of a UTC day rolls it: the day starts with the equity that was last
        computed before midnight, so a gap over it belongs to the new day.
        """
        known = self._marks if keep else dict(self._marks)
        _take(known, marks)
        unrealised, margin, exposure = ZERO, ZERO, ZERO
        for holding in self._open.values():
            mark = known[holding.terms.symbol]
            unrealised = MONEY.add(unrealised, holding.unrealised(mark))
            margin = MONEY.add(margin, holding.margin)
            exposure = MONEY.add(exposure, holding.value(holding.quantity, mark))
        self._check()
        equity = MONEY.add(MONEY.add(self.cash, margin), unrealised)
        day, peak = day_of(now_ns), max(self.peak, equity)
        if keep:
            self._roll(day)
            self.peak = peak
            self._last_equity = equity
        new_day = self._day is not None and day > self._day
        day_start = self._last_equity if new_day else self.day_start
        return Account(
            quote=self.quote,
            cash=self.cash,
            equity=equity,
            realised=self.realised,
            unrealised=unrealised,
            fees=self.fees,
            funding=self.funding,
            day_start_equity=day_start,
            day_pnl=equity - day_start,
            peak_equity=peak,
            drawdown_pct=drawdown_pct(peak, equity),
            start_equity=self.start,
            exposure=exposure,
            trades_today=0 if new_day else self.trades_today,
            checked=True,
        )

    def open_holdings(self) -> list[Holding]:
        """Holdings with something open, in the order in which they were opened."""
        return list(self._open.values())

    def unmatched(self) -> list[Fill]:
        """Exits that wait for their entries: what a reconciliation has to ask about."""
        return [fill for holding in self.holdings.values() for fill in holding.waiting]

    def verify(self, full: bool = False) -> None:
        """Compare the books with the raw fills; raises `InvariantBroken` if they differ."""
        self._since_verify = 0
        if full:
            self._settled, self._settled_sum = {}, ZERO
            self._unsettled = dict(self.holdings)
        unrealised, margin = ZERO, ZERO
        for holding in self._open.values():
            mark = self._marks[holding.terms.symbol]
            unrealised = MONEY.add(unrealised, holding.unrealised(mark))
            margin = MONEY.add(margin, holding.margin)
        booked = MONEY.add(MONEY.add(self.cash, margin), unrealised)
        worth = {id_: self._contribution(holding) for id_, holding in self._unsettled.items()}
        equity = MONEY.subtract(MONEY.add(self.start, self._settled_sum), self.funding)
        for amount in worth.values():
            equity = MONEY.add(equity, amount)
        if not abs(booked - equity) <= TOLERANCE:
            raise InvariantBroken(
                f"equity is {booked:f} in the books and {equity:f} from the fills",
                "entries stop; compare the journal's fills with the ledger",
            )
        for id_, holding in list(self._unsettled.items()):
            if holding.closed:
                self._settled[id_] = worth[id_]
                self._settled_sum = MONEY.add(self._settled_sum, worth[id_])
                del self._unsettled[id_]

    def restore(self, day: int, day_start: Decimal, peak: Decimal, trades_today: int) -> None:
        """Take back after a restart what fills alone don't tell: day start, peak, trades."""
        self._day = day
        self.day_start = day_start
        self.peak = peak
        self.trades_today = trades_today
        self._last_equity = day_start

    # -- inside ------------------------------------------------------------------------

    def _checked(
        self, fill: Fill, terms: Terms, fee_rate: Decimal | None
    ) -> tuple[Decimal, Decimal]:
        """Quantity and fee (in the quote currency) as the books take them."""
        if fill.symbol != terms.symbol:
            raise InvariantBroken(f"fill {fill.id} is in {fill.symbol}, not {terms.symbol}", "")
        finite = fill.quantity.is_finite() and fill.price.is_finite() and fill.fee.is_finite()
        if not finite or fill.quantity <= 0 or fill.price <= 0:
            raise InvariantBroken(
                f"fill {fill.id} of {fill.quantity} at {fill.price}, fee {fill.fee}", ""
            )
        return fee_in_quote(fill, terms, self.quote, fee_rate)

    def _roll(self, day: int) -> None:
        if self._day is None:
            self._day = day
        elif day > self._day:
            self._day = day
            self.day_start = self._last_equity
            self.trades_today = 0
            self.verify()

    def _contribution(self, holding: Holding) -> Decimal:
        """What one position did to equity, from its raw fills."""
        early = {fill.id for fill in holding.waiting}
        fills = [item[3] for item in holding.fills if item[3].id not in early]
        terms = {holding.id: holding.terms}
        return recompute(ZERO, fills, terms, self._marks, fee_rates=self._rates)

    def _count_trade(self, opened_ns: int) -> None:
        day = day_of(opened_ns)
        if self._day is None or day > self._day:
            self._roll(day)
        if day == self._day:
            self.trades_today += 1

    def _check(self) -> None:
        margin = ZERO
        for holding in self._open.values():
            margin = MONEY.add(margin, holding.margin)
        costs = MONEY.add(MONEY.add(self.fees, self.funding), margin)
        expected = MONEY.subtract(MONEY.add(self.start, self.realised), costs)
        if not abs(expected - self.cash) <= TOLERANCE:
            raise InvariantBroken(
                f"cash is {self.cash:f} and should be {expected:f}",
                "entries stop; the ledger disagrees with itself",
            )


def drawdown_pct(peak: Decimal, equity: Decimal) -> float:
    """How far equity is below its high-water mark, in percent points, never negative."""
    if peak <= 0 or equity >= peak:
        return 0.0
    return float(MONEY.divide(MONEY.multiply(MONEY.subtract(peak, equity), HUNDRED), peak))


def _take(known: dict[str, Decimal], marks: Mapping[str, Decimal | float]) -> None:
    """Take over prices that can be; anything else stops at once."""
    for symbol, price in marks.items():
        mark = price if isinstance(price, Decimal) else Decimal(repr(float(price)))
        if not mark.is_finite() or mark <= 0:
            raise InvariantBroken(f"{symbol} can't be marked to {price}", "a bad price passed")
        known[symbol] = mark
