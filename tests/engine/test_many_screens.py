"""Several screens decide on the same proposals: one decision counts, and it is the one shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.core.commands import Ack, Amend, AnyCommand
from engine.core.ids import source
from tests.engine.scripted import PRICE, Script
from tests.faults.screens import PROPOSALS, Crew, approval, entries, interleave, raced


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield Crew(tmp_path, stack)


def test_three_screens_approve_and_one_order_is_sent(crew: Crew) -> None:
    crew.script.proposed()
    crew.show()
    sent = [
        (screen, approval(crew.shown(screen), f"s{n}")) for n, screen in enumerate(crew.screens)
    ]
    acks = crew.decide(*sent)
    assert sorted(ack.ok for ack in acks) == [False, False, True]
    [order] = entries(crew.script.orders())
    crew.script.price(PRICE)
    crew.show()
    for screen in crew.screens:
        assert screen.snapshot is not None
        [view] = screen.snapshot.positions
        assert view.position.quantity == order.quantity


def test_an_approval_of_terms_that_another_screen_changed_is_refused(crew: Crew) -> None:
    proposal = crew.script.proposed()
    crew.show()
    one, two, _ = crew.screens
    old = crew.shown(two)
    change = Amend(
        id="amend", proposal=proposal.id, digest=proposal.digest, quantity=proposal.quantity / 2
    )
    [changed, late] = crew.decide((one, change), (two, approval(old, "late")), in_turn=True)
    assert changed.ok, changed.text
    assert not late.ok
    assert entries(crew.script.orders()) == []
    crew.show()
    now = crew.shown(two)
    assert now.digest != old.digest
    [ack] = crew.decide((two, approval(now, "again")))
    assert ack.ok, ack.text
    [order] = entries(crew.script.orders())
    assert order.quantity == now.quantity


def test_interleavings_of_three_people_give_what_was_approved_once(
    tmp_path: Path,
) -> None:
    done = seed = 0
    while done < 300:
        seed += 1
        folder = tmp_path / str(seed)
        folder.mkdir()
        with Script(folder) as script:
            hub = script.engine.hub

            def decide(wishes: list[AnyCommand], script: Script = script) -> list[Ack]:
                for command in wishes:
                    script.engine.hub.send(command)
                script.run()
                acks = [script.engine.hub.ack(command.id) for command in wishes]
                return [ack for ack in acks if ack is not None]

            assert hub.take() == []
            done += interleave(script, decide, source(seed, "people"), PROPOSALS)


def test_three_screens_that_race_over_the_socket_give_what_was_approved_once() -> None:
    """Each screen sends by a thread of its own: the order in which they come is nobody's."""
    assert raced(1, seed=1) == []
