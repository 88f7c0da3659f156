"""Ticks that are believed and prices that are fresh."""

from __future__ import annotations

import csv
import math
from decimal import Decimal

import msgspec
import pytest

from engine.core.clock import SECOND
from engine.core.parameters import Parameters
from engine.market.instruments import packaged
from engine.market.quality import Freshness, TickGuard
from tests.recorded import recorded

NOW = 1_746_000_000 * SECOND


def guard(parameters: Parameters | None = None, seed: float | None = 100.0) -> TickGuard:
    return TickGuard(parameters or Parameters(), "BTC/USDT", seed=seed)


def judged(made: TickGuard, prices: list[float]) -> list[bool]:
    return [not made.check(price, NOW + i * SECOND) for i, price in enumerate(prices)]


def test_ordinary_ticks_are_believed_and_refusals_say_why() -> None:
    made = guard()
    assert judged(made, [100, 101, 99.5, 102]) == [True] * 4
    assert "never believed" in made.check(1_000.0, NOW)
    assert "no price" in made.check(math.nan, NOW)
    assert "2 more" in made.check(80.0, NOW)


def test_a_jump_needs_its_confirmations_in_a_row() -> None:
    assert judged(guard(), [100, 80, 80.5, 79.8, 80]) == [True, False, False, True, True]
    assert judged(guard(), [100, 80, 80.5, 100, 80, 80.5]) == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert judged(guard(), [100, 80, 120, 80, 120, 80]) == [True] + [False] * 5


def test_a_jump_is_not_confirmed_by_ticks_from_before_it() -> None:
    made = guard()
    assert made.check(80.0, NOW + 9 * SECOND)
    assert all(made.check(80.0, NOW + i) for i in range(5))


def test_the_first_ticks_confirm_each_other_without_a_past() -> None:
    assert judged(guard(seed=None), [100, 100.1, 100.2, 100.1]) == [False, False, True, True]
    assert judged(guard(seed=None), [1_000, 100, 100.1, 100.2]) == [False, False, False, True]


def test_a_slide_in_steps_is_followed_all_the_way() -> None:
    made = guard()
    prices = [100 * 0.99**i for i in range(200)]
    believed = judged(made, prices)
    assert believed[-1]
    assert believed.count(False) < 30


def test_a_venues_band_decides_what_is_never_believed() -> None:
    known = packaged("BTC/USDT", price=100.0)
    wide = msgspec.structs.replace(known, price_up=Decimal(5), price_down=Decimal("0.2"))
    made = TickGuard(Parameters(), "BTC/USDT", wide, seed=100.0)
    assert judged(made, [400, 401, 402]) == [False, False, True]
    tight = msgspec.structs.replace(known, price_up=Decimal("1.05"), price_down=Decimal("0.95"))
    made = TickGuard(Parameters(), "BTC/USDT", tight, seed=100.0)
    assert judged(made, [80, 80, 80]) == [False, False, True], "a crash moves the venue's band"
    assert judged(made, [200, 200, 200, 200]) == [False] * 4


@pytest.mark.parametrize(
    ("name", "low", "high", "prices"),
    [
        ("data.tick_band_pct", 2, 50, [100, 105, 112, 107]),
        ("data.tick_confirmations", 1, 5, [100, 80, 80, 80, 80]),
        ("data.tick_confirm_pct", 0.5, 20, [100, 80, 78, 80, 78, 80]),
        ("data.tick_jump_max", 1.5, 5, [100, 180, 180, 180]),
        ("data.tick_band_mad", 4, 50, [100, 101, 99, 101, 99, 101, 99, 101, 99, 130, 130]),
    ],
)
def test_every_parameter_of_the_guard_changes_what_is_believed(
    name: str, low: float, high: float, prices: list[float]
) -> None:
    told = []
    for value in (low, high):
        parameters = Parameters()
        parameters.set(name, value, "test")
        told.append(judged(guard(parameters), prices))
    assert told[0] != told[1]


def test_a_changed_parameter_counts_from_the_next_tick() -> None:
    parameters = Parameters()
    made = guard(parameters)
    assert made.check(115.0, NOW)
    parameters.set("data.tick_band_pct", 20.0, "test")
    assert not made.check(115.0, NOW)


def test_recorded_trades_are_believed() -> None:
    path = recorded("ticks/gocryptotrader_binance_spot/BTCUSDT-trades-20201116.csv")
    with path.open() as lines:
        prices = [float(row[1]) for row in csv.reader(lines)]
    assert judged(guard(seed=prices[0]), prices) == [True] * len(prices)


def test_age_is_judged_by_the_events_time_and_not_by_its_arrival() -> None:
    fresh = Freshness(Parameters(), ["BTC/USDT", "ETH/USDT"])
    assert fresh.changes(NOW) == []
    fresh.seen("BTC/USDT", NOW, NOW)
    assert fresh.changes(NOW) == [("BTC/USDT", False)]
    for second in range(1, 40):
        # The same old event arrives again and again on a socket that lives.
        fresh.seen("BTC/USDT", NOW, NOW + second * SECOND)
    assert fresh.age_s("BTC/USDT", NOW + 40 * SECOND) == 40
    assert fresh.is_stale("BTC/USDT", NOW + 16 * SECOND)
    assert not fresh.is_stale("BTC/USDT", NOW + 15 * SECOND)
    assert fresh.changes(NOW + 16 * SECOND) == [("BTC/USDT", True)]
    assert fresh.changes(NOW + 17 * SECOND) == []
    assert fresh.age_s("ETH/USDT", NOW) == math.inf


def test_a_time_in_the_future_does_not_hide_a_frozen_symbol() -> None:
    fresh = Freshness(Parameters(), ["BTC/USDT"])
    fresh.seen("BTC/USDT", NOW + 9_999 * SECOND, NOW)
    assert fresh.is_stale("BTC/USDT", NOW + 16 * SECOND)


@pytest.mark.parametrize(
    ("name", "polled", "age"),
    [("data.max_quote_age_crypto_s", False, 60), ("data.max_quote_age_polled_s", True, 400)],
)
def test_the_age_limits_are_read_from_their_parameters(name: str, polled: bool, age: int) -> None:
    told = []
    for which in ("low", "high"):
        parameters = Parameters()
        fresh = Freshness(parameters, ["BTC/USDT"], polled=polled)
        value = {"low": 5, "high": 120} if not polled else {"low": 30, "high": 900}
        parameters.set(name, value[which], "test")
        fresh.seen("BTC/USDT", NOW, NOW)
        told.append(fresh.is_stale("BTC/USDT", NOW + age * SECOND))
    assert told == [True, False]
