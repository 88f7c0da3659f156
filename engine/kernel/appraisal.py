"""What an entry would be right now: price, stop, size, expected value and every gate.

Asked when a candidate comes up, again when a person approves, and once a second for the
why-not of every symbol; it is the same question each time, so it has one answer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from engine.core.clock import SECOND, day_of
from engine.core.parameters import declare
from engine.core.types import (
    ZERO,
    Account,
    Direction,
    ExpectedValue,
    Gate,
    Instrument,
    Quote,
    SizeFactor,
)
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.market.costs import Costs
from engine.market.instruments import round_price, round_qty
from engine.risk.gates import AccountContext, GateContext, evaluate
from engine.risk.sizing import SCALE_TRADES, Size, SizeContext, size_entry
from engine.strategies.stops import initial_stop

TREND_DAYS = declare(
    "size.trend_days", 5, low=1, high=30, step=1, unit="days", scopes="G", risk=0,
    doc="Span of the average of equity that tells whether the account wins or loses.",
)  # fmt: skip
SAMPLES_A_DAY = 96
"""Account samples, one each 15 minutes; a day of them is needed before the average speaks."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An entry somebody wants: what is asked of the market and the account.

    `stop` and `target` NaN are left to the plan. `quantity` None is sized; a person's own
    is taken as it is and meets the same gates.
    """

    symbol: SymbolDesk
    direction: Direction
    strategy: str
    confidence: float
    stop: float = math.nan
    target: float = math.nan
    quantity: Decimal | None = None
    leverage: int = 1
    claimed: float | None = None
    """The confidence that gates judge where it is not the one that the size is made from."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The answer. Without a stop or a size the gates say so, and quantity is zero."""

    quote: Quote
    price: Decimal
    stop: Decimal
    quantity: Decimal
    factors: tuple[SizeFactor, ...]
    expected: ExpectedValue
    gates: tuple[Gate, ...]
    size: Size | None


class Appraiser:
    """Answers `Wish`es from the desk as it stands. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sent: deque[int] = deque(maxlen=64)
        self.new_in_cycle = 0

    # What entries have used up.

    def sent(self, risk: float) -> None:
        """An entry went out: it counts against the second, the cycle and the day."""
        desk = self._desk
        self._sent.append(desk.now_ns)
        self.new_in_cycle += 1
        self._roll()
        desk.used.opened_risk += risk

    def sample(self, account: Account) -> None:
        """One account sample each 15 minutes, for the trend of equity."""
        used = self._desk.used
        used.trend_samples += 1
        span = int(self._desk.params.get(TREND_DAYS)) * SAMPLES_A_DAY
        share = 2.0 / (min(used.trend_samples, span) + 1.0)
        used.trend_mean += share * (float(account.equity) - used.trend_mean)

    def _roll(self) -> None:
        today, used = day_of(self._desk.now_ns), self._desk.used
        if today != used.risk_day:
            used.risk_day, used.opened_risk = today, 0.0

    # The account.

    def account(self) -> Account:
        desk = self._desk
        return desk.ledger.account(desk.now_ns, desk.marks())

    def account_context(self, account: Account) -> AccountContext:
        """The account in the plain numbers that gates take."""
        desk = self._desk
        self._roll()
        since = desk.now_ns - SECOND
        held = [self._exposure(symbol) for symbol in desk.symbols] or [0.0]
        return AccountContext(
            control=desk.control.state,
            equity=float(account.equity),
            cash=float(account.cash),
            day_start_equity=float(account.day_start_equity),
            peak_equity=float(account.peak_equity),
            open_positions=len(desk.book.open()) + desk.entries_on_their_way(),
            new_in_cycle=self.new_in_cycle,
            trades_today=account.trades_today,
            opened_risk=desk.used.opened_risk,
            orders_last_s=sum(1 for at in self._sent if at > since),
            largest_exposure=max(held),
        )

    def _exposure(self, symbol: str) -> float:
        desk = self._desk
        return sum(
            float(position.quantity)
            * desk.symbols[symbol].exit_price(position.direction)
            * float(desk.symbols[symbol].instrument.contract_size)
            for position in desk.book.of_symbol(symbol)
        )

    # One entry.

    def costs(self, symbol: SymbolDesk, notional: float) -> Costs:
        """Round-trip costs of a trade of this size, now."""
        desk = self._desk
        bar = symbol.last_bar
        minutes = symbol.span_ns / (60 * SECOND)
        volume = bar.volume * bar.close if bar is not None else math.nan
        return desk.costs.round_trip_bps(
            symbol.instrument,
            notional,
            symbol.best_quote(desk.now_ns),
            symbol.fresh_book(desk.now_ns),
            symbol.daily_vol_pct,
            volume,
            bar_minutes=minutes,
        )

    def usual_notional(self, account: Account) -> float:
        """The size at which costs are asked for before a size is known: 5 % of equity."""
        return max(float(account.equity) * 0.05, 1.0)

    def appraise(self, wish: Wish, account: Account) -> Appraisal:
        """Price, stop, size, expected value and all gates of an entry made now."""
        desk, symbol = self._desk, wish.symbol
        instrument = symbol.instrument
        quote = symbol.best_quote(desk.now_ns)
        buys = wish.direction is Direction.LONG
        at = quote.ask if buys else quote.bid
        price = round_price(instrument, Decimal(repr(at)), up=buys)
        stop = self._stop(wish, at)
        fee = float(instrument.taker_fee)
        regime = symbol.regime
        size = None
        exposure = self._exposure(symbol.symbol)
        if wish.quantity is None:
            size = size_entry(
                SizeContext(
                    instrument=instrument,
                    direction=wish.direction,
                    strategy=wish.strategy,
                    price=price,
                    stop=stop,
                    confidence=wish.confidence,
                    equity=float(account.equity),
                    cash=float(account.cash),
                    drawdown_pct=account.drawdown_pct,
                    daily_vol_pct=symbol.daily_vol_pct,
                    fee=fee,
                    regime=regime.label if regime is not None else None,
                    regime_confidence=regime.confidence if regime is not None else 0.0,
                    recent=desk.statistics.recent(int(desk.params.get(SCALE_TRADES))),
                    equity_trend=self._trend(account),
                    symbol_exposure=exposure,
                    leverage=wish.leverage,
                ),
                desk.params,
            )
        quantity = size.quantity if size is not None else wish.quantity or ZERO
        notional = float(quantity * price * instrument.contract_size)
        expected = desk.statistics.expected(
            wish.strategy,
            symbol.label,
            float(abs(price - stop) / price) * 10_000 if stop else math.nan,
            self.costs(symbol, notional or self.usual_notional(account)),
        )
        gates = evaluate(
            GateContext(
                account=self.account_context(account),
                symbol=symbol.symbol,
                direction=wish.direction,
                quantity=float(quantity) or _wanted(size, instrument),
                price=float(price),
                stop=float(stop) if stop else math.nan,
                confidence=wish.confidence if wish.claimed is None else wish.claimed,
                net_ev_bps=expected.net_bps,
                quote_age_s=max(0, desk.now_ns - symbol.last_event_ns) / SECOND,
                spread_bps=quote.spread_bps,
                fee=fee,
                can_short=instrument.can_short,
                min_qty=float(instrument.min_qty),
                min_notional=float(instrument.min_notional),
                contract_size=float(instrument.contract_size),
                leverage=wish.leverage,
                cooldown_left_s=self._cooldown_left(symbol.symbol),
                symbol_positions=len(desk.book.of_symbol(symbol.symbol))
                + desk.entries_on_their_way(symbol.symbol),
                symbol_exposure=exposure,
                regime=symbol.label or None,
            ),
            desk.params,
        )
        factors = size.factors if size is not None else ()
        return Appraisal(quote, price, stop, quantity, factors, expected, gates, size)

    def _stop(self, wish: Wish, price: float) -> Decimal:
        """The wish's own stop, else the plan's; zero where there can be none."""
        symbol = wish.symbol
        stop = wish.stop
        if not math.isfinite(stop):
            stop = initial_stop(
                self._desk.params,
                symbol.symbol,
                symbol.regime.label if symbol.regime is not None else None,
                wish.strategy,
                wish.direction,
                price,
                symbol.feature("atr"),
            )
        if not math.isfinite(stop):
            return ZERO
        return round_price(
            symbol.instrument, Decimal(repr(stop)), up=wish.direction is Direction.SHORT
        )

    def _cooldown_left(self, symbol: str) -> float:
        until = self._desk.cooldowns.get(symbol, 0)
        return max(0, until - self._desk.now_ns) / SECOND

    def _trend(self, account: Account) -> float:
        used = self._desk.used
        if used.trend_samples < SAMPLES_A_DAY or not used.trend_mean:
            return math.nan
        return float(account.equity) / used.trend_mean - 1.0


def _wanted(size: Size | None, instrument: Instrument) -> float:
    """What was sized before the venue's minimum refused it, so that its gate can say so."""
    if size is None or not size.wanted:
        return 0.0
    return float(round_qty(instrument, Decimal(repr(size.wanted))))
