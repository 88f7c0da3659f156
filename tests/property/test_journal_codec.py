"""Whatever a record holds, its canonical text gives the same record and the same text back."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.records import AnyRecord, Denied, Measured, Noted, Signalled
from engine.core.types import Action, Actor, Signal
from engine.journal.codec import decode, encode
from tests.faults.story import gate

floats = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(entry=floats, stop=floats, reason=texts)
def test_signals_survive_with_every_number(entry: float, stop: float, reason: str) -> None:
    signal = Signal(
        strategy="s",
        symbol="BTC/USDT",
        time_ns=1,
        action=Action.BUY,
        confidence=0.5,
        entry=entry,
        stop=stop,
        reason=reason,
    )
    text = encode(Signalled(time_ns=1, signal=signal))
    back = decode(text)
    assert isinstance(back, Signalled)
    assert encode(back) == text
    for name in ("entry", "stop", "target"):
        was, now = getattr(signal, name), getattr(back.signal, name)
        assert now == was or (math.isnan(now) and math.isnan(was))
    assert back.signal.reason == reason


@given(text=st.text(max_size=50))
@settings(max_examples=200)
def test_hostile_text_is_always_written(text: str) -> None:
    record = Noted(time_ns=1, who=Actor.ENGINE, text=text)
    back = decode(encode(record))
    assert isinstance(back, Noted)
    assert encode(back) == encode(record)
    if not any(0xD800 <= ord(char) < 0xE000 for char in text):
        assert back.text == text


@given(values=st.dictionaries(texts, floats, max_size=5))
def test_the_order_of_a_dict_does_not_matter(values: dict[str, float]) -> None:
    other = dict(reversed(values.items()))
    assert encode(Measured(time_ns=1, values=values)) == encode(Measured(time_ns=1, values=other))


@given(price=floats, score=floats)
def test_null_stays_none_and_nan_stays_nan(price: float, score: float) -> None:
    record = Denied(
        time_ns=1,
        id="B-1",
        symbol="X",
        decision="D-1",
        direction="LONG",
        code="C",
        gate=gate(),
        price=price,
        stop=float("nan"),
        target=1.0,
        score=score,
        quantity="1",
    )
    text = encode(record)
    assert "null" not in text
    assert isinstance(decode(text), Denied)


def test_no_record_has_a_number_that_may_be_none() -> None:
    """Then null would be ambiguous: the codec takes a null at a number for a lost NaN."""

    def walk(kind: Any, seen: set[type]) -> None:
        for part in getattr(kind, "types", ()):
            walk(part, seen)
        for name in ("item_type", "key_type", "value_type"):
            if hasattr(kind, name):
                walk(getattr(kind, name), seen)
        for part in getattr(kind, "item_types", ()):
            walk(part, seen)
        if isinstance(kind, msgspec.inspect.UnionType):
            kinds = {type(part) for part in kind.types}
            assert not {msgspec.inspect.FloatType, msgspec.inspect.NoneType} <= kinds
        if isinstance(kind, msgspec.inspect.StructType) and kind.cls not in seen:
            seen.add(kind.cls)
            for field in kind.fields:
                walk(field.type, seen)

    seen: set[type] = set()
    walk(msgspec.inspect.type_info(AnyRecord), seen)
    assert Signal in seen
