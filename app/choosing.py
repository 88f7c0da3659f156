"""The application as far as it is choice: which row, symbol and screen a key is about."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from app.feeds import Feeds
from app.layouts import Fit
from app.options import AppOptions
from app.painting import PaintingApp
from app.screens import DeckScreen
from app.state import READING, READONLY, Lore, UiState
from app.studies import Studies
from engine.core.learning import Change
from engine.core.types import Proposal, ProposalState
from engine.core.views import PositionView, Snapshot
from engine.hub import Hub
from widgets.approvals import ApprovalsPanel
from widgets.tablepanel import TablePanel


class ChoosingApp(PaintingApp, inherit_bindings=False):
    """Knows the snapshot that is drawn and what is selected in it."""

    def __init__(self, options: AppOptions) -> None:
        super().__init__(options)
        self.hub: Hub | None = None
        self.snapshot: Snapshot | None = None
        self.frozen: Snapshot | None = None
        self.feeds = Feeds()
        self.studies = Studies()

    @property
    def view(self) -> Snapshot | None:
        """The snapshot that is drawn: the newest, or the frozen one."""
        return self.frozen or self.snapshot

    def base_screen(self) -> DeckScreen | None:
        """The screen below any dialog."""
        try:
            base: Screen[Any] = self.screen_stack[0]
        except (IndexError, KeyError):
            return None
        return base if isinstance(base, DeckScreen) and base.standing else None

    def current_proposal(self, proposal_id: str) -> Proposal | None:
        """The newest version that the engine has of a proposal."""
        if self.snapshot is None:
            return None
        return next((p for p in self.snapshot.proposals if p.id == proposal_id), None)

    def chosen_position(self) -> PositionView | None:
        screen = self.base_screen()
        view = self.view
        if screen is None or view is None or not view.positions:
            return None
        key = screen.selected("positions")
        return next((p for p in view.positions if p.position.id == key), None)

    def chosen_symbol(self) -> str:
        """The symbol of the active panel's selection, else the most interesting one."""
        screen, view = self.base_screen(), self.view
        if screen is None or view is None:
            return ""
        panel = screen.panels.get(screen.active)
        if panel is not None and panel.selected_symbol:
            self.feeds.symbol = panel.selected_symbol
        elif view.positions:
            # What was last looked at has gone; what is held is looked at next.
            held = [p.position.symbol for p in view.positions]
            if self.feeds.symbol not in (*held, *(p.symbol for p in view.proposals)):
                self.feeds.symbol = held[0]
        if self.feeds.symbol and any(m.symbol == self.feeds.symbol for m in view.markets):
            return self.feeds.symbol
        symbols = [p.symbol for p in view.proposals] + [m.symbol for m in view.markets]
        return symbols[0] if symbols else ""

    def chosen_order(self) -> str:
        screen = self.base_screen()
        return (screen.selected("orders") or "") if screen is not None else ""

    def focused_panel(self) -> str:
        screen = self.base_screen()
        return screen.active if screen is not None else ""

    def reveal(self, panel_id: str) -> bool:
        """Focus a panel; True when it was not the focused one, so that nothing acts unseen."""
        screen = self.base_screen()
        if screen is None or screen.active == panel_id:
            return False
        screen.focus_panel(panel_id)
        return True

    def drawn_proposal(self, screen: DeckScreen) -> Proposal | None:
        """The proposal at the cursor, if its symbol, side and size can be read there."""
        panel = screen.panels.get("approvals")
        if not isinstance(panel, ApprovalsPanel) or not screen.has_on_screen("approvals"):
            return None
        return panel.proposal if panel.readable else None

    def drawn_change(self, screen: DeckScreen) -> Change | None:
        """The change at the ledger's cursor, while the ledger is on screen."""
        panel = screen.panels.get("changes")
        if panel is None or not screen.has_on_screen("changes"):
            return None
        change: Change | None = getattr(panel, "change", None)
        return change

    def chosen_lore(self, screen: DeckScreen) -> Lore | None:
        """What is known at the cursor of the panel in use."""
        if screen.active not in ("coins", "pairs", "patterns", "rules", "insights"):
            return None
        chosen: Lore | None = getattr(screen.panels.get(screen.active), "chosen", None)
        return chosen

    def offline(self) -> str:
        """Why no command can reach the engine, or an empty text."""
        return self.hub.trouble if self.hub is not None else ""

    def state(self) -> UiState:
        """The screen as the registry judges it."""
        screen = self.base_screen()
        readonly = self.options.readonly or self.options.inspecting
        why = READING if self.options.inspecting else READONLY
        if screen is None:
            return UiState(
                snapshot=self.snapshot,
                readonly=readonly,
                why_readonly=why,
                web=self.options.web,
                offline=self.offline(),
            )
        drawn = self.drawn_proposal(screen)
        panel = screen.panels.get(screen.active)
        table = panel.table if isinstance(panel, TablePanel) else None
        return UiState(
            screen=screen.name or "",
            panel=screen.active,
            fits=screen.fit is not Fit.NOTE,
            readonly=readonly,
            why_readonly=why,
            web=self.options.web,
            offline=self.offline(),
            frozen=self.frozen is not None,
            snapshot=self.snapshot,
            proposal=drawn,
            approvals_visible=drawn is not None or not self._waiting(),
            position=self.chosen_position(),
            symbol=self.chosen_symbol(),
            order=self.chosen_order(),
            chart=screen.has_on_screen("chart"),
            overlays=self.studies.able,
            table=table is not None,
            ordered=table is not None and bool(table.ordered_by),
            change=self.drawn_change(screen),
            lore=self.chosen_lore(screen),
        )

    def _waiting(self) -> bool:
        proposals = self.view.proposals if self.view is not None else ()
        return any(p.state is ProposalState.WAITING for p in proposals)
