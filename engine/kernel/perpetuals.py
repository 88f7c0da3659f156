"""Perpetuals: the margin of open positions, their liquidation protection and their funding.

The watches sell; this says where a leveraged position is in danger, when a guard that fired
was a liquidation, and what an hour of funding costs. Liquidation is judged on traded prices,
which reach further than the venue's mark does; funding takes the recorded mark where there
is one. What isn't known is named once in the journal and shown as absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.exits import ExitReason
from engine.core.records import Accounted, Funded
from engine.core.types import (
    ZERO,
    Bar,
    Direction,
    ExpectedValue,
    Funding,
    InstrumentKind,
    Position,
    Proposal,
)
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.market.funding import next_boundary
from engine.market.instruments import round_price
from engine.portfolio.funding import payment, payment_id, pays
from engine.portfolio.pnl import MONEY
from engine.position import step
from engine.position.events import WatchEvent
from engine.position.path import bar_path, path_times
from engine.position.watch import PositionWatch
from engine.risk.leverage import LeverageContext
from engine.risk.limits import position_cap_pct
from engine.risk.liquidation import Protection, liquidation_fill
from engine.risk.margin import Margin, Tiers, distance_pct, tiers_of


@dataclass(frozen=True, slots=True)
class MarginState:
    """A position's margin at a price, as a screen shows it."""

    margin: Decimal
    ratio: float
    protection: Protection | None
    distance_pct: float
    funding: Decimal | None
    note: str


class Perpetuals:
    """Margin and funding of the open perpetuals. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._protections: dict[str, Protection] = {}
        self._reduced: set[str] = set()
        self._unpaid: set[str] = set()
        self._next_ns = 0
        self.funded: Callable[[Funding], None] = lambda payment: None

    # Margin.

    def margin(self, position: Position) -> Margin | None:
        """The position's isolated margin as the ledger has it; None on spot."""
        desk = self._desk
        instrument = desk.symbols[position.symbol].instrument
        holding = desk.ledger.holdings.get(position.id)
        if instrument.kind is not InstrumentKind.SWAP or holding is None:
            return None
        size = MONEY.multiply(position.quantity, instrument.contract_size)
        tiers = tiers_of(position.symbol)
        return Margin(position.direction, position.entry_price, size, holding.margin, tiers)

    def protect(self, position: Position, watch: PositionWatch) -> None:
        """Set the guard of a position that opened, grew or shrank."""
        margin = self.margin(position)
        found = Protection.of(margin, self._desk.params) if margin is not None else None
        if found is None:
            return
        self._protections[position.id] = found
        if watch.guard != found.guard:
            watch.set_guard(found.guard)

    def forget(self, position: str) -> None:
        """A position ended."""
        self._protections.pop(position, None)
        self._reduced.discard(position)
        self._unpaid.discard(position)

    # Liquidation protection.

    def reduction(
        self, position: str, watch: PositionWatch, price: float, now_ns: int
    ) -> WatchEvent | None:
        """Half of a position that came into the danger zone, once; its lots are taken off.

        Beyond the guard there is nothing to reduce: everything is sold there.
        """
        found = self._protections.get(position)
        if found is None or position in self._reduced or not found.in_danger(price):
            return None
        lots = watch.lots // 2
        if lots < 1 or (price - found.guard) * found.direction.sign <= 0.0:
            return None
        self._reduced.add(position)
        watch.reduce(lots)
        return WatchEvent(
            code=step.HALVED, reason=ExitReason.REDUCE_HALF, price=price, lots=lots,
            remaining=watch.lots, index=0, time_ns=now_ns, urgency=math.nan, fired=(), absent=(),
        )  # fmt: skip

    def walk(
        self, position: str, watch: PositionWatch, bar: Bar, begin_ns: int
    ) -> Iterator[WatchEvent]:
        """A bar's path with the danger price on it where the bar reaches that."""
        found = self._protections.get(position)
        worst = bar.low if watch.direction > 0 else bar.high
        if found is None or position in self._reduced or not found.in_danger(worst):
            yield from watch.on_bar(bar.open, bar.high, bar.low, bar.close, begin_ns, bar.close_ns)
            return
        prices = bar_path(bar.open, bar.high, bar.low, bar.close, watch.direction)
        for k, (price, at_ns) in enumerate(
            zip(prices, path_times(begin_ns, bar.close_ns), strict=True)
        ):
            if k > 0 and found.in_danger(price) and not found.in_danger(watch.last):
                yield from watch.on_price(found.danger, at_ns, continuous=True)
                if watch.closed:
                    return
            seen = found.danger if k > 0 and found.in_danger(price) else price
            event = self.reduction(position, watch, seen, at_ns)
            if event is not None:
                yield event
            yield from watch.on_price(price, at_ns, continuous=k > 0)
            if watch.closed:
                return

    def judged(self, position: Position, event: WatchEvent) -> WatchEvent:
        """A guard that fired before the liquidation price was an exit of our own."""
        found = self._protections.get(position.id)
        if event.code != step.GUARDED or found is None or found.liquidated(event.price):
            return event
        return replace(event, reason=ExitReason.EMERGENCY_EXIT)

    def liquidation(self, position: Position, event: WatchEvent) -> tuple[Decimal, Decimal] | None:
        """Price and fee at which the venue takes a position over; None for any other exit."""
        margin = self.margin(position)
        if event.reason is not ExitReason.LIQUIDATION or margin is None:
            return None
        price, fee = liquidation_fill(margin, Decimal(repr(event.price)), self._desk.params)
        instrument = self._desk.symbols[position.symbol].instrument
        rounded = round_price(instrument, price, up=position.direction is Direction.LONG)
        return max(rounded, instrument.price_tick), fee

    # Funding.

    def begin(self) -> None:
        """After recovery: hours that open positions were held over and not yet booked come
        first."""
        desk = self._desk
        since = [position.opened_ns for position in self._open()]
        self._next_ns = next_boundary(min(since)) if since else next_boundary(desk.now_ns)

    def fund_before(self, now_ns: int) -> None:
        """Book the funding of every hour that lies before `now_ns`, oldest first."""
        if self._next_ns >= now_ns:
            return
        if not self._next_ns:
            self._next_ns = next_boundary(now_ns - 1)
        open_ones = self._open()
        while self._next_ns < now_ns:
            for position in open_ones:
                self._fund(position, self._next_ns)
            self._next_ns = next_boundary(self._next_ns if open_ones else now_ns - 1)

    def _open(self) -> list[Position]:
        desk = self._desk
        return [
            position
            for position in desk.book.open()
            if desk.symbols[position.symbol].instrument.kind is InstrumentKind.SWAP
        ]

    def _fund(self, position: Position, boundary_ns: int) -> None:
        desk = self._desk
        due = payment_id(position.id, boundary_ns)
        if not pays(position, boundary_ns) or desk.ledger.funded(due):
            return
        rate = desk.rates.rate(position.symbol, boundary_ns)
        symbol = desk.symbols[position.symbol]
        mark = desk.mark_prices.at(position.symbol, boundary_ns)
        price = mark if mark is not None else symbol.last
        if rate is None or not math.isfinite(price):
            if position.id not in self._unpaid:
                self._unpaid.add(position.id)
                desk.note(
                    f"funding isn't known and not booked: {desk.rates.note}",
                    ref=position.id, symbol=position.symbol,
                )  # fmt: skip
            return
        made = payment(
            position,
            boundary_ns,
            rate,
            Decimal(repr(price)),
            symbol.instrument.contract_size,
            f"{desk.rates.note}; {'recorded mark' if mark is not None else 'at the last price'}",
        )
        desk.ledger.fund(position.id, made.amount, made.id)
        self.funded(made)
        account = desk.ledger.account(desk.now_ns, desk.marks())
        desk.record(
            Funded(time_ns=desk.now_ns, funding=made),
            Accounted(time_ns=desk.now_ns, account=account, why="funding"),
        )

    # What others ask.

    def state(self, position: Position, price: float) -> MarginState | None:
        """Margin, protection and funding of a position for the screen; None on spot."""
        margin = self.margin(position)
        if margin is None:
            return None
        desk = self._desk
        mark = Decimal(repr(price)) if math.isfinite(price) else position.entry_price
        found = self._protections.get(position.id)
        unknown = position.id in self._unpaid
        funding = None if unknown else desk.ledger.holdings[position.id].funding
        note = f"tiers {margin.tiers.source}; {desk.mark_prices.note}; {desk.rates.note}"
        return MarginState(
            margin=margin.margin,
            ratio=margin.ratio(mark),
            protection=found,
            distance_pct=distance_pct(position.direction, mark, margin.liquidation),
            funding=funding,
            note=note,
        )

    def wanted(self, proposal: Proposal) -> tuple[Decimal, float | None] | None:
        """What a proposal would put aside, and where it would be liquidated; None on spot."""
        instrument = self._desk.symbols[proposal.symbol].instrument
        if instrument.kind is not InstrumentKind.SWAP or not proposal.quantity:
            return None
        size = MONEY.multiply(proposal.quantity, instrument.contract_size)
        tiers = tiers_of(proposal.symbol)
        margin = Margin.at(proposal.direction, proposal.price, size, proposal.leverage, tiers)
        end = margin.liquidation
        return margin.margin, float(end) if end is not None else None

    def margin_used(self, equity: float) -> float:
        """Share of equity put aside for perpetuals; 0 without equity."""
        holdings = self._desk.ledger.holdings
        used = sum((holdings[position.id].margin for position in self._open()), ZERO)
        return float(used) / equity if equity > 0.0 else 0.0


def leverage_context(
    desk: Desk,
    symbol: SymbolDesk,
    direction: Direction,
    strategy: str,
    confidence: float,
    price: Decimal,
    stop: Decimal,
    equity: float,
    margin_used: float,
    per_trade: ExpectedValue,
    quantity: Decimal | None,
) -> LeverageContext:
    """What leverage is chosen from, out of the desk as it stands.

    Before a size is known the notional is the most that a symbol may have, so that the tier
    is not taken too low.
    """
    tiers: Tiers = tiers_of(symbol.symbol)
    regime = symbol.regime.label if symbol.regime is not None else None
    label = str(regime) if regime is not None else None
    contract = symbol.instrument.contract_size
    most = Decimal(repr(max(equity, 0.0) * position_cap_pct(desk.params, label) / 100.0))
    notional = quantity * price * contract if quantity else most
    return LeverageContext(
        instrument=symbol.instrument,
        direction=direction,
        strategy=strategy,
        confidence=confidence,
        price=price,
        stop=stop,
        notional=max(notional, Decimal(1)),
        tiers=tiers,
        per_trade=per_trade,
        regime=regime,
        daily_vol_pct=symbol.daily_vol_pct,
        vol_ratio=symbol.feature("volatility_ratio"),
        trend=symbol.feature("trend_strength") * symbol.feature("trend_direction") * direction.sign,
        adx=symbol.feature("adx"),
        margin_used=margin_used,
    )
