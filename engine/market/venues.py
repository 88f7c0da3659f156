"""Venues: which exchange can be reached from here, what it calls our symbols, and its REST.

Any ccxt exchange by its id, without a key. A venue that refuses the region, one that can't
be reached and one that asks for a pause are told apart, because a person does something
else about each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from engine.core.clock import MILLISECOND, SECOND, Clock
from engine.core.errors import FeedError
from engine.core.safetext import SafeText
from engine.core.types import Bar, Instrument
from engine.market.instruments import from_ccxt

REQUEST_TIMEOUT_MS = 10_000

# Where several stablecoins and the dollar name the same market, the next best is taken.
_EQUIVALENT = ("USDT", "USD", "USDC")
# Coinbase's own book is the dollar's; its USDT pairs hardly trade.
_HOME_QUOTE = {"coinbase": "USD", "coinbaseexchange": "USD", "binanceus": "USD", "kraken": "USD"}
# Trade ids that count up by one, so that a lost trade shows.
_NUMBERED = frozenset({"binance", "binanceus", "binanceusdm"})
# Levels that a venue's book subscription wants; elsewhere the venue's own default.
BOOK_LIMITS = {"binance": 100, "binanceus": 100, "binanceusdm": 100, "kraken": 25}

# How ccxt words an HTTP status: after the address that was asked.
_REFUSAL = re.compile(r"https?://\S+ (451|403)\b")

# Without a Retry-After: what venues ask for at least, after 429 and (a ban) after 418.
_PAUSE_S = {"429": 30.0, "418": 120.0}


class Trouble(StrEnum):
    """Why a venue did not give what was asked."""

    REFUSED = "refuses this region"
    UNREACHABLE = "can't be reached"
    LIMITED = "asks for a pause"
    FAILED = "failed"


class Reach(msgspec.Struct, frozen=True):
    """What asking a venue for its time brought."""

    trouble: Trouble | None = None
    reason: str = ""
    skew_ns: int = 0


def explain(error: BaseException) -> tuple[Trouble, SafeText]:
    """What kind of trouble an error is, and one line of it that is safe to show.

    ccxt reports HTTP 451 and 403 as plain unavailability with the status in the text, and a
    name that can't be resolved as the same without one.
    """
    import ccxt

    text = SafeText(f"{error}" or type(error).__name__).line(200)
    if isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded)):
        return Trouble.LIMITED, text
    if isinstance(error, ccxt.RestrictedLocation) or (
        isinstance(error, (ccxt.ExchangeNotAvailable, ccxt.PermissionDenied))
        and _REFUSAL.search(str(error))
    ):
        return Trouble.REFUSED, text
    if isinstance(error, (asyncio.TimeoutError, ccxt.RequestTimeout)):
        return Trouble.UNREACHABLE, SafeText("no answer in time")
    if isinstance(error, ccxt.ExchangeNotAvailable) and error.__cause__ is not None:
        cause = SafeText(error.__cause__).line(120)
        return Trouble.UNREACHABLE, SafeText(f"no connection: {cause}")
    if isinstance(error, (ccxt.NetworkError, OSError)):
        return Trouble.UNREACHABLE, text
    return Trouble.FAILED, text


class Venue:
    """One exchange through ccxt's asynchronous client. Use it in one event loop and `close` it.

    `urls` replaces parts of the client's own addresses (tests point it at loopback). Nothing
    is asked of the venue while it has asked for a pause, the client's own requests included.
    Raises `FeedError` for an id that ccxt doesn't know.
    """

    def __init__(
        self,
        name: str,
        symbols: Sequence[str],
        clock: Clock,
        urls: Mapping[str, Any] | None = None,
    ) -> None:
        import ccxt.pro

        known: type[Any] | None = getattr(ccxt.pro, name, None) if name in ccxt.exchanges else None
        if known is None:
            raise FeedError(
                f"there is no venue {SafeText(name).line(40)!r}", "use a ccxt id such as binance"
            )
        self.name = name
        self.numbered = name in _NUMBERED
        self._clock = clock
        self._asked = tuple(symbols)
        self._swaps = any(":" in symbol for symbol in symbols)
        self._quiet_until_ns = 0
        self.exchange = _guarded(known, self)(self._settings(urls))
        if urls is not None:
            self.exchange.urls["api"] = self.exchange.deep_extend(self.exchange.urls["api"], urls)
        self._narrow()
        self.theirs: dict[str, str] = {}

    def _settings(self, urls: Mapping[str, Any] | None) -> dict[str, Any]:
        """What ccxt is told when it is made; never a key."""
        options: dict[str, Any] = {"fetchMargins": False, "fetchCurrencies": False}
        if all(":" in symbol for symbol in self._asked):
            options |= {"defaultType": "swap", "defaultSubType": "linear"}
        return {
            "enableRateLimit": True,
            "timeout": REQUEST_TIMEOUT_MS,
            "enableLastResponseHeaders": True,
            "aiohttp_trust_env": urls is None,
            "has": {"fetchCurrencies": False},
            "options": options,
        }

    def _narrow(self) -> None:
        """Load only the market types in use, so that one refused host doesn't fail the rest."""
        wanted = {"swap", "linear"} if self._swaps else set()
        if any(":" not in symbol for symbol in self._asked):
            wanted.add("spot")
        own = self.exchange.options.get("fetchMarkets")
        if isinstance(own, dict) and "types" in own:
            own["types"] = [kind for kind in own["types"] if kind in wanted] or own["types"]

    async def probe(self, timeout_s: float) -> Reach:
        """Ask for the venue's time: whether it answers, and how far this clock is off."""
        try:
            before = self._clock.now_ns()
            if self.exchange.has["fetchTime"]:
                told = await asyncio.wait_for(self.exchange.fetch_time(), timeout_s)
            else:
                await asyncio.wait_for(self.load(), timeout_s)
                told = None
        except Exception as error:  # noqa: BLE001 - whatever it is, this venue didn't answer
            trouble, reason = explain(error)
            return Reach(trouble, reason)
        if told is None:
            return Reach()
        middle = (before + self._clock.now_ns()) // 2
        return Reach(skew_ns=int(told) * MILLISECOND - middle)

    async def load(self) -> dict[str, Instrument]:
        """Read the markets; instruments by the symbol that was asked for.

        `theirs` then has the venue's own symbol of each. Raises ccxt's errors, and
        `FeedError` when it has no such market.
        """
        await self._load_markets()
        self.theirs = self._resolve(set(self.exchange.markets))
        found = {}
        for symbol, own in self.theirs.items():
            market = self.exchange.markets[own]
            instrument = from_ccxt(market, self.name, self.exchange.precisionMode)
            found[symbol] = msgspec.structs.replace(instrument, symbol=symbol)
        return found

    async def candles(
        self, symbol: str, timeframe: str, span_ns: int, since_ns: int, limit: int
    ) -> list[Bar]:
        """Candles from `since_ns` on, oldest first, the forming one included at the end."""
        rows = await self.exchange.fetch_ohlcv(
            self.theirs[symbol], timeframe, since_ns // MILLISECOND, limit
        )
        bars: dict[int, Bar] = {}
        for row in rows:
            if len(row) < 6 or any(value is None for value in row[:5]):
                continue
            open_ns = int(row[0]) * MILLISECOND
            if open_ns < since_ns:
                continue
            bars[open_ns] = Bar(
                symbol=symbol,
                open_ns=open_ns,
                span_ns=span_ns,
                open=float(row[1]),
                high=float(row[2]),
                low=float(row[3]),
                close=float(row[4]),
                volume=float(row[5] or 0.0),
            )
        return [bars[open_ns] for open_ns in sorted(bars)]

    def contract_size(self, symbol: str) -> float:
        """How much of the base asset one unit of a trade's size is."""
        return float(self.exchange.markets[self.theirs[symbol]].get("contractSize") or 1.0)

    def quote(self) -> str:
        """The currency that the venue quotes these symbols in."""
        first = self.exchange.markets[self.theirs[self._asked[0]]]
        return str(first["quote"])

    def quiet_s(self) -> float:
        """Seconds for which the venue asked to be left alone."""
        return max(0.0, (self._quiet_until_ns - self._clock.monotonic_ns()) / SECOND)

    def pause(self, status: str, headers: Mapping[str, str] | None) -> None:
        """The venue refused for now: heed its Retry-After, or what is usual for the status."""
        wait = _PAUSE_S.get(status, _PAUSE_S["429"])
        for name, value in (headers or {}).items():
            if name.lower() == "retry-after" and value.strip().isdigit():
                wait = float(value)
        until = self._clock.monotonic_ns() + int(wait * SECOND)
        self._quiet_until_ns = max(self._quiet_until_ns, until)

    async def close(self, timeout_s: float = 0.4) -> None:
        """Let go of all connections, also of those whose other end is silent."""
        self.exchange.timeout_on_exit = 0
        # Whatever fails here, what is left is cut off with the loop.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.exchange.close(), timeout_s)

    async def _load_markets(self) -> None:
        """Binance's whole list is several megabytes; asked by name it is a few kilobytes."""
        import ccxt

        if self.name in ("binance", "binanceus") and not self._swaps:
            names = json.dumps([symbol.replace("/", "") for symbol in self._asked])
            try:
                await self.exchange.load_markets(True, {"symbols": names.replace(" ", "")})
                return
            except (ccxt.BadSymbol, ccxt.BadRequest):
                pass  # one of them is not there under this quote: read the whole list
        await self.exchange.load_markets(True)

    def _resolve(self, markets: set[str]) -> dict[str, str]:
        """The venue's own symbols, all in one quote currency: as asked, or the next best."""
        asked = self._asked[0].partition("/")[2].partition(":")[0]
        home = _HOME_QUOTE.get(self.name)
        others = [q for q in (home, *_EQUIVALENT) if q and q != asked]
        for quote in dict.fromkeys((asked, *(others if asked in _EQUIVALENT else ()))):
            found = {symbol: _requoted(symbol, quote) for symbol in self._asked}
            if markets.issuperset(found.values()):
                return found
        lacking = [symbol for symbol in self._asked if symbol not in markets]
        raise FeedError(
            f"{self.name} has no market for {', '.join(lacking)}", "choose other symbols or venue"
        )


def _requoted(symbol: str, quote: str) -> str:
    base, _, rest = symbol.partition("/")
    return f"{base}/{quote}:{quote}" if ":" in rest else f"{base}/{quote}"


def _guarded(known: type[Any], venue: Venue) -> type[Any]:
    """The exchange's class, made to keep silent while the venue asked for it.

    ccxt throttles but doesn't read Retry-After, and asks for book snapshots by itself; every
    request of the client goes through its `fetch`.
    """
    import ccxt

    class Guarded(known):  # type: ignore[misc]  # ccxt has no type information
        async def fetch(self, url: str, *args: Any, **named: Any) -> Any:
            if venue.quiet_s() > 0:
                raise ccxt.DDoSProtection(f"{venue.name} asked for a pause")
            try:
                return await super().fetch(url, *args, **named)
            except (ccxt.DDoSProtection, ccxt.RateLimitExceeded) as error:
                status = "418" if " 418 " in f" {error} " else "429"
                venue.pause(status, self.last_response_headers)
                raise

    return Guarded
