"""What every command that acts has in common: the journal that is meant, a check against it,
and the engine's answer.

A refusal that the journal can already tell comes at once, with its code; everything else is the
engine's to judge when it takes the command, and its answer is waited for and told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, cast, get_type_hints

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.letters import Made, send
from app.telling import say, say_json
from engine.core import commands as c
from engine.core.errors import CommandRefused

Base = dict[str, Any]
"""What every command carries: its id and who sent it."""

Reason = Annotated[str, typer.Option("--reason", help="a line for the journal")]

Maker = Callable[..., c.AnyCommand]
"""Takes the reader of the journal, what commands share, and its own options; checks what the
journal can tell, and makes the command."""

_OPTIONS: tuple[tuple[str, Any, Any], ...] = (
    ("db", Db, None),
    ("feed", Feed, None),
    ("mode", Mode, None),
    ("config", ConfigFile, None),
    ("as_json", Json, False),
)
"""The options of every command that acts: which journal, and how its answer is told."""


def acting(make: Maker) -> Callable[..., int]:
    """The command of the command line that sends what `make` makes.

    Its own options are those of `make`, so that none has to repeat how a journal is named.
    """
    hints = get_type_hints(make, include_extras=True)
    own = [
        one.replace(annotation=hints[one.name])
        for one in list(signature(make).parameters.values())[2:]
    ]
    shared = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
        for name, kind, default in _OPTIONS
    ]

    @wraps(make)
    def command(**given: Any) -> int:
        db, feed, mode, config, as_json = (given.pop(name) for name, _, _ in _OPTIONS)
        return act(
            lambda reader, base: make(reader, base, **given), config, db, feed, mode, as_json
        )

    taken = [*own, *shared]
    cast("Any", command).__signature__ = signature(make).replace(
        parameters=taken, return_annotation=int
    )
    command.__annotations__ = {one.name: one.annotation for one in taken} | {"return": int}
    return command


def register(app: typer.Typer, makers: tuple[Maker, ...]) -> None:
    """Add commands to the command line, each under its function's name."""
    for make in makers:
        app.command(make.__name__)(acting(make))


def act(
    make: Made,
    config_file: Path | None,
    db: Path | None,
    feed: str | None,
    mode: str | None,
    as_json: bool,
) -> int:
    """Send a command to the engine of the journal that is meant, and tell its answer."""
    picked = pick_for(config_file, db, feed, mode)
    try:
        outcome = send(make, picked)
    except CommandRefused as refused:
        if as_json:
            say_json({"ok": False, "code": refused.code, "text": refused.message,
                      "hint": refused.hint, "journal": str(picked.path)})  # fmt: skip
            return refused.exit_code
        raise CommandRefused(
            refused.code, f"refused ({refused.code}): {refused.message}", refused.hint
        ) from None
    if as_json:
        say_json(outcome.facts())
        return 0 if outcome.ok else CommandRefused.exit_code
    if not outcome.ok:
        raise CommandRefused(outcome.code, f"refused ({outcome.code}): {outcome.text}")
    say(outcome.text)
    return 0
