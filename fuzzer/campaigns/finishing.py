"""What comes after the search: causes, confirmations, and in the time that is left smaller counterexamples."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product, zip_longest
from math import inf
from typing import TypeVar

from ..engine.execution import TargetError, Worker
from ..findings.causes import FEWEST, Cause, bugs_of, cause_of, known_at_once
from ..findings.confirm import NOT_TRIED, Confirmation, confirm
from ..findings.finding import Finding
from ..findings.minimise import minimise
from ..findings.tally import Found, Tally
from .events import BugUpdated, CampaignEvent, Phase, Progressed

__all__ = ("ENOUGH", "Finishing")

LEAST = 0.5
"""Seconds without which confirming is not begun."""

AT_ONCE = 0.25
"""The part of the time for causes that what one execution tells of each finding may take."""

WORTH_IT = 2.0
"""Seconds without which nothing is begun that there was no time for before."""

ENOUGH = 3
"""Times as long as that each may take, while others wait; what cannot be confirmed takes far longer than what can."""


class Finishing:
    """Of one target's campaign.

    ``left`` gives the seconds that are left of the budget, None where it is none of seconds; ``usual`` is how many
    confirming one bug takes.
    """

    def __init__(
        self,
        worker: Worker,
        tally: Tally,
        left: Callable[[], float | None],
        stopped: Callable[[], bool],
        usual: float,
    ) -> None:
        self._worker, self._tally, self._left, self._stopped = worker, tally, left, stopped
        self._usual = usual
        self._provisional: set[str] = set()
        """findings of which only that is known which one execution told"""

    def explain(self, allowed: float | None) -> Iterator[CampaignEvent]:
        """Look for the causes of what was found, within a session of the worker's, in so many seconds, if so many."""
        began = time.perf_counter()

        def over() -> bool:
            return self._stopped() or (allowed is not None and time.perf_counter() - began >= allowed)

        at_once: dict[str, Cause] = {}
        takes: dict[str, float] = {}
        if allowed is not None:  # there may not be time for each
            yield Progressed(self._tally, Phase.EXPLAINING)
            at_once, takes = self._known_at_once(lambda: over() or time.perf_counter() - began >= allowed * AT_ONCE)
        todo = self._unexplained(at_once)
        asked: set[str] = set()
        if allowed is not None:  # what takes more than its share would leave none for those behind it
            each = (allowed - (time.perf_counter() - began)) / max(len(todo), 1)
            todo.sort(key=lambda found: takes.get(found.signature, inf) * FEWEST > each)
        for number, found in enumerate(todo):
            if over():
                break
            self._worker.alive()
            yield Progressed(self._tally, Phase.EXPLAINING)
            share = None
            if allowed is not None:
                share = (allowed - (time.perf_counter() - began)) / (len(todo) - number)
            asked.add(found.signature)
            with suppress(TargetError):
                found.cause = cause_of(self._worker, found.finding, over, share)
                self._provisional.discard(found.signature)
            if found.cause is not None:
                yield BugUpdated(self._tally, found)
        for signature in [signature for signature in at_once if signature not in asked]:
            self._tally.found[signature].cause = at_once[signature]
            self._provisional.add(signature)
            yield BugUpdated(self._tally, self._tally.found[signature])

    def _known_at_once(self, over: Callable[[], bool]) -> tuple[dict[str, Cause], dict[str, float]]:
        """Return the causes that one execution tells, and how many seconds each of those took."""
        known: dict[str, Cause] = {}
        takes: dict[str, float] = {}
        for found in _small_first(self._tally.found.values()):
            if not self._explained(found) and not over():
                self._worker.alive()
                began = time.perf_counter()
                with suppress(TargetError):
                    cause = known_at_once(self._worker, found.finding)
                    takes[found.signature] = time.perf_counter() - began
                    if cause is not None:
                        known[found.signature] = cause
        return known, takes

    def _explained(self, found: Found) -> bool:
        return found.cause is not None and found.signature not in self._provisional

    def _unexplained(self, at_once: Mapping[str, Cause]) -> list[Found]:
        """Return the findings without a cause, those first that are not of one bug with others by what is known."""
        first: list[Found] = []
        others: list[Found] = []
        for bug in self._bugs(at_once):
            explained = any(map(self._explained, bug))
            for found in _small_first(bug):
                if not self._explained(found):
                    (others if explained else first).append(found)
                    explained = True
        return [*_kinds_in_turns(first), *_kinds_in_turns(others)]

    def confirm(self) -> Iterator[CampaignEvent]:
        """Run what was found on asyncio's own loop while the budget lasts, one symptom of each bug first.

        Where the budget is time, each has a few times what it usually takes, before any has all that is left.
        """
        turns = (inf,) if self._left() is None else (ENOUGH * self._usual, inf)
        for most, found in product(turns, self._by_bugs()):
            if found.confirmation not in (None, NOT_TRIED) or found.finding.fatal:
                continue
            yield Progressed(self._tally, Phase.CONFIRMING)
            found.confirmation = self._tried(found, most)
            yield BugUpdated(self._tally, found)

    def _tried(self, found: Found, most: float) -> Confirmation:
        """Confirm what was found, in so many seconds at most, where the budget leaves any."""
        self._worker.alive()
        left = self._left()
        if left is not None and left < LEAST:
            return NOT_TRIED
        seconds = None if left is None else min(left, most)
        return confirm(self._worker.target, found.finding.execution, found.signature, seconds=seconds)

    def _by_bugs(self) -> list[Found]:
        """Return what was found: one of each bug first."""
        return _in_turns(self._bugs({}))

    def _bugs(self, at_once: Mapping[str, Cause]) -> list[list[Found]]:
        """Return what was found, that of one bug together, by its causes and by those that one execution told."""
        tally = self._tally
        causes = {signature: one.cause or at_once.get(signature) for signature, one in tally.found.items()}
        findings = {signature: one.finding for signature, one in tally.found.items()}
        bugs = bugs_of(causes, findings, self._worker.target)
        return [[tally.found[signature] for signature in bug] for bug in bugs]

    def use_what_is_left(self, *, confirming: bool, explaining: bool) -> Iterator[CampaignEvent]:
        """Make counterexamples small that are not yet, and find causes that there was no time for."""
        left = self._left()
        if left is None or left < WORTH_IT or self._stopped():
            return
        todo = [one for one in self._by_bugs() if not one.minimal]
        smaller: list[tuple[Found, Finding, bool]] = []
        with self._worker.session():
            until = time.perf_counter() + left / 2
            for number, found in enumerate(todo):
                share = (until - time.perf_counter()) / (len(todo) - number)
                if found.finding.fatal or share <= 0 or self._stopped():
                    continue
                yield Progressed(self._tally, Phase.SHRINKING)
                with suppress(TargetError):
                    smaller.append((found, *self._minimised(found.finding, share)))
        known = [(found, found.cause) for found, *_ in smaller]
        for found, finding, minimal in smaller:
            if self._stopped():
                break
            yield from self._replaced(found, finding, minimal, confirming=confirming)
        left = self._left() or 0.0
        if explaining and left > LEAST:
            with self._worker.session():
                yield from self.explain(left)
        for found, cause in known:  # that of the larger one, where there was no time for another
            found.cause = found.cause or cause

    def _replaced(self, found: Found, finding: Finding, minimal: bool, *, confirming: bool) -> Iterator[CampaignEvent]:
        """Take a smaller counterexample for what was found, unless it is not confirmed where the larger one was."""
        found.minimal = minimal
        if finding.execution != found.finding.execution:
            before = found.finding, found.cause, found.confirmation
            found.finding, found.cause, found.confirmation = finding, None, None
            if confirming and before[2] is not None:
                yield Progressed(self._tally, Phase.CONFIRMING)
                found.confirmation = self._tried(found, ENOUGH * self._usual)
                if before[2].verdict == "confirmed" != found.confirmation.verdict:
                    (found.finding, found.cause, found.confirmation), found.minimal = before, False
        yield BugUpdated(self._tally, found)

    def _minimised(self, finding: Finding, seconds: float) -> tuple[Finding, bool]:
        until = time.perf_counter() + seconds
        self._worker.alive()
        return minimise(self._worker, finding, over=lambda: self._stopped() or time.perf_counter() >= until)


def _small_first(found: Iterable[Found]) -> list[Found]:
    return sorted(found, key=lambda one: not one.minimal)


def _kinds_in_turns(found: Iterable[Found]) -> list[Found]:
    """One of each kind first, of each the minimal ones first."""
    kinds: dict[str, list[Found]] = defaultdict(list)
    for one in _small_first(found):
        kinds[one.finding.violation.kind].append(one)
    return _in_turns(kinds.values())


Member = TypeVar("Member")


def _in_turns(groups: Iterable[Iterable[Member]]) -> list[Member]:
    """The first of each group, then the second of each, and so on."""
    return [one for tier in zip_longest(*groups) for one in tier if one is not None]
