"""The options of every command that runs an engine: with a screen, without one, or served.

They are written down once. A command that takes an `EngineOptions` and is marked with
`takes_engine_options` has all of them on the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast, get_type_hints

import typer

from app.options import RunOptions
from engine.core.config import Loaded, load
from engine.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the command line says of an engine; None where it says nothing."""

    feed: Annotated[str | None, typer.Option(help="live, sim or replay:PATH")] = None
    replay: Annotated[Path | None, typer.Option(help="short for --feed replay:PATH")] = None
    symbols: Annotated[str | None, typer.Option(help="BTC/USDT,ETH/USDT,…")] = None
    timeframe: Annotated[str | None, typer.Option(help="decision bar, 15m")] = None
    speed: Annotated[str | None, typer.Option(help="times real time, or max")] = None
    seed: Annotated[int | None, typer.Option(help="repeats a run")] = None
    mode: Annotated[str | None, typer.Option(help="paper")] = None
    approval: Annotated[str | None, typer.Option(help="review, auto, review-above")] = None
    profile: Annotated[str | None, typer.Option(help="conservative, balanced, …")] = None
    db: Annotated[Path | None, typer.Option(help="the journal file")] = None
    cash: Annotated[str | None, typer.Option(help="starting cash of a new journal")] = None
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="PARAMETER=VALUE, repeatable")
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="go on with the journal of a replay")] = (
        False
    )
    start: Annotated[
        str | None, typer.Option("--from", help="first moment of a recording, ISO")
    ] = None
    end: Annotated[str | None, typer.Option("--to", help="last moment of a recording, ISO")] = None
    sim_edge: Annotated[float | None, typer.Option(help="planted edge, 0 is none")] = None
    funding: Annotated[Path | None, typer.Option(help="recorded funding rates of perpetuals")] = (
        None
    )
    marks: Annotated[Path | None, typer.Option(help="recorded mark prices of perpetuals")] = None
    llm_replies: Annotated[
        Path | None, typer.Option(help="recorded replies of the model, for a replay")
    ] = None
    news: Annotated[Path | None, typer.Option(help="recorded headlines, for a replay")] = None
    config: Annotated[Path | None, typer.Option(help="a configuration file")] = None

    def load(self, more: dict[tuple[str, str], Any] | None = None) -> Loaded:
        """The configuration with what these options, and `more`, lay over it.

        Raises `ConfigError` with a hint for whatever can't be what it says.
        """
        over: dict[tuple[str, str], Any] = {
            ("engine", "feed"): _feed(self.feed, self.replay),
            ("engine", "speed"): _speed(self.speed),
            ("paths", "db"): str(self.db) if self.db else None,
        }
        for name in _AS_THEY_ARE:
            over["engine", name] = getattr(self, name)
        return load(self.config, over | (more or {}))

    def run(self, loaded: Loaded, **more: Any) -> RunOptions:
        """What is asked of one run beyond its configuration."""
        return RunOptions(
            resume=self.resume,
            start=_moment(self.start, "--from"),
            end=_moment(self.end, "--to"),
            funding=self.funding,
            marks=self.marks,
            llm_replies=self.llm_replies,
            news=self.news,
            settings=parse_settings(self.settings),
            timeframe_given="engine.timeframe" in loaded.origins,
            symbols_given="engine.symbols" in loaded.origins,
            **more,
        )


_AS_THEY_ARE = (
    "symbols", "timeframe", "seed", "mode", "approval", "profile", "cash", "sim_edge",
)  # fmt: skip


def takes_engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with each option of its `EngineOptions` in the place of that parameter."""
    hints = get_type_hints(command, include_extras=True)
    options = get_type_hints(EngineOptions, include_extras=True)
    mine = [one.name for one in fields(EngineOptions)]
    taken = next(name for name, kind in hints.items() if kind is EngineOptions)

    @wraps(command)
    def spread(**given: Any) -> Any:
        chosen = EngineOptions(**{name: given.pop(name) for name in mine})
        return command(**given, **{taken: chosen})

    parameters: list[inspect.Parameter] = []
    for name, one in inspect.signature(command).parameters.items():
        if name != taken:
            parameters.append(one.replace(annotation=hints[name], kind=one.KEYWORD_ONLY))
            continue
        parameters += [
            inspect.Parameter(
                field.name, one.KEYWORD_ONLY, default=field.default, annotation=options[field.name]
            )
            for field in fields(EngineOptions)
        ]
    cast("Any", spread).__signature__ = inspect.Signature(parameters)
    spread.__annotations__ = {one.name: one.annotation for one in parameters}
    return spread


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


def duration(text: str | None) -> str | None:
    """A duration that has been tried; raises `ConfigError` for what is none."""
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
