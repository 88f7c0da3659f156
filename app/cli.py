"""The command line: the screen, a run without one, and a command for every act.

Errors are a sentence and a hint on stderr and an exit code; `--json` gives programs the same
facts that a person reads as a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app import (
    acting,
    answering,
    dashboard,
    drilling,
    honesty,
    knowing,
    ledger,
    opening,
    reading,
    scrubbing,
    visiting,
    whying,
    worth,
)
from app.dashboard import PORT, DashboardOption, PortOption
from app.engineoptions import EngineOptions, duration, takes_engine_options
from engine.core.config import Config, load
from engine.core.errors import ConfigError

app = opening.command_line()

LastingOption = Annotated[str | None, typer.Option("--for", help="engine time, such as 8h or 30d")]
AckLogOption = Annotated[Path | None, typer.Option(help="append each committed fill id")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object instead of text")]


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code and never shows a traceback."""
    return opening.run(app, arguments)


@app.command("run")
@takes_engine_options
def run_engine(
    options: EngineOptions,
    no_screen: Annotated[bool, typer.Option("--no-screen", help="without a terminal")] = False,
    lasting: LastingOption = None,
    ack_log: AckLogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run the engine without a screen until the market, --for or a signal ends it."""
    if not no_screen:
        raise ConfigError(
            "`run` is for running without a screen", "add --no-screen, or leave `run`"
        )
    from app.headless import run_headless

    loaded = options.load()
    asked = options.run(loaded, lasting=duration(lasting), ack_log=ack_log, publish_hz=1.0)
    return run_headless(loaded.config, asked, as_json=as_json)


@app.command("serve")
@takes_engine_options
def serve_engine(
    options: EngineOptions,
    lasting: LastingOption = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="where to listen")] = None,
    ack_log: AckLogOption = None,
    web_view: DashboardOption = False,
    port: PortOption = PORT,
    as_json: JsonOption = False,
) -> int:
    """Run the engine without a screen, for screens that `attach`, until a signal ends it."""
    from app.serving import serve

    loaded = options.load()
    asked = options.run(loaded, screen=True, lasting=duration(lasting), ack_log=ack_log)
    return serve(loaded.config, asked, socket, port=port if web_view else None, as_json=as_json)


def configured(path: Path | None, db: Path | None = None, feed: str | None = None) -> Config:
    """The configuration of a command that reads or acts on a journal."""
    return load(path, {("paths", "db"): str(db) if db else None, ("engine", "feed"): feed}).config


reading.register(app)
acting.register(app)
ledger.register(app)
worth.register(app)
answering.register(app)
knowing.register(app)
drilling.register(app)
whying.register(app)
honesty.register(app)
scrubbing.register(app)
dashboard.register(app)
visiting.register(app)
