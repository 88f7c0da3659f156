"""Opening a screen: the first frame, then configuration and engine behind it.

The engine starts in a thread of its own and is handed to the screen when it is ready. When
no venue can be reached, a simulated market stands in, but only for an account that holds
nothing on the live feed.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol

from app.hints import Memory
from app.options import AppOptions, Join, RunOptions
from engine.core.clock import monotonic_ns
from engine.core.errors import JournalLocked, QuarterdeckError

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.attaching import Attached
    from app.compose import ChartOverlays, Engine
    from app.dashboard import Dashboard
    from engine.core.config import Config, Loaded


@dataclass(frozen=True)
class Looks:
    """What the first frame needs of the configuration, and how to read the rest.

    `load` gives the validated configuration and may raise `ConfigError`. `dashboard` is the
    port of the web view beside the engine, None for none. `join` answers what is asked where
    an engine runs already.
    """

    screen: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    load: Callable[[], Loaded] | None = None
    options: RunOptions | None = None
    dashboard: int | None = None
    join: Join = Join.ASK


def config_folder() -> Path:
    """The platform's folder for the configuration, the user's themes and the crash reports."""
    import platformdirs

    return Path(platformdirs.user_config_dir("quarterdeck"))


def quick_looks() -> Looks:
    """Looks from the raw configuration file; whatever is wrong in it is told later."""
    try:
        raw = tomllib.loads((config_folder() / "config.toml").read_text())
    except (OSError, ValueError):
        raw = {}
    screen, keys = raw.get("screen"), raw.get("keys")
    return Looks(
        screen=screen if isinstance(screen, dict) else {},
        keys=keys if isinstance(keys, dict) else {},
    )


class Behind(Protocol):
    """What stands behind a screen: an engine in this process, one in another, or a journal.

    `start` is called once the first frame is there, `stop` once, on every way out;
    `refused` ends the command with its sentence.
    """

    app: QuarterdeckApp | None
    refused: QuarterdeckError | None

    def start(self) -> None: ...

    def stop(self) -> None: ...


def open_screen(
    looks: Looks,
    behind: Behind | None = None,
    *,
    served: bool = False,
    inspecting: bool = False,
    web: bool = False,
) -> int:
    """Show the screen, start what is behind it, and stay until the person leaves.

    Without `behind` that is an engine of its own.
    """
    from app.app import QuarterdeckApp
    from app.session import run

    starter = behind or Starter(looks)
    state = config_folder()
    memory = Memory(state)
    options = AppOptions(
        hz=_number(looks.screen.get("hz")),
        mouse=bool(looks.screen.get("mouse", True)),
        readonly=bool(looks.screen.get("readonly", False)),
        low_color=bool(looks.screen.get("low_color", False)),
        theme=str(looks.screen.get("theme", "dark")),
        theme_folder=state / "themes",
        state_folder=state,
        keys=looks.keys,
        served=served,
        inspecting=inspecting,
        web=web,
        memory=memory,
        seed=monotonic_ns(),
        shutdown=starter.stop,
    )
    try:
        app = QuarterdeckApp(None, options)
        starter.app = app
        app.after_first_frame = starter.start
        code = run(app)
    except QuarterdeckError as error:
        return complain(error)
    if starter.refused is not None:
        return complain(starter.refused)
    memory.visited()
    return code


class Starter:
    """Builds and starts the engine in a thread, and ends it on the way out."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._leaving = Event()
        self.app: QuarterdeckApp | None = None
        self.engine: Engine | None = None
        self.overlays: ChartOverlays | None = None
        self.remote: Attached | None = None
        self.view: Dashboard | None = None
        self._journal: Path | None = None
        self.refused: QuarterdeckError | None = None

    def start(self) -> None:
        Thread(target=self._run, name="qd-start", daemon=True).start()

    def stop(self) -> None:
        """Flush and end the engine; called once, on every way out of the screen."""
        self._leaving.set()
        if self.engine is not None:
            self.engine.stop()
        if self.view is not None:
            self.view.stop()
        if self.remote is not None:
            self.remote.stop()
        if self.overlays is not None:
            self.overlays.close()

    def _run(self) -> None:
        try:
            self._build()
        except JournalLocked as locked:
            self._attach_instead(locked)
        except QuarterdeckError as error:
            refused = self.refused = error
            self._on_screen(lambda app: app.engine_failed(refused))
        except Exception as error:  # noqa: BLE001 - a thread's fault belongs on the screen
            fault = error
            self._on_screen(lambda app: app.engine_failed(fault))

    def _build(self) -> None:
        from app import compose
        from app.session import settle_memory
        from engine.core.config import journal_path, load

        config = (self._looks.load or load)().config
        options = self._looks.options or RunOptions(screen=True)
        release = version("quarterdeck")
        kind = compose.feed_kind(config.engine.feed)
        self._journal = journal_path(config, config.engine.mode, kind)
        engine = compose.build(config, options, release)
        self.engine = engine
        if self._leaving.is_set():
            engine.journal.close()
            return
        engine.start()
        overlays = self.overlays = compose.ChartOverlays()
        self._on_screen(lambda app: app.attach(engine.hub, overlays))
        if not engine.answered and not self._leaving.is_set():
            self._stand_in(config, options, release)
        settle_memory()
        self._look_in()

    def _look_in(self) -> None:
        """The web view beside the engine that runs now: on its journal, which it keeps fresh."""
        from app.dashboard import Dashboard

        port, engine = self._looks.dashboard, self.engine
        if port is None or engine is None or self._leaving.is_set():
            return
        view = self.view = Dashboard(port)
        try:
            told, role = f"web view on {view.start(journal=engine.path)}", "note"
        except QuarterdeckError as error:
            told, role = error.message, "warn"
        self._on_screen(lambda app: app.say(told, role))

    def _attach_instead(self, locked: JournalLocked) -> None:
        """The journal's engine may serve screens: then this may become one of them."""
        from app.joining import offer
        from engine.wire.address import serving

        address = serving(self._journal) if self._journal is not None else None
        if address is None:
            self._refuse(JournalLocked(locked.message, _NOT_SERVED))
            return

        def answered(answer: Join) -> None:
            if answer is Join.NO:
                self._refuse(JournalLocked(locked.message, _LEFT))
            else:
                self._join(address, locked.message, only_look=answer is Join.READONLY)

        if self._looks.join is not Join.ASK:
            answered(self._looks.join)
            return
        self._on_screen(lambda app: offer(app, locked.message, answered))

    def _refuse(self, refused: QuarterdeckError) -> None:
        self.refused = refused
        if self.app is not None and not self._leaving.is_set():
            self.app.call_later(self.app.leave)

    def _join(self, address: Path, found: str, *, only_look: bool) -> None:
        from app.attaching import Attached

        screen, app = self._looks.screen, self.app
        readonly = only_look or bool(screen.get("readonly", False))
        remote = self.remote = Attached(address, hz=_number(screen.get("hz")), readonly=readonly)
        if app is None or self._leaving.is_set():
            return
        remote.app = app
        app.only_look(readonly)
        remote.start()
        words = "attached, read-only" if readonly else "attached"
        app.call_later(app.say, f"{words}: {found}", "note")

    def _stand_in(self, config: Config, options: RunOptions, release: str) -> None:
        """The simulated market instead of a live one, if the live account holds nothing."""
        from app import compose

        if not compose.flat(config):
            self._on_screen(
                lambda app: app.say(
                    "no market can be reached; open positions stay, entries are blocked", "danger"
                )
            )
            return
        if self.engine is not None:
            self.engine.stop(3.0)
        seed = compose.DEMO_SEED if config.engine.seed is None else config.engine.seed
        section = config.engine.model_copy(update={"feed": "sim", "seed": seed})
        engine = compose.build(config.model_copy(update={"engine": section}), options, release)
        self.engine = engine
        engine.start()

        def tell(app: QuarterdeckApp) -> None:
            app.attach(engine.hub, self.overlays)
            app.say("no market can be reached: this is the built-in simulated one", "warn")

        self._on_screen(tell)

    def _on_screen(self, act: Callable[[QuarterdeckApp], None]) -> None:
        app = self.app
        if app is not None and not self._leaving.is_set():
            app.call_from_thread(act, app)


_LEFT = "`quarterdeck attach` opens a screen on it, --attach yes does so without asking"
_NOT_SERVED = (
    "that engine has a screen of its own and serves no others: end it, or read its journal "
    "by `quarterdeck inspect`; `quarterdeck serve` runs one that any screen can attach to"
)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def complain(error: QuarterdeckError) -> int:
    """One line what, one line what to do; no traceback."""
    print(f"quarterdeck: {error.message}", file=sys.stderr)  # noqa: T201 - the command's voice
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)  # noqa: T201
    return error.exit_code
