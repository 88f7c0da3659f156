"""`quarterdeck why`: why a symbol is or isn't traded, why a parameter is what it is, why a trade
or a change was made.

Answered from the journal, which a running engine keeps fresh to the minute, so that nobody
has to guess and no screen has to be open.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from app import whychange
from app.journals import ConfigFile, Db, Feed, Json, Mode, Picked, owner, pick_for
from app.ledger import tell_change
from app.telling import Table, plain, say, say_facts, say_json, say_table
from engine.core.clock import iso
from engine.core.errors import ConfigError, JournalError
from engine.core.types import Decision, Gate, Proposal
from engine.core.views import Counterfactual, Outlook
from engine.journal.queries import Reader

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT", help="a symbol, a parameter, or the id of a trade, proposal or change"
    ),
]


def register(app: typer.Typer) -> None:
    """Add `why` to the command line."""
    app.command("why")(why)


def why(
    what: What,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Every gate of a symbol, where a parameter's value is from, or how a trade came about."""
    try:
        picked = pick_for(config, db, feed, mode)
    except JournalError:
        facts = _parameter_facts(what, None, config)
        if facts is None:
            raise
        return _tell_parameter(facts, as_json)
    with Reader(picked.path) as reader:
        outlook = _outlook(reader, what)
        if outlook is not None:
            return _tell_symbol(_symbol_facts(reader, picked, outlook), as_json)
        if reader.change(what.upper()) is not None:
            return tell_change(reader, picked, what.upper(), as_json)
        story = _story(reader, picked, what)
        if story is not None:
            return _tell_story(story, as_json)
    facts = _parameter_facts(what, picked, config)
    if facts is not None:
        return _tell_parameter(facts, as_json)
    raise _unknown(picked, what)


def _unknown(picked: Picked, what: str) -> ConfigError:
    from engine.core.parameters import declared

    with Reader(picked.path) as reader:
        symbols = [one.outlook.symbol for one in reader.outlooks()]
        ids = [one.id for one in reader.proposals(200)] + [one.id for one in reader.trades(200)]
    run_of = ", ".join(symbols) or "none yet"
    near = get_close_matches(what.upper(), [*symbols, *ids], n=1) or get_close_matches(
        what.lower(), declared(), n=1
    )
    hint = f"did you mean {near[0]}?" if near else f"symbols: {run_of}; or a parameter, or an id"
    return ConfigError(f"nothing here is called {what!r}", hint)


# A symbol.


def _outlook(reader: Reader, what: str) -> tuple[int, Outlook] | None:
    """The newest outlook of a symbol; `BTC/USDT` also means its perpetual where that trades."""
    found = reader.outlooks(what.upper())
    if not found and "/" in what:
        perpetual = f"{what}:{what.partition('/')[2]}"
        found = reader.outlooks(perpetual.upper())
    return (found[0].time_ns, found[0].outlook) if found else None


def gate_facts(gate: Gate) -> dict[str, Any]:
    """A gate by stable names; `verdict` is pass, soft (a person may override) or refuse."""
    verdict = "pass" if gate.passed else "refuse" if gate.hard else "soft"
    return {
        "code": gate.code, "name": gate.name, "value": gate.value, "threshold": gate.threshold,
        "distance": gate.distance, "unit": gate.unit, "verdict": verdict, "hard": gate.hard,
        "detail": gate.detail,
    }  # fmt: skip


def _symbol_facts(reader: Reader, picked: Picked, seen: tuple[int, Outlook]) -> dict[str, Any]:
    time_ns, outlook = seen
    decision = outlook.decision
    last_ns = reader.status().last_ns
    denied = [one for one in reader.denied(200) if one.symbol == outlook.symbol]
    return {
        "symbol": outlook.symbol,
        "verdict": outlook.verdict,
        "waiting_for": outlook.waiting_for,
        "as_of": iso(time_ns),
        "journal_until": iso(last_ns),
        "journal": str(picked.path),
        "engine": owner(picked.path),
        "decision": _decision(decision) if decision is not None else None,
        "gates": [gate_facts(gate) for gate in outlook.gates],
        "changes": whychange.of_symbol(reader, outlook.symbol),
        "last_denials": [
            {"time": iso(one.time_ns), "code": one.code, "direction": one.direction,
             "value": one.gate.value, "threshold": one.gate.threshold, "price": one.price}
            for one in denied[:5]
        ],
    }  # fmt: skip


def _decision(decision: Decision) -> dict[str, Any]:
    return {**plain(decision), "time": iso(decision.time_ns)}


def _tell_symbol(facts: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(facts)
        return 0
    whose = f"engine {facts['engine']}" if facts["engine"] else "no engine runs"
    say(f"{facts['symbol']}: {facts['verdict']}")
    if facts["waiting_for"]:
        say(f"waiting for {facts['waiting_for']}")
    say(f"as of {facts['as_of']} ({whose}, {facts['journal']})")
    if facts["decision"]:
        tell_decision(facts["decision"])
    tell_gates(facts["gates"])
    for one in facts["last_denials"]:
        say(f"{one['time'][:16]} {one['direction']} refused: {one['code']}")
    whychange.tell_changes(facts["changes"], "no learner has moved anything of this symbol alone")
    return 0


def tell_gates(gates: Iterable[dict[str, Any]]) -> None:
    signs = {"pass": "✓", "soft": "✕ soft", "refuse": "✕ stop"}
    rows = [
        [signs[gate["verdict"]], gate["name"], _number(gate["value"]), _number(gate["threshold"]),
         _number(gate["distance"]), gate["unit"], gate["detail"]]
        for gate in gates
    ]  # fmt: skip
    columns = ("", "gate", "value", "threshold", "distance", "unit", "detail")
    right = frozenset(("value", "threshold", "distance"))
    say_table(Table("gates", columns, rows, right=right, empty="not asked yet"))


def _number(value: float | None) -> str:
    return "—" if value is None or value != value else f"{value:.6g}"


def tell_decision(decision: dict[str, Any]) -> None:
    say(f"decision {decision['id']} {decision['action']} {decision['confidence']:.0%} at "
        f"{decision['time'][:16]}: {decision['reasoning']}")  # fmt: skip
    votes = [
        [vote["source"], vote["action"], f"{vote['confidence']:.2f}", f"{vote['weight']:.2f}",
         vote["reason"]]
        for vote in decision["votes"]
    ]  # fmt: skip
    columns = ("source", "says", "sure", "weight", "reason")
    say_table(Table("votes", columns, votes, right=frozenset(("sure", "weight")), empty="none"))


# An id.


def _story(reader: Reader, picked: Picked, what: str) -> dict[str, Any] | None:
    """How an entry came about and what came of it, by the id of any part of it."""
    name = what.upper()
    trade = next((one for one in reader.trades(-1) if one.id == name), None)
    denial = next((one for one in reader.denied(-1) if one.id == name), None)
    orders = reader.orders(-1)
    order = next((one for one in orders if name in (one.id, one.position)), None)
    if order is not None:
        # An exit tells of no proposal; the entry into its position does.
        own = order.position
        order = next((one for one in orders if one.position == own and one.proposal), order)
    held = next((one for one, _ in reader.positions() if one.id == name), None)
    wanted = next((one.proposal for one in (trade, order, held) if one is not None), name)
    proposal = reader.proposal(wanted)
    found = next((one for one in (proposal, denial, trade) if one is not None), None)
    decision = reader.decision(found.decision if found is not None else name)
    if found is None and decision is None and order is None and held is None:
        return None
    followed = reader.counterfactuals(-1)
    facts: dict[str, Any] = {"id": name, "journal": str(picked.path)}
    facts["decision"] = _decision(decision) if decision is not None else None
    if denial is not None:
        facts["denial"] = {**plain(denial), "time": iso(denial.time_ns)}
        facts["gates"] = [gate_facts(denial.gate)]
        facts["counterfactual"] = _counterfactual(followed, denial.id)
        return facts
    if proposal is not None:
        facts |= _proposal_facts(reader, proposal)
        facts["counterfactual"] = _counterfactual(followed, proposal.id)
    elif order is not None:
        facts["orders"] = [plain(order)]
    made = trade or next((t for t in reader.trades(-1) if proposal and t.proposal == proposal.id),
                         None)  # fmt: skip
    facts["trade"] = plain(made) if made is not None else None
    facts["exit_reason"] = made.exit_reason if made is not None else None
    facts["knowledge"] = whychange.of_trade(reader, made) if made is not None else None
    facts["position"] = plain(held) if held is not None else None
    return facts


def _proposal_facts(reader: Reader, proposal: Proposal) -> dict[str, Any]:
    orders = [one for one in reader.orders(-1) if one.proposal == proposal.id]
    positions = {one.position for one in orders}
    orders += [one for one in reader.orders(-1) if one.position in positions and one not in orders]
    fills = [one for one in reader.fills(-1) if one.position in positions]
    changes = [one for one in reader.approvals(-1) if one.proposal.id == proposal.id]
    return {
        "proposal": {**plain(proposal), "created": iso(proposal.created_ns)},
        "gates": [gate_facts(gate) for gate in proposal.gates],
        "factors": [plain(factor) for factor in proposal.factors],
        "changes": [
            {"time": iso(one.time_ns), "version": one.proposal.version,
             "state": str(one.proposal.state), "who": str(one.who), "why": one.why}
            for one in reversed(changes)
        ],
        "orders": [plain(one) for one in sorted(orders, key=lambda one: one.created_ns)],
        "fills": [plain(one) for one in reversed(fills)],
    }  # fmt: skip


def _counterfactual(followed: list[Counterfactual], name: str) -> dict[str, Any] | None:
    return next((plain(one) for one in followed if one.id == name), None)


def _tell_story(facts: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(facts)
        return 0
    proposal, trade, denial = facts.get("proposal"), facts.get("trade"), facts.get("denial")
    say(f"{facts['id']} in {facts['journal']}")
    if denial:
        say(f"{denial['direction']} {denial['symbol']} at {denial['price']:.8g} was refused by "
            f"{denial['gate']['name']} ({denial['code']}) at {denial['time'][:16]}")  # fmt: skip
    if proposal:
        say(f"{proposal['id']} v{proposal['version']} {proposal['state']}: "
            f"{proposal['direction']} {proposal['quantity']} {proposal['symbol']} at "
            f"{proposal['price']}, stop {proposal['stop']}, by {proposal['strategy']}")  # fmt: skip
        for one in facts["changes"]:
            say(f"{one['time'][:19]} v{one['version']} {one['state']} by {one['who']}: "
                f"{one['why']}")  # fmt: skip
    if facts["decision"]:
        tell_decision(facts["decision"])
    if "gates" in facts:
        tell_gates(facts["gates"])
    if factors := facts.get("factors"):
        rows = [[one["name"], f"{one['value']:.6g}", f"{one['result']:.4g}"] for one in factors]
        say_table(Table("size, step by step", ("step", "value", "then"), rows,
                        right=frozenset(("value", "then"))))  # fmt: skip
    if fills := facts.get("fills"):
        columns = ("fill", "order", "side", "quantity", "price", "fee", "assumptions")
        rows = [[one[c if c != "fill" else "id"] for c in columns] for one in fills]
        say_table(Table("fills", columns, rows, right=frozenset(("quantity", "price", "fee"))))
    if trade:
        say(f"{trade['id']} closed by {trade['exit_reason']}: {trade['pnl']} "
            f"({trade['pnl_pct']:+.2f} %) after fees {trade['fees']}")  # fmt: skip
        whychange.tell_knowledge(facts["knowledge"])
        if found := trade.get("conditions"):
            say(f"{len(found['known'])} conditions of its entry are kept; absent: "
                f"{', '.join(found['absent']) or 'none'}")  # fmt: skip
    if made := facts.get("counterfactual"):
        marks = ", ".join(f"{name} {pct:+.2f} %" for name, pct in made["marks"])
        say(f"had it been made: {made['pnl_pct']:+.2f} % ({made['ended']}){': ' if marks else ''}"
            f"{marks}")  # fmt: skip
    return 0


# A parameter.


def _parameter_facts(
    what: str, picked: Picked | None, config: Path | None
) -> dict[str, Any] | None:
    from app.tunables import (
        configured_parameters,
        import_engine,
        journal_parameters,
        parameter_facts,
    )
    from engine.core.config import load
    from engine.core.parameters import declared

    import_engine()
    parameter = declared().get(what.lower())
    if parameter is None:
        return None
    if picked is None:
        params, history, moved = configured_parameters(load(config).config), [], []
    else:
        params = journal_parameters(picked.path)
        with Reader(picked.path) as reader:
            history = reader.parameter_history(parameter.name)
            moved = whychange.of_parameter(reader, parameter.name)
    return {
        **parameter_facts(parameter, params),
        "journal": str(picked.path) if picked is not None else None,
        "history": [
            {"time": iso(one.time_ns), "scope": [part for part in one.scope if part],
             "before": one.before, "after": one.after, "who": one.who}
            for one in history
        ],
        "changes": moved,
    }  # fmt: skip


def _tell_parameter(facts: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(facts)
        return 0
    history = facts.pop("history")
    say(f"{facts['name']} is {facts['value']} {facts['unit']}, from {facts['origin']}")
    say(facts["doc"])
    shown = ("default", "low", "high", "step", "choices", "scopes", "learnable", "journal")
    say_facts((name, facts[name]) for name in shown)
    for one in facts["scoped"]:
        say(f"{one['value']} for {one['scope']} ({one['origin']})")
    rows = [
        [one["time"][:19], "·".join(one["scope"]) or "global", one["before"], one["after"],
         one["who"]]
        for one in history
    ]  # fmt: skip
    say_table(Table("history", ("time", "scope", "before", "after", "who"), rows,
                    empty="never set while an engine ran"))  # fmt: skip
    whychange.tell_changes(facts["changes"])
    return 0
