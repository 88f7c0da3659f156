"""One recorded path through a real replay, through ticks and through the array loop.

The replay is a whole engine on a `ReplayFeed`: its watches live between fills, refreshes and
restarts. What it sold, when and at which level must be what the same watch does when it is
shown the path price by price, and what the compiled loop does over the bars as arrays.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.compose import build
from app.options import RunOptions
from engine.core.clock import DAY, MINUTE, iso
from engine.core.config import Config, EngineSection, LlmSection, PathsSection
from engine.core.records import OrderChanged, PositionChanged
from engine.core.types import Action, Bar, OrderState, Purpose
from engine.journal.queries import Reader
from engine.position import step
from engine.position.events import REASONS
from engine.position.path import bar_path, path_times
from engine.position.plan import regime_code
from engine.position.watch import PositionWatch
from engine.strategies.base import Strategy, StrategyContext, Verdict
from tests.recorded import recorded

MINUTES = "ohlcv_crypto/typhonun_binance_um/1m"
DAYS = 4

Exit = tuple[str, int, float]
"""Why, how many lots, at which level."""


class Turns(Strategy):
    """Long and short in turn, whenever nothing is held: exits are all that this is about."""

    id = "technical"
    title = "Takes turns"
    features = ()

    def __init__(self) -> None:
        self._asked = 0

    def judge(self, context: StrategyContext) -> Verdict:
        if context.holding is not None:
            return Verdict(Action.HOLD, 0.0, "holds")
        self._asked += 1
        return Verdict(Action.BUY if self._asked % 2 else Action.SELL, 0.9, "its turn")


@dataclass
class Lived:
    """A position of the replay: its watch when it opened, what it was told, what it sold."""

    symbol: str
    began_ns: int
    lot: float
    watch: dict[str, Any]
    told: list[tuple[int, float, float, str | None]]
    exits: list[Exit] = field(default_factory=list)


@pytest.fixture(scope="module", params=[("balanced", "BTCUSDT"), ("ml", "SOLUSDT")])
def replayed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[Bar]], list[Lived]]:
    """The bars that were played, and every position that ended."""
    import pandas as pd

    profile, name = request.param
    file = recorded(f"{MINUTES}/{name}.parquet")
    times = pd.read_parquet(file, columns=["timestamp"])["timestamp"]
    begin = int(times.iloc[5_000]) * 1_000_000 // DAY * DAY
    db = tmp_path_factory.mktemp("replayed") / "run.db"
    config = Config(
        engine=EngineSection(
            feed=f"replay:{file}", approval="auto", seed=1, speed=0.0, cash=100_000,
            profile=profile, timeframe="5m",
        ),
        llm=LlmSection(strategist="never"),
        paths=PathsSection(db=str(db)),
    )  # fmt: skip
    # So that entries are many, nothing grows, and the distances of a minute are in reach.
    settings = {
        "pos.cooldown_min_per_ticker": 0, "ev.prior_win_rate": 0.7, "ev.prior_payoff": 4,
        "dec.min_confidence": 0.2, "cand.max_trades_per_day": 100, "scale_in.max_ops": 0,
        "risk.max_daily_risk_pct": 10, "cb.consecutive_losses": 12,
    }  # fmt: skip
    options = RunOptions(
        settings=tuple((name, str(value)) for name, value in settings.items()),
        start=iso(begin)[:10], end=iso(begin + DAYS * DAY)[:10],
    )  # fmt: skip
    engine = build(config, options, "test")
    engine.desk.strategies = (Turns(),)
    told: dict[str, list[tuple[int, float, float, str | None]]] = {}
    played: dict[str, list[Bar]] = {name: [] for name in engine.desk.feed.symbols}
    refresh, take = PositionWatch.refresh, engine.kernel.intake.take

    def heard(
        watch: PositionWatch, atr: float, score: float = math.nan, regime: str | None = None
    ) -> None:
        [name] = [name for name, one in engine.desk.watches.items() if one is watch]
        told.setdefault(name, []).append((engine.desk.now_ns, atr, score, regime))
        refresh(watch, atr, score, regime)

    def taken(event: Any) -> None:
        if type(event) is Bar:
            played[event.symbol].append(event)
        take(event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PositionWatch, "refresh", heard)
        patch.setattr(engine.kernel.intake, "take", taken)
        engine.kernel.run()
    assert engine.kernel.fault is None, engine.kernel.fault
    return played, _lived(db, told)


def _lived(db: Path, told: dict[str, Any]) -> list[Lived]:
    lived: dict[str, Lived] = {}
    with Reader(db) as reader:
        ended = {trade.proposal for trade in reader.trades(-1)}
        for event in reader.events(limit=-1):
            record = event.record
            if isinstance(record, PositionChanged) and record.position.id not in lived:
                held, watch = record.position, json.loads(record.watch)
                if held.proposal in ended:
                    lot = float.fromhex(watch["lot_size"])
                    lived[held.id] = Lived(
                        held.symbol, held.opened_ns, lot, watch, told.get(held.id, [])
                    )
            elif isinstance(record, OrderChanged):
                order = record.order
                sells = order.purpose in (Purpose.EXIT, Purpose.REDUCE)
                if sells and order.state is OrderState.INTENT and order.position in lived:
                    one = lived[order.position]
                    lots = round(float(order.quantity) / one.lot)
                    one.exits.append((order.exit_reason, lots, float(order.expected_price)))
    return list(lived.values())


def _bars(played: list[Bar], one: Lived) -> list[tuple[Bar, int, tuple[Any, ...] | None]]:
    """Each bar that the position saw, from when, and what it was told at its close."""
    found = []
    for k, bar in enumerate(played):
        if bar.close_ns <= one.began_ns:
            continue
        until = played[k + 1].close_ns if k + 1 < len(played) else bar.close_ns + MINUTE
        here = [row for row in one.told if bar.close_ns <= row[0] < until]
        found.append((bar, max(bar.open_ns, one.began_ns), here[-1] if here else None))
    return found


def through_ticks(played: list[Bar], one: Lived) -> list[Exit]:
    watch = PositionWatch.from_dict(one.watch)
    exits: list[Exit] = []
    for bar, begin, told in _bars(played, one):
        prices = bar_path(bar.open, bar.high, bar.low, bar.close, watch.direction)
        for k, (price, at) in enumerate(zip(prices, path_times(begin, bar.close_ns), strict=True)):
            for event in watch.on_price(price, at, continuous=k > 0):
                assert event.reason is not None
                exits.append((str(event.reason), event.lots, event.price))
            if watch.closed:
                return exits
        if told is not None:
            watch.refresh(*told[1:])
    return exits


def through_arrays(played: list[Bar], one: Lived) -> tuple[str, float, int]:
    """Reason of the end, profit before costs in price times lots, and bars walked."""
    watch = PositionWatch.from_dict(one.watch)
    account = np.zeros(step.ACCOUNT_SIZE)
    account[step.ACCOUNT_LOT] = 1.0
    out, book = np.zeros(step.OUT_SIZE), np.zeros(step.BOOK_SIZE)
    seen = _bars(played, one)
    rows = np.full((len(seen), step.BAR_SIZE), math.nan)
    for row, (bar, _, told) in zip(rows, seen, strict=True):
        row[:4] = bar.open, bar.high, bar.low, bar.close
        if told is not None:
            row[step.BAR_ATR :] = told[1], told[2], regime_code(told[3])
    walked, code = 0, step.NONE
    # The first bar is entered somewhere on its way, so it is shorter than the others.
    for part, begin, span in (
        (rows[:1], seen[0][1], seen[0][0].close_ns - seen[0][1]),
        (rows[1:], seen[1][1], MINUTE),
    ):
        times = begin + span * np.arange(len(part), dtype=np.int64)
        last, count = step.walk(
            watch._state, watch._marks, watch._rules, out, book, account, part, times, span
        )
        walked += count
        code = last if last != step.NONE else code
        if watch.closed:
            break
    return str(REASONS[code]), float(book[step.BOOK_PNL]), walked


def test_replay_ticks_and_array_loop_leave_alike(
    replayed: tuple[dict[str, list[Bar]], list[Lived]],
) -> None:
    played, lived = replayed
    assert len(lived) >= 10
    reasons: set[str] = set()
    for one in lived:
        bars = played[one.symbol]
        assert through_ticks(bars, one) == one.exits
        reason, gain, _ = through_arrays(bars, one)
        watch = PositionWatch.from_dict(one.watch)
        expected = sum(lots * (price - watch.entry) for _, lots, price in one.exits)
        assert reason == one.exits[-1][0]
        assert gain == pytest.approx(expected * watch.direction, rel=1e-9, abs=1e-9)
        reasons |= {why for why, _, _ in one.exits}
    assert len(reasons) >= 2
