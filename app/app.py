"""The application: one screen over one hub, wired from the registry of actions.

It starts without an engine, so that the first frame does not wait for one; `attach` brings
the hub later. It never computes anything about trading: it shows snapshots and sends
commands.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from app import crash, keymap, theme
from app.actions import Action, for_key, key_label, live
from app.approving import Approving
from app.chrome import FooterLine, MessageLine, Parts
from app.controlling import Controlling
from app.dialogs import Answer, Choice, Dialog, Field, Form
from app.feeds import Feeds
from app.hints import Hints
from app.holding import Holding
from app.options import AppOptions
from app.outbox import Outbox
from app.paint import Painter
from app.panels import Feeder
from app.sampler import ASK, Sampler
from app.screens import LAYOUTS, DeckScreen, Fit
from app.shown import Shown
from app.state import UiState
from app.views import Views
from engine.core.clock import MINUTE, SECOND
from engine.core.commands import Ack, AnyCommand
from engine.core.errors import QuarterdeckError
from engine.core.types import Link, Proposal
from engine.core.views import PositionView, Snapshot
from engine.hub import Hub
from widgets.approvals import ApprovalsPanel
from widgets.status import StatusLine

SILENT_SECONDS = 3
"""The engine publishes several times a second; after this long it is said to be silent."""

FOOTER_ORDER = ("pause", "help", "panel.next", "detail", "quit", "filter", "maximise")
"""Which keys are named first where not all of them fit."""

TIDY_NS = 10 * MINUTE
QUIET_NS = 2 * SECOND
"""A full collection waits for this long without keys."""

MESSAGE_NS = 6 * SECOND
"""How long an effect stays in the message line."""


class QuarterdeckApp(App[int], inherit_bindings=False):
    """Screens, keys and the flow between hub and panels.

    `hub` may be None at first. `options` are the command line's. After `run`, `fault` is
    the error that ended it, if one did, and `crash_path` its report.
    """

    TITLE = "Quarterdeck"
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f13"
    COMMANDS = {lambda: _provider()}  # noqa: RUF012 - Textual reads it from the class
    MODES = {  # noqa: RUF012 - the same
        name: partial(DeckScreen, name) for name in LAYOUTS
    }
    DEFAULT_MODE = "desk"

    def __init__(self, hub: Hub | None = None, options: AppOptions | None = None) -> None:
        self.options = options or AppOptions()
        self.themes, self._theme_troubles = theme.load(self.options.theme_folder)
        self._theme_stamps = theme.stamps(self.options.theme_folder)
        self._first_frame = False
        super().__init__(driver_class=_driver_class())
        self.actions = keymap.apply(self.options.keys)
        self.mono: Callable[[], int] = self.options.monotonic
        self.views = Views(self)
        self.controlling = Controlling(self)
        self._doers = (Approving(self), Holding(self), self.controlling, self.views)
        self.hub = hub
        self.snapshot: Snapshot | None = None
        self.frozen: Snapshot | None = None
        self.fault: BaseException | None = None
        self.crash_path: Path | None = None
        self.engine_trouble = ""
        self.before_first_frame: Callable[[], None] | None = None
        self.after_first_frame: Callable[[], None] | None = None
        self.painter = Painter()
        self.outbox = Outbox(self.options.seed)
        self.shown = Shown()
        self.feeds = Feeds()
        self.feeder = Feeder(self)
        self.hints = Hints(self.options.first_run)
        self.sampler = Sampler(self, self.options.rate(), self.options.pacing(), self.mono)
        self._received_ns = 0
        self._second = -1
        self._tidied_ns = self.mono()
        self._said_ns = 0
        self._said: tuple[tuple[str, str], ...] = ()
        self._footer_state: object = None
        self._keys_at_ns = 0
        self._frames = 0
        self.animation_level = "none"
        self._bind_keys()
        self._choose_theme()

    def _bind_keys(self) -> None:
        for key in sorted({key for action in self.actions for key in action.keys}):
            self._bindings._add_binding(Binding(key, f"press('{key}')", show=False))

    def _choose_theme(self) -> None:
        for each in self.themes.values():
            self.register_theme(each)
        wanted = theme.LOW_COLOR if self.options.low_color else self.options.theme
        if wanted not in self.themes:
            self._theme_troubles.append(f"theme {wanted} is missing, {theme.FALLBACK} is used")
            wanted = theme.FALLBACK
        self.set_reactive(App.theme, wanted)
        self.stylesheet.set_variables(self.get_css_variables())
        if self.options.low_color:
            from rich.color import ColorSystem

            self.console._color_system = ColorSystem.STANDARD

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(theme.ROLES)

    def _watch_theme(self, theme_name: str) -> None:
        """Textual re-reads all styles and paints twice when a theme is set; not at the start.

        The start's theme is in the stylesheet before anything is drawn with it.
        """
        if self._first_frame:
            super()._watch_theme(theme_name)

    # Life.

    def on_mount(self) -> None:
        if self.before_first_frame is not None:
            self.before_first_frame()
        self.sampler.start()
        self.call_after_refresh(self._started)

    def _started(self) -> None:
        for trouble in self._theme_troubles:
            self.say(trouble, "warn")
        if self.options.theme_folder is not None:
            self.set_interval(2.0, self._reload_themes)
        if self.after_first_frame is not None:
            self.after_first_frame()

    def attach(self, hub: Hub) -> None:
        """Give the screen its engine; call it on the screen's thread."""
        self.hub = hub
        self.engine_trouble = ""
        self.sampler.step()

    def engine_failed(self, error: BaseException) -> None:
        """The engine could not start or has died: say so and keep the screen usable."""
        self.crash_path = None
        if not isinstance(error, QuarterdeckError):
            self.crash_path = crash.report(error, self.options.state_folder, "in the engine")
        where = f"; report: {self.crash_path}" if self.crash_path else ""
        self.engine_trouble = f"The engine stopped: {error}{where}"
        self.say(self.engine_trouble, "danger")

    def leave(self) -> None:
        """End the application; the session flushes the engine after it."""
        self.sampler.stop()
        self.exit(0)

    def served(self) -> bool:
        return self.options.served

    def failed(self, error: Exception) -> None:
        """A sample raised: the same end as any other fault."""
        self._handle_exception(error)

    def _fatal_error(self) -> None:
        """End with a written report instead of a traceback over the terminal."""
        self.fault = self._exception
        if self.fault is not None:
            self.crash_path = crash.report(self.fault, self.options.state_folder, "in the screen")
        self.sampler.stop()
        self._close_messages_no_wait()

    # Pace.

    def sample(self, now_ns: int) -> bool:
        """Read the hub and update what is visible; see `Sampler`."""
        hub = self.hub
        latest = hub.snapshot if hub is not None else None
        fresh = latest is not self.snapshot
        if latest is not None and fresh:
            self.snapshot = latest
            self._received_ns = now_ns
            self.hints.see(latest)
        if hub is not None:
            self._collect(hub, now_ns)
        second = now_ns // SECOND
        slow = second != self._second
        self._second = second
        screen = self.base_screen()
        if screen is None:
            return False
        if slow:
            self._settle_message(now_ns)
            self._tidy(now_ns)
        if not (fresh or slow or screen.has_due()):
            return False
        self.refresh_status(screen)
        if self.screen is screen:
            self.refresh_panels(screen, now_ns, slow)
        self.refresh_footer(screen)
        return True

    def _tidy(self, now_ns: int) -> None:
        """Collect garbage in full every ten minutes, at a moment without keys.

        With the raised thresholds the oldest generation would never run by itself.
        """
        if now_ns - self._tidied_ns > TIDY_NS and self.quiet_ns() > QUIET_NS:
            self._tidied_ns = now_ns
            gc.collect()

    def refresh_panels(self, screen: DeckScreen, now_ns: int, slow: bool) -> None:
        """Hand the snapshot to the visible panels and note which proposal they show."""
        view = self.view
        if view is None:
            return
        age = 0 if self.frozen is not None else max(0, now_ns - self._received_ns)
        self.feeds.follow(self.hub, self.chosen_symbol())
        screen.feed(view, view.time_ns + age, slow)
        self.shown.draw(self._drawn_proposal(screen))

    def _drawn_proposal(self, screen: DeckScreen) -> Proposal | None:
        panel = screen.panels.get("approvals")
        if not isinstance(panel, ApprovalsPanel) or not screen.has_on_screen("approvals"):
            return None
        return panel.proposal if panel.readable else None

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

    def post_display_hook(self) -> None:
        """A frame went out (or would have, had anything changed)."""
        if self._driver is None:
            return
        frames = getattr(self._driver, "frames", None)
        if frames is not None and frames == self._frames:
            if not self.shown_is_current():
                self.shown.painted(self.mono())
            return
        will_answer = self.sampler.painted()
        self._frames = getattr(self._driver, "frames", 0)
        if not will_answer:
            self.shown.painted(self.mono())
        if not self._first_frame:
            self._first_frame = True

    def shown_is_current(self) -> bool:
        """Whether the ledger of what was shown waits for the terminal's answer."""
        return self.sampler.waiting

    def on_cursor_position(self, _event: events.CursorPosition) -> None:
        """The terminal has drawn the last sample."""
        self.sampler.answered()
        self.shown.painted(self.mono())

    def ask_terminal(self) -> bool:
        driver = self._driver
        if driver is None or self.is_headless:
            return False
        driver.write(ASK)
        return True

    def terminal_backlog(self) -> int:
        return int(getattr(self._driver, "backlog", 0))

    def repaint(self) -> None:
        """Paint everything anew: frames were lost, or something else wrote to the terminal."""
        self.painter.forget()
        self.refresh()

    def cursor_moved(self) -> None:
        """The person moved a cursor: what follows it (chart, gates) comes with the next sample.

        The row itself is painted at once, and nothing else stands in its way.
        """
        screen = self.base_screen()
        if screen is not None:
            screen.feed_now()
            if screen.active == "approvals":
                self.shown.moved()
                self.shown.draw(self._drawn_proposal(screen))

    def hurry_paint(self) -> None:
        """Feed what came into view at once rather than with the next second."""
        screen = self.base_screen()
        if screen is not None and self.snapshot is not None:
            screen.feed_now()
            self.refresh_panels(screen, self.mono(), slow=False)

    # Commands.

    def new_id(self) -> str:
        return self.outbox.next_id()

    def order(
        self, command: AnyCommand, what: str, answered: Callable[[Ack], None] | None = None
    ) -> None:
        """Send a command; its ack ends in a sentence in the message line."""
        if self.hub is None:
            self.say("the engine has not started yet", "warn")
            return
        self.outbox.send(self.hub, command, what, self.mono(), answered)
        self.say(f"{what} …", "muted")
        self.sampler.hurry()

    def _collect(self, hub: Hub, now_ns: int) -> None:
        acked, late = self.outbox.collect(hub, now_ns)
        for sent in late:
            self.say(f"the engine has not answered: {sent.what}", "danger")
        for sent, ack in acked:
            if ack.ok:
                self.say(ack.text or f"done: {sent.what}", "gain")
            else:
                self.say(f"refused: {ack.text or ack.code}", "loss")
            self.hints.acted(sent.command, ack)
            if sent.answered is not None:
                sent.answered(ack)
        if not self.outbox.pending:
            self.sampler.calm()

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.set_timer(seconds, callback)

    def ask(self, dialog: Dialog, answered: Callable[[Answer], None]) -> None:
        """Open a dialog above the screen."""
        self.push_screen(dialog, answered)

    def dialog(self, title: str, rows: list[Parts], choices: list[Choice], opener: str) -> Dialog:
        """A dialog on this screen's clock."""
        return Dialog(title, rows, choices, opener, self.mono)

    def form(self, title: str, rows: list[Parts], fields: list[Field], submit: str) -> Form:
        """A form on this screen's clock."""
        return Form(title, rows, fields, submit, self.mono)

    # Keys.

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.MouseEvent, events.Paste)):
            self._keys_at_ns = self.mono()
            if (
                not event.is_forwarded
                and isinstance(event, (events.Key, events.Paste, events.MouseDown, events.MouseUp))
                and self._deaf()
            ):
                return
        await super().on_event(event)

    def _deaf(self) -> bool:
        stack = self.screen_stack
        return bool(stack) and isinstance(stack[-1], Dialog) and stack[-1].deaf

    def quiet_ns(self) -> int:
        """How long no key has been pressed."""
        return self.mono() - self._keys_at_ns

    def action_press(self, key: str) -> None:
        """Do what the registry has for a key on this screen, or say why not."""
        screen = self.base_screen()
        if screen is None or self.screen is not screen:
            return
        action = for_key(self.actions, key, screen.name or "")
        if action is not None:
            self.perform(action)

    def perform(self, action: Action) -> None:
        """Do an action, or say why it can't be done now."""
        if why := action.why_disabled(self.state()):
            keys = f"{key_label(action.keys[0])}: " if action.keys else ""
            self.say(f"{keys}{action.title.lower()} is not possible, {why}", "warn")
            return
        self.hints.did(action.id)
        self.handler(action)(action.argument)
        screen = self.base_screen()
        if screen is not None:
            self.refresh_footer(screen)

    def handler(self, action: Action) -> Callable[[str], None]:
        """The method that does an action."""
        name = f"do_{action.handler}"
        owner = next(doer for doer in self._doers if hasattr(doer, name))
        found: Callable[[str], None] = getattr(owner, name)
        return found

    def state(self) -> UiState:
        """The screen as the registry judges it."""
        screen = self.base_screen()
        if screen is None:
            return UiState(snapshot=self.snapshot, readonly=self.options.readonly)
        return UiState(
            screen=screen.name or "",
            panel=screen.active,
            fits=screen.fit is not Fit.NOTE,
            readonly=self.options.readonly,
            frozen=self.frozen is not None,
            snapshot=self.snapshot,
            proposal=self._drawn_proposal(screen),
            position=self.chosen_position(),
            symbol=self.chosen_symbol(),
            order=self.chosen_order(),
        )

    # What is chosen.

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
        return base if isinstance(base, DeckScreen) and base.panels else None

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

    # The frame.

    def screen_ready(self, screen: DeckScreen) -> None:
        """A screen has come up: fill it at once."""
        screen.feed_now()
        self._footer_state = None
        self.refresh_status(screen)
        self.refresh_panels(screen, self.mono(), slow=True)
        self.refresh_footer(screen)
        self._show_message(screen)

    def picked(self, panel_id: str) -> None:
        """A row was chosen with the mouse: by the person's own hand, as with a key."""
        self.cursor_moved()

    def refresh_status(self, screen: DeckScreen) -> None:
        """Show mode, feed, control state, money and health: always the newest, never frozen."""
        screen.query_one(StatusLine).show(
            self.snapshot,
            frozen=self.frozen is not None,
            readonly=self.options.readonly,
            trouble=self._trouble(),
        )

    def _trouble(self) -> str:
        """What is wrong with the engine itself, for the status line."""
        if self.engine_trouble:
            return "ENGINE STOPPED"
        if self.snapshot is None or self.snapshot.feed.link is Link.ENDED:
            return ""
        silent = (self.mono() - self._received_ns) // SECOND
        return f"ENGINE SILENT {silent} s" if silent >= SILENT_SECONDS else ""

    def say(self, text: str, style: str = "") -> None:
        """Say what happened, in the message line."""
        self._said = ((" ", ""), (text, f"bold {style}" if style else "bold"))
        self._said_ns = self.mono()
        screen = self.base_screen()
        if screen is not None:
            self._show_message(screen)

    def _settle_message(self, now_ns: int) -> None:
        if self._said and now_ns - self._said_ns > MESSAGE_NS and not self.engine_trouble:
            self._said = ()
        screen = self.base_screen()
        if screen is not None:
            self._show_message(screen)

    def _show_message(self, screen: DeckScreen) -> None:
        if self._said:
            screen.query_one(MessageLine).put(self._said)
        elif self.hub is None or self.snapshot is None:
            screen.query_one(MessageLine).put([(" The engine is starting …", "muted")])
        else:
            screen.query_one(MessageLine).put([(self.hints.text(self.state()), "muted")])

    def refresh_footer(self, screen: DeckScreen) -> None:
        """Show the keys of the moment."""
        state = self.state()
        footer = screen.query_one(FooterLine)
        here = [a for a in live(self.actions, screen.name or "") if a.footer and a.keys]
        # A key that acts on a row is named only while that row can be read.
        first = [a for a in here if screen.active in a.panels and not a.why_disabled(state)]
        rest = sorted((a for a in here if not a.panels), key=lambda a: FOOTER_ORDER.index(a.id))
        rows = []
        for action in [*first, *rest]:
            enabled = not action.why_disabled(state)
            label = action.footer
            if action.id == "pause" and state.control.severity:
                label = "resume"
            rows.append((key_label(action.keys[0]), label, enabled))
        footer.show_keys(rows)

    def _reload_themes(self) -> None:
        stamps = theme.stamps(self.options.theme_folder)
        if stamps == self._theme_stamps:
            return
        self._theme_stamps = stamps
        self.themes, troubles = theme.load(self.options.theme_folder)
        for each in self.themes.values():
            self.register_theme(each)
        for trouble in troubles:
            self.say(trouble, "warn")
        if self.theme not in self.themes:
            self.theme = theme.FALLBACK
            self.say(f"the theme is gone, {theme.FALLBACK} is used", "warn")
        else:
            self._watch_theme(self.theme)


def _provider() -> type:
    from app.palette import ActionProvider

    return ActionProvider


def _driver_class() -> type:
    from app.driver import QuarterdeckDriver

    return QuarterdeckDriver
