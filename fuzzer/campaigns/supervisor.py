"""A target's campaign in a process of its own: the same events, whatever the target does to the process.

Where the process ends, it is replaced.  A round is a function of the seed and its number, so the replacement runs the
broken round again, this time saying what it is about to execute; where that ends it too, the program and its schedule
are known, are a finding, and are passed over by the next.  Nothing of this costs anything while all goes well.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ...models.isolation import impossible
from ..core.choices import Backend, Way
from ..core.program import Program
from ..core.source import LineAt
from ..engine.execution import TargetError
from ..findings.finding import Finding
from ..findings.tally import Cell, Found, Tally
from ..targets.resolve import resolve
from .campaign import Campaign
from .child import Care, Child, awaited
from .endings import GIVEN_UP, LIVES, NOT_AGAIN, Ending
from .events import BugFound, BugUpdated, CampaignEvent, Finished, Noted, Phase, Progressed, Started
from .messages import Line, Said
from .rounds import Plan
from .watched import SUSPECTED, Suspects, Trace, WatchedWorker, execution_patience

__all__ = ("CampaignJob", "Supervisor")

OFTEN = 0.1
"""Real seconds between two messages about figures."""

LOOKING = 2
"""Times the patience that a careful process may take over what ended the one before, whatever the budget."""

CAREFUL = 16
"""Processes that are replaced by careful ones; after that, a round that ends its process is left where it is."""


RECOVERY = 100
"""Executions after which what ended a process, and was not seen again, is no longer held against the target."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the target turned out to be, and the promises of which nothing can be said of it."""

    description: str
    impossible: dict[str, str]
    backend: Backend


@dataclass(frozen=True, slots=True)
class Kept:
    """How the target's executions are kept apart."""

    way: Way


@dataclass(slots=True)
class Figures:
    """What a campaign has counted: totals, of what changed since they were told last."""

    phase: Phase
    programs: int
    rounds: int
    cells: dict[Cell, int] = field(default_factory=dict)
    broken: dict[tuple[str, Cell], int] = field(default_factory=dict)
    proven: dict[int, int] = field(default_factory=dict)
    doubts: dict[str, tuple[int, str]] = field(default_factory=dict)
    seen: dict[str, tuple[int, int, dict[str, int]]] = field(default_factory=dict)
    exercised: dict[str, int] = field(default_factory=dict)
    reached: frozenset[LineAt] = frozenset()


@dataclass(frozen=True, slots=True)
class CampaignJob:
    """Run a target's campaign, from what ``tally`` says on; ``avoided`` are programs that end the process."""

    target: str
    plan: Plan
    workers: int
    cluster: str | None
    tally: Tally
    care: Care
    confirming: bool = False
    explaining: bool = True
    way: Way | None = None
    """How executions are kept apart, where that was proven already."""
    careful: bool = False
    avoided: frozenset[Program] = frozenset()
    looking: float = 0.0
    """Seconds it has for the round that ended the process before, whatever is left of the budget."""

    def run(self, line: Line) -> None:
        target = resolve(self.target)
        line.tell(Described(target.description, impossible(target), target.backend))
        if self.way is not None:
            target.state.way, target.state.proven = self.way, True
        plan = self.plan
        if plan.seconds is not None:
            plan = replace(plan, seconds=max(plan.seconds, self.tally.seconds + self.looking))
        worker = WatchedWorker(target, line, execution_patience(self.care), self.careful, self.avoided)
        campaign = Campaign(
            target,
            plan,
            workers=self.workers,
            cluster=self.cluster,
            confirming=self.confirming,
            explaining=self.explaining,
            tally=self.tally,
            worker=worker,
            care=self.care,
        )
        line.begun()
        teller, round_, way = _Teller(line, self.tally), self.tally.rounds, self.way
        with closing(campaign.events()) as events:
            for event in events:
                match event:
                    case Progressed(tally, phase):
                        if phase is not Phase.STARTING and way != target.state.way:
                            way = target.state.way
                            line.tell(Kept(way))
                        teller.tell(phase, now=tally.rounds > round_)
                        if phase is Phase.CONFIRMING:
                            line.at_leisure()
                        if tally.rounds > round_:  # the round that went wrong has gone well
                            worker.careful, round_, campaign.plan = False, tally.rounds, self.plan
                    case BugFound(_, found) | BugUpdated(_, found):
                        teller.tell(Phase.SHRINKING, now=True)
                        line.tell(found)
                    case Noted():
                        line.tell(event)
        teller.tell(Phase.SEARCHING, now=True)


class _Teller:
    """Tells a tally's figures, only those that changed, and not more often than anybody looks."""

    def __init__(self, line: Line, tally: Tally) -> None:
        self._line, self._tally = line, tally
        self._told = copy.deepcopy(tally)
        self._at = 0.0

    def tell(self, phase: Phase, now: bool = False) -> None:
        at = time.perf_counter()
        if not now and at - self._at < OFTEN:
            return
        self._at = at
        tally, told = self._tally, self._told
        figures = Figures(phase, tally.programs, tally.rounds)
        figures.cells = _changed(tally.cells, told.cells)
        figures.broken = _changed(tally.broken_cells, told.broken_cells)
        figures.proven = _changed(tally.proven, told.proven)
        figures.exercised = _changed(tally.exercised, told.exercised)
        figures.reached = frozenset(tally.reached - told.reached)
        told.reached |= figures.reached
        figures.doubts = {
            signature: (times, tally.doubtful.get(signature, ""))
            for signature, times in _changed(tally.doubts, told.doubts).items()
        }
        for signature, found in tally.found.items():
            known = told.found.get(signature)
            now_seen = found.times, found.programs, found.first_by
            if known is None or (known.times, known.programs, known.first_by) != now_seen:
                figures.seen[signature] = found.times, found.programs, dict(found.first_by)
                told.found[signature] = replace(found, first_by=dict(found.first_by))
        self._line.tell(figures)


Key = TypeVar("Key")


def _changed(now: Counter[Key], told: Counter[Key]) -> dict[Key, int]:
    changed = {key: times for key, times in now.items() if told[key] != times}
    told.update({key: times - told[key] for key, times in changed.items()})
    return changed


class Supervisor:
    """The campaign of one target, which is only a name here.  `events` is the campaign."""

    def __init__(
        self,
        target: str,
        plan: Plan,
        *,
        workers: int = 1,
        cluster: str | None = None,
        confirming: bool = False,
        explaining: bool = True,
        tally: Tally,
        care: Care,
    ) -> None:
        self.target = target
        self.plan = plan
        self.tally = tally
        self._workers, self._cluster = workers, cluster
        self._confirming = confirming
        self._explaining = explaining
        self._care = care
        self._kept = _figures_of(tally)
        self._avoided: set[Program] = set()
        self._suspects = Suspects()
        self._way: Way | None = None
        self._began = 0.0
        self._phase = Phase.STARTING

    def events(self) -> Generator[CampaignEvent, None, None]:
        """Fuzz until the budget is used up, telling what happens; raises `TargetError` and `UnknownTargetError`.

        Close the iterator where it is not run to its end.
        """
        tally = self.tally
        self._began = time.perf_counter() - tally.seconds
        yield Started(tally)
        yield Progressed(tally, Phase.STARTING)
        careful, lives, described = False, LIVES, False
        unexplained: Ending | None = None
        spent = recovered = 0  # lives, on what is not explained; executions, when they were given back last
        told: set[str] = set()
        try:
            while True:
                job, trace = self._job(careful, unexplained is not None), Trace()
                with Child(job, self._care) as child:
                    while not child.over:
                        awaited([child])
                        heard = False
                        for message in child.hear():
                            heard = True
                            if isinstance(message, Described):
                                if message.description and not described:
                                    yield Noted(f"{self.target} is {message.description}")
                                described, tally.impossible = True, message.impossible
                                tally.backend = message.backend
                            elif not trace.hear(message):
                                round_ = tally.rounds
                                yield from self._heard(message)
                                if unexplained is not None and tally.rounds > round_:
                                    if str(unexplained) not in told:
                                        told.add(str(unexplained))
                                        yield Noted(f"{self.target}: {unexplained}; {NOT_AGAIN}")
                                    if tally.executions >= recovered + RECOVERY:
                                        lives, recovered = lives + spent, tally.executions
                                    spent, unexplained = 0, None
                        tally.seconds = time.perf_counter() - self._began
                        if not heard:  # an execution takes long: who watches sees that it goes on
                            yield Progressed(tally, self._phase)
                done, ending = child.done, child.ending
                if done is not None:
                    if unexplained is not None:
                        yield Noted(f"{self.target}: {unexplained}; {NOT_AGAIN}")
                    if done.error is not None:
                        raise done.error
                    if done.fault:
                        raise TargetError(f"{self.target}: a fault of Crosswire's own, please report it: {done.gist}")
                    break
                assert ending is not None
                lives -= ending.cost
                if not described:
                    if ending.foreign and lives > LIVES - SUSPECTED:
                        continue  # anybody may have ended it
                    raise TargetError(f"{self.target}: while it was taken up, {ending}")
                shown = trace.finding(ending)
                finding = self._suspects.accused(trace, ending)
                suspected = shown is not None and finding is None
                unexplained = ending if suspected or not careful else None
                spent = spent + ending.cost if unexplained is not None else 0
                if finding is not None:
                    yield from self._fatal(finding)
                elif careful and not suspected:
                    yield Noted(f"{self.target}: {ending}, while nothing was executed; a new one goes on")
                if lives <= 0:
                    yield Noted(f"{self.target}: {GIVEN_UP}; the last time {ending}")
                    break
                over = self.plan.seconds is not None and tally.seconds >= self.plan.seconds
                if over and (careful or finding) and not suspected:
                    break
                careful = lives > LIVES - CAREFUL
                if not careful:
                    self._kept = self._figures()
                    self._kept.rounds += 1
        finally:
            tally.seconds = time.perf_counter() - self._began
        yield Finished(tally)

    def _job(self, careful: bool, unexplained: bool) -> CampaignJob:
        """What the next process is to do: go on with what was counted when its round began."""
        base = _figures_of(self._kept)
        base.seconds = self.tally.seconds
        for signature, found in self.tally.found.items():
            before = self._kept.found.get(signature)
            times, programs = (before.times, before.programs) if before is not None else (0, 0)
            base.found[signature] = replace(found, times=times, programs=programs, first_by=dict(found.first_by))
        avoided = frozenset(self._avoided)
        return CampaignJob(
            self.target,
            self.plan,
            self._workers,
            self._cluster,
            base,
            self._care,
            self._confirming,
            self._explaining,
            self._way,
            careful,
            avoided,
            LOOKING * self._care.patience if unexplained else 0.0,
        )

    def _heard(self, message: object) -> Iterator[CampaignEvent]:
        tally = self.tally
        match message:
            case Figures():
                self._count(message)
                self._phase = message.phase
                yield Progressed(tally, message.phase)
            case Found():
                known = tally.found.get(message.signature)
                if known is not None:
                    message.times = max(message.times, known.times)
                    message.programs = max(message.programs, known.programs)
                tally.found[message.signature] = message
                yield BugFound(tally, message) if known is None else BugUpdated(tally, message)
            case Noted():
                yield message
            case Kept(way):
                self._way = way
            case Said(text):
                yield Noted(f"{self.target} says: {text}")

    def _count(self, figures: Figures) -> None:
        """Take in what was counted; a round that is run again counts for as much as it did."""
        tally = self.tally
        tally.programs = max(tally.programs, figures.programs)
        tally.rounds = max(tally.rounds, figures.rounds)
        tally.executions += _more(tally.cells, figures.cells)
        for (promise, cell), times in figures.broken.items():
            tally.broken[promise] += _more(tally.broken_cells, {(promise, cell): times})
        _more(tally.proven, figures.proven)
        _more(tally.exercised, figures.exercised)
        tally.reached |= figures.reached
        for signature, (times, why) in figures.doubts.items():
            tally.doubts[signature] = max(tally.doubts[signature], times)
            tally.doubtful[signature] = why
        for signature, (times, programs, first_by) in figures.seen.items():
            if signature in tally.found:
                known = tally.found[signature]
                known.times, known.programs = max(known.times, times), max(known.programs, programs)
                known.first_by = first_by
        if tally.rounds > self._kept.rounds:
            self._kept = self._figures()

    def _figures(self) -> Tally:
        """What is counted so far, of bugs too, as nothing will change it."""
        kept = _figures_of(self.tally)
        kept.found = {key: replace(found) for key, found in self.tally.found.items()}
        return kept

    def _fatal(self, finding: Finding) -> Iterator[CampaignEvent]:
        """Take in an execution that ended its process."""
        program, violation = finding.execution.program, finding.violation
        self._avoided.add(program)
        if violation.promise not in self.plan.promises:
            return
        tally, signature = self.tally, violation.signature(self.target)
        cell = "written", len(program.users), len(program)
        broken = violation.promise, cell
        for counted in (tally, self._kept):
            counted.executions += 1
            counted.cells[cell] += 1
            counted.broken[violation.promise] += 1
            counted.broken_cells[broken] += 1
        known = tally.found.get(signature)
        if known is None:
            tally.found[signature] = Found(
                finding, signature, tally.executions, time.perf_counter() - self._began, minimal=False
            )
            yield BugFound(tally, tally.found[signature])
        else:
            known.times += 1
            known.programs += 1


def _more(counted: Counter[Key], told: dict[Key, int]) -> int:
    """Raise counts to what was told; by how much in all."""
    more = 0
    for key, times in told.items():
        if times > counted[key]:
            more += times - counted[key]
            counted[key] = times
    return more


def _figures_of(tally: Tally) -> Tally:
    """A tally with the same figures, and nothing found."""
    return Tally(
        tally.target,
        tally.executions,
        tally.programs,
        tally.rounds,
        tally.seconds,
        Counter(tally.broken),
        Counter(tally.cells),
        Counter(tally.broken_cells),
        {},
        Counter(tally.proven),
        Counter(tally.doubts),
        dict(tally.doubtful),
        Counter(tally.exercised),
        dict(tally.impossible),
        set(tally.reached),
        tally.backend,
    )
