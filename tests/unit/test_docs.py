"""The generated documentation says what the code says, and nothing links into the void."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from app.cli import app as cli
from app.docs import FOLDER, write
from app.opening import UsageError
from engine.core.config import ENVIRONMENT, EngineSection
from engine.core.denials import DenialCode

ROOT = FOLDER.parent
GENERATED = ("keys.md", "configuration.md", "parameters.md", "denial-codes.md")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the program writes, in a process of its own: other tests declare parameters too."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "app.docs", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    return folder


@pytest.mark.parametrize("name", GENERATED)
def test_the_committed_file_is_what_the_program_writes(written: Path, name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    current = (written / name).read_text(encoding="utf-8")
    assert committed == current, f"docs/{name} is old: run `python -m app.docs`"


def test_everything_declared_is_documented(written: Path) -> None:
    texts = {name: (written / name).read_text(encoding="utf-8") for name in GENERATED}
    calls = [
        name
        for path in (ROOT / "engine").rglob("*.py")
        for name in re.findall(r'declare\(\s*"([a-z0-9_.]+)"', path.read_text(encoding="utf-8"))
    ]
    assert len(calls) > 100
    assert [name for name in calls if f"`{name}`" not in texts["parameters.md"]] == []
    assert all(f"`{code}`" in texts["denial-codes.md"] for code in DenialCode)
    assert all(f"`{name}`" in texts["configuration.md"] for name in ENVIRONMENT)
    assert all(f"| `{name}` |" in texts["configuration.md"] for name in EngineSection.model_fields)


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert {path.name for path in write(tmp_path)} == set(GENERATED)
    assert write(tmp_path) == []


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", *sorted(f"docs/{p.name}" for p in FOLDER.glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in FOLDER.glob("*.md"))]

WRITTEN = re.compile(r"^(?:\$ )?(quarterdeck(?: [^\n]*)?)$|`(quarterdeck [^`]+)`", re.MULTILINE)
"""A command line of its own, or one inside a sentence."""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_written_down_is_one(page: str) -> None:
    commands = get_command(cli)
    assert isinstance(commands, TyperGroup)
    for found in WRITTEN.finditer((ROOT / page).read_text(encoding="utf-8")):
        # What a page says beside a command stands after a gap or a number sign.
        said = " ".join(re.split(r" {3,}", found[1] or found[2])[0].split())
        words = shlex.split(said.replace("…", "X"), comments=True)[1:]
        if not words or words[0].startswith("-"):
            context = commands.make_context("quarterdeck", words)
            assert context.params, said
            continue
        if "|" in words[0]:
            continue
        context = commands.make_context("quarterdeck", [words[0]])
        command = commands.get_command(context, words[0])
        assert command is not None, f"{page} names {said!r}, which is no command"
        rest = [word for word in words[1:] if not word.startswith("[")]
        try:
            command.make_context(words[0], rest, parent=context)
        except UsageError as wrong:
            pytest.fail(f"{page}: {said!r}: {wrong.format_message()}")
