"""The simulated market: real enough to train on, and worth nothing to any strategy."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from engine.core.clock import MINUTE, SECOND
from engine.core.errors import CommandRefused, FeedError
from engine.core.types import Bar, History, MarketEvent, SimMark, Tick
from engine.market.sim import SimFeed
from engine.market.simmodel import PriceModel, asset
from engine.market.simpast import PastBars

BEGIN_NS = 1_746_000_000 * SECOND
BASES = ("BTC", "ETH", "SOL")
SEEDS = 30
MINUTES = 4_500


@cache
def closes(edge: float, span: int) -> list[np.ndarray]:
    """Closes of each seed's market, (bars, assets), at every `span` minutes."""
    markets = []
    for seed in range(SEEDS):
        model = PriceModel([asset(b, seed) for b in BASES], seed, 0, edge)
        markets.append(
            np.concatenate([part.prices[:, -1, :] for part in model.advance(MINUTES)])[
                span - 1 :: span
            ]
        )
    return markets


def momentum(prices: np.ndarray) -> np.ndarray:
    """+1 after an up move, −1 after a down move."""
    return np.sign(np.diff(prices, axis=0))[:-1]


def bought_after_up(prices: np.ndarray) -> np.ndarray:
    held: np.ndarray = np.maximum(momentum(prices), 0)
    return held


def bought_after_down(prices: np.ndarray) -> np.ndarray:
    held: np.ndarray = np.maximum(-momentum(prices), 0)
    return held


def crossover(prices: np.ndarray) -> np.ndarray:
    """Long while the mean of 5 is above the mean of 20, otherwise short."""
    sums = np.cumsum(prices, axis=0)
    fast = (sums[20:] - sums[15:-5]) / 5
    slow = (sums[20:] - sums[:-20]) / 20
    held = np.zeros((len(prices) - 2, prices.shape[1]))
    held[19:] = np.sign(fast - slow)[:-1]
    return held


def breakout(prices: np.ndarray) -> np.ndarray:
    """Long at a 20-bar high, short at a 20-bar low."""
    held = np.zeros((len(prices) - 2, prices.shape[1]))
    for i in range(20, len(prices) - 1):
        window = prices[i - 19 : i + 1]
        held[i - 1] = (prices[i] >= window.max(axis=0)).astype(float)
        held[i - 1] -= (prices[i] <= window.min(axis=0)).astype(float)
    return held


def t_statistic(edge: float, span: int, strategy: object) -> float:
    """Of the gross return per bar, over seeds: how many standard errors from zero."""
    means = []
    for prices in closes(edge, span):
        returns = np.diff(prices, axis=0)[1:] / prices[1:-1]
        scaled = returns / returns.std(axis=0)
        means.append(float((strategy(prices) * scaled).mean()))  # type: ignore[operator]
    return float(np.mean(means) / (np.std(means, ddof=1) / math.sqrt(len(means))))


STRATEGIES = [bought_after_up, bought_after_down, momentum, crossover, breakout]


@pytest.mark.parametrize("span", [1, 15])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_earns_anything_without_an_edge(strategy: object, span: int) -> None:
    # 3.3 standard errors: one in a thousand, for ten looks at one fixed set of seeds.
    assert abs(t_statistic(0.0, span, strategy)) < 3.3


@pytest.mark.parametrize("edge", [0.2, -0.2])
def test_a_planted_edge_is_found_by_momentum_with_its_sign(edge: float) -> None:
    assert math.copysign(1, edge) * t_statistic(edge, 15, momentum) > 6


def test_a_planted_edge_is_as_large_as_it_says() -> None:
    per_bar = []
    for prices in closes(0.2, 15):
        returns = np.diff(np.log(prices), axis=0)[1:]
        # Robust against volatility that changes: each bar in units of those around it.
        local = np.sqrt(
            np.apply_along_axis(lambda r: np.convolve(r**2, np.ones(21) / 21, "same"), 0, returns)
        )
        per_bar.append(float((momentum(prices) * returns / local).mean()))
    assert 0.14 < float(np.mean(per_bar)) < 0.26


def test_the_expected_price_is_todays_price() -> None:
    ratios = np.array([p[-1] / p[0] for p in closes(0.0, 15)])
    error = ratios.std(ddof=1) / math.sqrt(len(ratios))
    assert abs(ratios.mean() - 1) < 3.3 * error


def test_returns_look_like_a_markets() -> None:
    kurtosis, memory, correlation = [], [], []
    for prices in closes(0.0, 1):
        returns = np.diff(np.log(prices), axis=0)
        scaled = (returns - returns.mean(axis=0)) / returns.std(axis=0)
        kurtosis.append(float((scaled**4).mean()))
        size = np.abs(returns) - np.abs(returns).mean(axis=0)
        memory.append(float((size[10:] * size[:-10]).mean() / (size**2).mean()))
        correlation.append(float(np.corrcoef(returns.T)[0, 1]))
    assert float(np.median(kurtosis)) > 5, "tails fatter than a normal's 3"
    assert float(np.median(memory)) > 0.1, "large moves follow large moves"
    assert 0.5 < float(np.median(correlation)) < 0.95, "symbols move together"


def feed(**settings: object) -> SimFeed:
    given: dict[str, object] = {
        "symbols": ("BTC/USDT", "ETH/USDT"),
        "seed": 3,
        "clock_start_ns": BEGIN_NS,
        "speed": 0.0,
        "warmup_bars": 2,
    }
    made = SimFeed(**{**given, **settings})  # type: ignore[arg-type]
    made.start(lambda: None)
    return made


def take(source: SimFeed, count: int) -> list[MarketEvent]:
    events: list[MarketEvent] = []
    while len(events) < count:
        events += source.poll(count - len(events))
    return events


def test_warm_up_holds_the_minutes_of_the_decision_bars_and_ends_where_the_market_begins() -> None:
    events = take(feed(warmup_bars=600), 2)
    for event in events:
        assert isinstance(event, History)
        assert len(event.bars) == 9_000
        assert event.bars[-1].close_ns == BEGIN_NS
        assert all(b.open_ns % MINUTE == 0 for b in event.bars[:10])


def test_seeds_give_different_markets_and_plausible_prices() -> None:
    first = [e for e in take(feed(seed=1), 20) if isinstance(e, Tick)]
    second = [e for e in take(feed(seed=2), 20) if isinstance(e, Tick)]
    assert first != second
    for seed in range(20):
        assert 60_000 <= asset("BTC", seed).price <= 100_000
        assert 0.1 <= asset("ZZZ", seed).price <= 300
    assert asset("ZZZ", 1) == asset("ZZZ", 1) != asset("YYY", 1)


def test_no_symbol_is_silent_for_ten_seconds() -> None:
    last: dict[str, int] = {}
    for event in take(feed(), 3_000):
        if isinstance(event, Tick):
            assert event.time_ns - last.get(event.symbol, event.time_ns) < 10 * SECOND
            last[event.symbol] = event.time_ns
    assert len(last) == 2


def test_a_perpetual_moves_with_its_spot() -> None:
    source = feed(symbols=("BTC/USDT", "BTC/USDT:USDT"))
    bars: dict[str, list[float]] = {}
    for event in take(source, 2_000):
        if isinstance(event, Bar):
            bars.setdefault(event.symbol, []).append(event.close)
    spot, perpetual = bars["BTC/USDT"], bars["BTC/USDT:USDT"]
    assert all(abs(a / b - 1) < 0.001 for a, b in zip(spot, perpetual, strict=False))


def test_a_flash_crash_falls_fast_and_mostly_comes_back() -> None:
    source = feed()
    take(source, 400)
    before = [e for e in take(source, 20) if isinstance(e, Tick) and e.symbol == "BTC/USDT"]
    source.shock("flash_crash", "BTC/USDT")
    events = take(source, 4_000)
    mark = next(e for e in events if isinstance(e, SimMark))
    prices = [
        (e.time_ns - mark.time_ns, e.price)
        for e in events
        if isinstance(e, Tick) and e.symbol == "BTC/USDT"
    ]
    start = before[-1].price
    lowest = min(p for t, p in prices if t < 3 * MINUTE)
    assert lowest < start * 0.92
    assert min(t for t, p in prices if p < start * 0.92) < MINUTE
    late = [p for t, p in prices if t > 20 * MINUTE]
    assert lowest * 1.03 < late[-1]


@pytest.mark.parametrize(("kind", "sign"), [("news_up", 1), ("news_down", -1)])
def test_news_moves_the_price_at_once_and_for_good(kind: str, sign: int) -> None:
    calm, shaken = feed(), feed()
    take(calm, 400)
    take(shaken, 400)
    shaken.shock(kind, "BTC/USDT")

    def btc_at_end(events: list[MarketEvent]) -> float:
        return [e.price for e in events if isinstance(e, Tick) and e.symbol == "BTC/USDT"][-1]

    # Within the same minute nothing but the news differs between the two markets.
    ratio = btc_at_end(take(shaken, 45)) / btc_at_end(take(calm, 45))
    assert sign * (ratio - 1) > 0.012


def test_a_crash_of_one_symbol_leaves_the_other_alone() -> None:
    calm, shaken = feed(), feed()
    take(calm, 400)
    take(shaken, 400)
    shaken.shock("flash_crash", "BTC/USDT")

    def eth(events: list[MarketEvent]) -> list[float]:
        return [e.price for e in events if isinstance(e, Tick) and e.symbol == "ETH/USDT"][:12]

    assert eth(take(shaken, 60)) == eth(take(calm, 60))


def test_what_was_shocked_is_known_for_a_later_resume() -> None:
    source = feed()
    take(source, 100)
    source.shock("news_up", "ETH/USDT")
    went_on = take(source, 500)
    again = feed(resume_at=100, shocks=source.shocks)
    assert take(again, 500) == went_on


def test_history_for_a_resuming_kernel_is_what_was_delivered() -> None:
    source = feed()
    delivered = [b for e in take(source, 2) if isinstance(e, History) for b in e.bars]
    delivered += [e for e in take(source, 2_000) if isinstance(e, Bar)]
    own = tuple(b for b in delivered if b.symbol == "BTC/USDT")
    assert source.history("BTC/USDT", 20).bars == own[-20:]


@pytest.mark.parametrize(
    "settings",
    [
        {"symbols": ()},
        {"symbols": ("BTC/USDT", "BTC/USDT")},
        {"symbols": ("BTC/USDT", "ETH/EUR")},
        {"symbols": ("BTCUSDT",)},
        {"speed": -1.0},
        {"edge": 3.0},
        {"warmup_bars": -1},
        {"resume_at": -1},
    ],
)
def test_what_makes_no_market_is_refused_with_a_hint(settings: dict[str, object]) -> None:
    with pytest.raises(FeedError) as caught:
        feed(**settings)
    assert caught.value.hint


def test_a_shock_needs_a_running_market() -> None:
    idle = SimFeed(("BTC/USDT",), 1, BEGIN_NS)
    with pytest.raises(CommandRefused):
        idle.shock("news_up", "BTC/USDT")


@pytest.mark.parametrize("played", [0, 7, 30])
def test_what_is_remembered_of_the_past_is_its_last_minutes_as_they_were(played: int) -> None:
    bars = tuple(
        Bar(
            symbol="A/USDT", open_ns=k * MINUTE, span_ns=MINUTE, open=1.1 + k, high=2.2 + k,
            low=0.3 + k, close=1.7 + k, volume=0.1 * k,
        )
        for k in range(20 + played)
    )  # fmt: skip
    past = PastBars("A/USDT", 20)
    for first in (0, 8):
        part = bars[first : 8 if first == 0 else 20]
        columns = (
            np.array([getattr(bar, name) for bar in part])
            for name in ("open", "high", "low", "close", "volume")
        )
        past.take(part[0].open_ns, *columns)
    for bar in bars[20:]:
        past.add(bar)
    assert past.last(1_000) == bars[-20:]
    assert past.last(5) == bars[-5:]
    assert past.last(0) == ()
