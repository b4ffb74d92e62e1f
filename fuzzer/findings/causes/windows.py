"""Windows: where a task is suspended, what runs meanwhile, and what the two have to do with each other."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from ...core.source import Line
from .objects import Objects, Touch
from .trace import Chain, Trace

__all__ = ("Window", "between_events", "in_flight", "not_in")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a task was suspended, outermost frame first, and which line of what ran meanwhile matters.

    ``shared`` names what the line changes and the task goes by, or the other way round, and ``goes_by`` is the task's
    line; where nothing is seen to be shared, the line is the last that ran.  ``resting``: the task waits there whenever
    there is nothing to do.  ``before``: it had to do with that before it waited as well, and goes on with what it knew.
    """

    places: Chain
    intruder: Line
    shared: str = ""
    changes: bool = False
    goes_by: Line | None = None
    resting: bool = False
    before: bool = False


def between_events(trace: Trace, first: int, second: int, clock: bool, last: int) -> tuple[Window, ...]:
    """Where tasks that one event wakes were suspended while the other's ran; they go on before the row ``last``.

    A background task that merely sleeps is none: unless the clock is one of the two events, they must go on at once.
    """
    found: dict[Window, None] = {}
    ran = trace.runs if clock else trace.prompt
    one, two = ran.get(first, {}), ran.get(second, {})
    before, between = trace.waits.get(first, {}), trace.waits.get(second, {})
    for task in two:  # it was suspended while those of the first event ran
        if task in between:
            found.update((_window(trace, task, second, lines, last), None) for o, lines in one.items() if o != task)
    later = {task for event, tasks in ran.items() if event > second and trace.began[event] <= last for task in tasks}
    for task in one:  # it ran for the first, is suspended again while those of the second run, and goes on later
        if task in between and task not in two and task in later:
            found.update((_window(trace, task, second, lines, last), None) for lines in two.values())
    if not found:  # one event wakes both: the later was suspended while the earlier ran
        for tasks, waits, event in ((one, before, first), (two, between, second)):
            turns = list(tasks.items())
            for at, (task, _) in enumerate(turns):
                if task in waits:
                    found.update((_window(trace, task, event, lines, last), None) for _, lines in turns[:at])
    return tuple(found)


def not_in(trace: Trace, other: Trace, last: int) -> tuple[Window, ...]:
    """The windows of an execution, up to the row ``last``, in which tasks share something, and that another has not.

    First those that something came into from outside, then those between the steps of tasks that were ready together.
    """
    elsewhere = other.elements()
    noted = sorted(trace.marks)
    paused, at_once = dict[Window, None](), dict[Window, None]()
    for task, before, after in _gaps(trace, last):
        place = bisect_right(noted, before, key=trace.marks.__getitem__)
        came = noted[place] if place < len(noted) else None
        meanwhile = [line for line, *_ in trace.sequence[before + 1 : after]]
        if came is None or trace.marks[came] > after:
            turn = noted[place - 1] if place else 0, came
            window = _at_once(trace, task, before, turn, meanwhile, last)
            if window.shared and not window.resting:
                at_once[window] = None
        elif task in trace.waits.get(came, {}):
            window = _window(trace, task, came, meanwhile, last)
            met = ("during", window.places[-1], window.intruder)
            if window.shared and not window.resting and met not in elsewhere:
                paused[window] = None
    if not paused and at_once:
        there = {
            (other.sequence[before][0], line)
            for _, before, after in _gaps(other, len(other.rows))
            for line, *_ in other.sequence[before + 1 : after]
        }
        return tuple(window for window in at_once if (window.places[-1], window.intruder) not in there)
    return tuple(paused)


def _gaps(trace: Trace, last: int) -> Iterator[tuple[int, int, int]]:
    """Each time that others ran between two lines of a task: the task, and where the two are in the sequence."""
    turns: dict[int, list[int]] = defaultdict(list)
    for at, (_, task, row) in enumerate(trace.sequence):
        if row <= last:
            turns[task].append(at)
    for task, mine in turns.items():
        yield from ((task, before, after) for before, after in pairwise(mine) if after - before > 1)


def in_flight(trace: Trace, event: int, settled: Iterable[Chain], last: int) -> tuple[Window, ...]:
    """Where tasks are suspended when an event comes that are not when it comes later, and what runs until they go on.

    ``settled`` is where tasks are suspended then.
    """
    still = Counter(settled)
    found: dict[Window, None] = {}
    for task, chain in trace.waits.get(event, {}).items():
        if still[chain]:
            still[chain] -= 1
            continue
        meanwhile: list[Line] = []
        for line, runner, row in trace.sequence[trace.marks[event] :]:
            if runner == task:
                if meanwhile and row <= last:
                    found[_window(trace, task, event, meanwhile, last)] = None
                break
            meanwhile.append(line)
    return tuple(found)


def _window(trace: Trace, task: int, event: int, meanwhile: Sequence[Line], last: int) -> Window:
    """What a task that is suspended when an event becomes visible has to do with lines that run before it goes on."""
    chain = trace.waits[event][task]
    before, after = list(_before(trace, task, event)), list(_after(trace, task, event, last))
    return _shared(trace, task, chain, before, after, _suspended(trace, task, event), meanwhile)


def _at_once(
    trace: Trace, task: int, before: int, turn: tuple[int, int | None], meanwhile: Sequence[Line], last: int
) -> Window:
    """The same of a task that gave way to others which were ready: it waits in the line that it ran last.

    All of that is after one event, and before the one that comes next, if one does: the ``turn``.
    """
    event, came = turn
    since = trace.marks.get(event, 0)
    until = trace.marks[came] if came is not None else len(trace.sequence)
    earlier = [line for line, runner, _ in reversed(trace.sequence[since : before + 1]) if runner == task]
    later = [line for line, runner, row in trace.sequence[before + 1 : until] if runner == task and row <= last]
    if came is not None and not _rests(trace, task, came):
        later += _after(trace, task, came, last)
    chain = (trace.sequence[before][0],)
    return _shared(trace, task, chain, [*earlier, *_before(trace, task, event)], later, meanwhile, meanwhile)


def _shared(
    trace: Trace,
    task: int,
    chain: Chain,
    before: Sequence[Line],
    after: Sequence[Line],
    gap: Sequence[Line],
    meanwhile: Sequence[Line],
) -> Window:
    """The window of a task that waits in ``chain``, by what it ran before, the last first, and runs after."""
    earlier, later = _objects(trace, before, task), _objects(trace, after, task)
    best: tuple[tuple[bool, bool, bool, bool, int], Line, Touch, list[Touch]] | None = None
    close = set(meanwhile)
    for line, at in {line: at for at, line in enumerate(gap)}.items():
        for theirs in _of_others(trace, line, task):
            before_it, after_it = earlier.same(theirs), later.same(theirs)
            if theirs.changes:
                met = [*after_it, *(mine for mine in before_it if not mine.changes)]
            else:
                met = [mine for mine in (*after_it, *before_it) if mine.changes]
            rank = (bool(before_it and after_it), theirs.changes, bool(after_it), line in close, at)
            if met and (best is None or rank > best[0]):
                best = rank, line, theirs, met
            elif met and best is not None and (rank, theirs.name) == (best[0], best[2].name):
                best[3].extend(met)
    resting = chain[-1] in trace.rests
    if best is None:
        return Window(chain, meanwhile[-1], resting=resting)
    rank, line, theirs, met = best
    wanted = set(met)
    goes_by, its = next(
        (its, touch)
        for its in (*after, *before)
        for touch in sorted(trace.touched[its].get(task, ()), key=_told)
        if touch in wanted
    )
    return Window(chain, line, its.name, theirs.changes, goes_by, resting, rank[0])


def _told(touch: Touch) -> tuple[bool, str]:
    """What changes first, then by name."""
    return not touch.changes, touch.name


def _objects(trace: Trace, lines: Iterable[Line], task: int) -> Objects:
    """What a task has to do with in some lines."""
    return Objects(touch for line in set(lines) for touch in trace.touched[line].get(task, ()))


def _of_others(trace: Trace, line: Line, task: int) -> list[Touch]:
    """What others have to do with in a line than a task, when they run it."""
    found = {touch for other, touches in trace.touched[line].items() if other != task for touch in touches}
    return sorted((touch for touch in found if not touch.before), key=_told)


def _suspended(trace: Trace, task: int, event: int) -> list[Line]:
    """What others run from when a task was suspended, which it is when an event becomes visible, until it goes on."""
    mark = trace.marks[event]
    start = next((at for at in range(mark - 1, -1, -1) if trace.sequence[at][1] == task), -1) + 1
    others = takewhile(lambda ran: ran[1] != task, trace.sequence[start:])
    return [line for line, *_ in others]


def _rests(trace: Trace, task: int, event: int) -> bool:
    chain = trace.waits.get(event, {}).get(task)
    return chain is not None and chain[-1] in trace.rests


def _before(trace: Trace, task: int, event: int) -> Iterator[Line]:
    """What a task ran until an event, the last first, since it last was at rest."""
    for earlier in range(event - 1, -1, -1):
        yield from reversed(trace.runs.get(earlier, {}).get(task, ()))
        if _rests(trace, task, earlier):
            return


def _after(trace: Trace, task: int, event: int, last: int) -> Iterator[Line]:
    """What a task runs from an event on, until it is at rest again, and before the row ``last``."""
    for later in range(event, max(trace.runs, default=0) + 1):
        if later > event and _rests(trace, task, later):
            return
        if trace.began.get(later, 0) <= last:
            yield from trace.runs.get(later, {}).get(task, ())
