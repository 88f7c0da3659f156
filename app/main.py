"""The `quarterdeck` command: the screen at once, everything else through the command line.

Without arguments nothing is imported that the first frame does not need; configuration is
read for its looks only and validated, like the engine, behind that frame.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise

COMMANDS = frozenset((
    "admit", "approve", "attach", "backup", "changes", "close", "coin", "config", "decision",
    "digest", "drill", "export", "flatten", "freeze", "halt", "honesty", "info", "insight",
    "inspect", "knowledge", "lessons", "override", "pair", "parameters", "pattern", "pause",
    "proposals", "refuse", "reject", "restore", "resume", "revert", "rule", "run", "scoreboard",
    "serve", "status", "trades", "unfreeze", "verify", "web", "why",
))  # fmt: skip
"""What the command line knows beside the screen; an option's value of that name costs time only."""


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    if len(sys.argv) == 1:
        from app.launch import open_screen, quick_looks

        return open_screen(quick_looks())
    if only_options(sys.argv[1:]):
        from app import opening

        return opening.run(opening.command_line(), sys.argv[1:])
    from app.cli import run

    return run(sys.argv[1:])


def only_options(arguments: Sequence[str]) -> bool:
    """Whether this opens the screen with its options; of a word too many all commands tell."""
    if not arguments or not {"-h", "--help"}.isdisjoint(arguments):
        return False
    words = [
        word
        for before, word in pairwise(["", *arguments])
        if not word.startswith("-") and not before.startswith("--")
    ]
    return not words and COMMANDS.isdisjoint(arguments)


if __name__ == "__main__":
    sys.exit(main())
