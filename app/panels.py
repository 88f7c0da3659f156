"""Which class draws which panel, and what those are fed that want more than a snapshot.

Classes are named by text and imported when their screen first opens, so that the first
frame does not pay for panels that nobody looks at yet.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import msgspec

from widgets.panel import Panel

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from engine.core.views import Snapshot
    from widgets.levels import Levels
    from widgets.marks import Traded

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
    "breakers": "widgets.breakers:BreakersPanel",
    "counterfactuals": "widgets.counterfactuals:CounterfactualsPanel",
    "portfolio": "widgets.portfolio:PortfolioPanel",
    "correlation": "widgets.correlation:CorrelationPanel",
    "journal": "widgets.journal:JournalPanel",
    "llm": "widgets.llm:LlmPanel",
    "health": "widgets.health:HealthPanel",
    "honesty": "widgets.honesty:HonestyPanel",
    "machine": "widgets.machine:MachinePanel",
    "trades": "widgets.trades:TradesPanel",
    "orders": "widgets.orders:OrdersPanel",
    "changes": "widgets.ledger:LedgerPanel",
    "trajectory": "widgets.trajectory:TrajectoryPanel",
    "coins": "widgets.known:CoinsPanel",
    "pairs": "widgets.known:PairsPanel",
    "patterns": "widgets.rules:PatternsPanel",
    "rules": "widgets.rules:RulesPanel",
    "insights": "widgets.insights:InsightsPanel",
    "scoreboard": "widgets.scoreboard:ScoreboardPanel",
}

SLOW = frozenset(("chart", "equity", "journal", "health", "trajectory"))
"""Panels that are fed once a second: plots, long texts and figures about the engine."""

Feed = Callable[[Any, "Snapshot", int], None]


def build(name: str) -> Panel:
    """A new panel of this name."""
    module, _, cls = CLASSES[name].partition(":")
    return cast("Panel", getattr(import_module(module), cls)(id=f"panel-{name}"))


class Feeder:
    """Feeds the panels that draw streams, or what is selected in another panel."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self._deck = deck
        self._done: tuple[tuple[object, ...], Traded] | None = None
        self._own: dict[str, Feed] = {
            "chart": self._chart,
            "equity": self._equity,
            "journal": self._journal,
            "llm": self._llm,
            "changes": self._changes,
            "trajectory": self._trajectory,
            "reasoning": self._reasoning,
            "decision": self._decision,
            "machine": self._machine,
            "waterfall": self._waterfall,
            "market": self._paths,
            "positions": self._paths,
        }

    def feed(self, name: str, panel: Panel, view: Snapshot, now_ns: int) -> None:
        """Show a snapshot in a panel, and whatever else that panel draws."""
        panel.show(view, now_ns)
        if name in self._own:
            self._own[name](panel, view, now_ns)

    def _chart(self, panel: Any, view: Snapshot, now_ns: int) -> None:
        from widgets.candles import merged

        symbol = self._deck.chosen_symbol()
        market = next((m for m in view.markets if m.symbol == symbol), None)
        bars = self._deck.feeds.bars(symbol)
        drawn, troubles = self._deck.studies.follow(symbol, merged(bars, panel.framed))
        for trouble in troubles:
            self._deck.say(trouble, "warn")
        panel.show_bars(
            symbol,
            bars,
            market.forming if market else None,
            levels_of(view, symbol, self._deck.focused_panel()),
            view.run.timeframe,
            drawn,
            self._traded(view, symbol),
        )

    def _traded(self, view: Snapshot, symbol: str) -> Traded:
        """What was done in a symbol, worked out again when any of it changed."""
        from widgets.marks import traded_in

        feeds = self._deck.feeds
        seen = (symbol, feeds.fills.next, feeds.protections.next, id(feeds.fills),
                *map(id, view.trades), *(each.position.id for each in view.positions))  # fmt: skip
        if self._done is None or self._done[0] != seen:
            made = traded_in(view, symbol, feeds.fills.items, feeds.protections.items)
            self._done = seen, made
        return self._done[1]

    def _paths(self, panel: Any, view: Snapshot, _now_ns: int) -> None:
        feeds, hub = self._deck.feeds, self._deck.hub
        panel.show_paths({m.symbol: feeds.path(hub, m.symbol, panel.PATH) for m in view.markets})

    def _equity(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        panel.show_points(self._deck.feeds.points())

    def _journal(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        panel.show_lines(self._deck.feeds.lines())

    def _llm(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        panel.show_calls(self._deck.feeds.calls())

    def _changes(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        panel.show_compared(self._deck.feeds.comparisons())

    def _trajectory(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        screen = self._deck.base_screen()
        follows = screen is not None and screen.active != "trajectory"
        change = (screen.selected("changes") or "") if screen is not None and follows else ""
        panel.show_moves(tuple(self._deck.feeds.moves.items), change)

    def _reasoning(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        if new := self._deck.feeds.new_decisions(panel):
            panel.show_decisions(new)

    def _decision(self, panel: Any, view: Snapshot, _now_ns: int) -> None:
        screen = self._deck.base_screen()
        if screen is not None and screen.active != "decision":
            key = screen.selected("reasoning")
            chosen = self._deck.feeds.decision(key or "")
            if chosen is not None:
                panel.show_decision(chosen)
            elif symbol := self._deck.chosen_symbol():
                panel.select(symbol)

    def _machine(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        screen = self._deck.base_screen()
        listed: Any = screen.panels.get("reasoning") if screen is not None else None
        chosen = listed.selected if listed is not None else None
        moved = listed.moved_to if listed is not None else None
        self._deck.recalling.follow(panel, chosen, moved)

    def _waterfall(self, panel: Any, _view: Snapshot, _now_ns: int) -> None:
        screen = self._deck.base_screen()
        if screen is not None and screen.active != "waterfall":
            panel.show_symbol(self._deck.chosen_symbol())


def levels_of(view: Snapshot, symbol: str, panel: str) -> Levels | None:
    """Entry, stop and targets to draw for a symbol: of its position or of its proposal.

    The panel in use decides which of the two where a symbol has both.
    """
    from widgets.levels import Levels

    if panel == "approvals" and any(p.symbol == symbol for p in view.proposals):
        return Levels.of(msgspec.structs.replace(view, positions=()), symbol)
    return Levels.of(view, symbol)
