"""`--dashboard`: the web view as a process beside the engine, and `quarterdeck web` by itself.

A process of its own, niced, so that nothing that a browser does can slow the engine. It ends
with the engine: its standard input is a pipe that the engine's process holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from app.journals import ConfigFile, Db, Feed, Mode, pick
from engine.core.config import load
from engine.core.errors import ConfigError, QuarterdeckError

PORT = 8080
ANSWER_S = 15.0
NICER = 5

PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="of the web view")]
DashboardOption = Annotated[
    bool, typer.Option("--dashboard", help="a read-only web view on 127.0.0.1")
]


def register(app: typer.Typer) -> None:
    """Add `web` to the command line."""
    app.command("web")(web)


def web(
    port: PortOption = PORT,
    socket: Annotated[Path | None, typer.Option("--socket", help="of a served engine")] = None,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> int:
    """Show the screens in a browser on this machine, read-only, until interrupted.

    On a served engine where one is meant or found, else on its journal.
    """
    if find_spec("textual_serve") is None:
        raise ConfigError("the web view needs textual-serve", "install it, or use `attach`")
    command = screen_command(socket, db, feed, mode, config)
    from app.webview import HOST, serve

    def ready() -> None:
        print(f"http://{HOST}:{port} shows {' '.join(command[3:])}", flush=True)  # noqa: T201

    if until_eof:
        os.nice(NICER)
    try:
        serve(command, port, ready=ready, until_eof=until_eof)
    except OSError as error:
        raise QuarterdeckError(
            f"port {port} of {HOST} can't be had: {error.strerror or error}", "give another --port"
        ) from None
    return 0


def screen_command(
    socket: Path | None, db: Path | None, feed: str | None, mode: str | None, config: Path | None
) -> list[str]:
    """The command of one screen: attached where an engine serves, else on the journal."""
    from engine.wire.address import serving

    start = [sys.executable, "-m", "app.main"]
    named = ["--config", str(config)] if config is not None else []
    if socket is not None:
        return [*start, "attach", "--readonly", "--web", "--socket", str(socket), *named]
    journal = pick(load(config).config, db, feed, mode).path
    address = serving(journal)
    if address is not None:
        return [*start, "attach", "--readonly", "--web", "--socket", str(address), *named]
    return [*start, "inspect", "--web", str(journal), *named]


class Dashboard:
    """The web view of one engine, as a child process. `start` may be called in any thread."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, socket: Path | None = None, journal: Path | None = None) -> str:
        """Start it and wait until it listens; its address. Raises `QuarterdeckError`."""
        where = ["--socket", str(socket)] if socket is not None else ["--db", str(journal)]
        command = [sys.executable, "-m", "app.main", "web", "--port", str(self.port), "--until-eof"]
        self._process = process = subprocess.Popen(
            [*command, *where], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        if not line:
            told = process.stderr.read().strip().splitlines()
            self.stop()
            why = told[0].removeprefix("quarterdeck: ") if told else "it ended at once"
            raise QuarterdeckError(f"no web view: {why}", "leave --dashboard, or give --port")
        return line.split()[0]

    def stop(self) -> None:
        """End it; it also ends by itself when this process has gone."""
        process = self._process
        if process is None:
            return
        self._process = None
        process.terminate()
        try:
            process.communicate(timeout=ANSWER_S)
        except subprocess.TimeoutExpired:
            process.kill()
