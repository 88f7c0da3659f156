"""How numbers are written on every panel: signs, separators, units and ages, once.

The sign is a real minus and always there where a change is meant; NaN is an en dash, never
a zero. A change carries its meaning three times (sign, arrow, colour role), so that it can
be read without colours.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from engine.core.clock import DAY, HOUR, MINUTE, SECOND, utc
from engine.core.types import Action, Direction

Number = int | float | Decimal

NONE = "–"
MINUS = "−"
UP, DOWN, FLAT = "▲", "▼", "·"

# More decimals than these say nothing about a price of that size.
_DECIMALS_BY_SIZE = ((1_000.0, 2), (10.0, 4), (0.1, 6), (0.0, 10))


def known(value: Number | None) -> bool:
    """Whether there is a number to write at all."""
    return value is not None and math.isfinite(value)


def _signed(text: str, value: Number, sign: bool) -> str:
    if value < 0 and text.strip("-0.,") == "":
        return text.lstrip("-")
    body = text.lstrip("-")
    if value < 0:
        return MINUS + body
    return f"+{body}" if sign and value > 0 else body


def number(value: Number | None, decimals: int = 2, sign: bool = False) -> str:
    """A number with thousands separators: `1,234.50`, `−3.20`, and an en dash for none."""
    if value is None or not known(value):
        return NONE
    return _signed(f"{value:,.{decimals}f}", value, sign)


def money(value: Number | None, sign: bool = False) -> str:
    """An amount of the quote currency, two decimals."""
    return number(value, 2, sign)


def percent(value: Number | None, decimals: int = 2, sign: bool = True) -> str:
    """A value that is in percent already: `+1.25 %`."""
    text = number(value, decimals, sign)
    return text if text == NONE else f"{text} %"


def share(value: Number | None, decimals: int = 0) -> str:
    """A fraction in [0, 1] as percent without a sign: 0.72 is `72 %`."""
    if value is None or not known(value):
        return NONE
    return percent(float(value) * 100, decimals, sign=False)


def basis_points(value: Number | None, sign: bool = True) -> str:
    """Basis points, one decimal under 10: `+12 bp`, `−3.4 bp`."""
    if value is None or not known(value):
        return NONE
    return f"{number(value, 1 if abs(float(value)) < 10 else 0, sign)} bp"


def quantity(value: Number | None) -> str:
    """A size as the books have it, without the zeros at its end: `0.015`, `1,200`."""
    if value is None or not known(value):
        return NONE
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    text = f"{exact:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _signed(text, exact, False)


def ratio(value: Number | None, decimals: int = 1) -> str:
    """A plain ratio such as reward to risk."""
    return number(value, decimals)


def compact(value: Number | None) -> str:
    """Three digits and a letter: `940`, `12.4k`, `3.1M`."""
    if value is None or not known(value):
        return NONE
    size = abs(float(value))
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            scaled = float(value) / limit
            return f"{number(scaled, 1 if abs(scaled) < 100 else 0)}{letter}"
    return number(value, 0 if size >= 100 or float(value).is_integer() else 2)


_READ = re.compile(r"([+−-]?)\s*((?:\d[\d,]*)?\.?\d+)\s*([kMGT](?![A-Za-z]))?")
_SIZES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def read(text: str) -> float:
    """The first number in a text as these functions write it; NaN where there is none."""
    found = _READ.search(text)
    if found is None:
        return math.nan
    sign, digits, size = found.groups()
    value = float(digits.replace(",", "")) * _SIZES[size or ""]
    return -value if sign in ("-", MINUS) else value


def decimals_of(value: Number) -> int:
    """Decimals with which a price is written: its own, as far as its size gives them sense."""
    if not known(value):
        return 0
    cap = next(most for size, most in _DECIMALS_BY_SIZE if abs(float(value)) >= size)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not isinstance(value, Decimal) and exact == int(exact):
        return 0
    exponent = exact.as_tuple().exponent
    return min(cap, max(0, -exponent)) if isinstance(exponent, int) else 0


def price(value: Number | None, decimals: int | None = None) -> str:
    """A price; without `decimals` by its own."""
    if value is None or not known(value):
        return NONE
    return number(value, decimals_of(value) if decimals is None else decimals)


def rounded_price(value: Number) -> float:
    """A computed price without the digits that no market has."""
    if not known(value) or not value:
        return float(value)
    return round(float(value), max(0, 5 - math.floor(math.log10(abs(float(value))))))


def rounded(value: Number | None, digits: int = 5) -> str:
    """A computed number in so many significant digits: sizes, factors."""
    if value is None or not known(value):
        return NONE
    return quantity(float(f"{value:.{digits}g}"))


class Ticks:
    """Decimals of each symbol's prices, learned from prices seen, so that columns stand still.

    A price that happens to end in zero must not make its column one digit narrower.
    """

    def __init__(self) -> None:
        self._decimals: dict[str, int] = {}

    def see(self, symbol: str, *prices: Number) -> None:
        """Note prices of a symbol as they came."""
        seen = max((decimals_of(value) for value in prices if known(value)), default=0)
        if seen > self._decimals.get(symbol, -1):
            self._decimals[symbol] = seen

    def price(self, symbol: str, value: Number | None) -> str:
        """A price of the symbol, in the decimals known for it."""
        return price(value, self._decimals.get(symbol))


def age(ns: Number) -> str:
    """A span of time in one unit: `12 s`, `3 m`, `2 h`, `5 d`."""
    span = max(0, int(ns))
    if span < MINUTE:
        return f"{span // SECOND} s"
    if span < HOUR:
        return f"{span // MINUTE} m"
    return f"{span // HOUR} h" if span < 2 * DAY else f"{span // DAY} d"


def held(ns: Number) -> str:
    """A span in two units where that tells more: `4 m`, `1 h 05`, `3 d 4 h`."""
    span = max(0, int(ns))
    if span < HOUR:
        return age(span)
    if span < DAY:
        return f"{span // HOUR} h {span % HOUR // MINUTE:02d}"
    return f"{span // DAY} d {span % DAY // HOUR} h"


def remaining(ns: Number) -> str:
    """A span that runs out: in minutes, and in steps of five seconds in its last minute.

    A count that changed each second would send a row a second for nothing that matters.
    """
    span = int(ns)
    if span <= 0:
        return "now"
    if span < MINUTE:
        return f"{max(5, span // SECOND // 5 * 5)} s"
    return age(span)


def clock(ns: int) -> str:
    """The time of day, UTC, hours and minutes."""
    return utc(ns).strftime("%H:%M") if ns else NONE


def clock_seconds(ns: int) -> str:
    """The time of day, UTC, with seconds."""
    return utc(ns).strftime("%H:%M:%S") if ns else NONE


def day(ns: int) -> str:
    """The day, UTC: `20 Nov`."""
    return f"{utc(ns).day} {utc(ns):%b}" if ns else NONE


def arrow(value: Number | None) -> str:
    """Up, down or neither, as a sign that needs no colour."""
    if value is None or not known(value) or value == 0:
        return FLAT
    return UP if value > 0 else DOWN


def role(value: Number | None) -> str:
    """The colour role of a gain or a loss; empty for neither."""
    if value is None or not known(value) or value == 0:
        return ""
    return "gain" if value > 0 else "loss"


def side(direction: Direction) -> tuple[str, str]:
    """A direction as arrow and word, and its role."""
    if direction is Direction.LONG:
        return f"{UP} LONG", "gain"
    return f"{DOWN} SHORT", "loss"


def action(value: Action) -> tuple[str, str]:
    """A signal's action as arrow and word, and its role."""
    if value is Action.BUY:
        return f"{UP} BUY", "gain"
    if value is Action.SELL:
        return f"{DOWN} SELL", "loss"
    return f"{FLAT} HOLD", "muted"
