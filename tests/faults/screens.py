"""F18: several screens decide on the same proposals: one decision counts, the one shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.commands import Ack, Amend, AnyCommand, Approve, ClosePosition, Reject
from engine.core.ids import source
from engine.core.types import Order, Proposal, ProposalState, Purpose
from engine.wire.address import Door
from engine.wire.remote import RemoteHub
from engine.wire.server import HubServer
from tests.engine.scripted import PRICE, Script
from tests.wire_help import until

if TYPE_CHECKING:
    from random import Random  # noqa: TID251 - the type alone; draws come from engine.core.ids

SCREENS = 3


class Crew:
    """A stepped engine behind a socket, and the screens of three people."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.script = stack.enter_context(Script(folder))
        server = HubServer(
            self.script.engine.hub, Door(folder / "deck.sock"), engine="one", version="1",
            journal="j",
        )  # fmt: skip
        server.start()
        stack.callback(server.stop)
        self.screens = [self._screen(folder / "deck.sock", stack) for _ in range(SCREENS)]

    def _screen(self, address: Path, stack: ExitStack) -> RemoteHub:
        hub = RemoteHub(address, "1", hz=30.0)
        stack.callback(hub.close)
        assert hub.start(5.0)
        return hub

    def show(self) -> None:
        """Until every screen shows what the engine has now."""
        version = self.script.snapshot.version
        for screen in self.screens:
            until(lambda s=screen: s.snapshot is not None and s.snapshot.version >= version)  # type: ignore[misc]

    def shown(self, screen: RemoteHub) -> Proposal:
        """What one screen has before its eyes."""
        snapshot = screen.snapshot
        assert snapshot is not None
        [proposal] = snapshot.proposals
        return proposal

    def decide(self, *decisions: tuple[RemoteHub, AnyCommand], in_turn: bool = False) -> list[Ack]:
        """All of them send before the engine looks; then it looks, and all have their acks.

        One after the other with `in_turn`, else as their threads race.
        """
        hub = self.script.engine.hub
        for count, (screen, command) in enumerate(decisions, 1):
            screen.send(command)
            if in_turn or count == len(decisions):
                until(lambda n=count: len(hub._commands) == n)  # type: ignore[misc]
        self.script.run()
        self.script.kernel.publisher.publish()
        for screen, command in decisions:
            until(lambda s=screen, c=command: s.ack(c.id) is not None)  # type: ignore[misc]
        acks = [screen.ack(command.id) for screen, command in decisions]
        return [ack for ack in acks if ack is not None]


def entries(orders: list[Order]) -> list[Order]:
    return [order for order in orders if order.purpose is Purpose.ENTRY]


def approval(proposal: Proposal, name: str) -> Approve:
    return Approve(id=name, proposal=proposal.id, digest=proposal.digest, version=proposal.version)


BATCHES = 12
"""How often the screens may act on one proposal before it is left."""

PROPOSALS = 8
"""Proposals of one engine: more, and the day's limits would speak instead of the screens."""

Decide = Callable[[list[AnyCommand]], list[Ack]]


def wish(chance: Random, name: str, terms: Proposal) -> AnyCommand:
    """What somebody does who has these terms before their eyes, old or new."""
    what = chance.random()
    if what < 0.2:
        return approval(terms, name)
    if what < 0.97:
        factor = Decimal(chance.choice(["0.5", "0.8", "1", "1.25"]))
        quantity: Decimal = terms.quantity * factor
        return Amend(id=name, proposal=terms.id, digest=terms.digest, quantity=quantity)
    return Reject(id=name, proposal=terms.id)


def interleave(script: Script, decide: Decide, chance: Random, proposals: int) -> int:
    """Let screens act on terms as each saw them at some time; how many batches that took.

    Fails where a proposal gave two orders, or one of other terms than those approved.
    """
    batches = 0
    approved: dict[str, tuple[str, Decimal]] = {}
    for turn in range(proposals):
        proposal = script.proposed()
        terms = {proposal.digest: proposal}
        for _ in range(BATCHES):
            newest = list(terms.values())[-2:]
            wishes = [
                wish(chance, f"{turn}-{batches}-{n}", chance.choice(newest)) for n in range(SCREENS)
            ]
            chance.shuffle(wishes)
            acks = decide(wishes)
            batches += 1
            for command, ack in zip(wishes, acks, strict=True):
                if isinstance(command, Approve) and ack.ok:
                    assert proposal.id not in approved, "approved twice"
                    approved[proposal.id] = (command.digest, Decimal(0))
            known = script.desk.proposals.get(proposal.id)
            assert known is not None
            terms.setdefault(known.digest, known)
            if known.state is not ProposalState.WAITING:
                break
        if proposal.id in approved:
            digest, _ = approved[proposal.id]
            now = script.desk.proposals.get(proposal.id)
            assert now is not None
            assert now.digest == digest, "what was approved is not what stands"
            approved[proposal.id] = (digest, now.quantity)
        elif script.desk.proposals.waiting():
            script.send(Reject(id=script.name(), proposal=proposal.id))
        script.price(PRICE)
        for position in script.desk.book.open():
            script.send(ClosePosition(id=script.name(), position=position.id))
        script.price(PRICE)
        script.wait(3_600)
        script.cycle()
    sent = entries(script.orders())
    assert len({order.proposal for order in sent}) == len(sent), "two orders for one proposal"
    assert {order.proposal: order.quantity for order in sent} == {
        name: quantity for name, (_, quantity) in approved.items()
    }
    return batches


def raced(count: int, seed: int) -> list[str]:
    """Batches of decisions that three screens send through the socket by threads of their own."""
    wrong: list[str] = []
    done = number = 0
    while done < count and not wrong:
        number += 1
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            crew = Crew(Path(folder), stack)

            def decide(wishes: list[AnyCommand], crew: Crew = crew) -> list[Ack]:
                return crew.decide(*zip(crew.screens, wishes, strict=True))

            try:
                done += interleave(crew.script, decide, source(seed, number), PROPOSALS)
            except AssertionError as error:
                wrong.append(f"seed {seed}, engine {number}: {error}")
    return wrong
