"""What an entry finds: the market's row, the position in its symbol, and the account."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.analysis.leverage_state import Surroundings, leverage_state
from engine.core.clock import HOUR
from engine.core.regimes import VolLevel
from engine.core.types import Account, EntryConditions, InstrumentKind, Trade
from engine.kernel.desk import Desk
from engine.kernel.perpetuals import Perpetuals
from engine.kernel.symbols import SymbolDesk
from engine.market.funding import last_boundary
from engine.risk.sizing import SCALE_TRADES


def entry_conditions(
    desk: Desk, symbol: SymbolDesk, account: Account, perpetuals: Perpetuals
) -> EntryConditions:
    """The 35 conditions of a symbol as they stand, before anything is sent."""
    held = desk.book.of_symbol(symbol.symbol)
    position = held[0] if held else None
    watch = desk.watches.get(position.id) if position is not None else None
    swap = symbol.instrument.kind is InstrumentKind.SWAP
    state = perpetuals.state(position, symbol.last) if position is not None else None
    equity = float(account.equity)
    count, _, won = desk.statistics.recent(int(desk.params.get(SCALE_TRADES)))
    regime = symbol.regime
    around = Surroundings(
        high_volatility=math.nan if regime is None else float(regime.vol_level is VolLevel.HIGH),
        buy_volume_ratio=symbol.buy_volume_ratio,
        funding_rate=_funding_rate(desk, symbol) if swap else math.nan,
        current_position=float(position.direction.sign) if position is not None else 0.0,
        current_leverage=float(position.leverage) if position is not None else 0.0,
        position_pnl=watch.pnl_pct if watch is not None else 0.0,
        position_duration=0.0 if position is None else (desk.now_ns - position.opened_ns) / HOUR,
        unrealized_pnl=float(account.unrealised) / equity * 100.0 if equity > 0.0 else math.nan,
        margin_ratio=state.ratio if state is not None else (0.0 if swap else math.nan),
        drawdown_current=account.drawdown_pct,
        consecutive_losses=float(losses_in_a_row(desk.trades)),
        win_rate_recent=won if count else math.nan,
    )
    return leverage_state(symbol.feature, around)


def _funding_rate(desk: Desk, symbol: SymbolDesk) -> float:
    """The last rate that was paid: the next one is not settled yet."""
    rate = desk.rates.rate(symbol.symbol, last_boundary(desk.now_ns))
    return math.nan if rate is None else rate


def losses_in_a_row(trades: Iterable[Trade]) -> int:
    """Lost trades since the last one that won, oldest first."""
    count = 0
    for trade in trades:
        count = 0 if trade.won else count + 1
    return count
