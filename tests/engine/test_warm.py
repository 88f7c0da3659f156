"""Nothing compiles while the kernel runs: an engine that is built has its steps compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = """
import sys
from pathlib import Path
from engine.analysis import compiled
from engine.position import step

def ready():
    own = [step.make_step(), step.open_position, step.refresh, step.add_lots, step.walk]
    return [bool(one.signatures) for one in own]

assert not any(ready())
from tests.engine.scripted import Script
engine = Script(Path(sys.argv[1]))
assert all(ready()), ready()
engine.close()
"""


def test_an_engine_that_is_built_has_compiled_its_position_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
