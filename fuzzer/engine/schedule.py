"""The decisions a world took while a program ran, and the choosers that take them again.

A schedule lists only its *deviations*: the decisions that differ from "everything arrives in order, and each event
is handled to its end before the next".  The empty schedule is that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..world.external import CARRY_ON, CLOCK, LATE, REVERSED, External, Key

__all__ = ("BESIDES", "NUMBER_AT", "Deliver", "Guided", "Recorded", "Schedule", "Visible", "Written")

BESIDES = frozenset({CLOCK.key, LATE.key, REVERSED.key})
"""What stands among an execution's visible events and is none."""

Visible = tuple[Key, bool]
"""An event that became visible, and whether it did so while callbacks were ready."""

NUMBER_AT = {"start": 1, "notice": 1, "latency": 2, "job": 2, "begin": 2}
"""Where in an event's key its operation's number stands; other events are a connection's."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Deviations as ``(decision, choice)``, in order of decision.

    At a busy boundary choice ``n`` makes the ``n``-th pending event visible (0: none, carry on); at an idle one it
    makes pending event ``n`` visible, counted from 0, or moves the clock where ``n`` is the number of pending events.
    What the order of events leaves open (`Chooser.extra`) is counted apart, -1, -2 and so on: choice ``n`` is the
    ``n``-th of what may happen besides.
    """

    deviations: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.deviations)

    def without(self, index: int) -> Schedule:
        """The schedule less one deviation."""
        return Schedule(self.deviations[:index] + self.deviations[index + 1 :])


class Recorded:
    """Takes the decisions of a schedule again; one that no longer fits gives way to order."""

    __slots__ = ("_choices", "_extra", "_point")

    def __init__(self, schedule: Schedule) -> None:
        self._choices = dict(schedule.deviations)
        self._point = 0
        self._extra = 0

    def busy(self, pending: Sequence[External]) -> int:
        self._point += 1
        choice = self._choices.get(self._point, 0) - 1
        return choice if choice < len(pending) else CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        self._point += 1
        choice = self._choices.get(self._point, 0)
        return choice if choice < len(pending) + clock else 0

    def extra(self, options: Sequence[External]) -> int:
        self._extra -= 1
        choice = self._choices.get(self._extra, 0) - 1
        return choice if choice < len(options) else CARRY_ON


class Guided:
    """Makes events visible in the order of an earlier execution, as far as they occur in this one.

    For a program that changed a little: the schedule's numbers no longer fit, the order of events mostly does.
    """

    __slots__ = ("_late", "_wanted")

    def __init__(self, order: Iterable[Visible]) -> None:
        self._wanted = list(order)
        self._late = False

    def busy(self, pending: Sequence[External]) -> int:
        if self._wanted and self._wanted[0][1]:
            key = self._wanted[0][0]
            for index, event in enumerate(pending):
                if event.key == key:
                    del self._wanted[0]
                    return index
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        for position, (key, busy) in enumerate(self._wanted):
            if key == CLOCK.key:
                if clock and not busy:
                    self._passed(position)
                    return len(pending)
                continue
            for index, event in enumerate(pending):
                if event.key == key:
                    self._passed(position)
                    return index
        return 0

    def _passed(self, position: int) -> None:
        """Forget an entry, and what was besides the order of events before it."""
        before = self._wanted[:position]
        self._late = bool(before) and before[-1][0] == LATE.key
        self._wanted[: position + 1] = [(key, busy) for key, busy in before if key not in BESIDES]

    def extra(self, options: Sequence[External]) -> int:
        for index, option in enumerate(options):
            if option is LATE:
                late, self._late = self._late, False
                return index if late else CARRY_ON
            if self._wanted and self._wanted[0] == (option.key, True):
                del self._wanted[0]
                return index
        return CARRY_ON


@dataclass(frozen=True, slots=True)
class Deliver:
    """A written decision: the ``which``-th pending event (modulo their number) becomes visible now.

    ``busy``: as soon as something else is ready, rather than when nothing is.
    """

    which: int
    busy: bool = False


class Written:
    """Follows a program as written: operations start in order, each as soon as it can; `Deliver` in between."""

    __slots__ = ("_at", "_steps")

    def __init__(self, steps: Sequence[int | Deliver]) -> None:
        self._steps = steps
        self._at = 0

    def busy(self, pending: Sequence[External]) -> int:
        if self._at < len(self._steps):
            step = self._steps[self._at]
            effects = _effects(pending)
            if isinstance(step, Deliver) and step.busy and effects:
                self._at += 1
                return step.which % effects
        return CARRY_ON

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        starts = {event.key[1]: index for index, event in enumerate(pending) if event.key[0] == "start"}
        while self._at < len(self._steps):
            step = self._steps[self._at]
            if isinstance(step, Deliver):
                self._at += 1
                effects = _effects(pending)
                if effects:
                    return step.which % effects
            elif step in starts:
                self._at += 1
                return starts[step]
            elif any(isinstance(number, int) and number < step for number in starts) or _effects(pending):
                return 0
            else:
                self._at += 1
        return 0


def _effects(pending: Sequence[External]) -> int:
    """How many of the pending events are no operation's start; they stand first."""
    return sum(event.key[0] != "start" for event in pending)
