"""Proves how a target's executions are kept apart, before a campaign: the same shows after others as alone.

Some programs are executed in processes of their own; then all of them one after the other in one process, with what
they changed put back, or the modules executed anew.  Histories must be the same, and so must the frames that clients
were sent: an echo of somebody else's state has no marker in it.  Otherwise the next stricter way is taken, and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, islice

from ...strategies.openings import openings
from ..core.choices import WAYS, Way
from ..core.handshake import Sent
from ..core.history import History
from ..core.program import Operation, Program
from ..engine.alone import CAN_FORK, AloneError, in_fork
from ..engine.difference import Difference, difference
from ..engine.execution import TargetError, Worker
from ..search import RandomWalk
from ..targets.adapter import Target
from ..world import Chooser, InOrder

__all__ = ("JOBS", "prove", "sample")

JOBS = 24
"""Executions that are compared: some hundred milliseconds for a small target."""

FEWEST = 4
"""Of these, where time is short."""

USERS = 3

Job = tuple[Program, int]
Shown = tuple[History, list[Sent]]


def sample(target: Target) -> Iterator[Job]:
    """Programs that do a little of everything the target offers, and which schedule each is executed under."""
    programs = list(openings(target, USERS)) or list(_plain(target))
    step = max(1, len(programs) // JOBS)
    for number, program in enumerate(islice(cycle(programs[::step]), JOBS)):
        yield program, number


def _plain(target: Target) -> Iterator[Program]:
    users = [f"u{number}" for number in range(USERS)]
    arriving = [Operation("connect", f"c{number}", user, token="valid") for number, user in enumerate(users)]
    if target.offers("authenticate"):
        arriving += [Operation("authenticate", f"c{number}", token="valid") for number in range(USERS)]
    said = [Operation("emit", user=user, to=to) for user, to in (("u0", "u1"), ("u1", "u2")) if target.offers("emit")]
    if target.offers("broadcast"):
        said.append(Operation("broadcast", user="u2"))
    if target.offers("run_agent"):
        said.append(Operation("run_agent", "c0", "u0", "u0"))
    for leaving in ("disconnect", "abort"):
        yield Program((*arriving, *said, Operation(leaving, "c1"), *said))
        yield Program((*arriving, Operation("settle"), *said, Operation("settle"), Operation(leaving, "c0"), *said))


def prove(worker: Worker, executions: int | None = None, over: Callable[[], bool] = lambda: False) -> None:
    """Choose how executions are kept apart, within a session in which nothing was executed yet.

    No more of them are compared than there are to be ``executions``, and only `FEWEST` once time is ``over``.  Nothing
    is said of a target that cannot be executed: whoever executes it next will hear why.
    """
    state = worker.target.state
    if state.proven or not CAN_FORK or state.way == WAYS[-1]:
        return
    jobs = list(islice(sample(worker.target), executions))
    try:
        expected: list[Shown] = []
        while len(expected) < len(jobs) and not (len(expected) >= FEWEST and over()):
            expected.append(_alone(worker, jobs[len(expected)]))
    except (TargetError, _NeverEnds):
        return
    del jobs[len(expected) :]
    worker.begin()  # here, where it serves the campaign too
    state.proven = worker.samples = True
    while state.way != WAYS[-1]:
        outcome = _tried(worker, state.way, jobs, expected)
        if isinstance(outcome, tuple):
            number, found = outcome
            by_itself = difference(expected[number], _alone(worker, jobs[number]), jobs[number][0].expanded)
            if by_itself is not None:
                state.varies(by_itself)
                del jobs[number], expected[number]
                continue
            outcome = f"an execution shows something else after {number} others than alone: {found}"
        if outcome is None:
            return
        forced = state.forced
        state.step_down(outcome)
        if forced:
            return


class _NeverEnds(Exception):
    """An execution was broken off: to compare more of the kind would take for ever."""


def _alone(worker: Worker, job: Job) -> Shown:
    program, number = job
    execution = worker.alone(program, _chooser(number))
    if execution.blocked is not None:
        raise _NeverEnds
    return execution.history, worker.frames


def _chooser(number: int) -> Chooser:
    return RandomWalk(number) if number % 4 else InOrder()


def _tried(worker: Worker, way: Way, jobs: list[Job], expected: list[Shown]) -> tuple[int, Difference] | str | None:
    """Execute all jobs in one process: the first that shows something else, what else is wrong, or None.

    In a process that is given up afterwards: what it has left does not concern the next way.
    """

    def perform() -> tuple[int, Difference] | str | None:
        state = worker.target.state
        state.way = way
        for number, (program, seed) in enumerate(jobs):
            execution = worker.execute(program, _chooser(seed))
            worker.collect()
            state.put_back(thorough=True)
            found = difference((execution.history, worker.frames), expected[number], program.expanded)
            if found is not None:
                return number, found
            snapshot = state.snapshot
            if snapshot is not None and snapshot.own_trouble:
                return f"{', '.join(map(str, snapshot.own_trouble[:3]))} cannot be put back"
        return None

    try:
        return in_fork(perform)  # type: ignore[no-any-return]
    except AloneError as error:
        return str(error)
