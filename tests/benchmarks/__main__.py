"""Every benchmark in a process of its own, one after the other.

python -m tests.benchmarks
python -m tests.benchmarks --only kernel --quick
python -m tests.benchmarks --markdown table.md
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.report import QUICK, ROWS, markdown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def names() -> list[str]:
    """The modules that measure, by the part of their name that tells what."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {', '.join(names())}")
    parser.add_argument("--quick", action="store_true", help="one run each")
    parser.add_argument("--markdown", type=Path, help="write the table to this file as well")
    given = parser.parse_args()
    wanted = [part.strip() for part in given.only.split(",") if part.strip()] or names()
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}: {', '.join(names())}", file=sys.stderr)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.touch()
        environment = {**os.environ, ROWS: str(rows), **({QUICK: "1"} if given.quick else {})}
        for name in wanted:
            print(f"\n== {name}", flush=True)
            done = subprocess.run(
                [sys.executable, "-m", f"tests.benchmarks.bench_{name}"],
                cwd=ROOT, env=environment, check=False,
            )  # fmt: skip
            failed += done.returncode != 0
        if given.markdown is not None:
            given.markdown.write_text(markdown(rows) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
