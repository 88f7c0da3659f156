"""Which class draws which panel, and what those are fed that want more than a snapshot.

Classes are named by text and imported when their screen first opens, so that the first
frame does not pay for panels that nobody looks at yet.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from widgets.panel import Panel

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from engine.core.views import Snapshot

CLASSES: dict[str, str] = {
    "approvals": "widgets.approvals:ApprovalsPanel",
    "positions": "widgets.positions:PositionsPanel",
    "signals": "widgets.signals:SignalsPanel",
    "reasoning": "widgets.reasoning:ReasoningPanel",
    "adaptations": "widgets.adaptations:AdaptationsPanel",
    "risk": "widgets.risk:RiskPanel",
    "market": "widgets.market:MarketPanel",
    "chart": "widgets.chart:PriceChart",
    "equity": "widgets.equity:EquityLine",
    "waterfall": "widgets.waterfall:WaterfallPanel",
    "decision": "widgets.decision:DecisionDetail",
    "limits": "widgets.limits:LimitsPanel",
    "journal": "widgets.journal:JournalPanel",
    "trades": "widgets.trades:TradesPanel",
    "orders": "widgets.orders:OrdersPanel",
}

Feed = Callable[[Panel, "Snapshot", int], None]


def build(name: str) -> Panel:
    """A new panel of this name."""
    module, _, cls = CLASSES[name].partition(":")
    try:
        made = getattr(import_module(module), cls)
    except (ModuleNotFoundError, AttributeError):
        made = Panel
    return cast("Panel", made(id=f"panel-{name}"))


def feeds(app: QuarterdeckApp) -> dict[str, Feed]:
    """How to feed what is more than its snapshot, by panel name."""
    return {}
