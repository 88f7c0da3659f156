"""A record as an item of one of the hub's streams, for panels that draw more than a snapshot."""

from __future__ import annotations

from engine.core.learning import Target, TargetKind
from engine.core.records import (
    AnyRecord,
    ComparedOn,
    Filled,
    ParameterSet,
    PositionChanged,
    TradeClosed,
)
from engine.core.types import ZERO, Value
from engine.core.views import ParameterMove, Protection

KEPT = 5_000
"""Items of such a stream that a hub holds."""


def streamed(record: AnyRecord) -> tuple[str, Value] | None:
    """The stream that a record belongs to and its item there; None for all others."""
    match record:
        case ComparedOn(compared=compared):
            return "compared", compared
        case ParameterSet():
            return streamed_move(record)
        case Filled(fill=fill):
            return "fills", fill
        case PositionChanged(position=held):
            return "protections", Protection(
                time_ns=record.time_ns, position=held.id, symbol=held.symbol,
                direction=held.direction, entry_price=held.entry_price, stop=held.stop,
                targets=held.targets,
            )  # fmt: skip
        case TradeClosed(trade=trade):
            return "protections", Protection(
                time_ns=record.time_ns, position=record.position, symbol=trade.symbol,
                direction=trade.direction, entry_price=trade.entry_price, stop=ZERO, targets=(),
                ended=True,
            )  # fmt: skip
    return None


def streamed_move(record: ParameterSet) -> tuple[str, ParameterMove]:
    """As `streamed`, for a parameter that was set."""
    symbol, regime, strategy = record.scope
    target = Target(
        kind=TargetKind.PARAMETER, name=record.name, symbol=symbol, regime=regime,
        strategy=strategy,
    )  # fmt: skip
    move = ParameterMove(
        time_ns=record.time_ns, target=target.text, before=record.before, after=record.after,
        who=record.who,
    )  # fmt: skip
    return "parameters", move
