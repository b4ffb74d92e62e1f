"""A run: rounds for as long as was asked, what they found, and what was measured."""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import anyio

from ...models.isolation.outside import Grade, Proven
from ...models.isolation.violations import KillsProcess
from ..core.errors import UsageError
from ..targets.adapter import Target
from ..targets.wire import Wire
from .address import Spot
from .figures import Course, Figures
from .programs import Programs
from .round import Past, Plan, Played, Talk, play, traffic
from .saved import save
from .serving import Server, listens
from .tls import trusted

__all__ = ("Broken", "Result", "Settings", "check", "listen", "play_round", "run", "stress")

SHORTEST = 0.5
"""Seconds of traffic that are worth a round."""

KEPT = 5
"""Rounds whose histories are saved, of those that found something."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is to be done: ``seconds`` in all, ``command`` what starts a fresh server for each round."""

    url: str
    spot: Spot
    wire: Wire
    wire_name: str
    target: Target
    plan: Plan
    seconds: float
    backend: str = "asyncio"
    command: str | None = None
    first: bool = False
    """Stop at the first violation."""
    results: Path = Path("results")
    started: float = field(default_factory=time.time)
    """By the clock on the wall."""

    @property
    def stamp(self) -> str:
        """What the run's files are called by."""
        return time.strftime("%Y%m%d-%H%M%S", time.localtime(self.started))


@dataclass(slots=True)
class Broken:
    """A way in which a promise was broken: the first time it was seen, and how often in all."""

    proven: Proven
    round: int
    at: float
    """Seconds from the run's beginning to the first evidence."""
    said: int
    """How many events had been said by then."""
    played: Played
    file: Path | None = None
    """Where the history of that round was saved."""
    times: int = 1


@dataclass(slots=True)
class Result:
    """What a run gave."""

    figures: Figures = field(default_factory=Figures)
    course: Course = field(default_factory=Course)
    last: Figures = field(default_factory=Figures)
    """Of the last round."""
    rounds: int = 0
    rested: int = 0
    """Rounds that came to rest."""
    broken: dict[str, Broken] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0
    after: Past | None = None
    """What the last round has left."""

    @property
    def code(self) -> int:
        """The exit code: silence is no success."""
        if self.interrupted:
            return 130
        return 1 if self.broken else 2 if not self.figures.heard else 0


def check(settings: Settings) -> None:
    """See that there is a server that can be trusted, or that one will be started; raises `UsageError`."""
    if settings.backend == "trio" and version("anyio").startswith("3."):
        raise UsageError("on trio it needs anyio 4: pip install 'anyio>=4', or leave --backend out")
    if settings.command is None:
        if not listens(settings.spot.address):
            raise UsageError(f"nothing listens at {settings.spot.address.host}")
        _see_certificate(settings)


def _see_certificate(settings: Settings) -> None:
    """Raise `UsageError` where the server is to speak TLS, and does not, or not in its own name."""
    address = settings.spot.address
    if address.tls is not None:
        trusted(address.tls, address.family, address.sockaddr, address.name)


def stress(settings: Settings, told: Callable[[Result], None] = lambda result: None) -> Result:
    """Play rounds until the time is up; ``told`` after each.  Raises `UsageError` where there is no server."""
    check(settings)
    return run(_run, settings, told, backend=settings.backend)


Given = TypeVar("Given")


def run(act: Callable[..., Awaitable[Given]], *arguments: object, backend: str) -> Given:
    """Run on a loop of its own; tasks raise in groups, and it is one thing that went wrong."""
    try:
        return anyio.run(act, *arguments, backend=backend)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of the exceptions in a group, however deep."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _run(settings: Settings, told: Callable[[Result], None]) -> Result:
    result, began = Result(), time.perf_counter()
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await tasks.start(listen, stop, result)
        base = int(time.time()) % 1_000_000 * 1_000_000  # a server may still send what another run has said
        past = Past(base, began)
        programs = Programs(settings.target)
        number = 0
        while not stop.is_set():
            left = began + settings.seconds - time.perf_counter()
            if (left < SHORTEST and number) or (settings.first and result.broken):
                break
            plan = replace(settings.plan, seconds=max(SHORTEST, min(settings.plan.seconds, left)))
            played = await play_round(settings, traffic(programs, plan, number), plan, number, past, stop)
            past, number = played.after, number + 1
            result.after = past
            result.seconds = time.perf_counter() - began
            _take(settings, result, played, played.started - began)
            told(result)
            if not result.figures.connects:
                break
        tasks.cancel_scope.cancel()
    result.seconds = time.perf_counter() - began
    if not result.figures.heard:  # then the wire is wrong, and nothing was lost
        result.broken = {key: one for key, one in result.broken.items() if one.proven.grade is Grade.CERTAIN}
    return result


async def listen(stop: anyio.Event, result: Result, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Have Ctrl-C end the round, which closes its connections and is judged as far as it went."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if result.interrupted:
                raise KeyboardInterrupt
            result.interrupted = True
            stop.set()


async def play_round(settings: Settings, talk: Talk, plan: Plan, number: int, past: Past, stop: anyio.Event) -> Played:
    """Play a round, with a server of its own where there is a command that starts one."""
    target, address = settings.target, settings.spot.address
    if settings.command is None:
        return await play(target, talk, plan, address, number, past, stop)
    server = Server(settings.command, address)
    try:
        await server.until_it_listens()
        _see_certificate(settings)
        played = await play(target, talk, plan, address, number, past, stop)
        code = server.ended
    finally:
        server.end()
    if code is not None:
        last = (max(len(played.history) - 1, 0),)
        ended = KillsProcess(f"the server's process ended by itself, with code {code}", "", last)
        played.proven.append(Proven(ended, Grade.CERTAIN, "its exit code"))
    return played


def _take(settings: Settings, result: Result, played: Played, since: float) -> None:
    """Count what a round gave that began at that second of the run, and keep the first of each kind of violation."""
    said_before = result.figures.said
    result.figures.add(played.figures)
    result.last = played.figures
    result.rounds += 1
    result.rested += played.rested
    for moment, page in played.pages:
        result.course.at(since + moment - played.started).add(page)
    file = None
    if (played.proven or result.interrupted) and len(result.files) < KEPT:
        folder = settings.results / "stress"
        file = folder / f"stress-{settings.stamp}-round{played.number}.json.gz"
        save(file, settings.url, settings.wire_name, settings.plan.seed, played)
        result.files.append(file)
    for one in played.proven:
        violation = one.violation
        last = violation.evidence[-1] if violation.evidence else 0
        at = since + (played.history[last].time if played.history else 0.0)
        counted = violation.kind, one.grade
        result.course.at(at).violations[counted] += 1
        result.figures.violations[counted] += 1
        key = f"{violation.kind}|{violation.circumstance}|{one.grade}"
        known = result.broken.get(key)
        if known is not None:
            known.times += 1
            continue
        numbers = (row.operation for row in played.history[: last + 1] if row.kind == "invoked")
        said = sum(number is not None and number in played.spoken for number in numbers)
        result.broken[key] = Broken(one, played.number, at, said_before + said, played, file)
