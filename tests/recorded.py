"""Recorded markets for tests that need the world; skipped by name where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("QUARTERDECK_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


def recorded(relative: str) -> Path:
    """The path of a recording, or a skip that names what is missing."""
    path = FOLDER / relative
    if not path.exists():
        pytest.skip(f"recorded data {relative} is absent (set QUARTERDECK_DATA)")
    return path
