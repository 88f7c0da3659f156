"""The command palette: every action of the registry by name, every panel, and the themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from app.actions import SCREENS, keys_label
from app.layouts import LAYOUTS
from app.modal import Once

if TYPE_CHECKING:
    from app.app import QuarterdeckApp


class Palette(CommandPalette, Once[None]):
    """Textual's palette, which no key ends the program from."""

    def _action_command_list(self, action: str) -> None:
        # A page of a list that was filled and not laid out yet is a KeyError in Textual 8.2.
        with suppress(KeyError):
            super()._action_command_list(action)


class Entry(NamedTuple):
    """One line of the palette: its name, more words to find it by, a note and what it does."""

    title: str
    words: str
    note: str
    act: Callable[[], None]


class ActionProvider(Provider):
    """Offers what can be done and gone to; what is disabled here says why."""

    @property
    def _deck(self) -> QuarterdeckApp:
        from app.app import QuarterdeckApp

        assert isinstance(self.app, QuarterdeckApp)
        return self.app

    def entries(self) -> Iterator[Entry]:
        """Every line, what is possible here before what belongs to another screen."""
        yield from self._actions(here=True)
        yield from self._panels()
        for name in sorted(self._deck.themes):
            yield Entry(f"Theme {name}", "colours", "", partial(self._deck.views.use_theme, name))
        yield from self._actions(here=False)

    def _actions(self, here: bool) -> Iterator[Entry]:
        deck = self._deck
        state = deck.state()
        screens = {name: (key, title) for key, name, title in SCREENS}
        for action in deck.actions:
            if action.id == "palette" or here != (action.scope in ("global", state.screen)):
                continue
            if here:
                why = action.why_disabled(state)
                note = f"not now: {why}" if why else (action.help or action.group)
            else:
                key, title = screens[action.scope]
                note = f"on the {title} screen ({key})"
            keys = keys_label(action)
            act = partial(deck.perform if here else deck.perform_elsewhere, action)
            yield Entry(action.title, action.id, f"{keys}  {note}" if keys else note, act)

    def _panels(self) -> Iterator[Entry]:
        for key, name, title in SCREENS:
            for slot in LAYOUTS.get(name, ()):
                if slot.place is None:
                    continue
                act = partial(self._deck.views.show_panel, name, slot.id)
                yield Entry(f"Panel {slot.title}", slot.id, f"on the {title} screen ({key})", act)

    async def discover(self) -> Hits:
        for title, _, note, act in self.entries():
            yield DiscoveryHit(Content(title), act, text=title, help=note)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, words, note, act in self.entries():
            score = matcher.match(f"{title} {words}")
            if score > 0:
                yield Hit(score, Content(title), act, text=title, help=note)
