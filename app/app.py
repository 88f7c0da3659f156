"""The application: one screen over one hub, wired from the registry of actions.

It starts without an engine, so that the first frame does not wait for one; `attach` brings
the hub later. It never computes anything about trading: it shows snapshots and sends
commands.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual import events
from textual.binding import Binding

from app import crash, keymap
from app.actions import Action, for_key, key_label, keys_label
from app.approving import Approving
from app.charting import Charting
from app.choosing import ChoosingApp
from app.chrome import Parts
from app.controlling import Controlling
from app.dialogs import Answer, Choice, Dialog, Field, Form
from app.drillacts import Drilling
from app.frame import FrameLines
from app.hints import Hints
from app.holding import Holding
from app.homecoming import Homecoming
from app.layouts import LAYOUTS
from app.learning import Learning
from app.options import AppOptions
from app.outbox import Outbox
from app.panels import Feeder
from app.recalling import Recalling
from app.sampler import ASK, Sampler
from app.screens import DeckScreen
from app.shown import Shown, ShownChange
from app.studies import Overlays
from app.views import Views
from engine.core.clock import MINUTE, SECOND
from engine.core.commands import Ack, AnyCommand
from engine.core.errors import QuarterdeckError
from engine.hub import Hub

THEME_SECONDS = 2.0
"""How often the user's theme files are looked at for edits."""

TIDY_NS = 10 * MINUTE
QUIET_NS = 2 * SECOND
"""A full collection waits for this long without keys."""


class QuarterdeckApp(ChoosingApp, inherit_bindings=False):
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
        super().__init__(options or AppOptions())
        self.actions = keymap.apply(self.options.keys)
        self.mono: Callable[[], int] = self.options.monotonic
        self.views = Views(self)
        self.controlling = Controlling(self)
        self.approving = Approving(self)
        self.recalling = Recalling(self)
        self._doers = (
            self.approving, Holding(self), self.controlling, self.views, Charting(self),
            Drilling(self), Learning(self), self.recalling,
        )  # fmt: skip
        self.hub = hub
        self._served = self.options.served
        self.fault: BaseException | None = None
        self.crash_path: Path | None = None
        self.engine_trouble = ""
        self.before_first_frame: Callable[[], None] | None = None
        self.after_first_frame: Callable[[], None] | None = None
        self.outbox = Outbox(self.options.seed)
        self.shown = Shown()
        self.shown_change = ShownChange()
        self.feeder = Feeder(self)
        self.frame = FrameLines(self)
        self.hints = Hints(self.options.first_run, self.options.memory)
        self.homecoming = Homecoming(self)
        self.sampler = Sampler(self, self.options.rate(), self.options.pacing(), self.mono)
        self.received_ns = 0
        self._second = -1
        self._charted = ""
        self._tidied_ns = self.mono()
        self._keys_at_ns = 0
        self._frames = 0
        self._bind_keys()

    def _bind_keys(self) -> None:
        for key in sorted({key for action in self.actions for key in action.keys}):
            self._bindings._add_binding(Binding(key, f"press('{key}')", show=False))

    # Life.

    def on_mount(self) -> None:
        if self.before_first_frame is not None:
            self.before_first_frame()
        self.sampler.start()
        self.call_after_refresh(self._started)

    def _started(self) -> None:
        if self.theme_troubles:
            self.say("; ".join(self.theme_troubles), "warn")
        if self.options.theme_folder is not None:
            self.set_interval(THEME_SECONDS, self._look_at_themes)
        if self.after_first_frame is not None:
            self.after_first_frame()

    def _look_at_themes(self) -> None:
        if troubles := self.reload_themes():
            self.say("; ".join(troubles), "warn")

    def say(self, text: str, style: str = "") -> None:
        """Say what happened, in the message line."""
        self.frame.say(text, style)
        if self.screen_stack and isinstance(self.screen, Dialog):
            self.screen.tell(text, style)

    def attach(self, hub: Hub, overlays: Overlays | None = None, served: bool = False) -> None:
        """Give the screen its engine; call it on the screen's thread.

        `overlays` computes indicators for the chart, outside of this process; `served` says
        that another process runs the engine.
        """
        self.hub = hub
        self._served = served or self.options.served
        self.studies.computed_by(overlays)
        self.engine_trouble = ""
        self.sampler.step()

    def only_look(self, readonly: bool) -> None:
        """Send no command from now on, where `readonly` says so."""
        self.options = replace(self.options, readonly=self.options.readonly or readonly)

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
        return self._served

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
            self.received_ns = now_ns
            self.hints.see(latest)
            self.homecoming.see(latest, now_ns)
            self.controlling.see(latest)
            self.approving.see(latest)
        if hub is not None:
            self._collect(hub, now_ns)
        second = now_ns // SECOND
        slow = second != self._second
        self._second = second
        screen = self.base_screen()
        if screen is None:
            return False
        if slow:
            self.frame.settle(screen, now_ns)
            self._tidy(now_ns)
        if not (fresh or slow or screen.has_due()):
            return False
        self.frame.status(screen)
        if self.screen is screen:
            self.refresh_panels(screen, now_ns, slow)
        self.frame.footer(screen)
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
        still = self.frozen is not None or self.options.inspecting
        age = 0 if still else max(0, now_ns - self.received_ns)
        symbol = self.chosen_symbol()
        if symbol != self._charted:
            # Another row has come under the cursor: its chart must not wait for the next second.
            self._charted = symbol
            screen.feed_now()
        self.feeds.follow(self.hub, symbol)
        screen.feed(view, view.time_ns + age, slow)
        self.shown.draw(self.drawn_proposal(screen))
        self.shown_change.draw(self.drawn_change(screen))

    def post_display_hook(self) -> None:
        """A frame went out (or would have, had anything changed)."""
        if self._driver is None:
            return
        frames = getattr(self._driver, "frames", None)
        if frames is not None and frames == self._frames:
            if not self.sampler.waiting:
                self._painted()
            return
        will_answer = self.sampler.painted()
        self._frames = getattr(self._driver, "frames", 0)
        self._first_frame = True
        if not will_answer:
            self._painted()

    def _painted(self) -> None:
        """The terminal has what was drawn last: a person may answer to it."""
        self.shown.painted(self.mono())
        self.shown_change.painted(self.mono())

    def on_cursor_position(self, _event: events.CursorPosition) -> None:
        """The terminal has drawn the last sample."""
        self.sampler.answered()
        self._painted()

    def ask_terminal(self) -> bool:
        driver = self._driver
        if driver is None or self.is_headless:
            return False
        driver.write(ASK)
        return True

    def terminal_backlog(self) -> int:
        return int(getattr(self._driver, "backlog", 0))

    def cursor_moved(self) -> None:
        """The person moved a cursor: what follows it (chart, gates) comes with the next sample.

        The row itself is painted at once, and nothing else stands in its way.
        """
        screen = self.base_screen()
        if screen is not None:
            screen.feed_now()
            if screen.active == "approvals":
                self.shown.moved()
                self.shown.draw(self.drawn_proposal(screen))
            elif screen.active == "changes":
                self.shown_change.moved()
                self.shown_change.draw(self.drawn_change(screen))

    def hurry_paint(self) -> None:
        """Feed what came into view at once rather than with the next second."""
        screen = self.base_screen()
        if screen is not None and self.snapshot is not None:
            screen.feed_now()
            self.refresh_panels(screen, self.mono(), slow=False)
            # What a smaller window shows no more must not be offered until the next sample.
            self.frame.footer(screen)

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
                and (self._pauses(event) or self._deaf())
            ):
                return
        await super().on_event(event)

    def _pauses(self, event: events.Event) -> bool:
        """Pause entries from inside a dialog, even a deaf one: the safe direction never waits.

        A line that is typed into keeps its letters, and an answer on the same key its meaning.
        """
        top = self.screen_stack[-1] if self.screen_stack else None
        if not isinstance(event, events.Key) or not isinstance(top, Dialog):
            return False
        pause = next(action for action in self.actions if action.id == "pause")
        if event.key not in pause.keys or top.takes(event.key):
            return False
        self.controlling.pause_from_dialog()
        return True

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
            # The reason first: a narrow line is cut at its end.
            name = key_label(action.keys[0]) if action.keys else action.title
            self.say(f"{name} does nothing now: {why} ({action.title.lower()})", "warn")
            return
        self.hints.did(action.id, self.focused_panel())
        self.handler(action)(action.argument)
        screen = self.base_screen()
        if screen is not None:
            self.frame.footer(screen)

    def perform_elsewhere(self, action: Action) -> None:
        """An action of another screen: open that one, where its target can be read first."""
        self.switch_mode(action.scope)
        self.say(f"{action.title}: {keys_label(action)} does it here", "note")

    def handler(self, action: Action) -> Callable[[str], None]:
        """The method that does an action."""
        name = f"do_{action.handler}"
        owner = next(doer for doer in self._doers if hasattr(doer, name))
        found: Callable[[str], None] = getattr(owner, name)
        return found

    # The frame.

    def screen_ready(self, screen: DeckScreen) -> None:
        """A screen has come up: fill it at once."""
        screen.feed_now()
        self.frame.status(screen)
        self.refresh_panels(screen, self.mono(), slow=True)
        self.frame.footer(screen)
        self.frame.message(screen)

    def picked(self, panel_id: str) -> None:
        """A row was chosen with the mouse: by the person's own hand, as with a key."""
        self.cursor_moved()


def _provider() -> type:
    from app.palette import ActionProvider

    return ActionProvider
