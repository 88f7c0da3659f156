"""`quarterdeck decision`: one decision with its inputs and its outcome, and made again.

`--again` exits with 1 when the decision comes out otherwise, so that a script can hold a
whole journal to its word with `--all --again`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, Picked, pick_for
from app.telling import Table, plain, progress, say, say_facts, say_json, say_table
from app.whying import gate_facts, tell_decision, tell_gates
from engine.core.clock import iso
from engine.core.errors import ConfigError

Id = Annotated[
    str, typer.Argument(metavar="[ID]", help="a decision such as D-17; the newest without one")
]
SAID_FEATURES = ("rsi", "adx", "atr_pct", "macd_hist", "volume_ratio", "bb_position",
                 "ema_cross", "plus_di", "minus_di", "daily_volatility_pct")  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add `decision` to the command line."""
    app.command("decision")(decision)


def decision(
    name: Id = "",
    again: Annotated[bool, typer.Option("--again", help="make it again and compare")] = False,
    every: Annotated[bool, typer.Option("--all", help="every decision of the journal")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="PARAMETER=VALUE for --again, repeatable")
    ] = None,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """What a decision was made from and came to; made again, where it differs."""
    from app.engineoptions import parse_settings
    from app.machine import machine_of

    picked = pick_for(config, db, feed, mode)
    altered = parse_settings(settings)
    if altered and not again:
        raise ConfigError("--set alters what a decision is made again with", "add --again")
    reader, machine = machine_of(picked.path)
    with reader:
        if every:
            return _every(machine, altered, picked, as_json)
        wanted = name.upper() or (machine.ids[-1] if machine.ids else "")
        story = machine.story(wanted) if wanted else None
        if story is None:
            raise _unknown(wanted, machine.ids)
        remade = machine.again(story, altered) if again else None
        if as_json:
            say_json(story_facts(story, remade, str(picked.path)))
        else:
            _tell(story, remade)
    return 1 if remade is not None and remade.verdict != "same" else 0


def _unknown(name: str, ids: list[str]) -> ConfigError:
    if not ids:
        return ConfigError("no decision is journaled yet", "strategies speak when a bar closes")
    near = get_close_matches(name, ids, n=1)
    hint = f"did you mean {near[0]}?" if near else f"from {ids[0]} to {ids[-1]}"
    return ConfigError(
        f"there is no decision {name}",
        f"{hint} Journals of older versions hold those alone at which a strategy spoke",
    )


def _every(machine: Any, altered: Iterable[tuple[str, str]], picked: Picked, as_json: bool) -> int:
    """Make every decision again; tells how many came out as they were."""
    from app.machine import stories

    counts: Counter[str] = Counter()
    otherwise: list[dict[str, Any]] = []
    why: Counter[str] = Counter()
    with progress("decisions made again") as done:
        for number, story in enumerate(stories(machine), 1):
            remade = machine.again(story, altered)
            counts[remade.verdict] += 1
            why.update(remade.why)
            if remade.differences:
                otherwise.append(
                    {"id": story.decision.id, "differences": plain(remade.differences)}
                )
            done(number)
    facts = {
        "journal": str(picked.path), "decisions": sum(counts.values()), "same": counts["same"],
        "differ": counts["differs"], "not_told": counts["can't be told"], "why": dict(why),
        "differences": otherwise,
    }  # fmt: skip
    if as_json:
        say_json(facts)
    else:
        say_facts((key, facts[key]) for key in ("decisions", "same", "differ", "not_told"))
        for text, count in why.most_common():
            say(f"{count} times: {text}")
        rows = [
            [one["id"], each["what"], each["then"], each["now"]]
            for one in otherwise
            for each in one["differences"]
        ]
        say_table(Table("differences", ("decision", "what", "then", "now"), rows, empty="none"))
    return 1 if counts["differs"] else 0


def story_facts(story: Any, remade: Any, journal: str) -> dict[str, Any]:
    """A decision by stable names, for programs."""
    from app.machine import plain_inputs

    call = story.call
    facts: dict[str, Any] = {
        "id": story.decision.id,
        "journal": journal,
        "place": story.place,
        "of": story.total,
        "previous": story.previous,
        "next": story.next,
        "decision": {**plain(story.decision), "time": iso(story.decision.time_ns)},
        "inputs": plain(plain_inputs(story)),
        "proposal": plain(story.proposal),
        "denial": plain(story.denial),
        "counterfactual": plain(story.counterfactual),
        "trade": plain(story.trade),
        "language_model": {**plain(call), "prompt": story.prompt} if call is not None else None,
    }
    if remade is not None:
        gates = remade.appraised.gates if remade.appraised is not None else ()
        facts["again"] = {
            "verdict": remade.verdict,
            "why": list(remade.why),
            "differences": plain(remade.differences),
            "decision": plain(remade.decision),
            "gates": [gate_facts(gate) for gate in gates],
        }
    return facts


def _tell(story: Any, remade: Any) -> None:
    decided = story.decision
    say(f"decision {story.place} of {story.total}, by version {story.code or 'unknown'}; "
        f"before it {story.previous or 'none'}, after it {story.next or 'none'}")  # fmt: skip
    if story.digest:
        say("nobody spoke: recorded are its inputs and a digest, the decision is made again here")
    tell_decision({**plain(decided), "time": iso(decided.time_ns)})
    _tell_inputs(story)
    entry = story.proposal
    gates = entry.gates if entry is not None else (story.denial.gate,) if story.denial else ()
    if gates:
        tell_gates([gate_facts(gate) for gate in gates])
    if entry is not None and entry.factors:
        rows = [[one.name, f"{one.value:.6g}", f"{one.result:.4g}"] for one in entry.factors]
        say_table(Table("size, step by step", ("step", "value", "then"), rows,
                        right=frozenset(("value", "then"))))  # fmt: skip
    if story.call is not None:
        say(f"asked of {story.call.speaker} ({story.call.id}):")
        say(story.prompt or "no prompt: the rules spoke")
        say(f"answered: {story.call.reply or '—'}")
    for text in outcome(story):
        say(text)
    if remade is not None:
        tell_again(remade)


def _tell_inputs(story: Any) -> None:
    given = story.decide
    if given is None:
        say(story.unread or "what it was made from is not in the journal")
        return
    bar = given.bar
    say(f"bar {iso(bar.open_ns)[:16]} open {bar.open:.8g} high {bar.high:.8g} low {bar.low:.8g} "
        f"close {bar.close:.8g} volume {bar.volume:.8g}")  # fmt: skip
    if given.regime is not None:
        say(f"regime {given.regime.label} {given.regime.confidence:.0%}, volatility "
            f"{given.regime.vol_level}; held {given.holding or 'nothing'}")  # fmt: skip
    known = story.features
    shown = [f"{name} {known[name]:.6g}" for name in SAID_FEATURES if name in known]
    say(f"of {len(known)} features: {', '.join(shown)}")


def outcome(story: Any) -> list[str]:
    """What a decision came to, in sentences."""
    found = []
    if story.denial is not None:
        gate = story.denial.gate
        found.append(f"refused by {gate.name} ({story.denial.code}): {gate.value:.6g} against "
                     f"{gate.threshold:.6g} {gate.unit}")  # fmt: skip
    if story.proposal is not None:
        found.append(f"proposed as {story.proposal.id}")
    if story.trade is not None:
        trade = story.trade
        found.append(f"{trade.id} closed by {trade.exit_reason}: {trade.pnl:+f} "
                     f"({trade.pnl_pct:+.2f} %) after fees {trade.fees:f}")  # fmt: skip
    if story.counterfactual is not None:
        made = story.counterfactual
        found.append(f"had it been made: {made.pnl_pct:+.2f} % ({made.ended})")
    if story.advised:
        found.append(f"the advisor was asked, and it was decided again: {story.advised}")
    return found or ["nothing followed from it: no entry, no denial"]


def tell_again(remade: Any) -> None:
    """Whether a decision made again is the same, and where it is not."""
    say(f"made again: {remade.verdict}")
    for text in remade.why:
        say(f"  {text}")
    if remade.differences:
        rows = [[one.what, one.then, one.now] for one in remade.differences]
        say_table(Table("differences", ("what", "then", "now"), rows))
