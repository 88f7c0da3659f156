"""Margin by hand: numbers that can be worked out on paper, and what the packaged table holds."""

from __future__ import annotations

from decimal import Decimal

from engine.core.types import Direction
from engine.risk.margin import Margin, distance_pct, tiers_of

BTC = tiers_of("BTC/USDT:USDT")


def test_a_small_bitcoin_long_is_liquidated_where_the_venues_formula_says() -> None:
    """1 BTC at 40,000 with 10x: (4,000 + 0 − 40,000) / (0.004 − 1) = 36,144.578…"""
    held = Margin.at(Direction.LONG, Decimal(40_000), Decimal(1), 10, BTC)
    assert held.margin == 4_000
    assert held.liquidation is not None
    assert abs(held.liquidation - Decimal("36144.5783132530120481927710")) < Decimal("1e-9")
    assert held.bankruptcy == 36_000
    assert held.ratio(Decimal(40_000)) == 0.04
    assert abs(distance_pct(Direction.LONG, Decimal(40_000), held.liquidation) - 9.6386) < 1e-4


def test_a_short_that_grows_into_the_next_tier_is_liquidated_by_that_tier() -> None:
    """49,000 short at 5x: at its end it is worth more than 50,000, so 0.5 % less 50 holds."""
    held = Margin.at(Direction.SHORT, Decimal(49_000), Decimal(1), 5, BTC)
    assert held.liquidation is not None
    by_hand = (Decimal(9_800) + 50 + 49_000) / (Decimal("0.005") + 1)
    assert abs(held.liquidation - by_hand) < Decimal("1e-9")
    assert held.liquidation > 50_000


def test_a_long_without_leverage_can_not_be_liquidated_and_a_short_can() -> None:
    long = Margin.at(Direction.LONG, Decimal(100), Decimal(3), 1, BTC)
    short = Margin.at(Direction.SHORT, Decimal(100), Decimal(3), 1, BTC)
    assert long.liquidation is None
    assert distance_pct(Direction.LONG, Decimal(100), None) == float("inf")
    assert short.liquidation is not None
    assert 195 < short.liquidation < 200


def test_margin_ratios_are_met_in_order_on_the_way_down() -> None:
    held = Margin.at(Direction.LONG, Decimal(100), Decimal(10), 10, BTC)
    half, most = held.price_at(Decimal("0.5")), held.price_at(Decimal("0.7"))
    assert half is not None
    assert most is not None
    assert held.liquidation is not None
    assert 100 > half > most > held.liquidation > held.bankruptcy
    assert abs(held.ratio(most) - 0.7) < 1e-9


def test_deducted_amounts_are_the_venues_own_cum() -> None:
    assert [step.deducted for step in BTC.steps][:8] == [
        0, 50, 950, 11_450, 131_450, 481_450, 2_981_450, 14_481_450,
    ]  # fmt: skip
    last = {
        "XMR": "3230850", "ADA": "9933045", "AVAX": "5732080", "BCH": "6915542.5",
        "DOGE": "13351670", "LTC": "10223045", "SUI": "2150300", "XLM": "3230850",
    }  # fmt: skip
    for name, cum in last.items():
        tiers = tiers_of(f"{name}/USDT:USDT")
        assert tiers.source == "packaged 2024-Q3"
        assert tiers.steps[-1].deducted == Decimal(cum)


def test_unknown_symbols_get_the_strict_default_and_say_so() -> None:
    unknown = tiers_of("NEVERHEARD/USDT:USDT")
    assert "default" in unknown.source
    assert "2024" in BTC.source
    for notional in (100, 30_000, 200_000, 900_000):
        for name in (
            "BTC",
            "XMR",
            "LINK",
            "XRP",
            "ADA",
            "AVAX",
            "BCH",
            "DOGE",
            "LTC",
            "SUI",
            "XLM",
        ):
            known = tiers_of(f"{name}/USDT:USDT")
            amount = Decimal(notional)
            assert known.maintenance(amount) < unknown.maintenance(amount)
            assert known.leverage(amount) >= unknown.leverage(amount)
    assert unknown.leverage(Decimal(10) ** 9) == 0
