"""What a market may do to us: bad prices, forming bars, silence, corrections (F29, F31, F32)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.core.records import (
    BarCorrected,
    Decided,
    Denied,
    FeedChanged,
    OrderChanged,
    TickQuarantined,
)
from engine.core.types import Action, Bar, BarCorrection, FeedStatus, Link, Quote
from tests.engine.scripted import BTC, ETH, PRICE, SPAN, Script
from tests.faults.kernel import bad_ticks, forming_bars, silences


def test_bad_ticks_fire_no_stop_and_make_no_order() -> None:
    assert bad_ticks(400, seed=1) == []


def test_a_forming_bar_offered_as_closed_is_never_decided_on() -> None:
    assert forming_bars(60, seed=1) == []


def test_a_frozen_symbol_on_a_live_socket_takes_no_entry() -> None:
    assert silences(12, seed=1) == []


@pytest.mark.parametrize("price", [PRICE * 10, PRICE / 10, 0.0, -PRICE, math.nan, math.inf, 1e308])
def test_each_bad_price_is_kept_with_its_raw_text(tmp_path: Path, price: float) -> None:
    with Script(tmp_path) as script:
        script.opened()
        # A snapshot brings its excursions up to date, and one may come at any time.
        [view] = script.snapshot.positions
        position = view.position
        before = len(script.records(TickQuarantined))
        script.tick(price)
        script.quote(price, price)
        kept = script.records(TickQuarantined)[before:]
        assert kept[0].tick.raw == repr(price)
        assert [bool(record.tick.reason) for record in kept] == [True, True]
        assert script.position == position
        assert len(script.orders()) == 1
        assert script.desk.symbols[BTC].last == PRICE


def test_a_crossed_quote_is_refused(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        good = script.desk.symbols[BTC].quote
        script.quote(PRICE + 10, PRICE - 10)
        assert script.desk.symbols[BTC].quote is good


def test_a_real_crash_is_believed_within_two_confirmations_and_the_stop_fires(
    tmp_path: Path,
) -> None:
    with Script(tmp_path) as script:
        script.opened()
        for tick in range(3):
            assert script.trades == ()
            script.tick(PRICE * 0.8 - tick)
        script.price(PRICE * 0.8)
        assert script.trades[0].exit_reason == "stop_loss"


def test_a_bar_that_is_not_final_moves_nothing(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.speaker.says[BTC] = (Action.BUY, 0.9)
        seen = script.desk.symbols[BTC].indicators.bars_seen
        opened = script.now_ns - script.now_ns % SPAN
        script.push(
            Bar(
                symbol=BTC, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE, low=PRICE,
                close=PRICE, volume=1.0, final=False,
            )
        )  # fmt: skip
        script.cycle()
        assert script.records(Decided) == []
        assert script.desk.symbols[BTC].indicators.bars_seen == seen


def test_a_correction_is_journaled_and_no_order_follows_it(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.close_bar()
        bar = script.desk.symbols[BTC].last_bar
        assert bar is not None
        script.speaker.says[BTC] = (Action.BUY, 0.9)
        revised = Bar(**{f: getattr(bar, f) for f in bar.__struct_fields__} | {"close": PRICE / 2})
        script.push(BarCorrection(bar=revised, was_close=bar.close))
        script.cycle()
        [kept] = script.records(BarCorrected)
        assert kept.correction.was_close == bar.close
        assert script.records(OrderChanged) == []


def test_a_stale_symbol_is_refused_and_told_and_the_other_one_trades(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), live=True, approval="auto") as script:
        script.wait(5)
        for _ in range(8):
            script.wait(3)
            script.push(
                Quote(
                    symbol=BTC, time_ns=script.now_ns, bid=PRICE - 6, ask=PRICE + 6,
                    bid_size=5.0, ask_size=5.0,
                )
            )  # fmt: skip
        script.wait(31)
        stale = [r.status for r in script.records(FeedChanged) if r.status.link is Link.STALE]
        assert ETH in {status.symbol for status in stale}
        [outlook] = [o for o in script.snapshot.markets if o.symbol == ETH]
        assert outlook.link is Link.STALE


def test_an_entry_on_an_old_price_is_denied_by_code(tmp_path: Path) -> None:
    with Script(tmp_path, live=True, approval="auto") as script:
        script.speaker.says[BTC] = (Action.BUY, 0.9)
        opened = script.now_ns - script.now_ns % SPAN
        script.wait((opened + SPAN - script.now_ns) / 1e9 + 40)
        script.push(
            Bar(
                symbol=BTC, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE, low=PRICE,
                close=PRICE, volume=1.0,
            )
        )  # fmt: skip
        script.wait(3)
        assert [d.code for d in script.records(Denied)] == ["stale_quote"]
        assert script.orders() == []


def test_a_feed_that_goes_down_is_told_once(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        down = FeedStatus(
            link=Link.DOWN, time_ns=script.now_ns, venue="scripted", symbol=BTC, reason="cut"
        )
        before = len(script.records(FeedChanged))
        script.push(down, down)
        assert len(script.records(FeedChanged)) == before + 1
        [market] = script.snapshot.markets
        assert (market.link, market.reason) == (Link.DOWN, "cut")


def test_a_bar_that_is_not_over_fires_no_stop(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.opened()
        [view] = script.snapshot.positions
        position = view.position
        opened = script.now_ns - script.now_ns % SPAN + SPAN
        low = float(position.stop) - 500
        forming = Bar(
            symbol=BTC, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE, low=low,
            close=PRICE, volume=1.0, final=False,
        )  # fmt: skip
        script.push(forming)
        assert script.position == position
        assert script.desk.orders == {}
        assert not script.trades
