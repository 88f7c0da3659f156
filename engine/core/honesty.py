"""What paper claimed and what the tape then did: the words of the honesty report.

Core types, because the kernel records them, the portfolio sums them up and screens show
them. Basis points are of a fill's notional and signed for the account: what is positive was
good for it. Amounts are in the quote currency.
"""

from __future__ import annotations

from decimal import Decimal

from engine.core.types import Side, Value

NAN = float("nan")


class Later(Value, frozen=True, gc=False):
    """The price one horizon after a fill. NaN is not known, and `how` says why."""

    after: str
    price: float
    how: str


class Aftermath(Value, frozen=True):
    """What the tape did after one fill.

    `later` holds the horizons in their order. `again` is what the same order would have paid
    in the next market that came, walked and costed as paper does it; `again_how` names that
    market, or why there was none. `available` says whether the fill's price was still there
    to be had, None where nobody can tell. `limit` is the price of an order that would have
    waited on its own side of the market (or did), and `through_ns` how long until the tape
    traded beyond it: −1 never within five minutes, −2 not known. `ended` is false in a record
    that a stop cut short.
    """

    fill: str
    symbol: str
    side: Side
    time_ns: int
    mid: float
    later: tuple[Later, ...]
    again: float = NAN
    again_how: str = ""
    available: bool | None = None
    available_how: str = ""
    limit: float = NAN
    through_ns: int = -2
    ended: bool = True


class BridgeRow(Value, frozen=True):
    """From gross to net over the fills of a day: gross − fees − spread − slippage − funding.

    `gross` is the profit had every fill been made at the mid of its moment, free of charge.
    The five amounts add up to `net` to the last digit.
    """

    day: str
    fills: int
    notional: Decimal
    gross: Decimal
    fees: Decimal
    spread: Decimal
    slippage: Decimal
    funding: Decimal
    net: Decimal


class Optimism(Value, frozen=True, gc=False):
    """How much better than the tape paper was, over `n` fills of which that is known.

    `bps` is the mean weighted by notional, `low` and `high` its 95 % interval (NaN while too
    few), `amount` the same in the quote currency. `unknown` fills are not in it. `sources`
    counts what the tape's price was taken from.
    """

    day: str
    n: int
    unknown: int
    bps: float
    low: float
    high: float
    amount: float
    sources: tuple[tuple[str, int], ...] = ()


class HonestFill(Value, frozen=True):
    """One fill with what was assumed and what the tape did next.

    `cost_bps` is what walking the book gave against the mid, `optimism_bps` how much better
    than the next market the fill was; NaN is not known.
    """

    fill: str
    symbol: str
    side: Side
    time_ns: int
    quantity: Decimal
    price: Decimal
    notional: Decimal
    assumptions: str
    cost_bps: float
    optimism_bps: float
    aftermath: Aftermath | None = None


class HonestyView(Value, frozen=True):
    """The honesty report: days oldest first, the total, what is open, the newest fills.

    `open` is the bridge of what open positions would bring at their marks; it is in no day.
    """

    quote: str
    days: tuple[BridgeRow, ...]
    total: BridgeRow
    open: BridgeRow
    optimism: tuple[Optimism, ...]
    overall: Optimism
    fills: tuple[HonestFill, ...]
