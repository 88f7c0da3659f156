"""The application as far as it is colour and cells: themes, and frames sent by difference."""

from __future__ import annotations

import sys
from typing import Any

from rich.color import ColorSystem
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.screen import Screen

from app import theme
from app.options import AppOptions
from app.paint import Painter


class PaintingApp(App[int], inherit_bindings=False):
    """Chooses the theme before the first frame and sends frames as differences."""

    def __init__(self, options: AppOptions) -> None:
        self.options = options
        self.themes, self.theme_troubles = theme.load(options.theme_folder)
        self._theme_stamps = theme.stamps(options.theme_folder)
        self._first_frame = False
        super().__init__(driver_class=_driver_class(options.web))
        self.painter = Painter()
        self.animation_level = "none"
        self._terminal_colours = self.console._color_system
        self._wanted = self.options.theme
        self._choose_theme()

    def _choose_theme(self) -> None:
        for each in self.themes.values():
            self.register_theme(each)
        if self.options.low_color or self.no_color or self._few_colours():
            self._wanted = theme.LOW_COLOR
        chosen = self._wanted
        if chosen not in self.themes:
            self.theme_troubles.append(f"theme {chosen} is missing, {theme.FALLBACK} is used")
            chosen = theme.FALLBACK
        self.set_reactive(App.theme, chosen)
        self.stylesheet.set_variables(self.get_css_variables())
        self._suit_terminal()

    def _few_colours(self) -> bool:
        """Whether there is a terminal that knows sixteen colours at most."""
        known = self._terminal_colours in (ColorSystem.STANDARD, ColorSystem.WINDOWS)
        return known and sys.__stdout__ is not None and sys.__stdout__.isatty()

    def _suit_terminal(self) -> None:
        """Sixteen colours on the terminal's own ground for the theme that asks for these.

        Textual takes NO_COLOR for shades of grey; here it is no colour at all.
        """
        own = self.theme == theme.LOW_COLOR and self._terminal_colours is not None
        colours = ColorSystem.STANDARD if own else self._terminal_colours
        self.console._color_system = None if self.no_color else colours
        shown = self.themes[self.theme]
        self.painter.own_ground(
            (shown.foreground, shown.background) if own else None  # the terminal's defaults
        )

    def choose_theme(self, name: str) -> None:
        """Draw in this theme from now on, and return to it when it comes back after an error."""
        if self.no_color:
            # Its cursor is an attribute; that of the others would be lost with its colour.
            name = theme.LOW_COLOR
        self._wanted = name
        self.theme = name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(theme.ROLES)

    def _watch_theme(self, theme_name: str) -> None:
        """Textual re-reads all styles and paints twice when a theme is set; not at the start.

        The start's theme is in the stylesheet before anything is drawn with it.
        """
        if self._first_frame:
            self._suit_terminal()
            super()._watch_theme(theme_name)

    def reload_themes(self) -> list[str]:
        """Take over edited theme files; sentences about what is wrong with them."""
        stamps = theme.stamps(self.options.theme_folder)
        if stamps == self._theme_stamps:
            return []
        self._theme_stamps = stamps
        self.themes, troubles = theme.load(self.options.theme_folder)
        for each in self.themes.values():
            self.register_theme(each)
        if self._wanted in self.themes and self.theme != self._wanted:
            self.theme = self._wanted
        elif self.theme in self.themes:
            self._watch_theme(self.theme)
        else:
            self.theme = theme.FALLBACK
            troubles.append(f"theme {self._wanted} is gone, {theme.FALLBACK} is used until then")
        return troubles

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send what differs from what the terminal shows, instead of all that was drawn."""
        driver = self._driver
        if (
            not isinstance(renderable, CompositorUpdate)
            or driver is None
            or self.is_headless
            or self._batch_count
            or not self._running
        ):
            super()._display(screen, renderable)
            return
        self.painter.fit(self.size.width, self.size.height)
        text = self.painter.encode(renderable, self.console)
        if text:
            self._begin_update()
            driver.write(text)
            self._end_update()
            driver.flush()
        self.post_display_hook()

    def repaint(self) -> None:
        """Paint everything anew: frames were lost, or something else wrote to the terminal."""
        self.painter.forget()
        self.refresh()


def _driver_class(web: bool) -> type:
    if web:
        from app.webdriver import BrowserDriver

        return BrowserDriver
    from app.driver import QuarterdeckDriver

    return QuarterdeckDriver
