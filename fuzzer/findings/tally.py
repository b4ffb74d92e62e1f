"""What a campaign counted and found of one target: plain data, which the store keeps and reports read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..core.choices import Backend
from ..core.source import LineAt
from .causes import Cause
from .confirm import Confirmation
from .finding import Finding

__all__ = ("Cell", "Found", "Tally")

Cell = tuple[str, int, int]
"""What executions are counted by: strategy, number of users, operations in the program."""


@dataclass(slots=True)
class Found:
    """A finding: its minimal counterexample, when it was found first, and how often it was seen.

    ``times`` counts executions, ``programs`` the programs that they were of.
    ``first_by`` has, for each strategy that showed it, how many executions that strategy had made by then.
    ``minimal`` is false where the time for making it small ran out; ``confirmation`` and ``cause`` are None where none
    was tried, or nothing came of it.
    """

    finding: Finding
    signature: str
    at_execution: int
    at_seconds: float
    times: int = 1
    first_by: dict[str, int] = field(default_factory=dict)
    minimal: bool = True
    confirmation: Confirmation | None = None
    cause: Cause | None = None
    programs: int = 1


@dataclass(slots=True)
class Tally:
    """The figures of one target's campaign; ``seconds`` are real ones, over all times it was taken up.

    ``rounds`` are complete: a campaign that goes on later begins with this one.  ``broken`` counts, for each promise,
    the executions that broke it; ``cells`` and ``broken_cells`` count by `Cell`.  ``proven`` counts programs of which
    every schedule with so many delays was tried, none breaking a promise.  ``doubts`` counts, for each signature, how
    often what looked like a violation was dismissed, and ``doubtful`` says why, the last time.  ``exercised`` counts
    for each promise the programs that as they are written could have broken it; ``impossible`` has those of which
    nothing can be said of this target, and why.  ``reached`` are the lines of the target's own that ran.
    """

    target: str
    executions: int = 0
    programs: int = 0
    rounds: int = 0
    seconds: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    cells: Counter[Cell] = field(default_factory=Counter)
    broken_cells: Counter[tuple[str, Cell]] = field(default_factory=Counter)
    found: dict[str, Found] = field(default_factory=dict)
    proven: Counter[int] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    doubtful: dict[str, str] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    impossible: dict[str, str] = field(default_factory=dict)
    reached: set[LineAt] = field(default_factory=set)
    backend: Backend = "asyncio"
