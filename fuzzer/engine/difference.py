"""Where two executions that should have been the same first differ, and what is known of where that comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from ..core.handshake import Sent
from ..core.history import History, Row
from ..core.program import Operation
from ..core.sentences import said
from ..core.text import cut

__all__ = ("CAUSES", "Cause", "Difference", "difference", "likely")

Cause = Literal["clock", "delay", "fraction", "id", "order", "thread", "unknown"]

CAUSES: dict[Cause, str] = {
    "clock": "what differs looks like a time, as of a clock that the world does not set",
    "delay": "the same happened at another time, as by a clock that the world does not set, or by a random wait",
    "fraction": "what differs is a fraction, as of a clock that the world does not set, or of random numbers",
    "id": "what differs looks like an object's address or a random number, which the world does not draw",
    "order": "the same happened in another order, as by a set of objects, which goes by their addresses",
    "thread": "the cause is not known; worker threads took part, of which the world may not hold all",
    "unknown": "the cause is not known; what to look for is a clock or random numbers of a library in C or Rust, "
    "objects' addresses (`id`, a set of objects), threads, and state that is kept between executions, in a library or "
    "a file",
}
"""What two executions show of what makes them differ, in words: a kind is named only where there is evidence of it."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}|\b\d{14,15}\b")
"""An object's address, as ``repr`` and ``id`` give it; where it is the only difference there is none."""

UUID = r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
IDENTITY = re.compile(rf"0x[0-9a-f]{{6,}}|{UUID}|\b[0-9a-f]{{8,}}\b")
"""What objects' addresses, hashes and random numbers look like."""

INSTANT = re.compile(r"\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?\b|\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
"""What clocks say: seconds, milli-, micro- or nanoseconds since 1970, or a date and time."""

FRACTION = re.compile(r"\b\d+\.\d+(?:e-?\d+)?\b")
"""What clocks say, and random numbers too."""

LENGTH = 160
"""Characters of each side that are shown."""

Frames = Sequence[Sent]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that was different, from both sides."""

    number: int
    one: str
    other: str
    cause: Cause

    def __str__(self) -> str:
        both = f"{self.one or 'nothing more'}, and the other time {self.other or 'nothing more'}"
        return f"{both}; {CAUSES[self.cause]}"


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
            return Difference(at, cut(shown, LENGTH), cut(again, LENGTH), likely(left, right, first, second))
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


def likely(one: Iterable[object], other: Iterable[object], first: str, second: str, *, jobs: bool = False) -> Cause:
    """What two executions show of what made them differ: by all that each shows, and by where they first differ.

    ``jobs``: worker threads took part.
    """
    if first and second:
        if INSTANT.sub("", first) == INSTANT.sub("", second):
            return "clock"
        if FRACTION.sub("", INSTANT.sub("", first)) == FRACTION.sub("", INSTANT.sub("", second)):
            return "fraction"
        if IDENTITY.sub("", first) == IDENTITY.sub("", second):
            return "id"
    if jobs:
        return "thread"
    return "order" if Counter(one) == Counter(other) else "unknown"
