"""Packed inputs: small, exact to the last bit, and never taken for what they are not."""

from __future__ import annotations

import math
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import JournalError
from engine.core.parameters import Parameters, Scope
from engine.core.records import DecidedFrom
from engine.core.types import Quote
from engine.journal.codec import decode, encode
from engine.journal.packing import (
    pack,
    pack_later,
    pack_text,
    prices_from,
    prices_of,
    unpack,
    unpack_text,
)
from engine.journal.settings import set_everywhere, values_digest
from engine.kernel.inputs import _differing


def bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@given(st.lists(st.floats(), max_size=70))
def test_any_prices_come_back_to_the_last_bit(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    assert bits(prices_from(prices_of(finite, 0.01))) == bits([0.0 + value for value in finite])


@given(st.lists(st.integers(1, 9_000_000), min_size=1, max_size=70), st.sampled_from((1, 2, 5)))
def test_prices_on_the_grid_are_kept_as_steps(ticks: list[int], digits: int) -> None:
    tick = 10.0**-digits
    values = [round(count * tick, digits) for count in ticks]
    kept = prices_of(values, tick)
    assert kept[0] == tick
    assert len(kept[2]) == 4 * len(values)
    assert prices_from(kept) == values


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tick", [1e-12, 3e-11, 0.01])
def test_a_tick_below_the_digits_of_a_grid_keeps_the_prices_as_they_are(tick: float) -> None:
    values = [1.5e-11, 2.5e-11, 0.25]
    assert prices_from(prices_of(values, tick)) == values


def test_a_row_of_floats_keeps_nan_and_what_looked_back() -> None:
    row = np.array([1.5, math.nan, -0.0, 1e-300, 7.0])
    before = np.array([1.25, 3.0, math.nan, 1e300, 7.0])
    packed = _differing(row, before)
    assert packed is not None
    changed = np.frombuffer(packed, dtype=np.uint8).reshape(8, -1).T
    again = (np.ascontiguousarray(changed).view(np.uint64).ravel() ^ row.view(np.uint64)).view(
        np.float64
    )
    assert again.tobytes() == before.tobytes()
    assert _differing(row, None) is None


def test_what_can_not_be_read_is_an_error_with_a_sentence() -> None:
    quote = Quote(symbol="BTC/USDT", time_ns=1, bid=1.0, ask=math.nan, bid_size=0.0, ask_size=0.0)
    text = pack(quote)
    assert text.isascii()
    assert "\\" not in text
    assert '"' not in text
    assert str(unpack(text, Quote)) == str(quote)
    for broken in ("", "B" + text[1:], text[:-3], text[:20] + "~~~~" + text[24:]):
        with pytest.raises(JournalError):
            unpack(broken, Quote)
    with pytest.raises(JournalError, match="another version"):
        unpack(pack([1, 2]), Quote)


def test_what_is_packed_later_is_what_it_was_when_it_was_packed() -> None:
    counts = {"n": 1}
    later = pack_later(counts)
    now = pack(counts)
    counts["n"] = 2
    record = DecidedFrom(time_ns=1, decision="D-1", stage="decide", packed=later)
    body = encode(record)
    assert decode(body) == msgspec.structs.replace(record, packed=now)
    assert unpack(later, dict[str, int]) == {"n": 1}


def test_long_texts_shrink() -> None:
    text = "Answer with JSON. " * 200
    assert unpack_text(pack_text(text)) == text
    assert len(pack_text(text)) < len(text) / 10
    assert pack_text("") == unpack_text("") == ""
    assert msgspec.json.decode(msgspec.json.encode(pack_text(text))) == pack_text(text)


def test_the_digest_of_parameters_knows_every_scope() -> None:
    params = Parameters()
    none = values_digest(params)
    params.set("cost.impact_coefficient", 1.5, "test")
    everywhere = values_digest(params)
    params.set("cost.impact_coefficient", 1.5, "test", Scope(symbol="BTC/USDT"))
    assert len({none, everywhere, values_digest(params)}) == 3
    assert set_everywhere(params) == {"cost.impact_coefficient": "1.5"}
    params.unset("cost.impact_coefficient", Scope(symbol="BTC/USDT"))
    assert values_digest(params) == everywhere
