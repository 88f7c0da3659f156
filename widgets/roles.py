"""Colours by what they mean: roles resolved from the theme in one place.

A panel writes `gain` or `bold danger`, never a colour, so that themes, colour-blind palettes
and terminals without colours change in one place. Without an application the defaults
stand in, and a panel can be drawn in a test.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color, ColorParseError

DEFAULTS: Mapping[str, str] = {
    "foreground": "#d5d9de",
    "background": "#0f1419",
    "primary": "#4a90d9",
    "accent": "#d9a441",
    "gain": "#4cb782",
    "loss": "#f47067",
    "stale": "#d9a441",
    "danger": "#ff7b72",
    "warn": "#d9a441",
    "note": "#6cb6ff",
    "muted": "#919ca8",
    "mark": "#c792ea",
    "sim": "#c792ea",
    "replay": "#6cb6ff",
    "live": "#ff8c42",
    "entry": "#6cb6ff",
    "stop": "#f47067",
    "target": "#4cb782",
}
"""Every role with the colour that stands in where a theme does not name it."""

# Quiet tones between background and another colour: (from, to, how far), unless named.
BLENDS: Mapping[str, tuple[str, str, float]] = {
    "frame": ("background", "foreground", 0.24),
    "grid": ("background", "foreground", 0.13),
    "cursor": ("background", "primary", 0.30),
    "rest": ("background", "foreground", 0.10),
    "depth": ("background", "loss", 0.60),
    "area": ("background", "primary", 0.30),
    "soft": ("background", "foreground", 0.72),
    "heat1": ("background", "loss", 0.08),
    "heat2": ("background", "loss", 0.16),
    "heat3": ("background", "loss", 0.24),
    "heat4": ("background", "loss", 0.34),
}

_ALIASES: Mapping[str, str] = {"dim": "muted"}
ATTRIBUTES = frozenset(("bold", "italic", "underline", "reverse", "strike"))


class Roles:
    """The styles of one theme. `on:ROLE` sets the background; words come in any order."""

    def __init__(
        self, variables: Mapping[str, str] | None = None, base: Style | None = None
    ) -> None:
        self._variables = variables or {}
        self._base = base or Style()
        self._styles: dict[str, Style] = {"": self._base}

    def style(self, words: str) -> Style:
        """The style of role words such as `bold gain on:cursor`; unknown words change nothing."""
        found = self._styles.get(words)
        if found is None:
            found = self._styles[words] = self._resolve(words)
        return found

    def _resolve(self, words: str) -> Style:
        style = self._base
        for word in words.split():
            if word in ATTRIBUTES:
                style += Style.parse(word)
            elif word.startswith("on:"):
                if self._variables.get(word[3:]) in ATTRIBUTES:
                    style += Style.parse(self._variables[word[3:]])
                elif (colour := self.colour(word[3:])) is not None:
                    style += Style(bgcolor=colour.rich_color)
            elif (colour := self.colour(word)) is not None:
                style += Style(color=colour.rich_color)
        return style

    def colour(self, role: str) -> Color | None:
        """The colour of a role, or None for a word that is none."""
        role = _ALIASES.get(role, role)
        named = _parse(self._variables.get(role, ""))
        if named is not None:
            return named
        if role in BLENDS:
            start, end, share = BLENDS[role]
            low, high = self.colour(start), self.colour(end)
            return low.blend(high, share) if low and high else None
        return _parse(DEFAULTS.get(role, ""))


def _parse(text: str) -> Color | None:
    """An opaque colour; None for `auto`, transparency and nonsense."""
    if not text or text.startswith(("auto", "ansi")):
        return None
    try:
        colour = Color.parse(text)
    except ColorParseError:
        return None
    return colour if colour.a == 1 else None
