"""How trades did by their leverage: whether more of it earned more, or only cost more."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.core.types import ZERO, Trade
from engine.core.views import LevelView


def by_leverage(trades: Iterable[Trade]) -> tuple[LevelView, ...]:
    """One row for each leverage that was used, lowest first; P&L net of fees and funding."""
    groups: dict[int, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(trade.leverage, []).append(trade)
    return tuple(_level(leverage, groups[leverage]) for leverage in sorted(groups))


def _level(leverage: int, trades: list[Trade]) -> LevelView:
    count = len(trades)
    return LevelView(
        leverage=leverage,
        trades=count,
        win_rate=sum(trade.won for trade in trades) / count,
        average_pnl=sum((trade.pnl for trade in trades), ZERO) / Decimal(count),
        average_pct=sum(trade.pnl_pct for trade in trades) / count,
        worst_mae_pct=max(trade.mae_pct for trade in trades),
    )
