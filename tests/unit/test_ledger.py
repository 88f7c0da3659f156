"""The ledger and the registry on top of it: amounts to the last digit, days, trades."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.core.clock import DAY, HOUR
from engine.core.errors import InvariantBroken
from engine.core.ids import Ids
from engine.core.types import Direction, Side
from engine.market.instruments import packaged
from engine.portfolio.book import Plan, Positions
from engine.portfolio.ledger import VERIFY_EVERY, Ledger, Terms
from tests.execution_help import START_NS, SYMBOL, D, fill, later

LONG = Terms(SYMBOL, Direction.LONG)
PERP = "BTC/USDT:USDT"
SHORT3 = Terms(PERP, Direction.SHORT, leverage=3)


def ledger(cash: object = 10_000) -> Ledger:
    return Ledger("USDT", D(cash))


def test_spot_round_trip_with_fees() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000, fee=6), LONG)
    account = books.account(START_NS, {SYMBOL: D(61_000)})
    assert account.cash == D(3_994)
    assert account.unrealised == D(100)
    assert account.equity == D(10_094)
    assert account.exposure == D(6_100)
    done = books.apply(fill(2, Side.SELL, "0.1", 62_000, at_ns=later(60), fee="6.2"), LONG)
    assert done.closed
    assert done.realised == D(200)
    account = books.account(later(61), {})
    assert account.cash == account.equity == D("10187.8")
    assert (account.realised, account.fees) == (D(200), D("12.2"))
    assert account.exposure == 0


def test_average_entry_of_partial_fills_and_a_partial_exit() -> None:
    books = ledger(100_000)
    books.apply(fill(1, Side.BUY, 1, 100), LONG)
    books.apply(fill(2, Side.BUY, 2, 101, at_ns=later(1)), LONG)
    held = books.holdings["X-1"]
    assert abs(held.entry_price - Decimal(302) / 3) < D("1e-23")
    part = books.apply(fill(3, Side.SELL, "1.5", 110, at_ns=later(2)), LONG)
    assert abs(part.realised - D(14)) < D("1e-20")
    books.apply(fill(4, Side.SELL, "1.5", 90, at_ns=later(3)), LONG)
    # 1.5·110 + 1.5·90 − 302, exactly, although the average price has no end.
    assert books.realised == D(-2)
    assert held.closed
    assert books.cash == D(99_998)


def test_short_with_leverage_sets_margin_aside() -> None:
    books = ledger()
    books.apply(fill(1, Side.SELL, "0.3", 60_000, fee=9, symbol=PERP), SHORT3)
    account = books.account(START_NS, {PERP: 59_000.0})
    assert account.cash == D(10_000 - 6_000 - 9)
    assert account.unrealised == D(300)
    assert account.equity == D(10_291)
    books.fund("X-1", D("1.5"))
    assert books.account(START_NS, {}).equity == D("10289.5")
    books.apply(fill(2, Side.BUY, "0.3", 61_000, at_ns=later(9), fee=9, symbol=PERP), SHORT3)
    account = books.account(later(9), {})
    assert account.cash == account.equity == D(10_000) - 300 - 18 - D("1.5")
    assert account.funding == D("1.5")
    assert account.drawdown_pct == pytest.approx((10_291 - 9_680.5) / 10_291 * 100)


def test_fee_taken_from_what_was_bought() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000, fee="0.0001", fee_asset="BTC"), LONG)
    assert books.holdings["X-1"].quantity == D("0.0999")
    assert books.fees == D(6)
    assert books.account(START_NS, {SYMBOL: 60_000.0}).equity == D(9_994)
    books.verify(full=True)


def test_fee_in_a_third_asset_needs_its_price() -> None:
    books = ledger()
    bought = fill(1, Side.BUY, "0.1", 60_000, fee="0.01", fee_asset="BNB")
    with pytest.raises(InvariantBroken, match="BNB"):
        books.apply(bought, LONG)
    assert books.cash == D(10_000)
    assert not books.fills
    books.apply(bought, LONG, fee_rate=D(600))
    assert books.fees == D(6)
    books.verify(full=True)


def test_a_duplicate_does_nothing_and_an_early_exit_waits() -> None:
    books = ledger()
    early = fill(2, Side.SELL, "0.1", 62_000, at_ns=later(60))
    assert books.apply(early, LONG).waiting
    assert books.account(later(60), {}).equity == D(10_000)
    assert books.unmatched() == [early]
    entered = books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    assert entered.realised == D(200)
    assert entered.closed
    assert books.unmatched() == []
    assert books.apply(early, LONG).duplicate
    assert books.account(later(61), {}).equity == D(10_200)


@pytest.mark.parametrize(
    "bad",
    [
        fill(1, Side.BUY, "NaN", 60_000),
        fill(1, Side.BUY, 1, "Infinity"),
        fill(1, Side.BUY, 0, 60_000),
        fill(1, Side.BUY, 1, -1),
        fill(1, Side.BUY, 1, 60_000, fee="NaN"),
        fill(1, Side.BUY, 1, 60_000, symbol="ETH/USDT"),
    ],
)
def test_impossible_fills_stop_at_once_and_change_nothing(bad: object) -> None:
    books = ledger()
    with pytest.raises(InvariantBroken):
        books.apply(bad, LONG)  # type: ignore[arg-type]
    assert not books.fills
    assert books.account(START_NS, {}).equity == D(10_000)


def test_a_bad_mark_and_changed_terms_are_refused() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    with pytest.raises(InvariantBroken, match="marked"):
        books.account(START_NS, {SYMBOL: float("nan")})
    with pytest.raises(InvariantBroken, match="opened as"):
        books.apply(fill(2, Side.BUY, "0.1", 60_000), Terms(SYMBOL, Direction.LONG, leverage=2))


def test_tampered_books_are_noticed() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    books.cash += D("0.01")
    with pytest.raises(InvariantBroken, match="cash"):
        books.account(START_NS, {})
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    books.cash += D("0.01")
    books.realised += D("0.01")
    books.account(START_NS, {})
    with pytest.raises(InvariantBroken, match="from the fills"):
        books.verify()


def test_the_recomputation_runs_by_itself_and_settles_ended_positions() -> None:
    books = ledger()
    for number in range(0, VERIFY_EVERY, 2):
        name = f"X-{number}"
        at = later(number)
        books.apply(fill(number, Side.BUY, "0.1", 60_000, at_ns=at, position=name), LONG)
        if number == VERIFY_EVERY - 2:
            # Consistent with itself, wrong against the fills: only the second path sees it.
            books.cash += D(1)
            books.realised += D(1)
            with pytest.raises(InvariantBroken, match="from the fills"):
                books.apply(fill(number + 1, Side.SELL, 1, 1, at_ns=at + 1, position=name), LONG)
            return
        books.apply(fill(number + 1, Side.SELL, "0.1", 60_010, at_ns=at + 1, position=name), LONG)


def test_a_late_fill_reopens_a_settled_position() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    books.apply(fill(3, Side.SELL, "0.1", 61_000, at_ns=later(9)), LONG)
    books.verify()
    late = books.apply(fill(2, Side.BUY, "0.1", 60_500, at_ns=later(5)), LONG)
    assert not late.holding.closed
    assert late.holding.quantity == D("0.1")
    assert books.account(later(10), {SYMBOL: D(60_500)}).equity == D(10_100)
    books.verify()
    books.verify(full=True)


def test_the_day_rolls_at_midnight_with_the_last_equity_before_it() -> None:
    books = ledger()
    books.apply(fill(1, Side.BUY, "0.1", 60_000), LONG)
    evening = START_NS + 23 * HOUR
    before = books.account(evening, {SYMBOL: D(61_000)})
    assert (before.day_pnl, before.trades_today) == (D(100), 1)
    after = books.account(START_NS + DAY, {SYMBOL: D(60_400)})
    assert after.day_start_equity == D(10_100)
    assert after.day_pnl == D(-60)
    assert after.trades_today == 0
    books.apply(fill(9, Side.BUY, "0.01", 60_400, at_ns=START_NS + DAY + 1, position="X-2"), LONG)
    assert books.account(START_NS + DAY + 2, {}).trades_today == 1


def test_peak_and_drawdown_survive_a_restart() -> None:
    books = ledger()
    books.restore(START_NS // DAY, D(10_500), D(11_000), 7)
    account = books.account(START_NS, {})
    assert account.peak_equity == D(11_000)
    assert account.drawdown_pct == pytest.approx(100 / 11)
    assert account.day_pnl == D(-500)
    assert account.trades_today == 7


def plan(**changes: object) -> Plan:
    terms: dict[str, object] = {
        "id": "X-1",
        "instrument": packaged(SYMBOL),
        "direction": Direction.LONG,
        "strategy": "ema_cross",
        "decision": "D-1",
        "proposal": "P-1",
        "regime": "BULL",
        "stop": D(59_000),
        "targets": (D(62_000), D(64_000)),
    }
    return Plan(**{**terms, **changes})  # type: ignore[arg-type]


def test_position_row_then_trade() -> None:
    positions = Positions(ledger(), Ids("t"))
    positions.plan(plan())
    first = positions.apply(fill(1, Side.BUY, "0.06", 60_000, fee="3.6")).position
    assert first is not None
    both = positions.apply(fill(2, Side.BUY, "0.04", 60_100, fee="2.4", at_ns=later(1))).position
    assert both is not None
    assert both.initial_quantity == D("0.1")
    assert both.entry_price == D(60_040)
    moved = positions.protect("X-1", stop=D(60_000))
    assert moved.stop == D(60_000)
    assert moved.initial_stop == D(59_000)
    assert positions.protect("X-1", stop=D(60_000)) is moved
    positions.excursion("X-1", 3.5, -0.2)
    half = positions.apply(fill(3, Side.SELL, "0.05", 62_000, at_ns=later(60)), "partial_profit")
    assert half.position is not None
    assert half.position.stop == D(60_000)
    assert half.position.realised == D(98)
    assert half.position.initial_quantity == D("0.1")
    end = positions.apply(fill(4, Side.SELL, "0.05", 60_000, at_ns=later(90)), "break_even")
    assert end.position is None
    trade = end.trade
    assert trade is not None
    assert (trade.id, trade.exit_reason, trade.quantity) == ("T-1", "break_even", D("0.1"))
    assert trade.exit_price == D(61_000)
    assert trade.pnl == D(98) - 2 - 6
    assert trade.pnl_pct == pytest.approx(90 / 6_004 * 100)
    assert (trade.mfe_pct, trade.mae_pct) == (3.5, -0.2)
    assert (trade.opened_ns, trade.closed_ns) == (START_NS, later(90))
    assert positions.open() == ()


def test_an_unplanned_fill_is_an_alarm() -> None:
    positions = Positions(ledger(), Ids("t"))
    with pytest.raises(InvariantBroken, match="nobody planned"):
        positions.apply(fill(1, Side.BUY, 1, 1))


def test_replaying_the_journal_gives_the_same_row_and_trade() -> None:
    fills = [
        (fill(1, Side.BUY, "0.1", 60_000, fee=6), ""),
        (fill(2, Side.SELL, "0.04", 61_000, fee=2, at_ns=later(5)), "partial_profit"),
        (fill(3, Side.SELL, "0.06", 59_000, fee=3, at_ns=later(9)), "stop_loss"),
    ]
    first = Positions(ledger(), Ids("t"))
    first.plan(plan())
    rows = [first.apply(*each) for each in fills]
    open_row, trade = rows[1].position, rows[2].trade
    assert open_row is not None
    assert trade is not None
    again = Positions(ledger(), Ids("t", {"T": 1}))
    again.restore(open_row, packaged(SYMBOL), trade="T-1")
    replayed = [again.apply(*each) for each in fills]
    assert replayed[1].position == open_row
    assert replayed[2].trade == trade


def test_looking_at_the_account_moves_nothing_that_a_limit_is_measured_against() -> None:
    """A screen looks at wall time; if that raised the peak, two equal replays would differ."""
    books = ledger()
    books.apply(fill(1, Side.BUY, 1, 100), LONG)
    before = books.account(START_NS, {SYMBOL: 100.0})
    seen = books.account(START_NS + DAY, {SYMBOL: 500.0}, keep=False)
    assert seen.peak_equity == seen.equity == before.equity + 400
    assert (seen.day_start_equity, seen.trades_today) == (before.equity, 0)
    after = books.account(START_NS, {})
    assert after == before
