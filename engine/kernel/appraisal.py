"""What an entry would be right now: price, stop, size, expected value and every gate.

Asked when a candidate comes up, again when a person approves, and once a second for the
why-not of every symbol; it is the same question each time, so it has one answer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    Purpose,
    Quote,
    Side,
    SizeFactor,
)
from engine.kernel.desk import Desk
from engine.kernel.perpetuals import leverage_context
from engine.kernel.symbols import SymbolDesk
from engine.learning.memory import Bearing
from engine.learning.patterns import recognise
from engine.market.costs import Costs
from engine.market.feed import Skewed
from engine.market.instruments import least_entry, round_price, round_qty
from engine.risk.contexts import Around
from engine.risk.gates import AccountContext, GateContext, evaluate
from engine.risk.leverage import Leverage, choose, fixed
from engine.risk.managers import manager_of
from engine.risk.sizers import sizer_of
from engine.risk.sizing import SCALE_TRADES, Size, SizeContext, size_entry
from engine.strategies.base import Strategy
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
    leverage: int | None = None
    """What was asked for; None leaves it to the leverage manager."""
    grows: bool = False
    """Whether it adds to a position that is open."""
    claimed: float | None = None
    """The confidence that gates judge where it is not the one that the size is made from."""
    condition: str = ""
    pattern: str = ""
    """The condition behind it, and the pattern that this one names."""

    @property
    def recognised(self) -> str:
        """The pattern that the entry is recognised as."""
        label = self.symbol.label
        return recognise(self.strategy, label, self.direction, self.pattern).id


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
    leverage: int = 1
    sized_from: SizeContext | None = None
    gated_from: GateContext | None = None
    stages: tuple[SizeFactor, ...] = ()
    bearing: Bearing | None = None


class Appraiser:
    """Answers `Wish`es from the desk as it stands. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sent: deque[int] = deque(maxlen=64)
        self._skewed = desk.feed if isinstance(desk.feed, Skewed) else None
        self.margin_used: Callable[[float], float] = lambda equity: 0.0
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

    def account(self, *, keep: bool = True) -> Account:
        desk = self._desk
        return desk.ledger.account(desk.now_ns, desk.marks(), keep=keep)

    def account_context(self, account: Account) -> AccountContext:
        """The account in the plain numbers that gates take."""
        desk = self._desk
        self._roll()
        since = desk.now_ns - SECOND
        blocking = desk.breakers.blocking()
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
            breakers_open=len(blocking),
            breakers=", ".join(one.title for one in blocking),
            largest_exposure=max(held),
        )

    def held(self) -> dict[str, float]:
        """Signed notional by symbol, longs positive: positions, and what of entries on their
        way may still fill, so that several entries of one cycle see each other."""
        desk, found = self._desk, dict[str, float]()
        for position in desk.book.open():
            symbol = desk.symbols[position.symbol]
            mark = symbol.exit_price(position.direction)
            worth = float(position.quantity) * mark * float(symbol.instrument.contract_size)
            found[position.symbol] = (
                found.get(position.symbol, 0.0) + worth * position.direction.sign
            )
        for order in desk.orders.values():
            if order.purpose is Purpose.ENTRY:
                size = desk.symbols[order.symbol].instrument.contract_size
                worth = float((order.quantity - order.filled) * order.expected_price * size)
                sign = 1 if order.side is Side.BUY else -1
                found[order.symbol] = found.get(order.symbol, 0.0) + worth * sign
        return found

    def standing_context(self, account: Account) -> AccountContext:
        """As `account_context`, with what only the standing limits look at."""
        cluster, sector, var, source = self._desk.risk.standing(self.held())
        return replace(
            self.account_context(account),
            largest_cluster=cluster,
            largest_sector=sector,
            var=var,
            var_from=source,
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
        size, sized_from = None, None
        levered = self._leverage(wish, price, stop, account)
        bearing = self.bearing(wish)
        exposure = self._exposure(symbol.symbol)
        held = self.held()
        if wish.quantity is None:
            size, sized_from = self._sized(
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
                    leverage=levered.value,
                    extra=(*levered.factors, *self._trial(), *bearing.factors),
                    headroom=levered.caps,
                    unknown=levered.absent,
                    edge=self._edge(wish, account, float(price), float(stop)),
                ),
                desk.risk.around(symbol.symbol, 0.0, held),
            )
        quantity = size.quantity if size is not None else wish.quantity or ZERO
        notional = float(quantity * price * instrument.contract_size)
        expected = desk.statistics.expected(
            wish.strategy,
            symbol.label,
            float(abs(price - stop) / price) * 10_000 if stop else math.nan,
            self.costs(symbol, notional or self.usual_notional(account)),
        )
        gated_from = GateContext(
            account=self.account_context(account),
            symbol=symbol.symbol,
            direction=wish.direction,
            quantity=float(quantity) or wanted_lots(size, instrument),
            price=float(price),
            stop=float(stop) if stop else math.nan,
            confidence=wish.confidence if wish.claimed is None else wish.claimed,
            net_ev_bps=expected.net_bps,
            quote_age_s=self._age_s(symbol),
            spread_bps=quote.spread_bps,
            fee=fee,
            can_short=instrument.can_short,
            least_notional=float(least_entry(instrument, price, stop)),
            contract_size=float(instrument.contract_size),
            leverage=levered.value,
            most_leverage=levered.most,
            cooldown_left_s=self._cooldown_left(symbol.symbol),
            symbol_positions=len(desk.book.of_symbol(symbol.symbol))
            + desk.entries_on_their_way(symbol.symbol),
            symbol_exposure=exposure,
            grows=wish.grows,
            regime=symbol.label or None,
            around=desk.risk.around(symbol.symbol, notional * wish.direction.sign, held),
            strategy=wish.strategy,
            skew_s=abs(self._skewed.skew_ns) / SECOND if self._skewed is not None else 0.0,
            known=bearing.known,
        )
        gates = evaluate(gated_from, desk.params)
        factors = (*levered.stages, *size.factors) if size is not None else ()
        return Appraisal(
            quote,
            price,
            stop,
            quantity,
            factors,
            expected,
            gates,
            size,
            levered.value,
            sized_from,
            gated_from,
            levered.stages,
            bearing,
        )

    def bearing(self, wish: Wish) -> Bearing:
        """What was learned that concerns this entry."""
        desk, symbol = self._desk, wish.symbol
        return desk.memory.bearing(
            symbol.symbol, wish.strategy, wish.recognised, symbol.vol_level, desk.now_ns
        )

    def _leverage(self, wish: Wish, price: Decimal, stop: Decimal, account: Account) -> Leverage:
        """The manager's choice, or what was asked for with what that means for the size."""
        desk, symbol = self._desk, wish.symbol
        if not symbol.instrument.can_short or not price > 0:
            return Leverage(wish.leverage or 1, ())
        equity = float(account.equity)
        context = leverage_context(
            desk,
            symbol,
            wish.direction,
            wish.strategy,
            wish.confidence,
            price,
            stop,
            equity,
            self.margin_used(equity),
            desk.statistics.expected(
                wish.strategy,
                symbol.label,
                float(abs(price - stop) / price) * 10_000 if stop else math.nan,
                self.costs(symbol, self.usual_notional(account)),
            ),
            wish.quantity,
        )
        if wish.leverage is None:
            return choose(context, desk.params)
        return fixed(wish.leverage, context, desk.params)

    def _trial(self) -> tuple[tuple[str, float], ...]:
        """The size factor of an entry on trial, while a breaker is half open."""
        factor = self._desk.breakers.factor
        return (("on trial", factor),) if factor < 1.0 else ()

    def _edge(self, wish: Wish, account: Account, price: float, stop: float) -> ExpectedValue:
        """What trades like this one have earned, at the costs of a usual size."""
        costs = self.costs(wish.symbol, self.usual_notional(account))
        away = abs(price - stop) / price * 10_000 if stop > 0.0 else math.nan
        label = wish.symbol.label
        return self._desk.statistics.expected(wish.strategy, label, away, costs)

    def _sized(self, context: SizeContext, around: Around) -> tuple[Size, SizeContext]:
        """The size within what is held around it, and all that it was made from.

        The correlation factor depends on the size that it reduces, so the entry is sized
        first as if it stood alone.
        """
        risk, params, equity = self._desk.risk, self._desk.params, context.equity
        own = next((one for one in self._desk.strategies if one.id == context.strategy), Strategy)
        sizer = sizer_of(params, context.strategy, own.sizer)
        manager = manager_of(params, context.strategy, own.manager)
        alone = size_entry(context, params, sizer, manager)
        factor = risk.size_factor(around, alone.notional, equity) if equity > 0.0 else 1.0
        regime = str(context.regime) if context.regime is not None else None
        if factor is None:
            context = replace(context, unknown=(*context.unknown, "correlation"))
        elif factor < 1.0:
            context = replace(context, extra=(*context.extra, ("correlation", factor)))
        room = risk.headroom(around, equity, regime) if equity > 0.0 else ()
        context = replace(context, headroom=(*context.headroom, *room))
        return size_entry(context, params, sizer, manager), context

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

    def _age_s(self, symbol: SymbolDesk) -> float:
        """Age of the newest price; on a live feed of the newest trade or quote.

        A candle that was asked for afterwards tells what was, and not that the stream lives.
        """
        desk = self._desk
        age = max(0, desk.now_ns - symbol.last_event_ns) / SECOND
        if desk.feed.manual_time:
            return age
        return max(age, desk.freshness.age_s(symbol.symbol, desk.now_ns))

    def _cooldown_left(self, symbol: str) -> float:
        until = self._desk.cooldowns.get(symbol, 0)
        return max(0, until - self._desk.now_ns) / SECOND

    def _trend(self, account: Account) -> float:
        used = self._desk.used
        if used.trend_samples < SAMPLES_A_DAY or not used.trend_mean:
            return math.nan
        return float(account.equity) / used.trend_mean - 1.0


def wanted_lots(size: Size | None, instrument: Instrument) -> float:
    """What was sized before the venue's minimum refused it, so that its gate can say so."""
    if size is None or not size.wanted:
        return 0.0
    return float(round_qty(instrument, Decimal(repr(size.wanted))))
