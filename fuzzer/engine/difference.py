"""Where two executions that should have been the same first differ, and what that is likely to come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ..core.handshake import Sent
from ..core.history import History

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
        return f"{self.one or 'nothing'}, and the other time {self.other or 'nothing'}; likely {self.cause}"


def difference(one: tuple[History, Frames], other: tuple[History, Frames]) -> Difference | None:
    """The first row or frame in which two executions differ; None where they are the same but for addresses."""
    for left, right in zip(map(_lines, one), map(_lines, other), strict=True):
        if left != right:
            pairs = enumerate(zip_longest(left, right, fillvalue=""))
            at, first, second = next((number, a, b) for number, (a, b) in pairs if a != b)
            return Difference(at, first[:LENGTH], second[:LENGTH], _cause(left, right, first, second))
    return None


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
