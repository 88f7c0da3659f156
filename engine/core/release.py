"""Which code this is: the release, and a digest of the engine's own source.

A decision can be made again only by the code that made it. The release alone says too
little, since between two releases code moves; so the digest of every module of the engine
stands beside it in each run's first record.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import engine

LONG = 12


@cache
def code_version() -> str:
    """`0.1.0+1f0c9d2ab34e`: the release and the digest of the modules under `engine`."""
    try:
        release = version("quarterdeck")
    except PackageNotFoundError:
        release = "0"
    digest = hashlib.sha256()
    folder = Path(engine.__path__[0])
    for path in sorted(folder.rglob("*.py"), key=lambda one: one.relative_to(folder).parts):
        digest.update("/".join(path.relative_to(folder).parts).encode())
        digest.update(path.read_bytes())
    return f"{release}+{digest.hexdigest()[:LONG]}"
