"""The program as a person installs it: built into a wheel, put elsewhere, run from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", folder, ROOT, folder=folder)
    [built] = folder.glob("quarterdeck-*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command. Libraries come from the environment of the tests, by a .pth file
    whose own .pth files (an editable install of this checkout among them) are not read."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent)
    site = next((folder / "lib").glob("python3*")) / "site-packages"
    options = ("--no-deps", "--no-index", "--quiet", "--no-compile")
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install")
    run(*pip, *options, wheel, folder=folder)
    (site / "outer.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "quarterdeck"


def test_the_wheel_holds_the_program_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if "dist-info" not in top} == {"app", "widgets", "engine", "themes"}
    themes = sorted(path.name for path in (ROOT / "themes").glob("*.toml"))
    assert [name for name in themes if f"themes/{name}" in names] == themes
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "engine").rglob("*.py")}
    assert modules <= set(names)


def test_the_installed_program_knows_itself(program: Path, tmp_path: Path) -> None:
    own = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_DATA_HOME": str(tmp_path / "d")}
    facts = json.loads(run(program, "info", "--json", folder=tmp_path, **own))
    assert Path(facts["program"]).is_relative_to(program.parents[1])
    assert {"dark", "light"} <= set(facts["themes"])
    assert facts["versions"]["quarterdeck"]
    assert facts["data"] == str(tmp_path / "d" / "quarterdeck")
    assert list(tmp_path.iterdir()) == []
    usage = run(program, "--help", folder=tmp_path, **own)
    assert {"status", "approve", "export"} <= set(usage.split())
    found = json.loads(run(program, "parameters", "--json", folder=tmp_path, **own))
    assert found["count"] > 100
