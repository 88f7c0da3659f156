"""`quarterdeck drill NAME`: provoke a fault on paper, and tell whether protection held."""

from __future__ import annotations

from typing import Annotated

import typer

from app.journals import Json
from app.telling import Table, say, say_facts, say_json, say_table

NameOf = Annotated[
    str, typer.Argument(metavar="NAME", help="feed-drop, stale-feed, flash-crash or runaway")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="a parameter of the drill's engine, NAME=VALUE")
]


def register(app: typer.Typer) -> None:
    """Add `drill` to the command line."""
    app.command("drill")(drill)


def drill(name: NameOf = "", settings: Settings = None, as_json: Json = False) -> int:
    """Provoke a fault on a paper engine of its own; the exit code tells whether it passed.

    Without a name the drills there are. No journal but the drill's own is touched.
    """
    from app.drills import DRILLS, run_drill
    from app.engineoptions import parse_settings

    if not name:
        if as_json:
            say_json({"drills": {known: what for known, (_, what) in DRILLS.items()}})
            return 0
        rows = [[known, what] for known, (_, what) in DRILLS.items()]
        say_table(Table("drills", ("name", "what goes wrong"), rows))
        return 0
    outcome = run_drill(name, parse_settings(settings))
    if as_json:
        say_json(outcome.facts())
        return 0 if outcome.passed else 1
    say(f"{outcome.name}: {outcome.what}")
    rows = [["✓" if held else "✕", check] for check, held in outcome.checks.items()]
    say_table(Table("checks", ("", "check"), rows))
    say_facts((figure.replace("_", " "), value) for figure, value in outcome.figures.items())
    say("passed" if outcome.passed else "FAILED")
    return 0 if outcome.passed else 1
