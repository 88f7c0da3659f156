"""The process that computes chart overlays: it alone loads pandas and `ta`.

Started by `OverlayWorker` as `python -m engine.analysis.overlay_child`. It answers one
request at a time over its standard streams, each message a length and msgpack bytes, and
ends when its input does, so it can't outlive the program that started it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import struct
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec
import numpy as np

MODULES = ("trend", "momentum", "volatility", "volume", "others")
COLUMNS = ("time", "open", "high", "low", "close", "volume")
LENGTH = struct.Struct("<I")


class Request(msgspec.Struct, frozen=True):
    """One overlay: an indicator's name, its keyword arguments, bars as float64 bytes (n, 6)."""

    name: str
    arguments: dict[str, float | int | bool]
    bars: bytes


class Reply(msgspec.Struct, frozen=True):
    """The overlay's lines as float64 bytes by name, or what is wrong with the request."""

    lines: dict[str, bytes] = {}
    error: str = ""
    hint: str = ""


class Refused(Exception):
    """A request that can't be answered; message and hint travel back in the reply."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def catalogue() -> dict[str, Callable[..., Any]]:
    """Every indicator function of `ta`, by its own name and by `module.name`."""
    found: dict[str, Callable[..., Any]] = {}
    for module_name in MODULES:
        module = importlib.import_module(f"ta.{module_name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{module_name}.{name}"] = function
                found[name] = function
    return found


def compute(known: dict[str, Callable[..., Any]], request: Request) -> dict[str, bytes]:
    """The indicator's line over the request's bars. Raises `Refused` with what is wrong."""
    import pandas as pd

    name = request.name.strip().removeprefix("ta.")
    function = known.get(name)
    if function is None:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        near += [other for other in known if name in other and other not in near][:2]
        raise Refused(
            f"there is no indicator {request.name!r}",
            f"did you mean {', '.join(near)}?" if near else f"modules: {', '.join(MODULES)}",
        )
    wanted = inspect.signature(function).parameters
    settings = [option for option in wanted if option not in COLUMNS]
    for option in request.arguments:
        if option not in settings:
            raise Refused(
                f"{name} takes no argument {option!r}",
                f"it takes {', '.join(settings) or 'none'}",
            )
    bars = np.frombuffer(request.bars).reshape(-1, len(COLUMNS))
    frame = pd.DataFrame(bars, columns=list(COLUMNS))
    inputs = {column: frame[column] for column in COLUMNS if column in wanted}
    try:
        line = function(**inputs, **request.arguments)
    except Exception as error:
        raise Refused(
            f"{name} can't be computed over {len(bars)} bars: {error}",
            f"it takes {', '.join(settings)}; more bars or other values may do",
        ) from error
    values = np.asarray(line, dtype=np.float64)
    return {name.rpartition(".")[2]: values.tobytes()}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the input ends."""
    known = catalogue()
    while True:
        header = requests.read(LENGTH.size)
        if len(header) < LENGTH.size:
            return
        body = requests.read(LENGTH.unpack(header)[0])
        request = msgspec.msgpack.decode(body, type=Request)
        try:
            reply = Reply(lines=compute(known, request))
        except Refused as refused:
            reply = Reply(error=refused.message, hint=refused.hint)
        answer = msgspec.msgpack.encode(reply)
        replies.write(LENGTH.pack(len(answer)) + answer)
        replies.flush()


def main() -> None:
    """Step behind everything else on the machine, keep the reply stream clean, serve."""
    os.nice(10)
    warnings.simplefilter("ignore")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not land between two replies
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
