"""The sniper against a plain loop over its conditions, and the edges of price and time."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Direction, TradeCondition
from engine.execution.sniper import Sniper
from tests.execution_help import START_NS, SYMBOL, later


def condition(
    number: object,
    trigger: float,
    above: bool = True,
    until: int = later(300),
    symbol: str = SYMBOL,
) -> TradeCondition:
    return TradeCondition(
        id=f"C-{number}",
        symbol=symbol,
        direction=Direction.LONG,
        trigger=trigger,
        above=above,
        stop=trigger * 0.98,
        targets=(trigger * 1.04,),
        created_ns=START_NS,
        valid_until_ns=until,
        reasoning="a break",
        strategy="strategist",
    )


def ids(conditions: list[TradeCondition]) -> list[str]:
    return [each.id for each in conditions]


def test_triggers_at_its_price_once() -> None:
    sniper = Sniper()
    sniper.set_conditions([condition(1, 101.0), condition(2, 99.0, above=False)])
    assert sniper.on_price(SYMBOL, 100.0, START_NS) == []
    assert ids(sniper.on_price(SYMBOL, 101.0, START_NS)) == ["C-1"]
    assert sniper.on_price(SYMBOL, 102.0, START_NS) == []
    assert ids(sniper.on_price(SYMBOL, 98.0, START_NS)) == ["C-2"]
    assert sniper.conditions() == ()
    assert sniper.on_price("ETH/USDT", 1.0, START_NS) == []


def test_a_gap_triggers_everything_it_crossed_nearest_first() -> None:
    sniper = Sniper()
    sniper.set_conditions(
        [condition(n, price) for n, price in ((1, 103.0), (2, 101.0), (3, 110.0))]
        + [condition(n, price, above=False) for n, price in ((4, 95.0), (5, 97.0))]
    )
    assert ids(sniper.on_price(SYMBOL, 105.0, START_NS)) == ["C-2", "C-1"]
    assert ids(sniper.on_price(SYMBOL, 90.0, START_NS)) == ["C-5", "C-4"]
    assert ids(list(sniper.conditions())) == ["C-3"]


def test_what_expired_never_triggers_and_is_told_once() -> None:
    sniper = Sniper()
    sniper.set_conditions([condition(1, 101.0, until=later(10)), condition(2, 102.0)])
    assert ids(sniper.on_price(SYMBOL, 105.0, later(10))) == ["C-2"]
    assert ids(sniper.expire_due(later(10))) == ["C-1"]
    assert sniper.expire_due(later(999)) == []
    sniper.arm(condition(3, 101.0, until=later(20)), now_ns=later(11))
    assert sniper.expire_due(later(20) - 1) == []
    assert ids(sniper.expire_due(later(20))) == ["C-3"]


def test_arming_refuses_what_can_not_wait() -> None:
    sniper = Sniper()
    assert "no price" in sniper.arm(condition(1, math.nan))
    assert "no price" in sniper.arm(condition(1, -5.0))
    assert "over" in sniper.arm(condition(1, 101.0, until=later(5)), now_ns=later(5))
    assert "already passed" in sniper.arm(condition(1, 101.0), price=101.0)
    assert "already passed" in sniper.arm(condition(1, 101.0, above=False), price=100.0)
    refused = sniper.set_conditions(
        [condition(1, 101.0), condition(2, 103.0)], prices={SYMBOL: 102.0}
    )
    assert [each.id for each, _why in refused] == ["C-1"]
    assert ids(list(sniper.conditions())) == ["C-2"]


def test_disarm_veto_and_replacement() -> None:
    sniper = Sniper()
    sniper.set_conditions([condition(1, 101.0), condition(2, 102.0)])
    assert sniper.veto("C-1") == condition(1, 101.0)
    assert sniper.disarm("C-1") is None
    assert sniper.on_price(SYMBOL, 101.5, START_NS) == []
    sniper.arm(condition(2, 105.0))
    assert sniper.on_price(SYMBOL, 103.0, START_NS) == []
    assert ids(sniper.on_price(SYMBOL, 105.0, START_NS)) == ["C-2"]


def test_nan_triggers_nothing() -> None:
    sniper = Sniper()
    sniper.set_conditions([condition(1, 101.0), condition(2, 99.0, above=False)])
    assert sniper.on_price(SYMBOL, math.nan, START_NS) == []
    assert len(sniper.conditions()) == 2


levels = st.integers(90, 110)
armed = st.lists(st.tuples(levels, st.booleans(), st.integers(1, 40)), max_size=25)


@given(armed, st.lists(levels, max_size=25), st.integers(0, 24))
def test_equal_to_a_plain_loop(
    setup: list[tuple[int, bool, int]], walk: list[int], vetoed: int
) -> None:
    """One condition after the other, as the specification reads, gives the same."""
    conditions = [
        condition(n, float(price), above, later(valid))
        for n, (price, above, valid) in enumerate(setup)
    ]
    sniper = Sniper()
    sniper.set_conditions(conditions, now_ns=START_NS)
    waiting = {each.id: each for each in conditions}
    expired: list[str] = []
    for second, price in enumerate(walk, start=1):
        now = later(second)
        if second == 5:
            sniper.disarm(f"C-{vetoed}")
            waiting.pop(f"C-{vetoed}", None)
        expected = set()
        for each in list(waiting.values()):
            if each.valid_until_ns <= now:
                expired.append(each.id)
                del waiting[each.id]
            elif price >= each.trigger if each.above else price <= each.trigger:
                expected.add(each.id)
                del waiting[each.id]
        assert set(ids(sniper.on_price(SYMBOL, float(price), now))) == expected
        if second % 3 == 0:
            assert set(ids(sniper.expire_due(now))) == set(expired)
            expired.clear()
    assert set(ids(list(sniper.conditions()))) == set(waiting)
