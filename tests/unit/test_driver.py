"""The driver beneath the screen: what it tells of the window."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from textual import events

from app.driver import QuarterdeckDriver


class Later:
    """A loop that keeps what it was asked to call, and an application that keeps its messages."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.messages: list[Any] = []

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def post_message(self, message: Any) -> None:
        self.messages.append(message)


def test_the_size_told_is_the_one_after_all_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal's handler may be interrupted by the next one's; the older size must not be last."""
    size = (9, 2)
    driver, later = QuarterdeckDriver.__new__(QuarterdeckDriver), Later()
    monkeypatch.setattr(driver, "_loop", later, raising=False)
    monkeypatch.setattr(driver, "_app", later, raising=False)
    monkeypatch.setattr(driver, "_in_band_window_resize", False, raising=False)
    monkeypatch.setattr(driver, "_get_terminal_size", lambda: size)
    driver._on_window(signal.SIGWINCH, None)
    size = (120, 40)
    driver._on_window(signal.SIGWINCH, None)
    assert later.messages == [], "nothing is read inside a signal"
    for call in later.calls:
        call()
    told = [message.size for message in later.messages if isinstance(message, events.Resize)]
    assert told[-1] == (120, 40)
