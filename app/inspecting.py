"""Commands about the installation: paths, versions, configuration."""

from __future__ import annotations

import os
import platform
import sqlite3
import tomllib
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from app.journals import ConfigFile, Json, journals, owner, written_ns
from app.launch import config_folder
from app.telling import Table, say, say_facts, say_json, say_table
from app.tunables import configured_parameters, import_engine, value_of
from engine.core.clock import iso
from engine.core.config import ENVIRONMENT, Config, Loaded, config_path, data_dir, load
from engine.core.errors import ConfigError, JournalError

LIBRARIES = (
    "textual", "rich", "typer", "ccxt", "numpy", "numba", "pandas", "pyarrow", "ta",
    "pydantic", "msgspec", "aiosqlite", "platformdirs",
)  # fmt: skip

SECRETS = ("BINANCE_API_KEY", "BINANCE_API_SECRET", "BINANCE_SECRET")


def register(app: typer.Typer) -> None:
    """Add `info` and `config check` to the command line."""
    app.command("info")(info)
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
        "parameters": {name: value_of(setting.value) for name, _, setting in params.items()},
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
        chosen[name] = {"value": value_of(value), "origin": origin}
    return chosen
