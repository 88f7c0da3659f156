"""Symbols as text: every tool spells them its own way, the engine spells them one way."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from engine.core.errors import DataError, FeedError

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "BRL", "JPY")
_CRYPTO_QUOTES = ("BTC", "ETH", "BNB")


def parse_symbol(text: str, perpetual: bool = False) -> str:
    """A symbol in any tool's spelling in the one spelled here; empty when it is none."""
    text = text.strip()
    if "/" in text:
        base, _, quote = text.partition("/")
        settle = f":{quote}" if perpetual and ":" not in quote else ""
        return f"{base}/{quote}{settle}".upper()
    words = re.split(r"[-_ .]+", text.upper())
    if not re.fullmatch(r"\^?(?=[0-9]*[A-Z])[A-Z0-9]{1,20}", words[0]):
        return ""
    base, quote = words[0].lstrip("^"), ""
    if len(words) > 1 and words[1] in _QUOTES + _CRYPTO_QUOTES and base not in _QUOTES:
        quote = words[1]
        perpetual = perpetual or (len(words) > 2 and words[2] == quote)
    else:
        quote = next((q for q in _QUOTES if base.endswith(q) and len(base) > len(q)), "")
        if not quote:
            quote = next((q for q in _CRYPTO_QUOTES if base.endswith(q) and len(base) > 5), "")
        base = base.removesuffix(quote)
        perpetual = perpetual or (bool(quote) and len(words) > 1 and words[1] == "PERP")
    if not quote:
        # A share's ticker is short and in capitals; other words are just names of files.
        return f"{base}/USD" if re.match(r"\^?[A-Z][A-Z0-9]{0,4}(?![A-Za-z0-9])", text) else ""
    return f"{base}/{quote}:{quote}" if perpetual else f"{base}/{quote}"


def choose(asked: Iterable[str], known: Iterable[str]) -> list[str]:
    """The known symbols that were asked for, in the order asked.

    `BTC/USDT` also finds the perpetual `BTC/USDT:USDT`, and `BTCUSDT` either. Raises
    `DataError` with the nearest names for one that is not there.
    """
    names = sorted(set(known))
    chosen: list[str] = []
    for symbol in asked:
        plain = parse_symbol(symbol) or symbol.upper()
        bare = plain.partition(":")[0]
        hits = [n for n in names if n in (symbol, plain)] or [
            n for n in names if ":" not in plain and n.partition(":")[0] == bare
        ]
        if not hits:
            near = difflib.get_close_matches(plain, names, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(names[:12])}"
            raise DataError(f"the recording has no {symbol}", hint)
        chosen += [n for n in hits if n not in chosen]
    return chosen


def common_quote(symbols: tuple[str, ...]) -> str:
    """The currency that all symbols are quoted in, or `FeedError`."""
    if not symbols or len(set(symbols)) != len(symbols):
        raise FeedError("a market needs symbols, each named once", "for example BTC/USDT,ETH/USDT")
    quotes = set()
    for symbol in symbols:
        base, slash, rest = symbol.partition("/")
        quote, colon, settle = rest.partition(":")
        if not (base and slash and quote) or (colon and settle != quote):
            raise FeedError(
                f"{symbol!r} is no symbol", "write BTC/USDT, or BTC/USDT:USDT for a perpetual"
            )
        quotes.add(quote)
    if len(quotes) > 1:
        raise FeedError(
            f"symbols quoted in {' and '.join(sorted(quotes))} don't share one account",
            "choose symbols of one quote currency",
        )
    return quotes.pop()
