"""The command line of the screen: its options, and how every command line ends.

Nothing is loaded here that only the commands need, so that options cost the first frame little.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from app import crash
from app.dashboard import PORT, DashboardOption, PortOption
from app.engineoptions import EngineOptions, takes_engine_options
from app.launch import Looks, complain, config_folder, open_screen
from app.options import Join
from engine.core.config import Loaded
from engine.core.errors import ConfigError, QuarterdeckError

# Typer brings its own copy of click in some versions and uses the installed one in others.
UsageError: Any = next(k for k in typer.BadParameter.__mro__ if k.__name__ == "ClickException")


def command_line() -> typer.Typer:
    """`quarterdeck` with the options of the screen; commands are added by whoever has them."""
    app = typer.Typer(
        name="quarterdeck",
        help="A terminal from which a person supervises a self-learning trading engine.",
        no_args_is_help=False,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(screen)
    return app


def run(app: typer.Typer, arguments: list[str]) -> int:
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
