"""The command line: the screen, a run without one, and a command for every act.

Errors are a sentence and a hint on stderr and an exit code; `--json` gives programs the same
facts that a person reads as a table.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app import (
    acting,
    answering,
    crash,
    dashboard,
    drilling,
    honesty,
    knowing,
    ledger,
    reading,
    scrubbing,
    visiting,
    whying,
    worth,
)
from app.dashboard import PORT, DashboardOption, PortOption
from app.engineoptions import EngineOptions, duration, takes_engine_options
from app.launch import Looks, complain, config_folder, open_screen
from app.options import Join
from engine.core.config import Config, Loaded, load
from engine.core.errors import ConfigError, QuarterdeckError

app = typer.Typer(
    name="quarterdeck",
    help="A terminal from which a person supervises a self-learning trading engine.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LastingOption = Annotated[str | None, typer.Option("--for", help="engine time, such as 8h or 30d")]
AckLogOption = Annotated[Path | None, typer.Option(help="append each committed fill id")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object instead of text")]


# Typer brings its own copy of click in some versions and uses the installed one in others.
UsageError: Any = next(k for k in typer.BadParameter.__mro__ if k.__name__ == "ClickException")


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code and never shows a traceback."""
    try:
        result = app(arguments, prog_name="quarterdeck", standalone_mode=False)
    except QuarterdeckError as error:
        return complain(error)
    except typer.Abort:
        return 130
    except UsageError as error:
        return complain(ConfigError(error.format_message(), "`quarterdeck --help` tells the rest"))
    except BrokenPipeError:
        # What is left in the buffers can't be written: let the end of the process find none.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - a fault of ours ends in a report, not a traceback
        path = crash.report(error, config_folder(), "quarterdeck " + " ".join(arguments))
        print(crash.sentence(error, path), file=sys.stderr)  # noqa: T201 - the command's voice
        return 70
    return result if isinstance(result, int) else 0


@app.callback(invoke_without_command=True)
@takes_engine_options
def screen(
    context: typer.Context,
    options: EngineOptions,
    theme: Annotated[str | None, typer.Option(help="a theme's name")] = None,
    hz: Annotated[float | None, typer.Option(help="samples a second")] = None,
    low_color: Annotated[bool, typer.Option("--low-color", help="sixteen colours")] = False,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="leave the mouse alone")] = False,
    readonly: Annotated[bool, typer.Option("--readonly", help="look, send no command")] = False,
    attach: Annotated[
        Join,
        typer.Option("--attach", help="to an engine that runs already"),
    ] = Join.ASK,
    web_view: DashboardOption = False,
    port: PortOption = PORT,
) -> int | None:
    """Open the screen (the default), or run one of the commands below."""
    if context.invoked_subcommand is not None:
        return None
    loaded = options.load(
        {
            ("screen", "theme"): theme,
            ("screen", "hz"): hz,
            ("screen", "low_color"): low_color or None,
            ("screen", "mouse"): False if no_mouse else None,
            ("screen", "readonly"): readonly or None,
        }
    )
    asked = options.run(loaded, screen=True)
    return open_screen(_looks(loaded, asked, port if web_view else None, attach))


def _looks(loaded: Loaded, options: Any, port: int | None, join: Join) -> Looks:
    section = loaded.config.screen
    return Looks(
        screen=section.model_dump(),
        keys=loaded.config.keys,
        load=lambda: loaded,
        options=options,
        dashboard=port,
        join=join,
    )


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
