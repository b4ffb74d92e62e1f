"""What the users of one round do to each other: programs of the same machine that writes them for the world.

Hypothesis writes them from the round's seed, with three users; a scene plays one with three users of the crowd, on
connections of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...strategies.rules import machine_for
from ...strategies.writing import unheard, write_programs
from ..core.program import Operation, Program
from ..targets.adapter import Target

__all__ = ("CAST", "Programs", "recast")

CAST = 3
"""Users of a program."""

STEPS = 3
"""Most steps write a whole situation."""

EACH = 25
"""Programs for each round; scenes play them again with other users."""

LONGEST = 60
"""Operations of a program that is played; what is repeated a hundred times is load, and there is enough of that."""


class Programs:
    """Writes a round's programs; Hypothesis never forgets a machine, so there is one for all rounds."""

    def __init__(self, target: Target) -> None:
        self._machine = machine_for(target, unheard, CAST)

    def of(self, number: int) -> list[Program]:
        """Return the programs of a round's seed, at least one of which somebody speaks in."""
        written: list[Program] = []
        write_programs(self._machine, number, EACH, STEPS, lambda program, order: written.append(program))
        return [program for program in dict.fromkeys(written) if 1 < len(program.expanded) <= LONGEST]


def recast(program: Program, users: Mapping[str, str], name: Callable[[], str]) -> Iterator[Operation]:
    """The program's operations with other users, on connections with names of their own."""
    names: dict[str, str] = {}

    def called(old: str | None) -> str | None:
        if old is not None and old not in names:
            names[old] = name()
        return None if old is None else names[old]

    for op in program.expanded:
        yield replace(
            op,
            connection=called(op.connection),
            user=users.get(op.user or "", op.user),
            to=users.get(op.to or "", op.to),
            token=users.get(op.token or "", op.token),
        )
