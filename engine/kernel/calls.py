"""Every call of the model, and every word of the rules, into journal, telemetry and stream."""

from __future__ import annotations

from engine.core.clock import MILLISECOND
from engine.core.records import AnyRecord, LlmCalled, Measured
from engine.core.views import LlmCall
from engine.journal.packing import pack_text
from engine.kernel.desk import Desk
from engine.llm.replies import Outcome, Reply, Role

STREAM_SIZE = 200

Verdicts = tuple[tuple[str, str], ...]


def keep_call(
    desk: Desk,
    role: Role,
    id: str,
    asked_ns: int,
    reply: Reply | None,
    verdicts: Verdicts,
    *changes: AnyRecord,
    subject: str = "",
    speaker: str = "",
    why_rules: str = "",
) -> None:
    """Journal a call and what came of it together, and show it.

    `speaker` is the model unless somebody else spoke. How long the call took on the wall is
    telemetry; of a recorded one nothing is measured.
    """
    failed = reply.why if reply is not None and reply.outcome is not Outcome.OK else ""
    called = LlmCalled(
        time_ns=desk.now_ns,
        id=id,
        speaker=speaker or (reply.model if reply is not None else ""),
        why_rules=why_rules,
        model=reply.model if reply is not None else "",
        model_digest=str(reply.digest) if reply is not None else "",
        prompt_sha=reply.prompt_sha if reply is not None else "",
        reply=str(reply.text) if reply is not None else "",
        checks=reply.checks if reply is not None else (),
        verdicts=verdicts,
        role=role,
        subject=subject,
        asked_ns=asked_ns,
        failed=failed,
        prompt=pack_text(str(reply.prompt)) if reply is not None else "",
    )
    desk.record(called, *changes)
    if reply is not None and not reply.recorded:
        values = {
            "llm.latency_ms": reply.latency_ns / MILLISECOND,
            "llm.prompt_tokens": float(reply.prompt_tokens),
            "llm.reply_tokens": float(reply.reply_tokens),
        }
        desk.journal.append(Measured(time_ns=desk.now_ns, values=values))
    desk.hub.append("llm", _shown(called, reply), STREAM_SIZE)


def _shown(called: LlmCalled, reply: Reply | None) -> LlmCall:
    return LlmCall(
        id=called.id,
        time_ns=called.time_ns,
        speaker=called.speaker,
        why_rules=called.why_rules or called.failed,
        model=called.model,
        model_digest=called.model_digest,
        prompt=str(reply.prompt) if reply is not None else "",
        prompt_sha=called.prompt_sha,
        reply=called.reply,
        checks=called.checks,
        verdicts=called.verdicts,
        latency_ms=reply.latency_ns / MILLISECOND if reply is not None else 0.0,
        prompt_tokens=reply.prompt_tokens if reply is not None else 0,
        reply_tokens=reply.reply_tokens if reply is not None else 0,
        done_reason=str(reply.done_reason) if reply is not None else "",
        repaired=reply.repaired if reply is not None else False,
        role=called.role,
        subject=called.subject,
        recorded=reply.recorded if reply is not None else False,
    )
