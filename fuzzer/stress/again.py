"""The lanes of a failure alone, against the live server again: how often they fail without the crowd around them.

What is to be cut away is found as for the world (`reproduce`); here nobody controls the schedule, so the same
lanes begin a little apart from each other, another time in each re-run, and a fresh server is started for each where
there is a command that starts one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from ..core.program import Program
from .crowd import Crowd, Track
from .programs import recast
from .reproduce import cuts
from .round import Past, Plan, Talk
from .run import Broken, Result, Settings, listen, play_round, run
from .saved import save

__all__ = ("Again", "run_again")

APART = (0.0, 0.001, 0.005, 0.02)
"""Seconds within which the lanes begin, in one re-run after the other: by and by each cut is tried with each."""

BREATH = 0.02
"""Seconds between two looks at how far the lanes are."""

PATIENCE = 10.0
"""Seconds that a stage of the program may take."""


@dataclass(slots=True)
class Again:
    """What came of the lanes alone."""

    cuts: list[int] = field(default_factory=list)
    """How many operations each cut had that was run."""
    program: Program = field(default_factory=lambda: Program(()))
    """The cut that failed; else the last one that was run."""
    connections: int = 0
    """Of that cut."""
    times: int = 0
    failed: int = 0
    file: Path | None = None
    """Where the cut was saved that failed, with what it showed."""


def run_again(
    settings: Settings, result: Result, broken: Broken, times: int, told: Callable[[Again], None] = lambda again: None
) -> Again:
    """Run the lanes of a failure so many times; ``told`` after each.

    One cut after the other is tried until one fails, which is then run for as often as is left.  Ctrl-C ends it.
    """
    return run(_again, settings, result, broken, times, told, backend=settings.backend)


async def _again(
    settings: Settings, result: Result, broken: Broken, times: int, told: Callable[[Again], None]
) -> Again:
    again, stop = Again(), anyio.Event()
    kind = broken.proven.violation.kind
    programs = list(cuts(broken.played, broken.proven))
    past = result.after or Past(0, time.perf_counter())
    async with anyio.create_task_group() as tasks:
        await tasks.start(listen, stop, result)
        while programs and again.times < times and not stop.is_set():
            at = again.times % len(programs)
            program = programs[at]
            if not again.failed:
                _take_up(again, program)
            plan = replace(settings.plan, seed=settings.plan.seed + again.times + 1)
            apart = APART[(at + again.times // len(programs)) % len(APART)]
            talk = lanes(program, apart, plan)
            played = await play_round(settings, talk, plan, broken.round, past, stop)
            past = result.after = played.after
            if stop.is_set():
                break
            again.times += 1
            if any(one.violation.kind == kind for one in played.proven):
                again.failed += 1
                programs = [program]
                if again.file is None:
                    again.file = settings.results / "stress" / f"stress-{settings.stamp}-{kind}.json"
                    save(again.file, settings.url, settings.wire_name, settings.plan.seed, played)
            told(again)
        tasks.cancel_scope.cancel()
    return again


def _take_up(again: Again, program: Program) -> None:
    """Note which cut is run."""
    if len(program) not in again.cuts:
        again.cuts.append(len(program))
    again.program = program
    again.connections = len({op.connection for op in program.operations if op.connection is not None})


def lanes(program: Program, apart: float, plan: Plan) -> Talk:
    """The talk in which each lane of a program is played by a client of its own, and nobody else is there."""

    async def talk(crowd: Crowd) -> None:
        operations = tuple(recast(program, {}, crowd.name))
        tracks: dict[str, Track] = {}
        for stage, barrier in Program(operations).stages:
            for lane, numbers in stage:
                track = tracks.setdefault(lane, Track())
                track.operations.extend(operations[number] for number in numbers)
                crowd.later(crowd.random.random() * apart, crowd.offer, track)
            await _over(crowd, list(tracks.values()), plan.within if barrier is not None else 0.0)

    return talk


async def _over(crowd: Crowd, tracks: Sequence[Track], login: float) -> None:
    """Wait until the lanes have done what they had to, and for so long for logins that nobody confirms."""
    with anyio.move_on_after(PATIENCE + login):
        while True:
            due = crowd.turn()
            busy = any(track.operations or track.running is not None for track in tracks)
            waits = login and any(
                client.connecting is not None and not (client.gone or client.hung_up)
                for client in crowd.clients.values()
            )
            if not busy and not waits and due == float("inf"):
                return
            await anyio.sleep(max(0.0, min(BREATH, due - time.perf_counter())))
