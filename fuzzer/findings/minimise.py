"""Makes a counterexample small: no single operation and no single deviation of it can be dropped.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) down to its last
step, 1-minimality: the schedule towards "everything arrives in order", the program towards nothing, and what is
repeated towards the least number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, groupby

from ..core.program import EMITS, Operation, Program
from ..engine.execution import Worker
from ..engine.schedule import NUMBER_AT, Guided, Recorded, Schedule, Visible
from ..search import RandomWalk
from ..world import Chooser, InOrder, Key
from .finding import Finding, digest, judged, soundness_doubt

__all__ = ("RETRIES", "Trials", "attempts", "fewer_deviations", "minimise", "shows")

PASSES = 10
"""How often at most everything is tried again after the program was written down differently."""

RETRIES = 24
"""Random schedules tried on a smaller program that no schedule derived from the larger one makes fail."""

MANY = 3
"""Equal operations in a row that are easier read as one that is repeated."""

FEW = 3
"""The same where the larger program fails in order: what order does not show in the smaller one, little else will."""


def shows(worker: Worker, program: Program, chooser: Chooser, signature: str) -> Finding | None:
    """The finding of this signature that an execution shows, or None."""
    result = judged(worker, worker.run(program, chooser))
    for violation in result.violations:
        if violation.signature(worker.target.name) == signature:
            return Finding(violation, result.execution)
    return None


class Trials:
    """Executions that may show a violation again; once the time is up, nothing shows any more."""

    def __init__(self, worker: Worker, over: Callable[[], bool] = lambda: False) -> None:
        self.worker = worker
        self.over = over

    def shows(self, program: Program, chooser: Chooser, signature: str) -> Finding | None:
        """Return the finding of this signature that an execution shows, or None."""
        return None if self.over() else shows(self.worker, program, chooser, signature)

    def believed(self, program: Program, chooser: Chooser, signature: str) -> Finding | None:
        """Return the finding, where it shows and is to be believed."""
        found = self.shows(program, chooser, signature)
        if found is None or found.execution.blocked is not None:  # to wait for that once more tells nothing
            return found
        return found if soundness_doubt(self.worker, found) is None else None


def minimise(worker: Worker, finding: Finding, over: Callable[[], bool] = lambda: False) -> tuple[Finding, bool]:
    """Return the smallest finding of the same signature that dropping one thing at a time leads to, and whether it is.

    ``over`` is asked before each execution whether the time is up; then it is the smallest so far.
    """
    trials = Trials(worker, over)
    signature = finding.violation.signature(worker.target.name)
    best = fewer_deviations(trials, finding, signature)
    for _ in range(PASSES):
        before = best
        best = _fewer_times(trials, best, signature)
        while True:
            smaller = _fewer_operations(trials, best, signature)
            if smaller is best:
                break
            best = smaller
        best = _in_order_of_start(trials, best, signature)
        best = _fewer_connections(trials, best, signature)
        best = _renamed(trials, best, signature) or best
        if best.execution.program == before.execution.program:
            break
    return _folded(best), not over()


def fewer_deviations(trials: Trials, best: Finding, signature: str) -> Finding:
    """Drop deviations: all, then halves, quarters and so on, and last one by one until none can go."""
    program = best.execution.program
    found = trials.shows(program, InOrder(), signature)
    if found is not None:
        return found
    size = len(best.execution.schedule) // 2
    while size >= 1:
        at, dropped = 0, False
        while at < len(best.execution.schedule):
            deviations = best.execution.schedule.deviations
            found = trials.shows(program, Recorded(Schedule(deviations[:at] + deviations[at + size :])), signature)
            if found is not None and len(found.execution.schedule) < len(deviations):
                best, dropped = found, True
            else:
                at += size
        if not dropped or size > 1:
            size //= 2
    return best


def _fewer_operations(trials: Trials, best: Finding, signature: str) -> Finding:
    """Drop runs of operations, long ones first, then single ones, then pairs; the same object where none can go."""
    size = len(best.execution.program) // 2
    while size >= 1:
        first = len(best.execution.program) - size
        while first >= 0:
            best = _drop(trials, best, signature, tuple(range(first, first + size))) or best
            first = min(first - 1, len(best.execution.program) - size)
        size //= 2
    for first, second in combinations(reversed(range(len(best.execution.program))), 2):
        found = _drop(trials, best, signature, (first, second))
        if found is not None:
            return found
    return best


def _fewer_connections(trials: Trials, best: Finding, signature: str) -> Finding:
    """Let an earlier connection do what a later one does besides coming, where that shows it too."""
    owners = {op.connection: op.user for op in best.execution.program.operations if op.kind == "connect"}
    for earlier, later in reversed(list(combinations(owners, 2))):
        program = best.execution.program
        operations = program.operations
        mine = [at for at, op in enumerate(operations) if op.connection == later]
        if len(mine) > 1 and any(op.connection == earlier for op in operations):
            moved = tuple(
                _said_on(op, earlier, owners[earlier]) if at in mine else op for at, op in enumerate(operations)
            )
            smaller = Program(moved).without(mine[0])
            best = _smaller(trials, best, signature, smaller, program.numbers[mine[0]]) or best
    return best


def _said_on(op: Operation, connection: str | None, owner: str | None) -> Operation:
    """An operation of another connection: what is said there is its owner's."""
    if op.kind in EMITS or op.kind == "act":
        return replace(op, connection=connection, user=owner, to=owner if op.kind == "run_agent" else op.to)
    return replace(op, connection=connection)


def _folded(finding: Finding) -> Finding:
    """The same with equal operations in a row written as one that is repeated, from `MANY` on: nothing else changes."""
    operations: list[Operation] = []
    for op, run in groupby(finding.execution.program.operations, key=lambda op: replace(op, times=1)):
        equal = list(run)
        operations += [replace(op, times=sum(one.times for one in equal))] if len(equal) >= MANY else equal
    program = Program(tuple(operations))
    return replace(finding, execution=replace(finding.execution, program=program))


def _fewer_times(trials: Trials, best: Finding, signature: str) -> Finding:
    """Repeat each operation as few times as it takes: nothing is repeated, or by halving what may be too many."""
    once = {at: 1 for at, op in enumerate(best.execution.program.operations) if op.times > 1}
    if not once:
        return best
    best = _repeated(trials, best, signature, once) or best
    for at in once:
        enough, few = best.execution.program.operations[at].times, 0
        while enough - few > 1:
            middle = (enough + few) // 2
            found = _repeated(trials, best, signature, {at: middle})
            if found is not None:
                best, enough = found, middle
            else:
                few = middle
    return best


def _repeated(trials: Trials, best: Finding, signature: str, times: dict[int, int]) -> Finding | None:
    """The finding with these operations repeated so many times, if it still shows."""
    program = best.execution.program
    smaller = Program(tuple(replace(op, times=times.get(at, op.times)) for at, op in enumerate(program.operations)))
    dropped = [number for at, most in times.items() for number in program.numbers[at][most:]]
    return _smaller(trials, best, signature, smaller, dropped)


def _drop(trials: Trials, best: Finding, signature: str, places: tuple[int, ...]) -> Finding | None:
    """The finding without these operations, if it still shows."""
    program = best.execution.program
    dropped = [number for at in places for number in program.numbers[at]]
    return _smaller(trials, best, signature, program.without(*places), dropped)


def _smaller(trials: Trials, best: Finding, signature: str, smaller: Program, dropped: Sequence[int]) -> Finding | None:
    """The finding in a program that lost the operations of these numbers, if it still shows."""
    if not smaller.operations:
        return None
    for chooser in attempts(best, smaller, *dropped):
        found = trials.believed(smaller, chooser, signature)
        if found is not None:
            return fewer_deviations(trials, found, signature)
    return None


def attempts(best: Finding, smaller: Program, *dropped: int) -> Iterator[Chooser]:
    """The schedules a smaller program is tried under: in order, like the larger one, and some at random."""
    yield InOrder()
    yield Guided(_renumbered(best.execution.visible, dropped))
    yield Recorded(best.execution.schedule)
    base = digest(smaller) << 16
    for seed in range(RETRIES if best.execution.schedule.deviations else FEW):
        yield RandomWalk(base + seed)


def _renumbered(visible: tuple[Visible, ...], dropped: tuple[int, ...]) -> Iterator[Visible]:
    """The order of events of a program that lost some operations."""
    last = max((int(key[1]) for key, _ in visible if key[0] == "start"), default=0)
    kept = [number for number in range(last + 1) if number not in dropped]
    places = {old: new for new, old in enumerate(kept)}
    for key, busy in visible:
        at = NUMBER_AT.get(str(key[0]))
        if at is None or key[at] not in dropped:
            yield _placed(key, places), busy


def _in_order_of_start(trials: Trials, best: Finding, signature: str) -> Finding:
    """Write the operations down in the order they started in, where that takes fewer deviations."""
    started = [key[1] for key, _ in best.execution.visible if key[0] == "start"]
    operations = best.execution.program.operations
    order = [number for number in started if isinstance(number, int) and number < len(operations)]
    if len(order) != len(best.execution.program.expanded) or order == sorted(order):
        return best  # not all of them started, or they are repeated, or written down so already
    program = Program(tuple(operations[number] for number in order))
    places = {old: new for new, old in enumerate(order)}
    guide = [(_placed(key, places), busy) for key, busy in best.execution.visible]
    for chooser in (InOrder(), Guided(guide)):
        found = trials.believed(program, chooser, signature)
        if found is not None:
            found = fewer_deviations(trials, found, signature)
            if len(found.execution.schedule) < len(best.execution.schedule):
                return found
    return best


def _placed(key: Key, places: dict[int, int]) -> Key:
    """An event's key after its operation got another number."""
    at = NUMBER_AT.get(str(key[0]))
    if at is None:
        return key
    number = int(key[at])
    return (*key[:at], places.get(number, number), *key[at + 1 :])


def _renamed(trials: Trials, best: Finding, signature: str) -> Finding | None:
    """The same with users and connections numbered as they appear, where that shows it too."""
    names: dict[str, str] = {}
    counts = {"u": 0, "c": 0}

    def name(old: str | None) -> str | None:
        if old is None or old[:1] not in counts or not old[1:].isdigit():
            return old
        if old not in names:
            names[old] = f"{old[0]}{counts[old[0]]}"
            counts[old[0]] += 1
        return names[old]

    def rename(op: Operation) -> Operation:
        return replace(
            op,
            connection=name(op.connection),
            user=name(op.user),
            to=name(op.to),
            thread=name(op.thread),
            token=name(op.token),
        )

    program = Program(tuple(rename(op) for op in best.execution.program.operations))
    if program == best.execution.program:
        return None
    found = trials.shows(program, Recorded(best.execution.schedule), signature)
    if found is None or len(found.execution.schedule) > len(best.execution.schedule):
        return None
    if found.execution.blocked is not None:
        return found
    return found if soundness_doubt(trials.worker, found) is None else None
