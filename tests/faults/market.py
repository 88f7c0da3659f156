"""Faults of market data, made to order: what a feed may do to candles, ticks and freshness.

Each function plays `count` cases from a seed and returns what went wrong, empty when nothing
did; the tests call them with small counts, the soak with the full ones.
"""

from __future__ import annotations

import math
import random  # noqa: TID251  the type only; every source is drawn from a seed

import msgspec

from engine.core.clock import MINUTE, SECOND
from engine.core.ids import source
from engine.core.parameters import Parameters
from engine.core.types import Bar
from engine.market.candles import CandleStore, Took
from engine.market.quality import Freshness, TickGuard

SYMBOL = "BTC/USDT"
BEGIN_NS = 1_746_000_000 * SECOND

BAD_PRICES = ("x10", "zero", "negative", "nan", "inf", "1e308", "tenth")


def walk(chance: random.Random, count: int, price: float = 60_000.0) -> list[Bar]:
    """A true series of 1m candles."""
    bars = []
    for i in range(count):
        opened = price
        price *= math.exp(chance.gauss(0, 0.001))
        high = max(opened, price) * (1 + abs(chance.gauss(0, 0.0004)))
        low = min(opened, price) * (1 - abs(chance.gauss(0, 0.0004)))
        bars.append(
            Bar(
                symbol=SYMBOL,
                open_ns=BEGIN_NS + i * MINUTE,
                span_ns=MINUTE,
                open=opened,
                high=high,
                low=low,
                close=price,
                volume=chance.uniform(0.1, 9.0),
            )
        )
    return bars


def unfinished(chance: random.Random, bar: Bar) -> Bar:
    """The same candle before its time was over: other close, less volume, still plausible."""
    close = chance.uniform(bar.low, bar.high)
    return msgspec.structs.replace(
        bar,
        close=close,
        high=max(bar.open, close),
        low=min(bar.open, close),
        volume=bar.volume * chance.random(),
    )


def deliveries(chance: random.Random, truth: list[Bar]) -> list[tuple[Bar, int]]:
    """A stream as sockets bring it: (candle, when). In the end it told the whole truth.

    Forming candles come before each one, some of them claiming to be closed; then some
    candles are repeated, some come late (a permutation), some first in a wrong version, and
    some are lost and only come when they are asked for again at the end.
    """
    stream: list[tuple[float, Bar, int]] = []
    refetched: list[Bar] = []
    for i, bar in enumerate(truth):
        for _ in range(chance.randrange(3)):
            moment = bar.open_ns + int(chance.uniform(0.05, 0.99) * MINUTE)
            early = unfinished(chance, bar)
            if chance.random() < 0.5:
                early = msgspec.structs.replace(early, final=False)
            stream.append((i + (moment - bar.open_ns) / MINUTE, early, moment))
        now = bar.close_ns + chance.randrange(SECOND)
        arrival = i + 1.0 + (chance.uniform(0, 6) if chance.random() < 0.2 else 0.0)
        if chance.random() < 0.1:
            refetched.append(bar)
            continue
        if chance.random() < 0.1:
            stream.append((arrival, unfinished(chance, bar), now))
            arrival += chance.uniform(0.1, 8)
        stream.append((arrival, bar, now))
        if chance.random() < 0.2:
            stream.append((arrival + chance.uniform(0, 5), bar, now))
    stream.sort(key=lambda item: item[0])
    end = truth[-1].close_ns + MINUTE
    chance.shuffle(refetched)
    # By the time a candle arrives, at least its own time is over for those that are closed.
    return [(bar, now) for _, bar, now in stream] + [(bar, end) for bar in refetched]


def candle_streams(count: int, seed: int, length: int = 60) -> list[str]:
    """F30: after gaps, repetitions, permutations and revisions the store equals the truth."""
    wrong = []
    for case in range(count):
        chance = source(seed, "candles", case)
        truth = walk(chance, length)
        store = CandleStore(SYMBOL, MINUTE, capacity=length)
        appended: list[int] = []
        for bar, now in deliveries(chance, truth):
            if store.add(bar, now).how is Took.APPENDED:
                appended.append(bar.open_ns)
        # A candle lost at the very start was before everything the store ever had.
        if store.last() != truth:
            wrong.append(f"case {case}: store differs from the truth")
        if appended != sorted(set(appended)):
            wrong.append(f"case {case}: appended out of order")
        if store.gaps():
            wrong.append(f"case {case}: gaps {store.gaps()} remain")
    return wrong


def forming_as_closed(count: int, seed: int) -> list[str]:
    """F31: a forming candle that claims to be closed never becomes a close."""
    wrong = []
    for case in range(count):
        chance = source(seed, "forming", case)
        truth = walk(chance, 5)
        store = CandleStore(SYMBOL, MINUTE)
        for bar in truth:
            for _ in range(chance.randrange(1, 4)):
                moment = bar.open_ns + chance.randrange(MINUTE)
                taken = store.add(unfinished(chance, bar), moment)
                if taken.how is not Took.FORMING:
                    wrong.append(f"case {case}: a forming candle was {taken.how}")
            store.add(bar, bar.close_ns)
        if store.last() != truth:
            wrong.append(f"case {case}: a wrong close stayed")
    return wrong


def bad_price(kind: str, price: float) -> float:
    """A price that never was, made from one that was."""
    return {
        "x10": price * 10,
        "tenth": price / 10,
        "zero": 0.0,
        "negative": -price,
        "nan": math.nan,
        "inf": math.inf,
        "1e308": 1e308,
    }[kind]


def bad_ticks(count: int, seed: int) -> list[str]:
    """F32: no bad tick is believed, singly or in bursts, and no good one refused for it."""
    wrong = []
    chance = source(seed, "ticks")
    guard = TickGuard(Parameters(), SYMBOL, seed=60_000.0)
    price, now, bad = 60_000.0, BEGIN_NS, 0
    while bad < count:
        now += SECOND
        price *= math.exp(chance.gauss(0, 0.0004))
        if reason := guard.check(price, now):
            wrong.append(f"good tick {price} refused: {reason}")
        kind = chance.choice(BAD_PRICES)
        for _ in range(chance.choice((1, 1, 1, 4))):
            now += 1
            bad += 1
            if not guard.check(bad_price(kind, price), now):
                wrong.append(f"bad tick {kind} believed")
    return wrong


def crash_confirmations(drop: float, seed: int) -> int:
    """How many ticks after the first one of a real crash it took to believe it."""
    chance = source(seed, "crash")
    guard = TickGuard(Parameters(), SYMBOL, seed=60_000.0)
    for i in range(50):
        assert not guard.check(60_000.0 * (1 + chance.gauss(0, 0.0003)), BEGIN_NS + i * SECOND)
    low = 60_000.0 * (1 - drop)
    for tick in range(20):
        price = low * (1 + chance.gauss(0, 0.002))
        if not guard.check(price, BEGIN_NS + (60 + tick) * SECOND):
            return tick
    return 20


def frozen_feeds(count: int, seed: int) -> list[str]:
    """F29: a symbol that freezes, alone or with others, is found within 2 intervals + 5 s.

    The socket stays alive: some frozen symbols repeat their last event, others fall silent.
    """
    wrong = []
    for case in range(count):
        chance = source(seed, "frozen", case)
        interval = chance.choice((1.0, 2.0, 5.0, 10.0, 30.0, 60.0))
        polled = interval >= 10
        symbols = [f"C{i}/USDT" for i in range(chance.randrange(1, 6))]
        fresh = Freshness(Parameters(), symbols, polled=polled, interval_s=interval)
        frozen = set(chance.sample(symbols, chance.randrange(1, len(symbols) + 1)))
        repeats = {s: chance.random() < 0.5 for s in frozen}
        freeze = BEGIN_NS + int(interval * 5 * SECOND)
        last: dict[str, int] = {}
        due = dict.fromkeys(symbols, BEGIN_NS)
        found: dict[str, int] = {}
        now = BEGIN_NS
        while now < freeze + int((2 * interval + 12) * SECOND):
            for symbol in symbols:
                if now < due[symbol]:
                    continue
                due[symbol] += int(interval * SECOND)
                if symbol not in frozen or now < freeze:
                    last[symbol] = now
                elif not repeats[symbol]:
                    continue
                fresh.seen(symbol, last[symbol], now)
            for symbol, stale in fresh.changes(now):
                if stale and symbol in frozen and now >= freeze:
                    found[symbol] = now
                elif stale:
                    wrong.append(f"case {case}: {symbol} is live and was called stale")
            now += SECOND // 2
        for symbol in sorted(frozen):
            delay = (found.get(symbol, now) - last[symbol]) / SECOND
            if delay > 2 * interval + 5:
                wrong.append(f"case {case}: {symbol} found after {delay:.1f} s of {interval} s")
    return wrong
