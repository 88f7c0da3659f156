"""One trade in, every consumer updated: the golden loop.

BUY BTC at 95,000 in a bull market, held for four hours, +1.6 %.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.clock import HOUR, MINUTE
from engine.core.commands import ClosePosition
from engine.core.lived import JournalEntry
from engine.core.records import (
    CoinScored,
    HeldThrough,
    PairScored,
    PatternScored,
    TradeClosed,
    TradeJournalled,
)
from engine.core.types import Bar, Direction, FeedStatus, Link
from engine.journal.queries import Reader
from tests.engine.scripted import BEGIN_NS, BTC, SPAN, Script, past_bars

PRICE = 95_000.0


def bull(script: Script) -> None:
    """A rising market that ends at 95,000."""
    count = 320
    bars = []
    for k, bar in enumerate(past_bars(BTC, BEGIN_NS, count)):
        lift = PRICE / 60_000.0 * (1.0 - 0.0012 * (count - 1 - k))
        bars.append(
            Bar(
                symbol=BTC, open_ns=bar.open_ns, span_ns=SPAN, open=bar.open * lift,
                high=bar.high * lift, low=bar.low * lift, close=bar.close * lift, volume=150.0,
            )
        )  # fmt: skip
    script.feed.past[BTC] = tuple(bars)
    script.feed.push(script.feed.history(BTC, 1_000))
    script.feed.push(FeedStatus(link=Link.UP, time_ns=script.now_ns, venue="scripted"))
    script.run()
    script.price(PRICE)


def test_one_trade_updates_everything_that_learns(tmp_path: Path) -> None:
    settings = {"exit.max_holding_days": 14, "exit.time_exit_minutes": 1440}
    with Script(tmp_path, warm=False, approval="auto", settings=settings) as script:
        bull(script)
        before = script.kernel.knowing.knowledge()
        taught: list[JournalEntry] = []
        script.kernel.knowing.taught.append(taught.append)
        script.want(confidence=0.9, price=PRICE)
        script.price(PRICE)
        position = script.position
        assert position.direction is Direction.LONG
        assert position.regime.endswith("BULL")
        entry = float(position.entry_price)
        opened = position.opened_ns
        steps = 16
        for k in range(1, steps):
            script.close_bar(entry * (1.0 + 0.016 * k / steps))
        script.wait((opened + 4 * HOUR - script.now_ns) / 1e9 - 0.2)
        script.price(entry * 1.0161, after_s=0.1)
        if script.desk.book.open():
            script.send(ClosePosition(id="c", position=position.id))
            script.price(entry * 1.0161)
        [trade] = script.trades
        move = float(trade.exit_price / trade.entry_price - 1) * 100
        assert move == pytest.approx(1.6, abs=0.05)
        assert (trade.closed_ns - trade.opened_ns) / HOUR == pytest.approx(4.0, abs=0.05)

        # The books, and the trade's row with every indicator of its entry.
        assert trade.won
        assert trade.pnl > 0
        assert len(script.records(HeldThrough)) >= 15
        assert '"rsi"' in trade.indicators
        # Its statistics: expected value asks them for the next one.
        assert script.desk.statistics.tally("technical")[0].wins == 1
        # Knowledge: coin, pair, pattern.
        memory = script.desk.memory
        coin = memory.coins.score(BTC)
        assert (coin.trades, coin.wins) == (1, 1)
        assert coin.pnl_pct == pytest.approx(trade.pnl_pct)
        pair = memory.pairs.score(BTC, "technical")
        assert (pair.trades, pair.wins) == (1, 1)
        [pattern] = memory.patterns.patterns()
        assert pattern.id == "technical·BULL·LONG"
        assert pattern.confidence > 0.5
        # The quick update: rows in the trade's own transaction, and its lesson handed on.
        for kind in (TradeClosed, CoinScored, PairScored, PatternScored):
            assert len(script.records(kind)) == 1
        assert [one.closed.trade.id for one in taught] == [trade.id]
        # What strategist and screen are told next.
        told = script.kernel.knowing.knowledge()
        assert told is not before
        assert [one.trades for one in told.coins] == [1]
        assert script.snapshot.trades[-1].id == trade.id
        assert memory.order(BTC, "technical", pattern.id) > 1.0
        # No edge is claimed from one trade: nothing loosened, nothing was condemned.
        assert memory.bearing(BTC, "technical", pattern.id, "NORMAL", script.now_ns).factors == ()
        assert coin.gross_low < 0 < coin.gross_high

        # The journal: whole context, and the prices after the exit.
        for minutes, price in ((1, 1.02), (5, 1.01), (15, 1.0)):
            script.wait(max(0.0, (trade.closed_ns + minutes * MINUTE - script.now_ns) / 1e9))
            script.price(entry * price, after_s=0.2)
        [row] = [record.entry for record in script.records(TradeJournalled) if record.entry.after][
            -1:
        ]
        assert len(row.after) == 3
        with Reader(script.path) as reader:
            [kept] = reader.table("trade_journal")
        assert (kept["market_regime"], kept["pattern_id"]) == (trade.regime, pattern.id)
        assert kept["missed_profit"] > 0.3
        assert Decimal(kept["pnl_usd"]) == trade.pnl
        assert kept["duration_seconds"] == pytest.approx(4 * 3600, abs=200)
