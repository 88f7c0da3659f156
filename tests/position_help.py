"""Builders the position tests share: an entry, a watch, a path of bars, a slow reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.core.ids import generator
from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.position import step
from engine.position.plan import Entry, ExitPlan, plan_exits
from engine.position.watch import PositionWatch

START = 1_700_000_000_000_000_000
MINUTE = 60_000_000_000


def entry(**changed: Any) -> Entry:
    """A long of 1,000 lots at 100 with an ATR of 1, no strategy levels, small costs."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "direction": Direction.LONG,
        "price": 100.0,
        "lots": 1000,
        "lot_size": 0.001,
        "opened_ns": START,
        "atr": 1.0,
        "fee": 0.001,
        "spread": 0.0002,
        "strategy": "ema_cross",
        "regime": "SIDEWAYS",
    }
    return Entry(**{**values, **changed})


def plan(parameters: Parameters | None = None, **changed: Any) -> ExitPlan:
    return plan_exits(parameters or Parameters(), entry(**changed))


def watch(parameters: Parameters | None = None, **changed: Any) -> PositionWatch:
    return PositionWatch.open(plan(parameters, **changed))


def walk(watched: PositionWatch, *prices: float, span: int = MINUTE) -> list[Any]:
    """Ticks one `span` apart; all events of all of them, scale-ins filled at their price."""
    now = int(watched._marks[step.SEEN])
    events: list[Any] = []
    for price in prices:
        now += span
        for event in watched.on_price(price, now):
            events.append(event)
            if event.code == step.SCALED_IN:
                watched.add(event.lots, event.price)
        if watched.closed:
            break
    return events


class Bars:
    """Columns of bars, as the loop takes them."""

    def __init__(
        self,
        opens: step.Floats,
        highs: step.Floats,
        lows: step.Floats,
        closes: step.Floats,
        times: step.Ints,
    ) -> None:
        self.opens, self.highs, self.lows, self.closes, self.times = (
            opens,
            highs,
            lows,
            closes,
            times,
        )
        before = np.concatenate(([closes[0]], closes[:-1]))
        true_range = np.maximum(highs, before) - np.minimum(lows, before)
        kernel = np.ones(14) / 14
        self.atr = np.convolve(true_range, kernel)[: len(closes)]


def random_bars(seed: int, count: int, swing: float = 0.0006, gap: float = 0.0) -> Bars:
    """A random walk seen as minute bars; `gap` moves opens away from the close before."""
    rng = generator(seed, "position bars")
    steps = rng.normal(0.0, swing, (count, 8))
    steps[:, 0] += rng.normal(0.0, 1.0, count) * gap
    prices = 100.0 * np.exp(np.cumsum(steps.ravel())).reshape(count, 8)
    times = START + MINUTE * np.arange(count, dtype=np.int64)
    return Bars(
        prices[:, 0].copy(),
        prices.max(axis=1),
        prices.min(axis=1),
        prices[:, 7].copy(),
        times,
    )


def reference_trades(
    bars: Bars, signal: step.Signals, rules: step.Floats, account: step.Floats
) -> list[dict[str, float]]:
    """What `run` should do, driven tick by tick through `PositionWatch` in plain Python."""
    fee, half = float(account[step.ACCOUNT_FEE]), float(account[step.ACCOUNT_HALF_SPREAD])
    lot = float(account[step.ACCOUNT_LOT])
    cash = float(account[step.ACCOUNT_CASH])
    held: PositionWatch | None = None
    trade: dict[str, float] = {}
    trades: list[dict[str, float]] = []
    span = int(bars.times[1] - bars.times[0])

    out = np.zeros(step.OUT_SIZE)

    def drain(at: PositionWatch, price: float, now: int, continuous: bool) -> Iterator[int]:
        while True:
            code = at._step(at._state, at._marks, at._rules, price, now, not continuous, out)
            assert code >= step.NONE
            if code == step.NONE:
                return
            yield code

    def sell(at: PositionWatch, lots: int, price: float) -> None:
        nonlocal cash
        got = price * (1.0 - at.direction * half)
        gain = at.direction * (got - at.entry) * lots * lot
        cost = fee * got * lots * lot
        cash += gain - cost
        trade["pnl"] += gain - cost
        trade["sold"] += lots
        trade["value"] += got * lots

    def end(at: PositionWatch, bar: int, code: int) -> None:
        trade.update(exit_bar=bar, code=code, best=at._state[step.BEST])
        trade.update(worst=at._state[step.WORST])
        trades.append(dict(trade))

    for i in range(len(bars.closes)):
        want = int(signal[i - 1]) if i else 0
        if want and held is not None and held.direction * want < 0:
            state = held._state
            x = held.direction * bars.opens[i]
            state[step.BEST] = max(state[step.BEST], x)
            state[step.WORST] = min(state[step.WORST], x)
            sell(held, held.lots, bars.opens[i])
            end(held, i, step.SIGNALLED)
            held = None
        if want and held is None:
            price = bars.opens[i] * (1.0 + want * half)
            lots = int(np.floor(cash * account[step.ACCOUNT_STAKE] / (price * lot)))
            state = np.zeros(step.STATE_SIZE)
            marks = np.zeros(step.MARKS_SIZE, np.int64)
            if lots >= 1 and step.open_position(
                state, marks, rules, float(want), price, lots, bars.atr[i - 1],
                int(bars.times[i]), np.nan, np.nan,
            ):  # fmt: skip
                held = PositionWatch(state, marks, rules, lot)
                cost = fee * price * lots * lot
                cash -= cost
                trade = {"entry_bar": i, "direction": want, "pnl": -cost, "sold": 0, "value": 0}
                trade["bought"] = lots
        if held is None:
            continue
        o, h, l_, c = (float(a[i]) for a in (bars.opens, bars.highs, bars.lows, bars.closes))
        path = (o, l_, h, c) if held.direction > 0 else (o, h, l_, c)
        times = (0, span // 3, 2 * (span // 3), span)
        for k, price in enumerate(path):
            continuous = k > 0 or i == trade["entry_bar"]
            now = int(bars.times[i]) + times[k]
            for code in drain(held, price, now, continuous):
                lots, at = int(out[step.OUT_LOTS]), float(out[step.OUT_PRICE])
                if code == step.SCALED_IN:
                    paid = at * (1.0 + held.direction * half)
                    held.add(lots, paid)
                    cash -= fee * paid * lots * lot
                    trade["pnl"] -= fee * paid * lots * lot
                    trade["bought"] += lots
                else:
                    sell(held, lots, at)
                    if held.closed:
                        end(held, i, code)
                        break
            if held.closed:
                break
        if held.closed:
            held = None
        else:
            held._state[step.ATR] = bars.atr[i]
    return trades
