"""`quarterdeck scoreboard`: what refusals, approvals and advice were worth."""

from __future__ import annotations

from typing import Any

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.ledger import FIGURES, end
from app.telling import Table, plain, say, say_json, say_table
from engine.core.learning import Evidence, Score
from engine.journal.queries import Reader


def register(app: typer.Typer) -> None:
    """Add `scoreboard` to the command line."""
    app.command("scoreboard")(scoreboard)


def scoreboard(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """What each gate, each answer of a person and each adviser was worth, with n and interval."""
    from engine.learning.scoreboard import KINDS, LEAST, fold

    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        rows = fold(reader.records(KINDS), names=as_json).rows()
    if as_json:
        say_json(
            {"journal": str(picked.path), "least": LEAST, "scores": list(map(score_facts, rows))}
        )
        return 0
    say(f"{picked.path} ({picked.because})")
    columns = ("who", "what", "n", "mean", "low", "high", "says")
    say_table(
        Table(
            "worth per opportunity, % of notional after fees",
            columns,
            [_score_row(score) for score in rows],
            right=FIGURES,
            empty="no trade was refused, approved or taken over yet",
        )
    )
    return 0


def score_facts(score: Score) -> dict[str, Any]:
    """A row of the scoreboard by stable names."""
    return {
        "who": score.who, "what": score.what, **plain(score.evidence),
        "says": says(score.evidence),
    }  # fmt: skip


def says(evidence: Evidence) -> str:
    """What a row proves: worth its while, harmful, undecided, or too few to say anything."""
    if not evidence.bound:
        return evidence.note
    if evidence.low > 0:
        return "worth it"
    return "costs more than it spares" if evidence.high < 0 else "undecided"


def _score_row(score: Score) -> list[object]:
    one = plain(score.evidence)
    ends = [end(one[name]) for name in ("mean", "low", "high")]
    return [score.who, score.what, one["n"], *ends, says(score.evidence)]
