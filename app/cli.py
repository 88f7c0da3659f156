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

FeedOption = Annotated[str | None, typer.Option("--feed", help="live, sim or replay:PATH")]
ReplayOption = Annotated[Path | None, typer.Option("--replay", help="short for --feed replay:PATH")]
SymbolsOption = Annotated[str | None, typer.Option("--symbols", help="BTC/USDT,ETH/USDT,…")]
TimeframeOption = Annotated[str | None, typer.Option("--timeframe", help="decision bar, 15m")]
SpeedOption = Annotated[str | None, typer.Option("--speed", help="times real time, or max")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="repeats a run")]
ModeOption = Annotated[str | None, typer.Option("--mode", help="paper")]
ApprovalOption = Annotated[
    str | None, typer.Option("--approval", help="review, auto, review-above")
]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="conservative, balanced, …")]
DbOption = Annotated[Path | None, typer.Option("--db", help="the journal file")]
CashOption = Annotated[str | None, typer.Option("--cash", help="starting cash of a new journal")]
LastingOption = Annotated[str | None, typer.Option("--for", help="engine time, such as 8h or 30d")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="PARAMETER=VALUE, repeatable")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="go on with the journal of a replay")]
FromOption = Annotated[str | None, typer.Option("--from", help="first moment of a recording, ISO")]
ToOption = Annotated[str | None, typer.Option("--to", help="last moment of a recording, ISO")]
FundingOption = Annotated[
    Path | None, typer.Option("--funding", help="recorded funding rates of perpetuals")
]
MarksOption = Annotated[
    Path | None, typer.Option("--marks", help="recorded mark prices of perpetuals")
]
RepliesOption = Annotated[
    Path | None, typer.Option("--llm-replies", help="recorded replies of the model, for a replay")
]
EdgeOption = Annotated[float | None, typer.Option("--sim-edge", help="planted edge, 0 is none")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="a configuration file")]
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
def screen(
    context: typer.Context,
    feed: FeedOption = None,
    replay: ReplayOption = None,
    symbols: SymbolsOption = None,
    timeframe: TimeframeOption = None,
    speed: SpeedOption = None,
    seed: SeedOption = None,
    mode: ModeOption = None,
    approval: ApprovalOption = None,
    profile: ProfileOption = None,
    db: DbOption = None,
    cash: CashOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    start: FromOption = None,
    end: ToOption = None,
    sim_edge: EdgeOption = None,
    funding: FundingOption = None,
    marks: MarksOption = None,
    llm_replies: RepliesOption = None,
    config: ConfigOption = None,
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
    overrides = _overrides(
        feed=_feed(feed, replay), symbols=symbols, timeframe=timeframe, speed=_speed(speed),
        seed=seed, mode=mode, approval=approval, profile=profile, cash=cash, sim_edge=sim_edge,
    )  # fmt: skip
    overrides |= {
        ("paths", "db"): str(db) if db else None,
        ("screen", "theme"): theme,
        ("screen", "hz"): hz,
        ("screen", "low_color"): low_color or None,
        ("screen", "mouse"): False if no_mouse else None,
        ("screen", "readonly"): readonly or None,
    }
    loaded = load(config, overrides)
    from app.compose import RunOptions

    options = RunOptions(
        screen=True,
        funding=funding,
        marks=marks,
        llm_replies=llm_replies,
        resume=resume,
        start=_moment(start, "--from"),
        end=_moment(end, "--to"),
        settings=parse_settings(settings),
        timeframe_given="engine.timeframe" in loaded.origins,
        symbols_given="engine.symbols" in loaded.origins,
    )
    return open_screen(_looks(loaded, options, port if web_view else None, attach))


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
def run_engine(
    no_screen: Annotated[bool, typer.Option("--no-screen", help="without a terminal")] = False,
    feed: FeedOption = None,
    replay: ReplayOption = None,
    symbols: SymbolsOption = None,
    timeframe: TimeframeOption = None,
    speed: SpeedOption = None,
    seed: SeedOption = None,
    mode: ModeOption = None,
    approval: ApprovalOption = None,
    profile: ProfileOption = None,
    db: DbOption = None,
    cash: CashOption = None,
    lasting: LastingOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    start: FromOption = None,
    end: ToOption = None,
    sim_edge: EdgeOption = None,
    funding: FundingOption = None,
    marks: MarksOption = None,
    llm_replies: RepliesOption = None,
    config: ConfigOption = None,
    ack_log: Annotated[Path | None, typer.Option(help="append each committed fill id")] = None,
    as_json: JsonOption = False,
) -> int:
    """Run the engine without a screen until the market, --for or a signal ends it."""
    if not no_screen:
        raise ConfigError(
            "`run` is for running without a screen", "add --no-screen, or leave `run`"
        )
    loaded = load(
        config,
        _overrides(
            feed=_feed(feed, replay),
            symbols=symbols,
            timeframe=timeframe,
            speed=_speed(speed),
            seed=seed,
            mode=mode,
            approval=approval,
            profile=profile,
            cash=cash,
            sim_edge=sim_edge,
        )
        | {("paths", "db"): str(db) if db else None},
    )
    from app.compose import RunOptions
    from app.headless import run_headless

    options = RunOptions(
        resume=resume,
        start=_moment(start, "--from"),
        end=_moment(end, "--to"),
        lasting=_duration(lasting),
        ack_log=ack_log,
        funding=funding,
        marks=marks,
        llm_replies=llm_replies,
        settings=parse_settings(settings),
        publish_hz=1.0,
        timeframe_given="engine.timeframe" in loaded.origins,
        symbols_given="engine.symbols" in loaded.origins,
    )
    return run_headless(loaded.config, options, as_json=as_json)


@app.command("serve")
def serve_engine(
    feed: FeedOption = None,
    replay: ReplayOption = None,
    symbols: SymbolsOption = None,
    timeframe: TimeframeOption = None,
    speed: SpeedOption = None,
    seed: SeedOption = None,
    mode: ModeOption = None,
    approval: ApprovalOption = None,
    profile: ProfileOption = None,
    db: DbOption = None,
    cash: CashOption = None,
    lasting: LastingOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    start: FromOption = None,
    end: ToOption = None,
    sim_edge: EdgeOption = None,
    funding: FundingOption = None,
    marks: MarksOption = None,
    llm_replies: RepliesOption = None,
    config: ConfigOption = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="where to listen")] = None,
    ack_log: Annotated[Path | None, typer.Option(help="append each committed fill id")] = None,
    web_view: DashboardOption = False,
    port: PortOption = PORT,
    as_json: JsonOption = False,
) -> int:
    """Run the engine without a screen, for screens that `attach`, until a signal ends it."""
    overrides = _overrides(
        feed=_feed(feed, replay), symbols=symbols, timeframe=timeframe, speed=_speed(speed),
        seed=seed, mode=mode, approval=approval, profile=profile, cash=cash, sim_edge=sim_edge,
    )  # fmt: skip
    loaded = load(config, overrides | {("paths", "db"): str(db) if db else None})
    from app.compose import RunOptions
    from app.serving import serve

    options = RunOptions(
        screen=True,
        resume=resume,
        start=_moment(start, "--from"),
        end=_moment(end, "--to"),
        lasting=_duration(lasting),
        ack_log=ack_log,
        funding=funding,
        marks=marks,
        llm_replies=llm_replies,
        settings=parse_settings(settings),
        timeframe_given="engine.timeframe" in loaded.origins,
        symbols_given="engine.symbols" in loaded.origins,
    )
    return serve(loaded.config, options, socket, port=port if web_view else None, as_json=as_json)


def _overrides(**values: Any) -> dict[tuple[str, str], Any]:
    return {("engine", name): value for name, value in values.items()}


def _feed(feed: str | None, replay: Path | None) -> str | None:
    if feed is not None and replay is not None:
        raise ConfigError("--feed and --replay are two feeds", "give one of them")
    return f"replay:{replay}" if replay is not None else feed


def _speed(text: str | None) -> float | None:
    if text is None:
        return None
    if text == "max":
        return 0.0
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--speed takes a number or max, not {text!r}", "60 is fast") from None


def _duration(text: str | None) -> str | None:
    from engine.core.clock import duration_ns

    if text is not None:
        try:
            duration_ns(text)
        except ValueError:
            raise ConfigError(f"--for {text!r} is no duration", "write 90s, 8h or 30d") from None
    return text


def _moment(text: str | None, option: str) -> str | None:
    from engine.core.clock import parse_iso

    if text is not None:
        try:
            parse_iso(text)
        except ValueError:
            raise ConfigError(
                f"{option} {text!r} is no moment", "write 2025-05-04 or 2025-05-04T12:00"
            ) from None
    return text


def parse_settings(settings: list[str] | None) -> tuple[tuple[str, str], ...]:
    """`--set` options as (name, value) pairs."""
    pairs = []
    for item in settings or ():
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {item!r} is no setting", "write --set exit.ladder_r1=1.5")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


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
