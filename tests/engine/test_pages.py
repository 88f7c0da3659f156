"""A journal behind the screens: what it shows is what the engine had, and it orders nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.pages import JournalHub
from engine.core.commands import Pause
from engine.core.errors import JournalError
from engine.core.types import Link
from tests.engine.scripted import BTC, Script


def test_the_pages_show_what_the_engine_had_and_go_on_with_it(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        held = script.opened()
        script.desk.journal.barrier()
        hub = JournalHub(script.path)
        assert hub.read()
        first = hub.snapshot
        assert first is not None
        [view] = first.positions
        assert (view.position.id, view.position.stop) == (held.id, held.stop)
        assert first.account.quote == "USDT"
        assert first.feed.link is Link.ENDED
        assert [market.symbol for market in first.markets] == [BTC]
        lines = hub.stream("journal")
        assert any("run started" in line.text for line in lines.items)
        assert hub.stream("decisions").items
        assert not hub.read(), "nothing was written since"
        assert hub.snapshot is first

        script.send(Pause(id="p"))
        script.desk.journal.barrier()
        assert hub.read()
        after = hub.snapshot
        assert after is not None
        assert after.control.state == "REDUCING"
        assert after.orders[0] is first.orders[0], "a row that did not change stays"
        assert any("REDUCING" in line.text for line in hub.since("journal", lines.next).items)

        before = script.path.stat().st_mtime_ns
        hub.send(Pause(id="q"))
        refused = hub.ack("q")
        assert refused is not None
        assert (refused.ok, refused.code) == (False, "read_only")
        assert script.path.stat().st_mtime_ns == before


def test_a_journal_without_a_run_is_shown_empty_and_a_missing_one_is_told(tmp_path: Path) -> None:
    with Script(tmp_path, warm=False) as script:
        script.desk.journal.barrier()
        hub = JournalHub(script.path)
        assert hub.read()
        assert hub.snapshot is not None
        assert hub.snapshot.positions == ()
    with pytest.raises(JournalError):
        JournalHub(tmp_path / "none.db").read()
