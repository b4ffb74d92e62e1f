"""Which promises an execution could have broken, and why a target may never give the occasion.

"No promise broken" says little of a promise that nothing was asked of: no log-in that shows a bad token, nobody absent
to keep anything for.  Each question is as generous as its check is strict: it asks for the situation, not for a breach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from ...fuzzer.core.history import History, RowKind
from ...fuzzer.core.program import EMITS, Program
from ...fuzzer.targets.adapter import Target
from .audience import absent, must_hear
from .index import HistoryIndex
from .spans import NEVER

__all__ = ("OCCASIONS", "PARTS", "exercised", "impossible")


def _strangers(index: HistoryIndex) -> bool:
    return any(
        (event.to is not None or event.rooms)
        and any(
            c.login.may(event.by.began, event.by.ended) and c.identity not in (event.to, event.sender)
            for c in index.sessions
        )
        for event in index.events.values()
    )


def _tokens(index: HistoryIndex) -> bool:
    if any(c.identity != c.user or c.login.may_until < NEVER for c in index.sessions):
        return True
    return index.tells_identity and any(c.login.sure_from < NEVER for c in index.sessions)


def _owed(index: HistoryIndex) -> bool:
    return any(
        next(must_hear(index, event, event.by.began, event.by.ended), None) is not None
        for event in index.events.values()
        if event.by.ended < NEVER
    )


def _delivered(index: HistoryIndex) -> bool:
    return any(delivery.received < NEVER for event in index.events.values() for delivery in event.deliveries)


def _absent(index: HistoryIndex) -> bool:
    return any(
        absent(index, event)
        and any(c.asked > event.by.ended and c.login.sure_from < NEVER for c in index.of_user(event.to))
        for event in index.events.values()
    )


def _stalled(index: HistoryIndex) -> bool:
    return any(
        act.op.connection != c.name and c.stalled(act.began, act.ended)
        for c in index.sessions
        for act in index.invocations.values()
        if act.op.kind not in ("stall", "settle", "pause")
    )


def _in_order(index: HistoryIndex) -> bool:
    told = Counter(
        (event.sender, delivery.connection.name, event.by.op.name, event.rooms)
        for event in index.events.values()
        for delivery in event.deliveries
        if delivery.received < NEVER
    )
    return any(times > 1 for times in told.values())


def _agents(index: HistoryIndex) -> bool:
    return any(act.op.kind == "run_agent" for act in index.invocations.values())


def _answered(index: HistoryIndex) -> bool:
    return bool(index.marks.get(RowKind.REGISTRY) or index.marks.get(RowKind.ACTIVE))


def _left(index: HistoryIndex) -> bool:
    return bool(index.rests) and any(c.ended_by for c in index.sessions)


def _came(index: HistoryIndex) -> bool:
    return any(c.genuine for c in index.sessions)


def _anything(index: HistoryIndex) -> bool:
    return bool(index.invocations)


class Occasion(NamedTuple):
    """What it takes to break a promise: in words, and whether a history gives it."""

    words: str
    given: Callable[[HistoryIndex], bool]


OCCASIONS: dict[str, Occasion] = {
    "isolation": Occasion("somebody speaks to some, while another user is logged in", _strangers),
    "authentication": Occasion("a client says who it is, shows a bad token, or logs out", _tokens),
    "no loss": Occasion("something is said to a client that is there all the time", _owed),
    "no duplicate": Occasion("something that was said arrives", _delivered),
    "offline delivery": Occasion("something is said to a user who is away and comes later", _absent),
    "independence": Occasion("a client does not read, while others do something", _stalled),
    "order": Occasion("two things that one user said arrive on one connection", _in_order),
    "agent run": Occasion("an agent runs for somebody", _agents),
    "liveness": Occasion("anything is done", _anything),
    "consistency": Occasion("the target says who is there (online=)", _answered),
    "hygiene": Occasion("a client leaves, and everything comes to rest", _left),
    "availability": Occasion("a client comes with a good token", _came),
}


def exercised(target: Target, program: Program, history: History) -> frozenset[str]:
    """Return the promises that this execution could have broken."""
    index = HistoryIndex(target, target.traits.policy, program, history)
    never = impossible(target)
    return frozenset(
        promise for promise, occasion in OCCASIONS.items() if promise not in never and occasion.given(index)
    )


FOR_SEVERAL = ("broadcast", "emit_to_room")

AMONG_HEARERS = "independence of those who hear the same"

PARTS = {AMONG_HEARERS: "independence"}
"""Parts of promises that only a declaration demands, and of which."""


def impossible(target: Target) -> dict[str, str]:
    """Return the promises, or parts of them, of which nothing can be said of a target, whatever is done to it, and why.

    What the policy leaves open is among them.
    """
    never: dict[str, str] = {}
    if target.traits.policy.in_turn and any(map(target.offers, FOR_SEVERAL)):
        never[AMONG_HEARERS] = "they may be sent it one after the other; in_turn=False forbids it"
    if not any(target.offers(kind) for kind in EMITS | {"act"}):
        never.update(dict.fromkeys(("isolation", "no loss", "no duplicate", "order"), "nobody speaks"))
    if target.traits.policy.kept == "no":
        never["offline delivery"] = "nothing is declared to be kept (kept=)"
    wire = target.traits.by_wire
    if not target.offers("run_agent" if wire else "emit"):
        never["agent run"] = f"no agent runs for anybody{' (ask=)' if wire else ''}"
    if not wire and not (target.offers("registry") or target.offers("is_active")):
        never["consistency"] = "the target does not say who is there (no registry() and no is_active())"
    return never
