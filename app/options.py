"""What a screen is told before it starts: plain values, already validated by the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import platformdirs

from app.hints import Memory
from engine.core.clock import monotonic_ns

LOCAL_HZ = 10.0
REMOTE_HZ = 4.0


def is_remote(environ: Mapping[str, str] = os.environ) -> bool:
    """True when the terminal sits behind SSH, where each byte takes its time."""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def default_hz(environ: Mapping[str, str] = os.environ) -> float:
    """How often the screen looks at the engine: 10 Hz here, 4 Hz over SSH."""
    return REMOTE_HZ if is_remote(environ) else LOCAL_HZ


def default_state_folder() -> Path:
    """Where crash reports and the terminal's log go unless the command line says otherwise."""
    return Path(platformdirs.user_state_dir("quarterdeck"))


class Join(StrEnum):
    """What `--attach` says; without it the screen asks."""

    ASK = "ask"
    YES = "yes"
    READONLY = "readonly"
    NO = "no"


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of one run beyond the configuration.

    It stands here and not beside the engine, whose modules a screen loads after its first frame.
    """

    screen: bool = False
    resume: bool = False
    start: str | None = None
    end: str | None = None
    lasting: str | None = None
    ack_log: Path | None = None
    funding: Path | None = None
    marks: Path | None = None
    llm_replies: Path | None = None
    news: Path | None = None
    settings: tuple[tuple[str, str], ...] = ()
    publish_hz: float = 10.0
    timeframe_given: bool = False
    symbols_given: bool = False


@dataclass(frozen=True)
class AppOptions:
    """Everything about the screen that is not the engine's.

    `hz` None means by terminal; `paced` False samples at a fixed rate (as inside tmux,
    which answers for itself). `shutdown` flushes and ends the engine and is called once, on
    every way out. `served` means that another process runs the engine, so that leaving
    the screen costs it nothing. `inspecting` means that no engine stands behind the screen,
    only its journal. `web` draws for a browser, where nothing is started and no file is
    written. `seed` names this screen's commands. `keys` are the user's
    key overrides, action id to keys. `memory` keeps which hints are no longer needed;
    `first_run` shows hints without keeping anything.
    """

    hz: float | None = None
    paced: bool = True
    mouse: bool = True
    readonly: bool = False
    low_color: bool = False
    first_run: bool = False
    memory: Memory | None = None
    served: bool = False
    inspecting: bool = False
    web: bool = False
    theme: str = "dark"
    theme_folder: Path | None = None
    export_folder: Path = field(default_factory=Path.cwd)
    state_folder: Path = field(default_factory=default_state_folder)
    keys: Mapping[str, str | list[str]] = field(default_factory=dict)
    seed: int = 0
    shutdown: Callable[[], None] | None = None
    monotonic: Callable[[], int] = monotonic_ns

    def rate(self, environ: Mapping[str, str] = os.environ) -> float:
        """Samples per second, from the option or from the terminal."""
        return self.hz if self.hz is not None else default_hz(environ)

    def pacing(self, environ: Mapping[str, str] = os.environ) -> bool:
        """Whether the terminal's own answers set the pace."""
        return self.paced and not environ.get("TMUX")
