"""F19: a pause that races an approval through two threads' doors into one engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.core.commands import Approve, Pause, Resume
from engine.core.ids import source
from engine.core.records import Commanded, ControlChanged, OrderChanged
from engine.core.types import Control, OrderState, Purpose
from engine.journal.queries import Reader
from tests.engine.scripted import BTC, PRICE, Script


def pause_races(count: int, seed: int) -> list[str]:
    """Pauses before, with and after approvals and fills; entries sent after one committed.

    The journal's own order is the oracle: between a pause and the next resume no entry may
    be intended or sent.
    """
    wrong: list[str] = []
    chance = source(seed, "pause")
    with tempfile.TemporaryDirectory(prefix="qd-races-") as name:
        folder = Path(name)
        done = part = 0
        while done < count:
            part += 1
            (folder / str(part)).mkdir()
            with Script(folder / str(part)) as script:
                for _ in range(min(25, count - done)):
                    done += 1
                    _race(script, chance.randrange(4), chance.random() < 0.5)
                script.desk.journal.barrier()
                wrong += [
                    f"seed {seed}, part {part}: {what}" for what in _sent_while_paused(script.path)
                ]
    return wrong


def _race(script: Script, moment: int, quick: bool) -> None:
    hub = script.engine.hub
    script.speaker.says.clear()
    script.desk.cooldowns.clear()
    script.want()
    waiting = script.desk.proposals.waiting()
    yes = [
        Approve(id=script.name(), proposal=p.id, digest=p.digest, version=p.version)
        for p in waiting
    ]
    pause = Pause(id=script.name())
    # Both are in the inbox before the kernel looks, in either order; or the pause comes
    # while the order is on its way, or after it was filled.
    if moment == 0:
        hub.send(pause)
    for command in yes:
        hub.send(command)
    if moment == 1:
        hub.send(pause)
    script.run()
    if moment == 2:
        script.tick(PRICE, after_s=0.01 if quick else 0.2)
        hub.send(pause)
        script.run()
    script.price(PRICE)
    if moment == 3:
        hub.send(pause)
        script.run()
    script.price(PRICE)
    for position in script.desk.book.open():
        script.kernel.exits.close(position, 1.0, "next race")
    script.price(PRICE)
    hub.send(Resume(id=script.name()))
    script.run()


def _sent_while_paused(path: Path) -> list[str]:
    wrong, paused, answered = [], False, 0
    with Reader(path) as reader:
        for event in reader.events(limit=-1):
            record = event.record
            if isinstance(record, ControlChanged):
                paused = record.state is not Control.ACTIVE
            elif isinstance(record, Commanded):
                answered += 1
            elif isinstance(record, OrderChanged) and paused:
                order = record.order
                begins = order.state in (OrderState.INTENT, OrderState.SENT)
                if begins and order.purpose is Purpose.ENTRY and order.symbol == BTC:
                    wrong.append(f"{order.id} is {order.state} at seq {event.seq} after a pause")
    if not answered:
        wrong.append("no command was answered: the race did not happen")
    return wrong
