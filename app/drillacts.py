"""Drills from the palette: run beside the engine in a process of their own, told in one line.

A drill is a whole engine that works as fast as it can; in a process of its own it takes no
turn from the one that watches stops.
"""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

MOST_S = 60.0
"""A drill takes about a second; one that takes this long has hung."""


def verdict_of(name: str) -> tuple[str, str]:
    """Run a drill and say in a line how it went, with the role of that line."""
    command = [sys.executable, "-m", "app.main", "drill", name, "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
        facts = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"drill {name}: no answer within {MOST_S:.0f} s", "danger"
    except (OSError, ValueError) as error:
        return f"drill {name} could not be run: {error}", "danger"
    failed = [check for check, held in facts["checks"].items() if not held]
    if failed:
        return f"drill {name} FAILED: not so that {'; '.join(failed)}", "danger"
    count = len(facts["checks"])
    return f"drill {name} passed: {count} checks; your engine was not touched", "gain"


class Drilling:
    """Runs drills for a person at the screen."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck
        self.running = ""

    def do_drill(self, name: str) -> None:
        """Begin a drill; its line comes when it is over."""
        if self.running:
            self.deck.say(f"drill {self.running} still runs", "warn")
            return
        self.running = name
        self.deck.say(f"drill {name} runs in a process of its own")
        Thread(target=self._run, args=(name,), name="qd-drill", daemon=True).start()

    def _run(self, name: str) -> None:
        text, role = verdict_of(name)
        self.running = ""
        if self.deck.is_running:
            self.deck.call_from_thread(self.deck.say, text, role)
