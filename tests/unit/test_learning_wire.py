"""What was learned crosses the socket whole, and hostile words in it stay words."""

from __future__ import annotations

import msgspec

from engine.wire.rows import Assembler, Dissector, pack, unpack
from tests.learning_help import comparisons
from tests.ui import gallery
from tests.ui.fakelearning import make_learning, make_moves
from tests.ui.hostile import MARK, poison
from widgets.adaptations import AdaptationsPanel
from widgets.insights import InsightsPanel
from widgets.known import CoinsPanel, PairsPanel
from widgets.ledger import LedgerPanel
from widgets.rules import PatternsPanel, RulesPanel
from widgets.scoreboard import ScoreboardPanel
from widgets.trajectory import TrajectoryPanel

PANELS = (
    AdaptationsPanel, LedgerPanel, TrajectoryPanel, CoinsPanel, PairsPanel, PatternsPanel,
    RulesPanel, InsightsPanel, ScoreboardPanel,
)  # fmt: skip


def test_a_view_of_learning_is_the_same_on_the_other_side() -> None:
    world = gallery.world()
    assembler, dissector = Assembler(), Dissector()
    there = assembler.take(dissector.fields(world))
    assert msgspec.json.encode(there.learning) == msgspec.json.encode(world.learning)
    moved = msgspec.structs.replace(world, version=2, account=world.account)
    again = assembler.take(dissector.fields(moved))
    assert again.learning is there.learning, "what did not change stays the same object"
    for item in (*comparisons("C-1", 2), *make_moves()):
        assert unpack(pack(item)) == item


def test_hostile_words_are_drawn_as_words() -> None:
    for seed in range(12):
        world = poison(gallery.world(), seed)
        view = world.learning
        assert view is not None
        changes = tuple(
            msgspec.structs.replace(one, reason=f"\x1b]52;c;{MARK}\x07[@click=app.press('a')]x[/]",
                                    note="\x9b31m\u202ered", who="[/", decided_by="\x1b[2J")
            for one in make_learning().changes
        )  # fmt: skip
        learning = msgspec.structs.replace(view, changes=changes)
        world = msgspec.structs.replace(world, learning=learning)
        for cls in PANELS:
            panel = cls()
            for width, height in ((30, 6), (80, 24)):
                panel.fit(width, height)
                panel.show(world, 0)
                for y in range(height):
                    strip = panel.render_line(y)
                    assert strip.text.isprintable()
                    assert strip.cell_length == width
                panel.detail(94)
