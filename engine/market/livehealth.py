"""What is said of a live link: up, stale, down, and why, for the whole and for each symbol.

Judged on the time of events, because a frozen socket is open and quiet; said once per
change, because every word of it is journaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from engine.core.clock import SECOND
from engine.core.parameters import Parameters
from engine.core.safetext import SafeText
from engine.core.types import FeedStatus, Link
from engine.market.outlet import Outlet
from engine.market.quality import Freshness

# A symbol worth following trades, or moves its book, at least this often.
_INTERVAL_S = 5.0
# Candles that REST owes for longer than this make a symbol stale: decisions would be blind.
_OVERDUE_NS = 90 * SECOND
SKEW_TOLD_NS = SECOND


class LinkHealth:
    """Judges a link's symbols and tells the kernel through the outlet.

    `behind_ns` gives how long a symbol's next candle is overdue. All times are the venue's.
    `failing` has the reason of each stream that is broken, by its name (`trades BTC/USDT`).
    """

    def __init__(
        self,
        venue: str,
        symbols: Sequence[str],
        outlet: Outlet,
        parameters: Parameters,
        behind_ns: Callable[[str, int], int],
    ) -> None:
        self.link = Link.STARTING
        self.failing: dict[str, str] = {}
        self.quote = ""
        self.skew_ns = 0
        self._venue = venue
        self._symbols = tuple(symbols)
        self._outlet = outlet
        self._fresh = Freshness(parameters, symbols, interval_s=_INTERVAL_S)
        self._behind_ns = behind_ns
        self._said: dict[str, Link] = {}
        self._began_ns = 0

    def begin(self, now_ns: int) -> None:
        """The streams are asked for now; by when they must have brought something."""
        self._began_ns = now_ns

    def seen(self, symbol: str, time_ns: int, now_ns: int) -> None:
        """An event of that time came; a return to life is said before the event is passed on."""
        self._fresh.seen(symbol, time_ns, now_ns)
        if self.link is not Link.UP or self._said.get(symbol) is Link.STALE:
            self.judge(now_ns)

    def say(self, link: Link, reason: str, now_ns: int, symbol: str = "") -> None:
        """Tell a state. UP of the whole speaks for every symbol, so stale ones follow it."""
        if symbol:
            self._said[symbol] = link
        else:
            self.link = link
        told = [self._status(link, reason, now_ns, symbol)]
        if not symbol and link is Link.UP:
            told += [
                self._status(Link.STALE, self._why_stale(name, now_ns), now_ns, name)
                for name, was in self._said.items()
                if was is Link.STALE
            ]
        self._outlet.put(told)

    def judge(self, now_ns: int) -> list[str]:
        """Say what changed; the symbols that bring nothing though the link was up once."""
        stale = [symbol for symbol in self._symbols if self._fresh.is_stale(symbol, now_ns)]
        if len(stale) == len(self._symbols):
            limit_ns = self._fresh.limit_s(self._symbols[0]) * SECOND
            waited = self.link is Link.WARMING and now_ns - self._began_ns > limit_ns
            if self._began_ns and (self.link is Link.UP or waited):
                self.say(Link.DOWN, f"{self._venue} sends nothing new: {self._silence()}", now_ns)
        elif self.link is not Link.UP:
            for symbol in self._symbols:
                self._said[symbol] = Link.UP if self._well(symbol, now_ns) else Link.STALE
            self.say(Link.UP, self._up_reason(), now_ns)
        else:
            self._judge_symbols(set(stale), now_ns)
        return stale if self.link in (Link.UP, Link.DOWN) else []

    def tell_down(self, now_ns: int) -> None:
        """Down at once when no symbol's trades come in spite of a second attempt."""
        trades = [self.failing.get(f"trades {symbol}") for symbol in self._symbols]
        if self.link is not Link.DOWN and all(trades):
            self.say(Link.DOWN, f"{self._venue} {trades[0]}", now_ns)

    def owed(self, symbol: str, reason: str, now_ns: int) -> None:
        """REST doesn't give a symbol's candles; stale once they are long overdue."""
        late = self._behind_ns(symbol, now_ns) > _OVERDUE_NS
        if late and self._said.get(symbol) is not Link.STALE:
            self.say(Link.STALE, f"candles are missing: {reason}", now_ns, symbol)

    def skewed(self, skew_ns: int, now_ns: int) -> None:
        """The venue's clock was asked again; said when it became or ceased to be far off."""
        before, self.skew_ns = self.skew_ns, skew_ns
        off, was = abs(skew_ns) > SKEW_TOLD_NS, abs(before) > SKEW_TOLD_NS
        if off != was and self.link is Link.UP:
            self.say(Link.UP, self._up_reason(), now_ns)

    def _judge_symbols(self, stale: set[str], now_ns: int) -> None:
        for symbol in self._symbols:
            was_stale = self._said.get(symbol) is Link.STALE
            if symbol in stale and not was_stale:
                self.say(Link.STALE, self._why_stale(symbol, now_ns), now_ns, symbol)
            elif was_stale and self._well(symbol, now_ns):
                self.say(Link.UP, "", now_ns, symbol)

    def _well(self, symbol: str, now_ns: int) -> bool:
        overdue = self._behind_ns(symbol, now_ns) > _OVERDUE_NS
        return not overdue and not self._fresh.is_stale(symbol, now_ns)

    def _up_reason(self) -> str:
        reason = f"{self._venue}, quoted in {self.quote}"
        asked = self._symbols[0].partition("/")[2].partition(":")[0]
        if self.quote != asked:
            reason += f" where {asked} was asked for"
        if abs(self.skew_ns) > SKEW_TOLD_NS:
            reason += f"; {skew_words(self.skew_ns, self._venue)}"
        return reason

    def _why_stale(self, symbol: str, now_ns: int) -> str:
        age = self._fresh.age_s(symbol, now_ns)
        if age == math.inf:
            return "no price yet"
        failing = self.failing.get(f"trades {symbol}")
        return f"nothing new for {age:.0f} s" + (f": {failing}" if failing else "")

    def _silence(self) -> str:
        failing = self.failing.get(f"trades {self._symbols[0]}")
        return failing or "the connection is open and frozen"

    def _status(self, link: Link, reason: str, now_ns: int, symbol: str) -> FeedStatus:
        return FeedStatus(
            link=link,
            time_ns=now_ns,
            venue=self._venue,
            symbol=symbol,
            reason=SafeText(reason).line(),
        )


def skew_words(skew_ns: int, venue: str) -> str:
    """How far this machine's clock is off, in a person's words."""
    side = "behind" if skew_ns > 0 else "ahead of"
    return f"this machine's clock is {abs(skew_ns) / SECOND:.1f} s {side} {venue}'s"
