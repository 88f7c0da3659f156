"""Commands about the installation: paths, versions, configuration and parameters."""

from __future__ import annotations

import importlib
import os
import platform
import sqlite3
import tomllib
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import walk_packages
from typing import Annotated, Any

import typer

from app.journals import journals, owner, written_ns
from app.launch import config_folder
from app.telling import Table, say, say_facts, say_json, say_table
from engine.core.clock import iso
from engine.core.config import ENVIRONMENT, Config, Loaded, config_path, data_dir, load
from engine.core.errors import ConfigError, JournalError
from engine.core.parameters import EVERYWHERE, Parameter, Parameters, Scope, declared

LIBRARIES = (
    "textual", "rich", "typer", "ccxt", "numpy", "numba", "pandas", "pyarrow", "ta",
    "pydantic", "msgspec", "aiosqlite", "platformdirs",
)  # fmt: skip

SECRETS = ("BINANCE_API_KEY", "BINANCE_API_SECRET", "BINANCE_SECRET")

Db = Annotated[Path | None, typer.Option("--db", help="the journal file")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="a configuration file")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object instead of text")]


def register(app: typer.Typer) -> None:
    """Add `info`, `config check` and `parameters` to the command line."""
    app.command("info")(info)
    app.command("parameters")(parameters)
    group = typer.Typer(help="The configuration.", rich_markup_mode=None, no_args_is_help=True)
    group.command("check")(check)
    group.callback()(_group)
    app.add_typer(group, name="config")


def _group() -> None:
    """The configuration."""


def info(config: ConfigFile = None, as_json: Json = False) -> int:
    """Every path and version, for a person who helps and for a bug report."""
    facts = info_facts(config)
    if as_json:
        say_json(facts)
        return 0
    found = facts.pop("journals")
    versions = facts.pop("versions")
    say_facts((name.replace("_", " "), value) for name, value in facts.items())
    rows = [[j["file"], j["bytes"], j["written"], j["engine"], j["trouble"]] for j in found]
    columns = ("file", "bytes", "written", "engine", "trouble")
    say_table(Table("journals", columns, rows, right=frozenset(("bytes",)), empty="none yet"))
    say_table(Table("versions", ("what", "version"), list(versions.items())))
    return 0


def info_facts(path: Path | None = None) -> dict[str, Any]:
    """What `info` tells, by stable names; a broken configuration is told and no error."""
    try:
        config, trouble = load(path).config, ""
    except ConfigError as error:
        config, trouble = Config(), str(error)
    file, folder = path or config_path(), config_folder()
    return {
        "config": str(file),
        "config_exists": file.exists(),
        "config_trouble": trouble,
        "data": str(data_dir(config)),
        "program": str(Path(__file__).resolve().parent),
        "themes": packaged_themes(),
        "theme_folder": str(folder / "themes"),
        "own_themes": sorted(file.name for file in _glob(folder / "themes", "*.toml")),
        "crash_reports": [str(file) for file in _glob(folder, "crash-*.txt")],
        "environment": sorted(name for name in ENVIRONMENT if os.environ.get(name, "").strip()),
        "secrets_set": [name for name in SECRETS if os.environ.get(name)],
        "journals": [_journal(journal) for journal in journals(config)],
        "versions": {
            "quarterdeck": _version("quarterdeck"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: _version(name) for name in LIBRARIES},
        },
    }


def packaged_themes() -> list[str]:
    """The names of the themes that came with the program."""
    return sorted(
        str(tomllib.loads(entry.read_text(encoding="utf-8")).get("name"))
        for entry in resources.files("themes").iterdir()
        if entry.name.endswith(".toml")
    )


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _journal(path: Path) -> dict[str, Any]:
    from engine.journal.queries import Reader

    facts: dict[str, Any] = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "written": iso(written_ns(path)),
        "engine": owner(path),
        "trouble": "",
    }
    try:
        with Reader(path):
            pass
    except JournalError as error:
        facts["trouble"] = error.message
    return facts


def check(config: ConfigFile = None, as_json: Json = False) -> int:
    """Check the configuration file, the environment, keys, theme and parameters."""
    loaded = load(config)
    import_engine()
    params = configured_parameters(loaded.config)
    _check_screen(loaded.config)
    facts = {
        "ok": True,
        "file": str(loaded.file) if loaded.file else None,
        "settings": _chosen(loaded),
        "parameters": {name: _value(setting.value) for name, _, setting in params.items()},
    }
    if as_json:
        say_json(facts)
        return 0
    where = loaded.file or f"{config_path()} is absent: defaults"
    say(f"ok: {where}")
    rows = [
        [name, setting["value"], setting["origin"]] for name, setting in _chosen(loaded).items()
    ]
    say_table(Table("settings", ("setting", "value", "from"), rows, empty="all at their defaults"))
    return 0


def _check_screen(config: Config) -> None:
    from app.keymap import apply
    from app.theme import load as load_themes

    apply(config.keys)
    themes, troubles = load_themes(config_folder() / "themes")
    if troubles:
        raise ConfigError(troubles[0], "mend the theme or take it out of the folder")
    if config.screen.theme not in themes:
        known = ", ".join(sorted(themes))
        raise ConfigError(f"screen.theme: there is no theme {config.screen.theme!r}", known)


def _chosen(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Every setting that is no default, with its value and where it came from."""
    chosen = {}
    for name, origin in sorted(loaded.origins.items()):
        section, _, key = name.partition(".")
        table = getattr(loaded.config, section)
        value = table.get(key) if isinstance(table, dict) else getattr(table, key)
        chosen[name] = {"value": _value(value), "origin": origin}
    return chosen


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
        params.set(record.name, value, record.who, Scope(*record.scope))
    return params


def parameter_facts(parameter: Parameter, params: Parameters) -> dict[str, Any]:
    """One parameter by stable names; `scoped` are values that hold only somewhere."""
    setting = params.setting(parameter.name)
    return {
        "name": parameter.name,
        "value": _value(setting.value),
        "origin": setting.origin,
        "default": _value(parameter.default),
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
            {"scope": str(scope), "value": _value(own.value), "origin": own.origin}
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


def _value(value: object) -> Any:
    return list(value) if isinstance(value, tuple) else value
