"""What the cause of a finding is: the places in the target's own source that decide, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...core.source import Line
from ..finding import Finding
from .experiments import Change, Flip, Strength
from .spectrum import Step
from .windows import Window

__all__ = ("UNSURE", "Cause", "Reason", "keyed", "thrown", "weakly")


class Reason(StrEnum):
    """How the cause is known."""

    DEADLOCK = "deadlock"
    KEPT = "kept"
    STUCK = "stuck"
    HELD_UP = "held up"
    TOLD = "told"
    RAISED = "raised"
    ORDER = "order"
    CHANGE = "change"
    LINES = "lines"
    SHOWN = "shown"


UNSURE = (Reason.LINES, Reason.SHOWN)
"""What is known by suspicion only, and may be another thing once more was tried."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a finding happens.

    ``key``: findings of one target that have the same are of one bug.  ``places``: the most suspicious first; each is
    a line, or neighbouring lines that nothing tells apart.  ``flip`` with its ``window``, or ``change``, is the
    counterfactual; ``cured`` the signatures that the finding's own execution shows, and the changed one does not.
    ``hints`` are keys of other windows that decide as well.  ``weak``: by suspicion only, of ``suspects`` first.
    ``origins``, among the places, last changed what those before them go by, or called what did; at ``decisions`` what
    goes wrong parts from what goes well.
    ``kin`` says what goes wrong, and ``shape`` after what: findings that have both are likely to have one cause.
    ``besides`` are the signatures of what else goes wrong with the same event; ``implies`` those of what goes wrong
    whenever this does.
    ``failing`` and ``passing`` count the spectrum's executions, ``executions`` all; ``cut``: the time was up before all
    was tried.
    """

    reason: Reason
    key: tuple[str, ...]
    places: tuple[tuple[Line, ...], ...]
    flip: Flip | None = None
    window: Window | None = None
    change: Change | None = None
    cured: frozenset[str] = frozenset()
    hints: frozenset[tuple[str, ...]] = frozenset()
    weak: bool = False
    suspects: frozenset[Line] = frozenset()
    origins: frozenset[Line] = frozenset()
    decisions: frozenset[Line] = frozenset()
    kin: str = ""
    besides: frozenset[str] = frozenset()
    implies: frozenset[str] = frozenset()
    shape: tuple[Step, ...] = ()
    failing: int = 0
    passing: int = 0
    executions: int = 0
    cut: bool = False

    @property
    def strength(self) -> Strength | None:
        """How much the counterfactual made go away; None where there is none."""
        changed = self.flip or self.change
        return changed.strength if changed is not None else None


def keyed(reason: Reason, *lines: Line) -> tuple[str, ...]:
    return ("at" if reason is not Reason.DEADLOCK else reason, *(line.key for line in lines))


def thrown(reason: Reason, finding: Finding, line: Line) -> Cause:
    """A line that raises or blocks; what a ``raise`` says has many reasons, so findings of one class only are alike."""
    if line.text.split(maxsplit=1)[:1] == ["raise"]:
        return weakly(reason, finding, line, (line,))
    return Cause(reason, keyed(reason, line), ((line,),))


def weakly(reason: Reason, finding: Finding, line: Line, place: tuple[Line, ...]) -> Cause:
    """A cause by suspicion only: enough to put findings of one class together, and a hint for others."""
    key = keyed(reason, line)
    return Cause(reason, (finding.violation.kind, *key), (place,), hints=frozenset({key}), weak=True)
