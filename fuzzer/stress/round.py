"""One round: everybody comes, talks for some seconds, and comes to rest; what was seen is judged.

A round watches itself and the server meanwhile.  Where its own loop was late, or the server did not answer pings, a row
says so (`RowKind.BUSY`), and silence counts from then on anew: what cannot be decided is not held against anybody.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

import anyio
import anyio.to_thread

from ...models.isolation.outside import Grade, Proven, judge_from_outside
from ...models.isolation.outside_index import Outside, OutsideIndex
from ..core.history import History, Outcome, RowKind
from ..core.program import Operation, Program
from ..targets.adapter import Target
from .crowd import Crowd, Track
from .figures import Figures
from .hub import Hub
from .link import Address, SocketLink
from .programs import Programs
from .traffic import Load, Traffic

__all__ = ("Past", "Plan", "Played", "Talk", "little_garbage", "play", "traffic")

TICK = 0.05
"""Seconds between two looks at the clock, at the server and at what takes too long."""

LATE = 0.5
"""Seconds by which the clients may be late, or an answer to a ping, before it is written down."""

LAG = 1.0
"""The same before nothing that takes a declared time is judged in the round any more."""

ARRIVAL = 20.0
"""Seconds in which everybody may come."""

CALM = 0.3
"""Seconds of silence after which a first look is taken at what is missing."""

UNREST = 30.0
"""Seconds for which a server is given the time to come to rest."""

SAID_AGAIN = 50
"""Ways on which something is said once more, to see whether it overtakes what is missing."""


SELDOM = 100_000
"""Objects that are made before the collector looks for circles among them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What rounds have in common; ``within`` is the declared time, in seconds."""

    load: Load = field(default_factory=Load)
    seconds: float = 4.0
    within: float = 3.0
    ordered: bool = True
    local: bool = True
    seed: int = 0


class Watch:
    """Looks after the clients, the server and the clock while a round lasts."""

    def __init__(self, crowd: Crowd, within: float, began: float) -> None:
        self.crowd, self.within, self.began = crowd, within, began
        self.undecided = 0.0
        """When silence last said nothing: the server did not answer, or the clients were late."""
        self._asked: list[SocketLink] = []
        self._said_at = 0.0

    async def run(self) -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(TICK)
            now = time.perf_counter()
            if int(began - self.began) != int(now - self.began):
                self.crowd.turn_page()
            late = now - began - TICK
            self.crowd.figures.lag = max(self.crowd.figures.lag, late)
            if late > LATE:
                self._busy(now, late)
            self.crowd.turn()
            self.crowd.look_after(now)
            self._ask(now)
            self._log_in(now)

    def _busy(self, now: float, seconds: float) -> None:
        self.undecided = now
        if now - self._said_at > LATE:
            self._said_at = now
            self.crowd.record(RowKind.BUSY, None, None, round(seconds, 3))

    def _ask(self, now: float) -> None:
        """Ask somebody's server for a sign of life; one that is missing for long says that it is away."""
        self._asked = [link for link in self._asked if link.pinged and link.state == "open" and not link.stalled]
        slowest = max((now - min(link.pinged.values()) for link in self._asked), default=0.0)
        if slowest > LATE:
            self.crowd.figures.away += TICK
            self._busy(now, slowest)
        there = [link for _, link in self.crowd.open_links() if not (link.stalled or link.narrow or link.pinged)]
        if there:
            link = self.crowd.random.choice(there)
            link.ping()
            self._asked.append(link)

    def _log_in(self, now: float) -> None:
        """Where nobody says when a login is done, it is after the declared time, from a server that answered."""
        crowd = self.crowd
        for client, link in crowd.open_links():
            since = max(link.opened_at, self.undecided)
            good = client.login.identity == client.login.user
            if client.connecting is None or not good or not crowd.unanswered(client) or now - since < self.within:
                continue
            if not link.stalled and not link.waits_since(now - LATE):
                crowd.connected(client, RowKind.RETURNED, Outcome.INDETERMINATE)


@dataclass(frozen=True, slots=True)
class Past:
    """What the rounds before have left: how far markers and connections are counted, and who was let in.

    ``began`` is when the first of them did; what is measured is kept apart by the seconds since then.
    """

    base: int
    began: float
    names: int = 0
    known: frozenset[str] = frozenset()


@dataclass(slots=True)
class Played:
    """What a round gave."""

    number: int
    program: Program
    history: History
    proven: list[Proven]
    figures: Figures
    pages: list[tuple[float, Figures]]
    """The same by the second: when each of them began."""
    started: float
    rested: bool
    """Everything had come to rest: what has not arrived is judged against the declared time."""
    spoken: frozenset[int]
    """The numbers of the operations by which something was said."""
    after: Past


Talk = Callable[[Crowd], Awaitable[None]]
"""What goes on in a round until it comes to rest."""


def traffic(programs: Programs, plan: Plan, number: int) -> Talk:
    """The talk of the round of that number: its programs, and the plan's load."""
    written = programs.of((plan.seed << 20) + number)

    async def talk(crowd: Crowd) -> None:
        load = Traffic(crowd, plan.load, written, crowd.random)
        await load.arrive(ARRIVAL)
        await load.go_on(plan.seconds)

    return talk


async def play(
    target: Target, talk: Talk, plan: Plan, address: Address, number: int, past: Past, stop: anyio.Event
) -> Played:
    """Play the round of that number, and judge it; what was seen so far, once ``stop`` is set."""
    with little_garbage():
        return await _played(target, talk, plan, address, number, past, stop)


@contextmanager
def little_garbage() -> Iterator[None]:
    """Have the collector look seldom, and at a round's own objects only: they are many, and they stay."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _played(
    target: Target, talk: Talk, plan: Plan, address: Address, number: int, past: Past, stop: anyio.Event
) -> Played:
    random = Random((plan.seed << 20) + number)
    hub = Hub()
    crowd = Crowd(target, hub, address, time.perf_counter(), past.base, past.names, random)
    watch = Watch(crowd, plan.within, past.began)
    processor = time.process_time()
    outside = Outside(plan.ordered, plan.within, False, past.known, plan.local)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.run)
            tasks.start_soon(watch.run)
            with anyio.CancelScope() as scope:
                tasks.start_soon(_cancelled_by, stop, scope)
                await talk(crowd)
                rested = await _rest(crowd, watch, plan, outside)
                outside = replace(outside, rested=rested and crowd.lag < LAG, known=past.known | crowd.known)
            crowd.history += crowd.at_rest(outside.rested)
            crowd.quiet = crowd.ending = True
            began = time.process_time()
            found, owed = await _judged(crowd, outside, tuple(crowd.history))
            judging = time.process_time() - began
            tasks.cancel_scope.cancel()
    finally:
        crowd.shut()
        hub.close()
    figures = Figures(owed=owed, judging=judging, processor=time.process_time() - processor)
    for _, page in crowd.pages:
        figures.add(page)
    program, history = Program(tuple(crowd.operations)), tuple(crowd.history)
    after = Past(past.base + len(crowd.operations), past.began, crowd.names, past.known | crowd.known)
    spoken = frozenset(event.number for event in crowd.made.values())
    return Played(number, program, history, found, figures, crowd.pages, crowd.started, outside.rested, spoken, after)


async def _cancelled_by(stop: anyio.Event, scope: anyio.CancelScope) -> None:
    await stop.wait()
    scope.cancel()


async def _rest(crowd: Crowd, watch: Watch, plan: Plan, outside: Outside) -> bool:
    """Come to rest; gives whether that came about.

    What seems to be missing then is given the declared time, and something to overtake it.
    """
    crowd.resting()
    calm = await _silence(crowd, watch, CALM)
    look = replace(outside, rested=calm, known=outside.known | crowd.known)
    found, _ = await _judged(crowd, look, (*crowd.history, *crowd.at_rest(calm)))
    suspects = [one for one in found if one.grade is Grade.DECLARED]
    if calm and not suspects:
        return True
    for operation in _ways(crowd, suspects):
        crowd.do(operation, Track())
    return await _silence(crowd, watch, plan.within)


def _ways(crowd: Crowd, suspects: list[Proven]) -> list[Operation]:
    """What was said and seems to be lost, to be said once more by whoever said it; one for each way."""
    again: dict[Operation, None] = {}
    for one in suspects:
        for row in one.violation.evidence:
            entry = crowd.history[row] if row < len(crowd.history) else None
            if entry is not None and entry.kind is RowKind.INVOKED and entry.operation is not None:
                op = crowd.operations[entry.operation]
                client = crowd.clients.get(op.connection or "")
                if op.kind not in ("connect", "join") and client is not None and not (client.gone or client.hung_up):
                    again[op] = None
    return list(again)[:SAID_AGAIN]


async def _silence(crowd: Crowd, watch: Watch, seconds: float) -> bool:
    """Wait until nothing was heard for so long, from a server that answers everybody; gives whether that came about."""
    began = time.perf_counter()
    for _, link in crowd.open_links():
        link.ping()
    asked = time.perf_counter()
    while True:
        await anyio.sleep(TICK)
        now = time.perf_counter()
        since = max(began, crowd.heard, watch.undecided)
        if now - since >= seconds and not any(link.waits_since(asked) for _, link in crowd.open_links()):
            return True
        if now - began > UNREST:
            return False


async def _judged(crowd: Crowd, outside: Outside, history: History) -> tuple[list[Proven], int]:
    """Judge a history, in a thread, so that pings are answered meanwhile; gives how much was owed, too."""
    program = Program(tuple(crowd.operations))

    def judge() -> tuple[list[Proven], int]:
        index = OutsideIndex(crowd.target, program, history, outside)
        return judge_from_outside(index), index.owed

    return await anyio.to_thread.run_sync(judge)
