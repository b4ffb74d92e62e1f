"""Whom what clients say is for, where nobody said it: the plainest program tells.

Of the ways in which clients may speak, for the fewest first, the first is taken by which everybody is reached whom it
is for, and nobody else.  What reaches others is no leak here: nobody declared that it is for somebody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.history import RowKind
from ..core.program import Kind, Operation, Program
from ..engine.execution import TargetError, Worker
from ..targets.adapter import Target
from ..targets.traits import WireTraits
from ..world import InOrder

__all__ = ("find_audience", "for_audience", "overheard")

REACHES: dict[Kind, str] = {"emit_to_room": "everybody in the room", "broadcast": "everybody"}


def for_audience(target: Target, reaches: Kind | None) -> Target:
    """The target, with what was found out of whom what its clients say is for."""
    traits = target.traits
    return replace(target, traits=replace(traits, reaches=reaches)) if isinstance(traits, WireTraits) else target


def find_audience(worker: Worker) -> str | None:
    """Find out whom what clients say is for; ``worker.target`` then offers that, and nothing else.

    Returns what there is to tell, where it is not for the fewest.  Raises `TargetError`, in one line, where it reaches
    some and not others.  Where it reaches nobody, `preflight` says what was sent and what came back.
    """
    target = worker.target
    traits = target.traits
    if not isinstance(traits, WireTraits) or not traits.guessed:
        return None
    reach = _Reach()
    for way in traits.guessed:
        worker.target = for_audience(target, way)
        reach = _reach(worker, traits, way)
        if reach.right:
            if way == traits.guessed[0]:
                return None
            return (
                f"nobody said whom what clients say is for, and it reaches {REACHES[way]}: so it is taken; where it is "
                "for fewer, a wire of your own says so, or --wire json"
            )
    worker.target = for_audience(target, traits.guessed[0])
    if reach.somebody and reach.missed:
        raise TargetError(
            f"{target.name}: what c0 says arrives on some connections and not on {' and '.join(sorted(reach.missed))}; "
            "where it is for the members of a room, or for one user, a wire of your own says so (rooms=, to_user=)"
        )
    return None


def overheard(worker: Worker, way: Kind) -> bool:
    """Whether what clients say in one way, which they all can, reaches others than those whom it is for."""
    traits = worker.target.traits
    return isinstance(traits, WireTraits) and bool(_reach(worker, traits, way).strangers)


@dataclass(frozen=True)
class _Reach:
    """Connections on which something did not arrive that must, and those on which it did that must not."""

    missed: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()
    somebody: bool = False

    @property
    def right(self) -> bool:
        return not self.missed and not self.strangers


def _reach(worker: Worker, traits: WireTraits, way: Kind) -> _Reach:
    program, owed, others = _plainest(way, traits)
    said = len(program) - 2
    heard = {
        row.connection
        for row in worker.run(program, InOrder()).history
        if row.kind == RowKind.RECEIVED and row.operation == said and row.connection is not None
    }
    return _Reach(frozenset(owed - heard), frozenset(others & heard), bool(heard - {"c0"}))


def _plainest(way: Kind, traits: WireTraits) -> tuple[Program, set[str], set[str]]:
    """Clients come one after the other and one speaks; which of the others must hear it, and which must not."""
    rooms = traits.wire.room_names[:2] if traits.wire.rooms_at_connect else ()
    room = rooms[0] if rooms else None
    where: list[str | None] = [room, room, room, *rooms[1:]]
    operations: list[Operation] = []
    for number, entered in enumerate(where):
        operations += [Operation("connect", f"c{number}", f"u{number}", room=entered), Operation("settle")]
    said: dict[Kind, Operation] = {
        "emit": Operation("emit", "c0", "u0", "u1"),
        "emit_to_room": Operation("emit_to_room", "c0", "u0", room=room),
        "broadcast": Operation("broadcast", "c0", "u0"),
    }
    everybody = {f"c{number}" for number in range(1, len(where))}
    owed = everybody & {"emit": {"c1"}, "emit_to_room": {"c1", "c2"}}.get(way, everybody)
    return Program((*operations, said[way], Operation("settle"))), owed, everybody - owed
