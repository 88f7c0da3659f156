"""The record of a trade for the leverage learner: 35 conditions in order, absent ones by name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.analysis.layout import FEATURES
from engine.analysis.leverage_state import (
    LEVERAGE_FEATURES,
    Surroundings,
    as_vector,
    leverage_state,
)
from engine.core.commands import ClosePosition
from engine.core.records import Entering, TradeClosed
from engine.core.types import Tick, Trade
from engine.journal.codec import decode, encode
from engine.journal.export_rows import attribution
from engine.journal.queries import Reader
from tests.engine.scripted import BTC, PRICE, Script

PERP = "BTC/USDT:USDT"

IN_ORDER = (
    "price_change_1h, price_change_4h, price_change_24h, price_vs_ema20, price_vs_ema50, "
    "price_vs_vwap, rsi, rsi_change, macd_hist, macd_signal_cross, momentum_5, momentum_20, "
    "atr_ratio, bb_position, bb_width, volatility_ratio, high_volatility, adx, trend_direction, "
    "trend_strength, ema_alignment, volume_ratio, buy_volume_ratio, funding_rate, "
    "open_interest_change, long_short_ratio, current_position, current_leverage, position_pnl, "
    "position_duration, unrealized_pnl, margin_ratio, drawdown_current, consecutive_losses, "
    "win_rate_recent"
)


def closed(script: Script, symbol: str = BTC) -> None:
    position = script.opened(symbol)
    script.price(PRICE * 0.995, symbol)
    script.send(ClosePosition(id=script.name(), position=position.id, fraction=1.0))
    script.price(PRICE * 0.995, symbol)


def test_the_order_is_that_of_the_design() -> None:
    assert ", ".join(LEVERAGE_FEATURES) == IN_ORDER
    assert len(set(LEVERAGE_FEATURES)) == 35


def test_each_name_is_a_column_of_the_row_or_a_fact_around_it() -> None:
    around = set(Surroundings.__slots__)
    assert around | set(FEATURES) >= set(LEVERAGE_FEATURES)
    assert not around & set(FEATURES)


def test_what_is_not_known_is_absent_by_name_and_never_zero() -> None:
    known = {"rsi": 55.0, "adx": math.nan, "momentum_5": math.inf}
    found = leverage_state(
        lambda name: known.get(name, 0.0), Surroundings(current_position=0.0, funding_rate=1e-4)
    )
    assert found.absent == (
        "momentum_5", "high_volatility", "adx", "buy_volume_ratio", "open_interest_change",
        "long_short_ratio", "current_leverage", "position_pnl", "position_duration",
        "unrealized_pnl", "margin_ratio", "drawdown_current", "consecutive_losses",
        "win_rate_recent",
    )  # fmt: skip
    vector = as_vector(found)
    assert len(vector) == 35
    assert vector[LEVERAGE_FEATURES.index("funding_rate")] == 1e-4
    assert vector[LEVERAGE_FEATURES.index("current_position")] == 0.0
    assert math.isnan(vector[LEVERAGE_FEATURES.index("adx")])
    names = [name for name, _ in found.known]
    assert names == [name for name in LEVERAGE_FEATURES if name not in found.absent]


def test_a_trade_remembers_what_its_entry_found(tmp_path: Path) -> None:
    with Script(tmp_path, settings={"pos.cooldown_min_per_ticker": 0}) as script:
        closed(script)
        closed(script)
        first, second = script.trades
        row = json.loads(first.indicators)
        assert first.conditions is not None
        known = dict(first.conditions.known)
        assert known["rsi"] == pytest.approx(row["rsi"], abs=1e-6)
        assert known["ema_alignment"] == row["ema_alignment"]
        assert (known["current_position"], known["current_leverage"]) == (0.0, 0.0)
        assert known["consecutive_losses"] == 0.0
        # A spot feed that tells no sides has no margin, no funding and no open interest, and
        # nothing was traded yet that a win rate could be made of.
        assert first.conditions.absent == (
            "buy_volume_ratio", "funding_rate", "open_interest_change", "long_short_ratio",
            "margin_ratio", "win_rate_recent",
        )  # fmt: skip
        assert second.conditions is not None
        known = dict(second.conditions.known)
        assert (known["consecutive_losses"], known["win_rate_recent"]) == (1.0, 0.0)
        assert known["drawdown_current"] > 0.0
        # Beside them stand leverage, direction and outcome.
        assert (first.leverage, str(first.direction)) == (1, "LONG")
        assert first.pnl < 0
        assert first.mae_pct >= 0.4
        assert first.closed_ns > first.opened_ns


def test_a_perpetual_knows_its_margin_and_its_last_funding(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(PERP,)) as script:
        closed(script, PERP)
        [trade] = script.trades
        assert trade.conditions is not None
        known = dict(trade.conditions.known)
        assert known["margin_ratio"] == 0.0
        assert known["funding_rate"] == script.desk.rates.rate(
            PERP, trade.opened_ns - trade.opened_ns % (8 * 3_600 * 10**9)
        )
        assert known["funding_rate"] != 0.0


@pytest.mark.parametrize("sides", [True, False])
def test_the_share_of_buyers_is_that_of_one_whole_bar_where_the_feed_tells_sides(
    tmp_path: Path, sides: bool
) -> None:
    with Script(tmp_path) as script:
        script.close_bar()
        assert math.isnan(script.desk.symbols[BTC].buy_volume_ratio)
        sold = 0
        for k in range(8):
            script.wait(1)
            script.push(
                Tick(
                    symbol=BTC, time_ns=script.now_ns, price=PRICE, size=1.0,
                    buyer_maker=sides and k % 4 == 0,
                )
            )  # fmt: skip
            sold += sides and k % 4 == 0
        script.close_bar()
        ratio = script.desk.symbols[BTC].buy_volume_ratio
        if not sides:
            assert math.isnan(ratio)
        else:
            # The other ticks of the bar, a tenth each, are buys as well.
            assert 1 - sold / 8 < ratio < 1 - sold / 10


@pytest.mark.parametrize("end", [Script.close, Script.crash])
def test_the_conditions_survive_a_restart_with_their_position(
    tmp_path: Path, end: Callable[[Script], None]
) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        [entering] = script.records(Entering)
        assert (entering.position, entering.leverage) == (position.id, 1)
        end(script)
    with script.again(tmp_path) as again:
        again.send(ClosePosition(id="1", position=position.id, fraction=1.0))
        again.price(PRICE)
        [trade] = again.trades
        assert trade.conditions == entering.conditions
        assert trade.indicators == entering.indicators
        again.close()
    with Reader(again.path) as reader:
        assert reader.trades(-1) == [trade]
        [row] = attribution(reader)
    assert row["conditions"] == dict(entering.conditions.known)
    assert row["absent"] == list(entering.conditions.absent)


def test_an_entry_that_was_on_its_way_keeps_what_it_found(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.approve(script.proposed())
        [entering] = script.records(Entering)
        script.crash()
    with script.again(tmp_path, warm=False) as again:
        assert again.desk.journal.recovered.entering == {entering.position: entering}
        again.price(PRICE)
        plan = again.desk.book.plan_of(entering.position)
        assert plan is not None
        assert plan.conditions == entering.conditions


def test_a_trade_from_before_they_were_kept_has_none(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        closed(script)
        [record] = script.records(TradeClosed)
        text = encode(record)
        old = json.loads(text)
        del old["trade"]["conditions"]
        read = decode(json.dumps(old))
        assert isinstance(read, TradeClosed)
        assert isinstance(read.trade, Trade)
        assert read.trade.conditions is None
