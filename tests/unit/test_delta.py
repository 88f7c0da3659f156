"""Volume delta: whole hours of trades that name their aggressor, and nothing else."""

from __future__ import annotations

import math

import pytest

from engine.core.clock import HOUR, MINUTE
from engine.core.types import Tick
from engine.market.delta import VolumeDelta

BTC, START = "BTC/USDT", 1_700_000_000 * 1_000_000_000


def heard(*trades: tuple[int, float], start_ns: int = START) -> VolumeDelta:
    """Trades as (minutes after the start, size; sellers' are negative)."""
    delta = VolumeDelta()
    for minutes, size in trades:
        delta.add(
            Tick(
                symbol=BTC, time_ns=start_ns + minutes * MINUTE, price=1.0, size=abs(size),
                buyer_maker=size < 0,
            )
        )  # fmt: skip
    return delta


def test_an_hour_of_trades_is_summed_by_who_took() -> None:
    delta = heard((0, 5.0), (10, -2.0), (30, 1.5), (59, -0.25))
    assert delta.at(START + HOUR) == (-2.0 + 1.5 - 0.25, "")
    # The first minute has left the hour before the second has begun to.
    assert delta.at(START + HOUR + 11 * MINUTE)[0] == pytest.approx(1.5 - 0.25)
    assert delta.at(START + 3 * HOUR) == (0.0, "")


@pytest.mark.parametrize(
    ("delta", "after", "why"),
    [
        (VolumeDelta(), HOUR, "bars"),
        (heard((0, 1.0), (5, 2.0)), HOUR, "no aggressor"),
        (heard((0, 1.0), (5, -2.0)), 12 * MINUTE, "12 of 60 min"),
    ],
)
def test_what_is_not_known_says_why(delta: VolumeDelta, after: int, why: str) -> None:
    figure, said = delta.at(START + after)
    assert math.isnan(figure)
    assert why in said


def test_a_break_begins_the_hour_anew() -> None:
    delta = heard((0, 1.0), (5, -2.0))
    delta.broke()
    assert math.isnan(delta.at(START + HOUR)[0])
    delta.add(Tick(symbol=BTC, time_ns=START + HOUR, price=1.0, size=3.0, buyer_maker=True))
    assert "0 of 60" in delta.at(START + HOUR)[1]
    assert math.isnan(delta.at(START + 2 * HOUR - 1)[0])
