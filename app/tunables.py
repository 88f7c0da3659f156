"""Parameters on the command line: every declared one, its value, and where the value came from."""

from __future__ import annotations

import importlib
from pathlib import Path
from pkgutil import walk_packages
from typing import Annotated, Any

import typer

from app.journals import ConfigFile, Db, Json
from app.telling import Table, say, say_json, say_table
from engine.core.config import Config, load
from engine.core.errors import ConfigError
from engine.core.parameters import EVERYWHERE, Parameter, Parameters, Scope, declared


def register(app: typer.Typer) -> None:
    """Add `parameters` to the command line."""
    app.command("parameters")(parameters)


def parameters(
    filter: Annotated[str, typer.Argument(help="only names or words that contain this")] = "",
    db: Db = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Every declared parameter: bounds, scopes, value and where the value came from.

    Without --db these are the values of the next fresh start; with it those of a journal.
    """
    import_engine()
    params = journal_parameters(db) if db else configured_parameters(load(config).config)
    wanted = filter.lower()
    rows = [
        parameter_facts(parameter, params)
        for parameter in declared().values()
        if wanted in parameter.name.lower() or wanted in parameter.doc.lower()
    ]
    if not rows:
        raise ConfigError(f"no parameter contains {filter!r}", "`quarterdeck parameters` lists all")
    if as_json:
        say_json({"parameters": rows, "count": len(rows)})
        return 0
    columns = ("name", "value", "from", "default", "bounds", "unit", "scopes", "risk")
    say_table(
        Table(
            f"parameters, {len(rows)} of {len(declared())}",
            columns,
            [
                [
                    row["name"],
                    row["value"],
                    row["origin"],
                    row["default"],
                    bounds(declared()[row["name"]]),
                    row["unit"],
                    "".join(row["scopes"]),
                    {1: "+", -1: "−"}.get(row["risk"], ""),
                ]
                for row in rows
            ],
            right=frozenset(("value", "default", "bounds")),
        )
    )
    for row in rows:
        for scoped in row["scoped"]:
            say(f"{row['name']} is {scoped['value']} for {scoped['scope']} ({scoped['origin']})")
    return 0


def import_engine() -> None:
    """Import every module of the engine, so that each of its parameters is declared."""
    import engine

    for module in walk_packages(engine.__path__, "engine."):
        importlib.import_module(module.name)


def configured_parameters(config: Config) -> Parameters:
    """The values with which a fresh run of this configuration starts."""
    from engine.core.profiles import apply_profile

    params = Parameters()
    apply_profile(params, config.engine.profile)
    for name, value in config.parameters.items():
        params.set(name, value, "configuration")
    return params


def journal_parameters(db: Path) -> Parameters:
    """The values in force in a journal: its last run's, then what was set while it ran."""
    import msgspec

    from engine.core.profiles import apply_profile
    from engine.journal.queries import Reader

    params = Parameters()
    with Reader(db.expanduser()) as reader:
        run, later = reader.status().run, reader.parameters()
    if run is not None:
        apply_profile(params, run.profile)
        for name, text in run.parameters.items():
            if str(params.setting(name).value) != text:
                params.set(name, text.strip("()"), "the run's configuration or command line")
    for record in later:
        value = msgspec.json.decode(record.after)
        if value is None:
            params.unset(record.name, Scope(*record.scope))
        else:
            params.set(record.name, value, record.who, Scope(*record.scope))
    return params


def parameter_facts(parameter: Parameter, params: Parameters) -> dict[str, Any]:
    """One parameter by stable names; `scoped` are values that hold only somewhere."""
    setting = params.setting(parameter.name)
    return {
        "name": parameter.name,
        "value": value_of(setting.value),
        "origin": setting.origin,
        "default": value_of(parameter.default),
        "low": parameter.low,
        "high": parameter.high,
        "step": parameter.step,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "choices": list(parameter.choices),
        "scopes": [letter for letter in "GRYTM" if letter in parameter.scopes],
        "risk": parameter.risk,
        "learnable": parameter.learnable,
        "doc": parameter.doc,
        "scoped": [
            {"scope": str(scope), "value": value_of(own.value), "origin": own.origin}
            for name, scope, own in params.items()
            if name == parameter.name and scope != EVERYWHERE
        ],
    }


def bounds(parameter: Parameter) -> str:
    """`0.5 … 4`, the choices of an enum, or nothing where anything goes."""
    if parameter.choices:
        return " | ".join(parameter.choices)
    if parameter.low is None and parameter.high is None:
        return ""
    low = "−∞" if parameter.low is None else f"{parameter.low:g}"
    high = "∞" if parameter.high is None else f"{parameter.high:g}"
    return f"{low} … {high}"


def value_of(value: object) -> Any:
    return list(value) if isinstance(value, tuple) else value
