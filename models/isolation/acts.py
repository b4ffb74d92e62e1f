"""Small questions about operations as they went, and how to say them; what the parts of the isolation model share."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.program import CRITICAL_EVENTS
from .facts import NEVER, Act, Facts, number_of

__all__ = ("EMITS", "absent", "called", "emits", "emitter", "events_of", "how", "path", "rows_of", "step")

EMITS = frozenset({"emit", "emit_to_thread", "broadcast", "run_agent"})


def emits(facts: Facts) -> Iterator[tuple[int, Act]]:
    for number, act in facts.acts.items():
        if act.op.kind in EMITS:
            yield number, act


def events_of(number: int, act: Act) -> tuple[str, ...]:
    if act.op.kind == "run_agent":
        return tuple(f"e{number}.{name}" for name in CRITICAL_EVENTS)
    return (f"e{number}",)


def emitter(facts: Facts, event: str) -> Act | None:
    number = number_of(event)
    return facts.acts.get(number) if number is not None else None


def step(event: str) -> int:
    return CRITICAL_EVENTS.index(event.partition(".")[2])


def absent(facts: Facts, act: Act) -> bool:
    """Whether the event's user had no connection from the emit's beginning to its end, for certain."""
    return (
        facts.target.traits.offline_delivery
        and act.op.to is not None
        and all(
            c.surely_absent(act.began, act.ended)
            for c in facts.connections.values()
            if act.op.to in (c.user, c.identity)
        )
    )


def path(act: Act) -> str:
    """The way an event took into the target."""
    return "emit" if act.op.kind == "emit_to_thread" and act.op.thread == act.op.to else act.op.kind


def how(act: Act) -> str:
    """How the operation reported, without line numbers, which change with every edit of the target."""
    if act.outcome == "raised":
        error, place = act.detail if isinstance(act.detail, tuple) else (str(act.detail), "")
        return f"it raised {error.partition(':')[0]} in {place.partition(' ')[0]}" if place else f"it raised {error}"
    if act.settled:
        return "nobody answered"
    return "it reported failure" if act.detail is False else "it reported success"


def called(number: int, act: Act) -> str:
    return f"operation {number} ({act.op})"


def rows_of(*rows: int) -> tuple[int, ...]:
    return tuple(sorted({row for row in rows if row != NEVER}))
