"""The `quarterdeck` command: the screen at once, everything else through the command line.

Without arguments nothing is imported that the first frame does not need; configuration is
read for its looks only and validated, like the engine, behind that frame.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    if len(sys.argv) == 1:
        from app.launch import open_screen, quick_looks

        return open_screen(quick_looks())
    from app.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
