"""Programs to begin with: the plain situations in which applications most often fail.

Three clients, one of them on a slow link, are settled; one speaks, and one leaves while that is under way.  A machine
would write each of these by and by; a campaign on an application tries them first, so that what is common shows within
seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ..fuzzer.core.program import Kind, Operation, Pace, Program
from ..fuzzer.targets.adapter import Target

__all__ = ("openings",)

SPEECHES: tuple[Kind, ...] = ("broadcast", "emit", "run_agent")

CLIENTS = 3

SLOW: Pace = "slow"


def openings(target: Target, users: int) -> Iterator[Program]:
    """The opening programs for an application that clients speak to; none for other targets."""
    if not target.traits.by_wire or users < 2:
        return
    speeches = [kind for kind in SPEECHES if target.offers(kind)]
    leaving: tuple[Kind, ...] = ("disconnect", "abort")
    for number, (kind, slow, speaker, leaver) in enumerate(
        product(speeches, range(CLIENTS), range(CLIENTS), range(CLIENTS))
    ):
        names = [f"u{client % users}" for client in range(CLIENTS)]
        operations = [
            Operation("connect", f"c{client}", name, token="valid", pace=SLOW if client == slow else None)
            for client, name in enumerate(names)
        ]
        operations.append(Operation("settle"))
        to = {"broadcast": None, "emit": names[(speaker + 1) % CLIENTS], "run_agent": names[speaker]}[kind]
        operations.append(Operation(kind, f"c{speaker}", names[speaker], to))
        operations.append(Operation(leaving[number % len(leaving)], f"c{leaver}"))
        yield Program(tuple(operations))
