"""Candidates followed for a day each, in the order in which they began."""

from __future__ import annotations

import math

from engine.core.clock import HOUR, MINUTE
from engine.core.learning import Change, ChangeKind, ChangeState, Evidence, Lean
from engine.core.parameters import Parameters
from engine.core.types import Bar, Direction
from engine.learning.adjust import parameter
from engine.learning.arms import Arms
from engine.learning.opportunities import Opportunities
from engine.learning.paths import Bars
from engine.learning.school import School
from engine.learning.simulate import Simulator
from engine.position.settings import TRAIL_ATR
from tests.property.test_learning_walk import START, opportunity, walked

BTC = "BTC/USDT"


def minutes(book: Opportunities, count: int, since: int = START, symbol: str = BTC) -> int:
    for k in range(count):
        nan = math.nan
        at = since + k * MINUTE
        book.on_bar(symbol, (at, 100.0, 101.0, 99.0, 100.5, nan, nan, nan), MINUTE)
    return since + count * MINUTE


def never(bars: Bars) -> bool:
    return False


def test_one_at_a_time_in_each_symbol_and_direction() -> None:
    book = Opportunities(Parameters())
    seen: list[int] = []

    def third(bars: Bars) -> bool:
        seen.append(len(bars))
        return len(seen) == 3

    book.begin(opportunity(id="a"), third)
    assert not book.free(BTC, Direction.LONG)
    assert book.free(BTC, Direction.SHORT)
    assert book.free("ETH/USDT", Direction.LONG)
    now = START
    for count in (30, 15, 7):
        assert not book.free(BTC, Direction.LONG)
        now = minutes(book, count, now)
        book.settle(BTC)
    assert seen == [30, 15, 7]
    assert book.free(BTC, Direction.LONG)


def test_all_are_told_after_the_same_time_in_the_order_in_which_they_began() -> None:
    book = Opportunities(Parameters())
    book.begin(opportunity(id="a"), never)
    now = minutes(book, 60)
    book.begin(opportunity(id="b", symbol="ETH/USDT", opened_ns=now), never)
    minutes(book, 60, now, "ETH/USDT")
    minutes(book, 1_500, now)
    assert book.due(START + 23 * HOUR) is None
    first = book.due(START + 40 * HOUR)
    second = book.due(START + 40 * HOUR)
    assert first is not None
    assert second is not None
    assert (first[0].id, second[0].id) == ("a", "b")
    assert book.due(START + 40 * HOUR) is None
    assert len(book) == 0


def test_prices_end_with_the_time_and_not_with_the_look() -> None:
    book = Opportunities(Parameters())
    book.begin(opportunity(id="a"), never)
    minutes(book, 2_000)
    due = book.due(START + 33 * HOUR)
    assert due is not None
    assert len(due[1]) == 24 * 60
    assert due[1].times[0] == START


def test_nothing_is_kept_of_a_symbol_that_nobody_follows() -> None:
    book = Opportunities(Parameters())
    minutes(book, 10)
    assert not book.follows(BTC)
    book.begin(opportunity(id="a"), never)
    minutes(book, 10)
    assert book.follows(BTC)
    assert book.due(START + 25 * HOUR) is not None
    assert not book.follows(BTC)


def test_what_a_decision_bar_brought_is_seen_from_both_sides() -> None:
    seen: list[list[float]] = []

    def looked(bars: Bars) -> bool:
        seen.append(bars.prices[-1, 4:].tolist())
        return False

    book = Opportunities(Parameters())
    book.begin(opportunity(id="a"), looked)
    book.begin(opportunity(id="b", direction=Direction.SHORT), looked)
    minutes(book, 15)
    book.brought(BTC, 1.5, -0.4, -1.0)
    book.settle(BTC)
    assert seen == [[1.5, 0.0, -1.0], [1.5, 0.4, -1.0]]


def test_the_rules_go_along_bar_by_bar_as_they_would_all_at_once() -> None:
    simulator, params = Simulator("balanced"), Parameters()
    for seed in range(20):
        bars, one = walked(seed), opportunity()
        whole = simulator.run(one, bars, params)
        goes = simulator.along(one, params)
        assert whole is not None
        assert goes is not None
        ended = 0
        for k in range(0, len(bars), 15):
            part = Bars(bars.prices[k : k + 15], bars.times[k : k + 15], bars.span_ns)
            if goes(part):
                ended = k
                break
        assert whole.closed == (ended > 0 or whole.bars <= 15)
        assert not whole.closed or ended <= whole.bars - 1 < ended + 15


def test_a_restart_takes_the_prices_since_from_history() -> None:
    school = School(Parameters(), "balanced", lambda: "C-1")
    one = opportunity(id="a")
    school.restore([], [], [], [], [one], START + HOUR)
    bars = [
        Bar(symbol=BTC, open_ns=START + k * MINUTE, span_ns=MINUTE, open=100.0, high=101.0,
            low=99.0, close=100.0, volume=1.0)
        for k in range(-30, 60)
    ]  # fmt: skip
    school.history(BTC, bars)
    due = school._wanted.due(START + 24 * HOUR)
    assert due is not None
    assert len(due[1]) == 60
    school.history(BTC, bars)
    assert school.following == 0


def test_after_a_restart_each_of_a_symbol_begins_where_it_began() -> None:
    """The younger of two must not be held against prices from before it was there."""
    school = School(Parameters(), "balanced", lambda: "C-1")
    young_ns = START + 20 * MINUTE + 30_000_000_000
    old, young = opportunity(id="old"), opportunity(id="young", opened_ns=young_ns)
    school.restore([], [], [], [], [old, young], START + HOUR)
    school.history(BTC, [
        Bar(symbol=BTC, open_ns=START + k * MINUTE, span_ns=MINUTE, open=100.0, high=101.0,
            low=99.0, close=100.0, volume=1.0)
        for k in range(-30, 60)
    ])  # fmt: skip
    lengths = []
    while (due := school._wanted.due(young_ns + 24 * HOUR)) is not None:
        lengths.append((due[0].id, len(due[1])))
    # The bar that was under way when the younger one began closed after it.
    assert lengths == [("old", 60), ("young", 40)]


def test_nothing_is_kept_of_a_change_that_is_compared_no_more() -> None:
    params = Parameters()
    arms = Arms(params, Simulator("balanced"), {})
    change = Change(
        id="C-1", target=parameter(TRAIL_ATR.name), before="null", after="1.25",
        kind=ChangeKind.TRIAL, lean=Lean.TIGHTENS, state=ChangeState.APPLIED, who="test",
        reason="", evidence=Evidence(metric="m", unit="R", n=0, mean=0.0), made_ns=START,
    )  # fmt: skip
    assert arms.compare(change, opportunity(), walked(1)) is not None
    arms.keep_only(["C-1"])
    assert list(arms._pairs) == ["C-1"]
    arms.keep_only([])
    assert not arms._pairs
