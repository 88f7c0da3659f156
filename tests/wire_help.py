"""Waiting for what another thread does: looked for often, given up after a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

PATIENCE = 1_000
POLL_S = 0.005


def until(what: Callable[[], bool]) -> None:
    """Return as soon as it is so; fail when it does not come to be within five seconds."""
    waiting = Event()
    for _ in range(PATIENCE):
        if what():
            return
        waiting.wait(POLL_S)
    raise AssertionError("what was waited for did not come to be")
