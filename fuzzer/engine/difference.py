"""Where two executions that should have been the same first differ, and what that is likely to come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ..core.handshake import Sent
from ..core.history import History, Row
from ..core.program import Operation
from ..core.sentences import said
from ..core.text import cut

__all__ = ("Difference", "difference")

ADDRESS = re.compile(r"0x[0-9a-f]{6,}|\b\d{14,15}\b")
"""An object's address, as ``repr`` and ``id`` give it; where it is the only difference there is none."""

LENGTH = 160
"""Characters of each side that are shown."""

Frames = Sequence[Sent]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that was different, from both sides."""

    number: int
    one: str
    other: str
    cause: str

    def __str__(self) -> str:
        return f"{self.one or 'nothing more'}, and the other time {self.other or 'nothing more'}; likely {self.cause}"


def difference(
    one: tuple[History, Frames], other: tuple[History, Frames], operations: Sequence[Operation]
) -> Difference | None:
    """The first row or frame in which two executions differ; None where they are the same but for addresses.

    ``operations`` are those of the program, with each repetition written out.
    """
    sides: Iterable[tuple[Sequence[Row | Sent], Sequence[Row | Sent]]] = zip(one, other, strict=True)
    for mine, theirs in sides:
        left, right = _lines(mine), _lines(theirs)
        if left != right:
            pairs = enumerate(zip_longest(left, right, fillvalue=""))
            at, first, second = next((number, a, b) for number, (a, b) in pairs if a != b)
            shown, again = (_in_words(things, at, operations) for things in (mine, theirs))
            if shown == again:  # what the words leave out
                shown, again = first, second
            return Difference(at, cut(shown, LENGTH), cut(again, LENGTH), _cause(left, right, first, second))
    return None


def _in_words(things: Sequence[Row | Sent], at: int, operations: Sequence[Operation]) -> str:
    """Return a row as a sentence, and a frame as who was sent what."""
    if at >= len(things):
        return ""
    thing = things[at]
    if isinstance(thing, Row):
        return f"after {thing.time:g} s {said(thing, operations)}"
    return f"{thing.connection} was sent {thing.frame!r}"


def _lines(things: Sequence[object]) -> list[str]:
    return [ADDRESS.sub("ADDRESS", repr(thing)) for thing in things]


def _cause(left: list[str], right: list[str], first: str, second: str) -> str:
    if Counter(left) == Counter(right):
        return "the order of a set of objects that hash by their address"
    if re.sub(r"\d+\.\d+", "", first) == re.sub(r"\d+\.\d+", "", second):
        return "a clock that is not the world's"
    if re.sub(r"[0-9a-f-]{8,}", "", first) == re.sub(r"[0-9a-f-]{8,}", "", second):
        return "random numbers, a hash or an address"
    return "state that outlives executions, a thread, or the order of a set"
