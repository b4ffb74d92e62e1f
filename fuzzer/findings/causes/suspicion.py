"""Which lines are suspicious: by their spectrum, by the windows that decide, and by who changed what they go by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from ...core.source import Line
from ..finding import Finding
from .cause import Cause, Reason, thrown, weakly
from .decisions import Way, decisions
from .experiments import Change, Flip
from .objects import Objects
from .sharing import access
from .spectrum import Spectrum
from .trace import Element, Trace
from .windows import Window

__all__ = ("Suspicion",)

SURE = 0.8
"""The score from which on an exception counts as the cause."""

RAISING = ("raise", "escape", "arrive")
"""What a spectrum counts of exceptions."""

HANDLER_ENDED = frozenset({"Refused"})
"""What goes wrong, by `Violation.kin`, where the code that serves a client comes to its end."""

ENOUGH = 5
"""Passing executions without which an exception's score says nothing."""

NEXT = 2
"""Lines of one score so close to each other are one place: nothing tells them apart."""

ORIGINS = 2
"""Places for which it is said where what they go by comes from."""

CHANGES = 2
"""Changes of what was gone by that are named, the last ones."""


class Suspicion:
    """A finding's own execution beside its spectrum: which lines are in question, and how suspicious they are.

    ``shown`` are the signatures of all that the execution shows.
    """

    def __init__(
        self, finding: Finding, shown: frozenset[str], trace: Trace, counts: Spectrum, glue: str | None
    ) -> None:
        self.finding, self.shown, self.trace, self.counts, self.glue = finding, shown, trace, counts, glue
        evidence = finding.violation.evidence
        since = 0 if len(evidence) == 1 or finding.violation.promise == "consistency" else evidence[0]
        self.last = {
            line: max((row for row in rows if since <= row <= evidence[-1]), default=-1)
            for line, rows in trace.at.items()
        }
        ranked = [pair for pair in counts.ranked("line", "raise") if self.between(pair[1][1])]
        self.blocks = self._blocks(ranked)

    def between(self, line: Line) -> bool:
        """Whether the line ran between the first evidence and the last."""
        return self.last.get(line, -1) >= 0

    def _blocks(self, ranked: Iterable[tuple[float, Element]]) -> list[tuple[Line, ...]]:
        """Lines by score; those next to each other with one score together, since nothing tells them apart."""
        order = sorted(
            ranked,
            key=lambda e: (-round(e[0], 6), e[1][1].file == self.glue, e[1][0] != "raise", -self.last[e[1][1]]),
        )
        blocks: list[tuple[float, list[Line]]] = []
        for score, (_, at, *_) in order:
            for known, lines in blocks:
                close = any(one.file == at.file and abs(one.number - at.number) <= NEXT for one in lines)
                if abs(known - score) < 1e-6 and close:
                    lines.append(at)
                    break
            else:
                blocks.append((score, [at]))
        return [tuple(sorted(set(lines))) for _, lines in blocks]

    def raised(self) -> Cause | None:
        """An exception that failing executions raise and passing ones do not: its innermost line.

        Or one of a library's that the target's own code lets go on, as a send to who has gone does; where a handler has
        ended, also one that it catches, unless it waits there whenever there is nothing to do.
        """
        found = self._thrown("raise") or self._thrown("escape")
        return self._thrown("arrive") if found is None and self.finding.violation.kin in HANDLER_ENDED else found

    def explains(self, told: Cause | None) -> Cause | None:
        """What was raised beside it, where it does not show without that and much less is wrong without it."""
        if told is None or self.counts.passing < ENOUGH:
            return told
        line = told.places[0][0]
        raised = [element for element in self.counts.fails if element[0] in RAISING and element[1] == line]
        always = any(self.counts.fails[element] == self.counts.failing for element in raised)
        return told if always and max(map(self.counts.ochiai, raised)) >= SURE else None

    def _thrown(self, sort: str) -> Cause | None:
        raised = [
            (score, element[1])
            for score, element in self.counts.ranked(sort)
            if score >= SURE and self.between(element[1]) and not (sort == "arrive" and element[1] in self.trace.rests)
        ]
        if not raised or self.counts.passing < ENOUGH:
            return None
        top = max(score for score, _ in raised)
        tied = [line for score, line in raised if score >= top - 1e-9]
        line = min(tied, key=lambda at: (at.file == self.glue, self.last[at], at))
        return thrown(Reason.RAISED, self.finding, line)

    def windowed(self, deciding: Sequence[Flip | Change]) -> list[tuple[Flip | Change, Window]]:
        """The windows of what decides, the most telling first."""
        counts = self.counts
        during = [element for element in counts.fails if element[0] == "during"]
        told = [(one, window) for one in deciding for window in one.windows if window.shared or not window.resting]
        over: dict[tuple[Line, str], float] = defaultdict(float)
        """how often it goes wrong when two meet over something: of the two, either may be the one that waits"""
        for _, window in told:
            met = counts.ochiai(("during", window.places[-1], window.intruder))
            about = window.places[-1], window.shared
            over[about] = max(over[about], met)

        def rank(pair: tuple[Flip | Change, Window]) -> tuple[bool | float, ...]:
            decides, window = pair
            at = window.places[-1]
            alone = max((counts.ochiai(element) for element in during if element[1] == at), default=0.0)
            return (
                at.file == self.glue,
                window.resting,
                decides.starts,
                -decides.strength,
                not window.shared,
                not window.before,
                -over[at, window.shared],
                not window.changes,
                -counts.ochiai(("during", at, window.intruder)),
                -alone,
            )

        return sorted(told, key=rank)

    def with_origins(self, places: Sequence[tuple[Line, ...]]) -> tuple[tuple[tuple[Line, ...], ...], frozenset[Line]]:
        """The places, and behind each of the first what last changed that which it goes by, and who called that.

        What was put in is said beside them.
        """
        origins: set[Line] = set()
        found: dict[tuple[Line, ...], None] = {}
        known = {line for place in places[:1] for line in place}
        for number, place in enumerate(places):
            found[place] = None
            for line in self._origin(place) if number < ORIGINS else ():
                if line not in known:
                    known.add(line)
                    found[line,] = None
                    origins.add(line)
        return tuple(found), frozenset(origins)

    def _origin(self, place: tuple[Line, ...]) -> list[Line]:
        """The most suspicious of the lines that last changed what a place, or a condition it is under, reads.

        What another function changes, or another task.
        """
        found: dict[Line, list[Line]] = {}
        last: set[Hashable] = set()
        for at, changed in self._changes(place):
            if not changed <= last:
                last |= changed
                line = self.trace.sequence[at][0]
                found[line] = [line, *self._caller(at)]
        return max(found.values(), key=lambda lines: self.counts.ochiai(("line", lines[0])), default=[])

    def _changes(self, place: Sequence[Line]) -> Iterator[tuple[int, frozenset[Hashable]]]:
        """After how many lines another function, or task, changed what of that which a place goes by, the last first.

        A place that no task ran was read last: what it goes by is known by name only.
        """
        functions = {line.function for line in place}
        under = {Line(line.file, number, line.function) for line in place for number in access(line).under}
        lines = {*place, *under}
        names = set().union(*(access(line).reads for line in lines))
        lines |= {line for line in self.trace.at if line.function.rpartition(".")[2] in names}  # a property's
        names |= set().union(*(access(line).reads for line in lines))
        evidence = self.finding.violation.evidence[-1]
        reader: int | None = None if any(line in self.trace.at for line in place) else -1
        reads: Objects | None = None
        for at in range(len(self.trace.sequence) - 1, -1, -1):
            line, task, row = self.trace.sequence[at]
            if reader is None and row <= evidence and line in place:
                reader = task
                reads = Objects(touch for line in lines for touch in self.trace.touched[line].get(task, ()))
            read = reader is not None and row <= evidence
            elsewhere = read and (line.function not in functions or task != reader)
            if not elsewhere or line in place or line.function.endswith("__init__"):
                continue
            changed = self._changed(at, reads) if reads is not None else access(line).changes & names
            if changed:
                yield at, frozenset(changed)

    def _changed(self, at: int, reads: Objects) -> set[Hashable]:
        """What is changed, of that which is read, in the line that ran so many lines after the beginning."""
        line, task, _ = self.trace.sequence[at]
        touched = self.trace.touched[line].get(task, ())
        return {(touch.where, touch.part) for touch in touched if touch.changes and reads.same(touch)}

    def _caller(self, at: int) -> Iterator[Line]:
        """The line that called the function of the line that ran so many lines after the beginning."""
        line, task, _ = self.trace.sequence[at]
        called = f"{line.function.rpartition('.')[2]}("
        for before, runner, _ in reversed(self.trace.sequence[:at]):
            if runner == task and before.function != line.function:
                if called in before.text:
                    yield before
                return

    def decided(self, wrong: Way, known: Sequence[tuple[Line, ...]]) -> tuple[list[Line], list[Line]]:
        """Where it was decided that it goes wrong, and who last changed what was gone by there; not what is known.

        Where nothing was decided in another way, it is who last changed what the operation goes by at all.
        """
        told = {line for place in known for line in place}
        taken = [line for line in decisions(wrong, self.counts.well) if line.file != self.glue][:1]
        changes = self._changes(tuple(taken) or wrong) if wrong else ()
        changed = dict.fromkeys(line for at, _ in changes if (line := self.trace.sequence[at][0]).file != self.glue)
        return (
            [line for line in taken if line not in told],
            [line for line in list(changed)[:CHANGES] if line not in told and line not in taken],
        )

    def line(self) -> Cause | None:
        """The most suspicious lines; where nothing passes, the line that ran last when it showed."""
        if self.blocks and self.counts.passing:
            first = min(self.blocks[0])
            return weakly(Reason.LINES, self.finding, first, self.blocks[0])
        shows = self.trace.rows[self.finding.violation.evidence[-1]]
        if shows is None:
            return None
        return weakly(Reason.SHOWN, self.finding, shows, (shows,))
