"""The pace of the screen: how often it looks at the engine, and when it must not paint.

The screen pulls; the engine never touches it. After a painted sample the terminal is asked
where its cursor is: the answer comes back only when everything before it has been drawn, so
a slow line sets its own rate and keys stay quick on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

from engine.core.clock import SECOND

ASK = "\x1b[6n"
GIVE_UP_NS = 5 * SECOND
"""A terminal that has not answered for this long is sampled at a fixed rate."""

FAST_SECONDS = 0.01
"""How soon the ack of a command just sent is looked for."""


class Screen(Protocol):
    """What the sampler drives: the application."""

    def sample(self, now_ns: int) -> bool:
        """Read the engine and update what is visible; True when anything was updated."""
        ...

    def ask_terminal(self) -> bool:
        """Write `ESC[6n`; False when there is no terminal to answer."""
        ...

    def terminal_backlog(self) -> int:
        """Frames which the terminal has not taken yet."""
        ...

    def failed(self, error: Exception) -> None:
        """A sample raised."""
        ...


class Sampler:
    """Samples at `hz`, at most as fast as the terminal draws; `hz` 0 samples on request."""

    def __init__(
        self, screen: Screen, hz: float, paced: bool, monotonic: Callable[[], int]
    ) -> None:
        self._screen = screen
        self._period = 1.0 / hz if hz > 0 else 0.0
        self._paced = paced
        self._may_pace = paced
        self._monotonic = monotonic
        self._timer: asyncio.TimerHandle | None = None
        self._asked_ns: int | None = None
        self._dirty = False
        self._hurry = False
        self.answers = False
        self.samples = 0
        self.skipped = 0

    def start(self) -> None:
        """Begin sampling on the running loop."""
        if self._period:
            self._schedule(self._period)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._period = 0.0

    def hurry(self) -> None:
        """A command has just been sent: look for its ack at once rather than in turn."""
        if self._period and not self._hurry:
            self._hurry = True
            self._schedule(FAST_SECONDS)

    def calm(self) -> None:
        """No command is under way any more."""
        self._hurry = False

    def _schedule(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._tick, context=copy_context())

    def _tick(self) -> None:
        if not self._period:
            return
        try:
            self.step()
        except Exception as error:  # noqa: BLE001 - handed to the crash report
            self._screen.failed(error)
            return
        self._schedule(min(FAST_SECONDS, self._period) if self._hurry else self._period)

    def step(self) -> bool:
        """One turn: a sample, unless the terminal is still drawing the last one."""
        now = self._monotonic()
        if self._busy(now):
            self.skipped += 1
            return False
        self.samples += 1
        if self._screen.sample(now):
            self._dirty = True
        return True

    def _busy(self, now: int) -> bool:
        if self._screen.terminal_backlog() > 0:
            return True
        if self._asked_ns is None:
            return False
        if now - self._asked_ns < GIVE_UP_NS:
            return True
        # No answer: this terminal does not know the question, or its line is dead. An
        # answer that comes after all brings the pacing back.
        self._asked_ns = None
        self._paced = False
        return False

    def painted(self) -> bool:
        """A frame went out; True when the terminal will say itself when it has drawn it."""
        if not self._dirty:
            return self._asked_ns is not None
        self._dirty = False
        if self._paced and self._asked_ns is None and self._screen.ask_terminal():
            self._asked_ns = self._monotonic()
        return self._asked_ns is not None

    @property
    def waiting(self) -> bool:
        """Whether the terminal has been asked and has not answered yet."""
        return self._asked_ns is not None

    def answered(self) -> None:
        """The terminal has drawn everything up to the question."""
        self.answers = True
        self._paced = self._may_pace
        self._asked_ns = None
