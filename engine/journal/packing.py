"""Values packed into one short text: what a machine reads again and a person rarely.

MessagePack, deflated with the field names that every packed value repeats known beforehand,
as base 64, whose letters JSON needs no escapes for and whose coding takes no time. The first
letter names the format, so that a later one can still read this one. Floats keep every bit,
NaN included.
"""

from __future__ import annotations

import base64
import struct
import zlib
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from engine.core.errors import JournalError
from engine.journal.codec import plain_text

T = TypeVar("T")

FORMAT = "A"

LEVEL = 3
"""Of deflating: the highest saves a hundredth of the size and takes half as long again."""

KNOWN = (
    b"account around bar best bid ask bid_size ask_size base breakers breakers_open can_short cash "
    b"close confidence condition contract_size control ACTIVE cooldown_left_s correlated "
    b"correlated_with costs daily_vol_pct day_start_equity diamond direction LONG SHORT "
    b"drawdown_pct edge equity equity_trend evidence extra factors fee fees_bps slippage_bps "
    b"spread_bps final gates grows headroom high holding instrument kind spot swap label "
    b"largest_cluster largest_exposure largest_sector leverage loss_bps lot_step low lots "
    b"maker_fee margin max_qty min_notional min_qty modelled most_leverage net_bps net_ev_bps "
    b"new_in_cycle not known open open_ns open_positions opened_risk orders_last_s parameters "
    b"peak_equity polled previous price price_down price_tick price_up prior probability "
    b"quantity quote quote_age_s recent regime regime_confidence row sector sector_exposure "
    b"since_ns size source packaged span_ns stages stop strategy strategies symbol "
    b"symbol_exposure symbol_positions taker_fee tallies time_ns trades_today unknown "
    b"var var_from venue binance vol_level volume closes BTC/USDT ETH/USDT :USDT "
    b"historical correlation unclassified adx atr bb_width daily_volatility_pct ema_trend "
    b"volatility_ratio SIDEWAYS HIGH_VOL STRONG_BULL STRONG_BEAR technical ma_crossover "
    b"rsi_reversion"
)
"""Never altered: what was packed with it is read with it. Another list is another format."""


def plain(value: object) -> object:
    """What MessagePack does not know by itself."""
    return plain_text(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=plain)


def pack(value: object) -> str:
    """The text of a value that msgspec can encode."""
    squeezed = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, zdict=KNOWN)
    raw = squeezed.compress(_encoder.encode(value)) + squeezed.flush()
    return FORMAT + base64.b64encode(raw).decode()


def unpack(text: str, kind: type[T]) -> T:
    """The value again. Raises `JournalError` for a text that holds no such value."""
    if not text.startswith(FORMAT):
        raise JournalError("this was packed by another version", "read it with the one that did")
    try:
        opened = zlib.decompressobj(-15, zdict=KNOWN)
        raw = opened.decompress(base64.b64decode(text[1:], validate=True)) + opened.flush()
        return msgspec.msgpack.decode(raw, type=kind)
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise JournalError(
            f"packed inputs can't be read by this version: {error}",
            "another version of the program wrote them",
        ) from None


def pack_text(text: str) -> str:
    """A long text, packed; nothing stays nothing."""
    return pack(text) if text else ""


def unpack_text(text: str) -> str:
    return unpack(text, str) if text else ""


def prices_of(values: Any, tick: float) -> tuple[float, int, bytes]:
    """Prices as steps on their grid where each is exactly on it, else as they are.

    On the grid: the tick, its digits, and the first price and every step in ticks as int32,
    the bytes of one place side by side. Off it: 0, 0, and the floats.
    """
    floats = list(map(float, values))
    digits = len(f"{tick:.10f}".rstrip("0").partition(".")[2])
    steps, before = [], 0
    for value in floats:
        count = _in_ticks(value, tick, digits)
        if count is None or abs(count - before) >= 1 << 31:
            return 0.0, 0, struct.pack(f"<{len(floats)}d", *floats)
        steps.append(count - before)
        before = count
    raw = struct.pack(f"<{len(steps)}i", *steps)
    return tick, digits, b"".join(raw[place::4] for place in range(4))


@lru_cache(maxsize=8_192)
def _in_ticks(value: float, tick: float, digits: int) -> int | None:
    """How many ticks a price is, None off the grid; asked again of the same closes bar by bar."""
    count = round(value / tick)
    return count if round(count * tick, digits) == value else None


def prices_from(packed: tuple[float, int, bytes]) -> list[float]:
    """The prices of `prices_of`, to the last bit."""
    tick, digits, raw = packed
    if not tick:
        return list(struct.unpack(f"<{len(raw) // 8}d", raw))
    count = len(raw) // 4
    places = [raw[place * count : (place + 1) * count] for place in range(4)]
    mixed = bytes(byte for four in zip(*places, strict=True) for byte in four)
    found, at = [], 0
    for step in struct.unpack(f"<{count}i", mixed):
        at += step
        found.append(round(at * tick, digits))
    return found
