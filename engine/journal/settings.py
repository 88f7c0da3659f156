"""The parameters that were in force at a moment of a journal, taken from its events."""

from __future__ import annotations

import hashlib

import msgspec

from engine.core.parameters import EVERYWHERE, Parameters, Scope
from engine.core.profiles import apply_profile
from engine.core.records import ParameterSet, RunStarted
from engine.journal.queries import NOW, Reader

FROM_RUN = "the run's configuration or command line"


def parameters_at(reader: Reader, seq: int = NOW) -> Parameters:
    """The values in force when event `seq` was written.

    In the order in which the engine takes them: profile, what was set while earlier runs
    ran, the configuration of the run, what was set since it began. Import the engine's
    rooms first, so that every parameter is declared.
    """
    runs = [event for event in reader.events(kind="run_started", limit=-1) if event.seq <= seq]
    moved = [event for event in reader.events(kind="parameter", limit=-1) if event.seq <= seq]
    params = Parameters()
    began = 0
    if runs and isinstance(runs[-1].record, RunStarted):
        began, run = runs[-1].seq, runs[-1].record
        apply_profile(params, run.profile)
        _move(params, [e.record for e in moved if e.seq < began])
        for name, text in run.parameters.items():
            if str(params.setting(name).value) != text:
                params.set(name, text.strip("()"), FROM_RUN)
    _move(params, [event.record for event in moved if event.seq > began])
    return params


def _move(params: Parameters, records: list[object]) -> None:
    for record in records:
        if isinstance(record, ParameterSet):
            value = msgspec.json.decode(record.after)
            params.set(record.name, value, record.who, Scope(*record.scope))


def values_digest(params: Parameters) -> str:
    """A short digest of every value that is in force, wherever it came from."""
    digest = hashlib.sha256()
    for name, scope, setting in params.items():
        digest.update(f"{name}\0{scope}\0{setting.value!r}\0".encode())
    return digest.hexdigest()[:12]


def set_everywhere(params: Parameters) -> dict[str, str]:
    """What a run's first record says of its parameters: every value set without a scope."""
    return {
        name: str(setting.value) for name, scope, setting in params.items() if scope == EVERYWHERE
    }
