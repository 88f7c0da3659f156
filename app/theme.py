"""Themes: data files whose roles (gain, loss, stale, danger …) colour every panel.

A person may lay files of their own beside ours; a broken one costs a sentence and never the
screen, because the dark theme is always there to fall back on.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from textual.theme import Theme

from engine.core.errors import ConfigError
from widgets.roles import ATTRIBUTES, BLENDS, DEFAULTS

FALLBACK = "dark"
LOW_COLOR = "ansi"
"""The theme that takes the terminal's own sixteen colours."""
BASE = (
    "primary", "secondary", "accent", "foreground", "background", "surface", "panel",
    "success", "warning", "error",
)  # fmt: skip
ROLES: dict[str, str] = {role: DEFAULTS[role] for role in DEFAULTS if role not in BASE}
"""Every role with the colour that stands in where a theme does not name it."""

QUIET = tuple(BLENDS)
"""Tones that are blended out of the others unless a theme names them."""

GROUNDS = ("cursor", "rest", "heat1", "heat2", "heat3", "heat4")
"""Quiet tones that may be an attribute instead of a colour, as where a ground is unknown."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def parse(text: str, source: str) -> Theme:
    """A theme from TOML text. Raises `ConfigError` naming the file and what is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"theme {source}: {error}") from error
    name = data.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]{1,30}", name):
        raise ConfigError(f"theme {source}: no name", 'write name = "mine" in small letters')
    base = _colours(data.get("base", {}), BASE, source)
    roles = _colours(data.get("roles", {}), (*ROLES, *QUIET), source)
    if "primary" not in base:
        raise ConfigError(f"theme {source}: base.primary is missing")
    return Theme(
        name=name,
        dark=bool(data.get("dark", True)),
        variables={**ROLES, **roles},
        **base,
    )


def _colours(table: Any, known: tuple[str, ...], source: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigError(f"theme {source}: expected a table of colours")
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"theme {source}: unknown role {key}", f"roles: {', '.join(known)}")
        if key in GROUNDS and value in ATTRIBUTES:
            continue
        if not isinstance(value, str) or not _COLOUR.fullmatch(value):
            raise ConfigError(f"theme {source}: {key} is no colour", "write it as #rrggbb")
    return table


def load(folder: Path | None = None) -> tuple[dict[str, Theme], list[str]]:
    """All themes by name, the user's over ours, and a sentence for each that is broken."""
    themes: dict[str, Theme] = {}
    troubles: list[str] = []
    packaged = [
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in resources.files("themes").iterdir()
        if entry.name.endswith(".toml")
    ]
    own: list[tuple[str, str]] = []
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.toml")):
            try:
                own.append((path.name, path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                troubles.append(f"theme {path.name}: {error}")
    for source, text in [*sorted(packaged), *own]:
        try:
            theme = parse(text, source)
        except ConfigError as error:
            troubles.append(str(error))
        else:
            themes[theme.name] = theme
    return themes, troubles


def stamps(folder: Path | None) -> dict[str, int]:
    """Modification times of the user's theme files, to see when one was edited."""
    if folder is None or not folder.is_dir():
        return {}
    found = {}
    for path in folder.glob("*.toml"):
        try:
            found[path.name] = path.stat().st_mtime_ns
        except OSError:
            continue
    return found
