"""The tape of one live symbol: what a venue sent as trades, made into ticks that are believed.

Sockets repeat trades after a reconnect and now and then bring one that never was; a repeated
one would swell a candle's volume and a wrong one its range, so both stop here.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from engine.core.clock import MILLISECOND, MINUTE
from engine.core.parameters import Parameters
from engine.core.safetext import SafeText
from engine.core.types import Bar, Instrument, MarketEvent, Quarantined, Tick
from engine.market.livebars import LiveBars
from engine.market.quality import TICK_CONFIRM_PCT, TickGuard

# Trade ids that are remembered: more than any venue sends again after a reconnect.
_REMEMBERED = 2_000
# A trade from farther ahead than clocks differ would close candles that are still forming.
_AHEAD_NS = MINUTE
_RAW_CHARACTERS = 300
# Doubted ticks that wait at once: more than `data.tick_confirmations` can ask for.
_HELD = 8


class LiveTape:
    """Trades of one symbol into ticks, candles and quarantine.

    A tick that the guard doubts is held until the next ones confirm it (then it comes
    through, in its place in the candle) or don't (then it is quarantined with its raw text).
    """

    def __init__(
        self,
        parameters: Parameters,
        bars: LiveBars,
        instrument: Instrument | None,
        seed: float | None,
        contract_size: float = 1.0,
    ) -> None:
        self.bars = bars
        self.newest_ns = 0
        self._symbol = bars.symbol
        self._parameters = parameters
        self._guard = TickGuard(parameters, bars.symbol, instrument, seed)
        self._contract_size = contract_size
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._held: list[tuple[Tick, str, SafeText]] = []

    def take(self, trade: Mapping[str, Any], now_ns: int) -> list[MarketEvent]:
        """A trade in ccxt's structure; what the kernel should be told of it, in order.

        A candle that it closed comes before the tick that closed it.
        """
        number = str(trade.get("id") or "")
        if number:
            if number in self._seen:
                return []
            self._seen[number] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        tick = self._tick(trade, number, now_ns)
        raw = SafeText(trade.get("info")).line(_RAW_CHARACTERS)
        if not tick.size > 0 or not math.isfinite(tick.size):
            return [_refused(tick, f"{tick.size} is no size", raw)]
        if tick.time_ns > now_ns + _AHEAD_NS:
            return [_refused(tick, "its time has not come yet", raw)]
        doubt = self._guard.check(tick.price, tick.time_ns)
        if doubt.endswith(("is no price", "never believed")):
            return [_refused(tick, doubt, raw)]
        if doubt:
            self._held.append((tick, doubt, raw))
            return self._let_go(self._held[:-_HELD])
        out = self._release(tick.price) if self._held else []
        return out + self._count(tick)

    def _tick(self, trade: Mapping[str, Any], number: str, now_ns: int) -> Tick:
        time_ms = trade.get("timestamp")
        return Tick(
            symbol=self._symbol,
            time_ns=now_ns if time_ms is None else int(time_ms) * MILLISECOND,
            price=_number(trade.get("price")),
            size=_number(trade.get("amount")) * self._contract_size,
            buyer_maker=trade.get("side") == "sell",
            trade_id=number,
        )

    def _count(self, tick: Tick) -> list[MarketEvent]:
        number = int(tick.trade_id) if tick.trade_id.isdecimal() else -1
        closed: list[Bar] = self.bars.trade(tick.time_ns, tick.price, tick.size, number)
        self.newest_ns = max(self.newest_ns, tick.time_ns)
        return [*closed, tick]

    def _release(self, price: float) -> list[MarketEvent]:
        """Held ticks near a believed price were right; the others were not."""
        near = self._parameters.get(TICK_CONFIRM_PCT, self._symbol) / 100
        out: list[MarketEvent] = []
        for held in self._held[:]:
            if abs(held[0].price - price) <= price * near:
                self._held.remove(held)
                out += self._count(held[0])
        return out + self._let_go(self._held[:])

    def _let_go(self, doubted: list[tuple[Tick, str, SafeText]]) -> list[MarketEvent]:
        for held in doubted:
            self._held.remove(held)
        return [_refused(tick, doubt, raw) for tick, doubt, raw in doubted]


def _refused(tick: Tick, reason: str, raw: SafeText) -> Quarantined:
    return Quarantined(
        symbol=tick.symbol,
        time_ns=tick.time_ns,
        price=tick.price,
        reason=SafeText(reason).line(),
        raw=raw,
    )


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
