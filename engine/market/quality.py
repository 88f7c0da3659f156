"""Quality: which ticks are believed, and how long a price counts as current.

One wrong print can fire every stop there is, and a frozen feed on a live socket looks calm;
both are caught before anything is decided on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from engine.core.clock import SECOND
from engine.core.parameters import Parameters, declare
from engine.core.types import Instrument

TICK_BAND_PCT = declare(
    "data.tick_band_pct",
    10.0,
    low=2.0,
    high=50.0,
    step=1.0,
    unit="%",
    scopes="GY",
    risk=1,
    doc="How far a tick may lie from the median of recent ones and be believed at once.",
    learnable=False,
)
TICK_BAND_MAD = declare(
    "data.tick_band_mad",
    12.0,
    low=4.0,
    high=50.0,
    step=1.0,
    unit="x",
    scopes="GY",
    risk=1,
    doc="The same in median absolute deviations, where that is wider.",
    learnable=False,
)
TICK_CONFIRMATIONS = declare(
    "data.tick_confirmations",
    2,
    low=1,
    high=5,
    step=1,
    unit="ticks",
    scopes="GY",
    risk=-1,
    doc="How many ticks in a row must confirm a jump before it counts as real.",
    learnable=False,
)
TICK_CONFIRM_PCT = declare(
    "data.tick_confirm_pct",
    5.0,
    low=0.5,
    high=20.0,
    step=0.5,
    unit="%",
    scopes="GY",
    risk=1,
    doc="How near to a jump's last price a tick must lie to confirm it.",
    learnable=False,
)
TICK_JUMP_MAX = declare(
    "data.tick_jump_max",
    3.0,
    low=1.5,
    high=5.0,
    step=0.5,
    unit="x",
    scopes="GY",
    risk=1,
    doc="A jump by more than this factor is never believed, however often it is repeated.",
    learnable=False,
)
MAX_QUOTE_AGE_CRYPTO = declare(
    "data.max_quote_age_crypto_s",
    15,
    low=5,
    high=120,
    step=5,
    unit="s",
    scopes="GY",
    risk=1,
    doc="How old the newest price of a streamed symbol may be to decide on.",
)
MAX_QUOTE_AGE_POLLED = declare(
    "data.max_quote_age_polled_s",
    120,
    low=30,
    high=900,
    step=30,
    unit="s",
    scopes="GY",
    risk=1,
    doc="How old the newest price of a polled symbol may be to decide on.",
)

# Accepted ticks that the median looks back on, and how many pass before it is taken anew.
_WINDOW = 15
_REFRESH = 8
# A venue measures its percent-price band against an average that moves along with a crash;
# against ours, which is older, the band is never taken to be narrower than this.
_NARROWEST_VENUE_BAND = 1.5


class TickGuard:
    """Judges every tick of one symbol against the recent ones.

    A tick within the band around their median is believed. One outside waits for
    confirmation by the next ones, unless it is so far off that nothing confirms it: beyond
    the venue's percent-price band, or by more than `data.tick_jump_max` where there is none.
    Without any past (`seed` gives one) the first ticks must confirm each other.
    """

    def __init__(
        self,
        parameters: Parameters,
        symbol: str,
        instrument: Instrument | None = None,
        seed: float | None = None,
    ) -> None:
        self._parameters = parameters
        self._symbol = symbol
        self._instrument = instrument
        self._version = -1
        self._recent: list[float] = [seed] if seed is not None and _is_price(seed) else []
        self._since = 0
        self._low = self._high = math.nan
        self._suspect = math.nan
        self._confirmed = 0
        self._suspect_ns = 0
        self._band = self._mads = self._near = 0.0
        self._needed = 0
        self._never_up = self._never_down = 1.0

    def check(self, price: float, time_ns: int) -> str:
        """Empty when the tick is believed, otherwise why not.

        `time_ns` is the tick's own time: what is older than a waiting jump can't confirm it.
        """
        if self._version != self._parameters.version:
            self._read()
        # NaN compares false and takes the long way.
        if self._low <= price <= self._high:
            self._confirmed = 0
            self._suspect, self._suspect_ns = math.nan, 0
            recent = self._recent
            recent.append(price)
            self._since += 1
            if self._since >= _REFRESH:
                self._refresh()
            return ""
        return self._doubt(price, time_ns)

    def _doubt(self, price: float, time_ns: int) -> str:
        if not _is_price(price):
            return f"{price} is no price"
        if self._recent:
            self._refresh()
            if self._low <= price <= self._high:
                return self.check(price, time_ns)
            middle = median(self._recent)
            if not middle * self._never_down <= price <= middle * self._never_up:
                return f"{price / middle:.4g} times the median {middle:.10g}: never believed"
        if time_ns < self._suspect_ns:
            return f"{price:.10g} is far off and older than a jump that waits"
        near = abs(price - self._suspect) <= self._suspect * self._near
        self._confirmed = self._confirmed + 1 if near else 0
        self._suspect, self._suspect_ns = price, time_ns
        if self._confirmed >= self._needed:
            self._recent = [price]
            self._confirmed = 0
            self._suspect, self._suspect_ns = math.nan, 0
            self._refresh()
            return ""
        waits = f"waits for {self._needed - self._confirmed} more to confirm it"
        if not self._recent:
            return f"first price of {self._symbol}, {waits}"
        return f"{price / median(self._recent) - 1:+.1%} from the median, {waits}"

    def _refresh(self) -> None:
        """Take the median of the last accepted prices and the band around it."""
        self._since = 0
        del self._recent[:-_WINDOW]
        middle = median(self._recent)
        spread = median(abs(p - middle) for p in self._recent)
        band = max(middle * self._band, spread * self._mads)
        # Wider than a jump that is never believed would believe it.
        self._low = max(middle - band, middle * self._never_down)
        self._high = min(middle + band, middle * self._never_up)

    def _read(self) -> None:
        get, symbol = self._parameters.get, self._symbol
        self._version = self._parameters.version
        self._band = get(TICK_BAND_PCT, symbol) / 100
        self._mads = get(TICK_BAND_MAD, symbol)
        self._near = get(TICK_CONFIRM_PCT, symbol) / 100
        self._needed = get(TICK_CONFIRMATIONS, symbol)
        jump = get(TICK_JUMP_MAX, symbol)
        up = self._instrument.price_up if self._instrument else None
        down = self._instrument.price_down if self._instrument else None
        # Whatever the venue says, what is farther than the jump or its band is not believed.
        self._never_up = max(float(up), _NARROWEST_VENUE_BAND) if up else jump
        self._never_down = (
            min(float(down), 1 / _NARROWEST_VENUE_BAND) if down and down > 0 else 1 / jump
        )
        if self._recent:
            self._refresh()


class Freshness:
    """How old each symbol's newest price is, by the time of the event and not of the socket.

    `polled` says that prices are asked for and not streamed; `interval_s` is how often the
    feed should bring one. A frozen symbol is then told within two intervals and five
    seconds, if `changes` is called at least once a second.
    """

    def __init__(
        self,
        parameters: Parameters,
        symbols: Iterable[str],
        polled: bool = False,
        interval_s: float | None = None,
    ) -> None:
        self._parameters = parameters
        self._limit = MAX_QUOTE_AGE_POLLED if polled else MAX_QUOTE_AGE_CRYPTO
        self._interval_s = interval_s
        self._seen: dict[str, int | None] = dict.fromkeys(symbols)
        self._stale = dict.fromkeys(self._seen, True)

    def seen(self, symbol: str, time_ns: int, now_ns: int) -> None:
        """A price of that event time arrived; a time in the future counts as now."""
        time_ns = min(time_ns, now_ns)
        before = self._seen.get(symbol)
        if before is None or time_ns > before:
            self._seen[symbol] = time_ns
            self._stale.setdefault(symbol, True)

    def age_s(self, symbol: str, now_ns: int) -> float:
        """Seconds since the newest price was made; infinite before the first."""
        seen = self._seen.get(symbol)
        return math.inf if seen is None else (now_ns - seen) / SECOND

    def limit_s(self, symbol: str) -> float:
        """The age from which the symbol is stale."""
        limit = float(self._parameters.get(self._limit, symbol))
        if self._interval_s is None:
            return limit
        # Five seconds after the second interval, less the second between two looks.
        return min(limit, 2 * self._interval_s + 4)

    def is_stale(self, symbol: str, now_ns: int) -> bool:
        return self.age_s(symbol, now_ns) > self.limit_s(symbol)

    def changes(self, now_ns: int) -> list[tuple[str, bool]]:
        """Symbols that turned stale (True) or fresh (False) since the last call.

        All begin as stale, because nothing is known of them.
        """
        changed = []
        for symbol, was in self._stale.items():
            stale = self.is_stale(symbol, now_ns)
            if stale != was:
                self._stale[symbol] = stale
                changed.append((symbol, stale))
        return changed


def _is_price(price: float) -> bool:
    return math.isfinite(price) and price > 0
