"""Rounds of a campaign that are run elsewhere, given back in order: by processes here, or by a cluster's workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..targets.adapter import Target
from .endings import GIVEN_UP, LIVES
from .rounds import Batch
from .seats import Ran

__all__ = ("Pool", "Runners")

AHEAD = 4
"""Rounds in hand for each of those who run them, so that none waits while an earlier round is counted or still runs.

The longest take some four times as long as the shortest (`rounds.LENGTHS`)."""


class Runners(Protocol):
    """Those who run rounds, in whatever order they come to their ends."""

    @property
    def capacity(self) -> int:
        """How many rounds are run at a time."""

    def take(self, number: int) -> bool:
        """Run a round; False where it cannot be taken yet."""

    def hear(self) -> list[Ran]:
        """Return rounds that have come to their end, waiting a little for one; raises `CrosswireError`."""

    def close(self) -> None:
        """End whatever runs; what is in hand is dropped."""


class Pool:
    """The one place that decides which rounds are run, and in which order they count.

    They are run ahead of the campaign that counts them, each counts once, and in the order of their numbers: neither
    how many run them nor what becomes of those changes anything but when a round is there.
    """

    def __init__(self, target: Target, runners: Runners, first: int) -> None:
        self._state, self._runners = target.state, runners
        self._rounds: dict[int, Ran] = {}
        self._lives = LIVES
        self._due = self._next = first

    def next_round(self, over: Callable[[], bool], alive: Callable[[], None]) -> list[Batch]:
        """The next round's batches, in order; empty where the budget ends first.  Raises `CrosswireError`."""
        while self._due not in self._rounds and not over() and not self.given_up:
            alive()
            while self._next < self._due + self._runners.capacity * AHEAD and self._runners.take(self._next):
                self._next += 1
            for ran in self._runners.hear():
                self._hear(ran)
        ran_now = self._rounds.pop(self._due, None)
        self._due += 1
        batches = ran_now.batches if ran_now is not None else []
        if self.given_up:  # what comes is not counted any more, but that it ends processes
            batches = batches + [batch for number in sorted(self._rounds) for batch in _fatal(self._rounds[number])]
        return batches

    @property
    def given_up(self) -> bool:
        """Whether so many processes have ended that there will be no more of them."""
        return self._lives <= 0

    def _hear(self, ran: Ran) -> None:
        if ran.number < self._due or ran.number in self._rounds:
            return
        self._rounds[ran.number] = ran
        for note in ran.notes:
            self._state.note(note)
        self._lives -= ran.cost
        if self.given_up:
            self._state.note(f"{GIVEN_UP}; the last time {ran.ending}")

    def close(self) -> None:
        """End those who run the rounds."""
        self._runners.close()


def _fatal(ran: Ran) -> list[Batch]:
    return [batch for batch in ran.batches if any(finding.fatal for finding in batch.findings.values())]
