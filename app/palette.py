"""The command palette: every action of the registry by name, and the themes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from app.actions import Action, keys_label

if TYPE_CHECKING:
    from app.app import QuarterdeckApp


class ActionProvider(Provider):
    """Offers what the registry has on the present screen; disabled actions say why."""

    @property
    def _deck(self) -> QuarterdeckApp:
        from app.app import QuarterdeckApp

        assert isinstance(self.app, QuarterdeckApp)
        return self.app

    def _actions(self) -> list[tuple[str, str, Action]]:
        deck = self._deck
        state = deck.state()
        found = []
        for action in deck.actions:
            if action.group == "Moving" or action.id == "palette":
                continue
            if action.scope not in ("global", state.screen):
                continue
            why = action.why_disabled(state)
            keys = keys_label(action)
            note = f"not now: {why}" if why else (action.help or action.group)
            found.append((action.title, f"{keys}  {note}" if keys else note, action))
        return found

    async def discover(self) -> Hits:
        for title, note, action in self._actions():
            yield DiscoveryHit(
                Content(title), partial(self._deck.perform, action), text=title, help=note
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, note, action in self._actions():
            score = matcher.match(f"{title} {action.id}")
            if score > 0:
                yield Hit(
                    score,
                    Content(title),
                    partial(self._deck.perform, action),
                    text=title,
                    help=note,
                )
        for name in self._deck.themes:
            title = f"Theme {name}"
            score = matcher.match(title)
            if score > 0:
                yield Hit(
                    score, Content(title), partial(self._deck.views.use_theme, name), text=title
                )
