"""The documentation that is written by the program, so that it can't promise what is not there.

`python -m app.docs` writes keys, configuration, parameters and denial codes into `docs/` (or
the folder it is given); a test fails while a committed file says anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from app.actions import ACTIONS, actions_markdown, key_label
from app.inspecting import SECRETS
from app.tunables import bounds, import_engine
from engine.core.config import ENVIRONMENT, Config, Section
from engine.core.denials import DenialCode
from engine.core.parameters import Parameter, declared

FOLDER = Path(__file__).resolve().parents[1] / "docs"
_NOTE = "<!-- Written by `python -m app.docs`. -->\n"
_RISK = {1: "raises", -1: "lowers", 0: ""}


def generated() -> dict[str, str]:
    """Each generated file's name and text, equal on every machine."""
    return {
        "keys.md": _keys(),
        "configuration.md": _configuration(),
        "parameters.md": _parameters(),
        "denial-codes.md": _denials(),
    }


def _page(title: str, *parts: str) -> str:
    return "\n".join([_NOTE, f"# {title}\n", *parts]).rstrip() + "\n"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(_cells(line))} |\n" for line in lines)


def _cells(line: tuple[str, ...]) -> list[str]:
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in line]


def _keys() -> str:
    movable = next(action for action in ACTIONS if action.id == "pause")
    return _page(
        "Keys",
        "Every key, from the registry that the screens themselves use. `?` shows those that are "
        "live\nwhere you are; `ctrl+p` finds an action by its name.\n",
        actions_markdown(),
        "## Your own keys\n",
        "Name the action and the key in the configuration file; several keys are separated by "
        "commas.\nUnknown ids, keys that two actions would share, and keys that terminals keep "
        "for themselves\n(alt, super, meta, ctrl+s, ctrl+b) are refused at the start.\n",
        f'```toml\n[keys]\n{movable.id} = "{key_label(movable.keys[0]).upper()}"\n```\n',
    )


def _configuration() -> str:
    parts = [
        "One TOML file, the environment over it, the command line over both. The file is "
        "`config.toml`\nin the platform's folder (`quarterdeck info` tells where) or the one "
        "named by `--config`;\n`quarterdeck config check` reads it and says what it found. "
        "A key that is not listed here is\nrefused with the nearest one that is.\n"
    ]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            doc = (section.__doc__ or "").strip().splitlines()[0]
            rows = [
                (f"`{key}`", _type(one), _default(one), one.description or "")
                for key, one in section.model_fields.items()
            ]
            parts += [f"## [{name}]\n", doc + "\n"]
            parts.append(_table(("key", "value", "default", "what it is"), rows))
        else:
            parts += [f"## [{name}]\n", f"{(field.description or '').capitalize()}.\n"]
            page = {"keys": "keys.md", "parameters": "parameters.md"}[name]
            parts.append(f"All of them: [{page}]({page}).\n")
    variables = [(f"`{name}`", f"`{a}.{b}`") for name, (a, b) in sorted(ENVIRONMENT.items())]
    parts += ["## Environment\n", _table(("variable", "overrides"), variables)]
    parts.append(
        f"{', '.join(f'`{name}`' for name in SECRETS)} hold a venue's keys. They are read from "
        "the\nenvironment only and are never shown, stored or journaled; nothing uses them in "
        "this version.\n`NO_COLOR` takes the colours away.\n"
    )
    return _page("Configuration", *parts)


def _type(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of texts"
    options = [one for one in get_args(kind) or (kind,) if one is not type(None)]
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false",
             "Decimal": "number"}  # fmt: skip
    return names[options[0].__name__]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "":
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _parameters() -> str:
    import_engine()
    groups: dict[str, list[Parameter]] = {}
    for parameter in declared().values():
        groups.setdefault(parameter.name.partition(".")[0], []).append(parameter)
    parts = [
        f"All {len(declared())} numbers that decide a trade, as the code declares them. Set one "
        "in the\nconfiguration file under `[parameters]`, for one run with `--set NAME=VALUE`; "
        "`quarterdeck\nparameters` shows the values in force and where each came from.\n",
        "Scopes say where a value may differ: G everywhere, R by regime, Y by symbol, T by "
        "strategy;\nM, by class of market, is reserved. The last column tells what raising the "
        "value does to risk;\na parameter in *italics* is never to be moved by learning.\n",
    ]
    for group, members in sorted(groups.items()):
        rows = [
            (
                f"`{p.name}`" if p.learnable else f"*`{p.name}`*",
                f"`{p.default}`",
                bounds(p),
                p.unit,
                "".join(letter for letter in "GRYTM" if letter in p.scopes),
                p.doc,
                _RISK[p.risk],
            )
            for p in members
        ]
        columns = ("name", "default", "bounds", "unit", "scopes", "what it does", "risk")
        parts += [f"## {group}\n", _table(columns, rows)]
    return _page("Parameters", *parts)


def _denials() -> str:
    rows = [(f"`{code.value}`", code.explanation) for code in DenialCode]
    return _page(
        "Why an entry is refused",
        "The codes that journal, screens and exports use. Exits are never held up by any of "
        "them.\n",
        _table(("code", "why"), rows),
    )


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every generated file; returns those whose text changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in generated().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for written in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        sys.stdout.write(f"{written}\n")
