"""The other process of the kill tests: the real command line, with one moment made deadly.

It imports the program once and forks for every run, so that a thousand kills cost a
thousand runs and not a thousand imports. What is patched is patched here, in the forked
child, and never in the program.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from app.cli import run
from engine.analysis.indicators import warm_up
from engine.execution.paper import PaperBroker
from engine.kernel.desk import Desk
from engine.kernel.orders import Orders
from engine.portfolio.book import Positions
from engine.position import step


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, nth: int) -> None:
    """SIGKILL instead of the nth call."""
    _count(owner, name, nth, lambda original, *given: die())


def after(owner: Any, name: str, nth: int, settle: Callable[[Any], None] | None = None) -> None:
    """SIGKILL when the nth call has returned; `settle` waits for what must be on disk."""

    def deadly(original: Callable[..., Any], *given: Any, **named: Any) -> None:
        original(*given, **named)
        if settle is not None:
            settle(given[0])
        die()

    _count(owner, name, nth, deadly)


def failing(target: str, nth: int, mark: str) -> None:
    """An exception out of the nth call of `module:Class.method`; `mark` tells that it came."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)

    def raises(original: Callable[..., Any], *given: Any, **named: Any) -> None:
        with open(mark, "w", encoding="ascii"):
            pass
        raise RuntimeError(f"injected into {target}")

    _count(owner, name, nth, raises)


def _count(owner: Any, name: str, nth: int, then: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    left = [nth]

    def counted(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        return then(original, *given, **named) if left[0] == 0 else original(*given, **named)

    setattr(owner, name, counted)


def _committed(orders: Any) -> None:
    orders._desk.journal.barrier()


STEPS: dict[str, Callable[[int], None]] = {
    "before intent": lambda n: before(Desk, "record", n),
    "after intent": lambda n: before(PaperBroker, "submit", n),
    "after exit intent": lambda n: before(PaperBroker, "fill_now", n),
    "after send": lambda n: after(PaperBroker, "submit", n),
    "after ack": lambda n: after(Orders, "_update", n, _committed),
    "after booking": lambda n: after(Positions, "apply", n),
    "after exit fill": lambda n: after(PaperBroker, "fill_now", n),
    "after fill": lambda n: before(Desk, "acknowledge", n),
    "after acknowledgement": lambda n: after(Desk, "acknowledge", n),
}
"""Where an order can be when the power goes: named as safety names them, and between."""


def _child(request: dict[str, Any]) -> None:
    code = 70
    with contextlib.suppress(BaseException):
        log = os.open(request["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if request.get("step"):
            STEPS[request["step"]](request["nth"])
        if request.get("raise"):
            failing(request["raise"], request["nth"], request["mark"])
        code = run(request["arguments"])
        sys.stdout.flush()
    # No interpreter shutdown: the forked copy of the parent's state is none of its business.
    os._exit(code)


def _say(number: int) -> None:
    os.write(1, f"{number}\n".encode())


def serve() -> None:
    """One request a line; answers with the child's pid, and when asked with how it ended.

    Until it is asked for, a child that ended keeps its pid: nobody kills a stranger.
    """
    # Once here, so that no forked run has to.
    for heavy in ("pandas", "app.headless", "engine.market.replay", "engine.market.sim"):
        importlib.import_module(heavy)
    warm_up()
    step.make_step()
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(request)
        _say(pid)
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        _say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve()
