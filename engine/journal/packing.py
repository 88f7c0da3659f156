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
from typing import Any, TypeVar

import msgspec
import numpy as np

from engine.core.errors import JournalError
from engine.journal.codec import plain_text

T = TypeVar("T")

FORMAT = "A"

_EXACT = 2.0**52
"""Above this floats are whole numbers themselves, and a product is no longer exact."""

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


class Packed(str):
    """A packed text that is made when it is asked for: by the journal's thread, as a rule.

    Deflating takes a third of the time of a decision. The value is encoded at once, so that
    nothing which moves later changes it; `str()` of this is the text, and its own letters none.
    """

    __slots__ = ("_raw",)
    _raw: bytes

    def __str__(self) -> str:
        squeezed = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, zdict=KNOWN)
        raw = squeezed.compress(self._raw) + squeezed.flush()
        return FORMAT + base64.b64encode(raw).decode()


def pack(value: object) -> str:
    """The text of a value that msgspec can encode."""
    return str(pack_later(value))


def pack_later(value: object) -> Packed:
    """The same for a record of the journal, whose thread deflates it."""
    later = Packed()
    later._raw = _encoder.encode(value)
    return later


def unpack(text: str, kind: type[T]) -> T:
    """The value again. Raises `JournalError` for a text that holds no such value."""
    text = str(text)
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
    floats = np.ascontiguousarray(values, dtype=np.float64) + 0.0
    digits = len(f"{tick:.10f}".rstrip("0").partition(".")[2])
    scale = 10.0**digits
    with np.errstate(all="ignore"):  # a tick too small for its digits divides by zero
        # A float that is the nearest to a decimal is the quotient of two whole numbers.
        parts = np.rint(floats * scale)
        counts = np.rint(parts / np.rint(tick * scale))
        steps = np.diff(counts, prepend=0.0)
        whole = (parts / scale == floats) & (counts * np.rint(tick * scale) == parts)
        if not (whole & (np.abs(parts) < _EXACT) & (np.abs(steps) < 1 << 31)).all():
            return 0.0, 0, floats.astype("<f8").tobytes()
    places = steps.astype("<i4").view(np.uint8).reshape(-1, 4)
    return tick, digits, np.ascontiguousarray(places.T).tobytes()


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
