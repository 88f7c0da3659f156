"""Commands that open screens on what is already there: a served engine, or a journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.journals import ConfigFile, Db, Feed, Mode, journals, pick, written_ns
from app.launch import Looks, open_screen
from engine.core.config import Config, Loaded, load
from engine.wire.address import address_of, serving
from engine.wire.frames import Unreachable

Theme = Annotated[str | None, typer.Option("--theme", help="a theme's name")]
Hz = Annotated[float | None, typer.Option("--hz", help="samples a second")]
LowColor = Annotated[bool, typer.Option("--low-color", help="sixteen colours")]
NoMouse = Annotated[bool, typer.Option("--no-mouse", help="leave the mouse alone")]
Web = Annotated[bool, typer.Option("--web", hidden=True, help="draw for a browser, read-only")]


def register(app: typer.Typer) -> None:
    """Add `attach` and `inspect` to the command line."""
    app.command("attach")(attach)
    app.command("inspect")(inspect)


def attach(
    readonly: Annotated[bool, typer.Option("--readonly", help="look, send no command")] = False,
    socket: Annotated[Path | None, typer.Option("--socket", help="where it listens")] = None,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    theme: Theme = None,
    hz: Hz = None,
    low_color: LowColor = False,
    no_mouse: NoMouse = False,
    web: Web = False,
) -> int:
    """Open the screens on an engine that `quarterdeck serve` runs; any number may."""
    loaded = _loaded(config, theme, hz, low_color, no_mouse, readonly or web)
    from app.attaching import Attached

    section = loaded.config.screen
    address = socket or find(loaded.config, db, feed, mode)
    behind = Attached(address, hz=section.hz, readonly=section.readonly, computing=not web)
    try:
        behind.reach()
    except BaseException:
        behind.stop()
        raise
    return open_screen(_looks(loaded), behind, served=True, web=web)


def inspect(
    journal: Annotated[Path | None, typer.Argument(metavar="DB", help="a journal file")] = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    theme: Theme = None,
    hz: Hz = None,
    low_color: LowColor = False,
    no_mouse: NoMouse = False,
    web: Web = False,
) -> int:
    """Open the screens on a journal, beside a running engine or long after; only to read."""
    loaded = _loaded(config, theme, hz, low_color, no_mouse, True)
    from app.pages import Pages

    picked = pick(loaded.config, journal, feed, mode)
    return open_screen(_looks(loaded), Pages(picked.path), inspecting=True, web=web)


def find(
    config: Config, db: Path | None = None, feed: str | None = None, mode: str | None = None
) -> Path:
    """Where the engine listens that is meant: that of a named journal, or any that serves.

    Raises `Unreachable` when none is there to choose.
    """
    if db is not None:
        return address_of(db)
    if feed is not None or mode is not None or config.paths.db:
        return address_of(pick(config, None, feed, mode).path)
    newest = sorted(journals(config), key=written_ns, reverse=True)
    found = next((address for one in newest if (address := serving(one)) is not None), None)
    if found is None:
        raise Unreachable(
            "no engine serves screens", "start one with `quarterdeck serve`, or name its --db"
        )
    return found


def _loaded(
    file: Path | None,
    theme: str | None,
    hz: float | None,
    low_color: bool,
    no_mouse: bool,
    readonly: bool,
) -> Loaded:
    return load(
        file,
        {
            ("screen", "theme"): theme,
            ("screen", "hz"): hz,
            ("screen", "low_color"): low_color or None,
            ("screen", "mouse"): False if no_mouse else None,
            ("screen", "readonly"): readonly or None,
        },
    )


def _looks(loaded: Loaded) -> Looks:
    return Looks(
        screen=loaded.config.screen.model_dump(), keys=loaded.config.keys, load=lambda: loaded
    )
