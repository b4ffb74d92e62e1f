"""Fuzzing as a test of a suite: within a budget in seconds, by the same campaign and minimiser as the command's.

    @fuzz("chat_fuzz:target", budget="20s")
    def test_chat() -> None: ...

What is stored of the target is replayed first.  The first broken promise ends the campaign: it is made small, tried on
asyncio's own loop, written to a file, and told with its lanes and the command that replays it.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeVar, cast

from .campaigns.campaign import Campaign, Plan
from .campaigns.events import BugFound
from .cli.budget import parse_budget
from .cli.lanes import lanes
from .cli.profiles import load_profile
from .cli.terminal import plain_console
from .cli.trust import check_trust, places_of, remember
from .core.errors import UsageError
from .core.text import lines, plain
from .engine.execution import Worker
from .findings.causes import Cause, cause_of, in_lines
from .findings.counterexample import Counterexample, load, of_finding, save
from .findings.finding import Finding
from .findings.regression import replayed
from .findings.tally import Found
from .reports.words import tracebacks
from .targets.adapter import Adapter, Target
from .targets.resolve import resolve, resolve_on
from .testcase import ViolationFound

__all__ = ("Elsewhere", "Options", "check_file", "fuzz")

LEAST_WIDE = 100
"""Columns that lanes are drawn in where the terminal has fewer, or there is none."""

REPLAYING = 1 / 2
"""Share of the budget that replaying what is stored may take."""


F = TypeVar("F", bound=Callable[..., object])


class Elsewhere(Exception):
    """The counterexample that is to be replayed is of another target."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the suite says of its fuzz tests; ``root`` is the folder whose results are replayed and added to.

    Files are named as seen from ``here``; ``test`` is how pytest selects the test; ``trusting``: whatever target a
    file names may be run.
    """

    budget: str | None = None
    seed: int | None = None
    replay: Path | None = None
    trusting: bool = False
    root: Path = field(default_factory=Path.cwd)
    here: Path = field(default_factory=Path.cwd)
    test: str | None = None


def fuzz(
    target: str | Target | type[Adapter], *, budget: str | float = "20s", seed: int = 0, users: int = 3
) -> Callable[[F], F]:
    """Make a test function one that fuzzes a target, for so long; the function itself is called first.

    ``target`` is named as on the command line (``module:name``), or is an adapter's class or an `application`.
    ``budget`` is seconds, or a text like ``"20s"`` or ``"2m"``; all of it is used where no promise is broken.
    The test raises `ViolationFound`; it raises `UsageError` and `TargetError` where there is nothing to fuzz.
    """

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function):
            raise UsageError(f"{function.__name__}: a fuzz test is a plain function, its target has a loop")
        test = _FuzzTest(target, budget, Plan(seed=seed, users=users), function.__module__)

        def run(before: tuple[object, ...], arguments: Mapping[str, object], options: Options) -> None:
            __tracebackhide__ = True
            function(*before, **arguments)
            test.check(options)

        @functools.wraps(function)
        def called(*before: object, **arguments: object) -> None:
            __tracebackhide__ = True
            run(before, arguments, Options())

        called.__crosswire__ = run  # type: ignore[attr-defined]
        return cast(F, called)

    return decorate


@dataclass(frozen=True, slots=True)
class _FuzzTest:
    """What a test fuzzes, how, and the module that it stands in."""

    said: str | Target | type[Adapter]
    budget: str | float
    plan: Plan
    module: str

    def target(self) -> Target:
        """Return the target; raises `UnknownTargetError`."""
        said = self.said
        if isinstance(said, Target):
            return said
        if isinstance(said, str):
            return resolve(said)
        name = f"{said.__module__}:{said.__qualname__}"
        return Target(name, said, said) if "." in said.__qualname__ else resolve(name)

    def by_name(self) -> bool:
        """Return whether the command finds the target by its name; others only the test itself has."""
        said = self.said
        if isinstance(said, type):
            return "." not in said.__qualname__ and said.__module__ != self.module
        return isinstance(said, str)

    def check(self, options: Options) -> None:
        """Replay, fuzz, and raise what was found."""
        __tracebackhide__ = True
        seconds = parse_budget(str(options.budget or self.budget))
        began = time.perf_counter()
        target = self.target()
        if self.by_name():
            remember([target.name])
        if options.replay is not None:
            known = load(options.replay)
            if known.target != target.name:
                raise Elsewhere(f"{options.replay.name} is a counterexample of {known.target}")
            self._replay(target, options.replay, known, options, lambda: False)
            return
        folder = options.root / (load_profile(None, options.root).results or "results") / "counterexamples"
        for path, known in _stored(folder, target.name):
            self._replay(target, path, known, options, lambda: time.perf_counter() - began >= seconds * REPLAYING)
        seed = self.plan.seed if options.seed is None else options.seed
        left = max(began + seconds - time.perf_counter(), 0.0)
        found = _first_found(target, replace(self.plan, seed=seed, seconds=left))
        if found is not None:
            path = save(of_finding(target.name, found.signature, found.finding, target.backend), folder)
            notes = [f"found by execution {found.at_execution:,} of seed {seed}"]
            if found.confirmation is not None:
                notes.append(str(found.confirmation))
            again = self._again(path, options)
            cause = found.cause or _cause(Worker(target), found.finding)
            raise ViolationFound(_explained(target.name, found.finding, cause, notes, again))

    def _replay(
        self, target: Target, path: Path, known: Counterexample, options: Options, over: Callable[[], bool]
    ) -> None:
        __tracebackhide__ = True
        _check_known(Worker(target), known, "known, and still there", self._again(path, options), over)

    def _again(self, path: Path, options: Options) -> str:
        """Return the command that replays a file."""
        if self.by_name():
            return _command(path, options)
        if options.test is None:
            return f"run this test again, it begins with {_seen(path, options)}"
        return f"pytest {shlex.quote(options.test)} --crosswire-replay {shlex.quote(_seen(path, options))}"


def check_file(path: Path, options: Options) -> None:
    """Replay a counterexample file; raises `ViolationFound` while its violation shows, and `CrosswireError`.

    A file among a suite's tests may have run what the suite's own modules hold, as any of the tests may; what others
    hold, only where somebody has named it.
    """
    known = load(path)
    if not _is_of_the_suite(known.target, options.root):
        check_trust(known.target, _seen(path, options), options.trusting)
    worker = Worker(resolve_on(known.target, known.backend))
    _check_known(worker, known, "still there", _command(path, options), lambda: False)


def _is_of_the_suite(target: str, root: Path) -> bool:
    """Return whether all modules that a target names are files below a suite's folder; imports none of them."""
    for name in places_of(target):
        spec = PathFinder.find_spec(name.partition(":")[0].partition(".")[0])
        if spec is None:
            return False
        for file in spec.submodule_search_locations or [spec.origin or ""]:
            place = Path(file).resolve()
            installed = "site-packages" in place.parts or "dist-packages" in place.parts
            if installed or root.resolve() not in place.parents:
                return False
    return True


def _check_known(worker: Worker, known: Counterexample, still: str, again: str, over: Callable[[], bool]) -> None:
    """Replay a counterexample, and raise what it still shows, with its cause in the source as it is now."""
    __tracebackhide__ = True
    outcome = replayed(known, worker, over)
    if outcome.violation is not None:
        finding = Finding(outcome.violation, outcome.execution)
        notes = [f"{still}, {outcome.how}"]
        raise ViolationFound(_explained(known.target, finding, _cause(worker, finding), notes, again))


def _cause(worker: Worker, finding: Finding) -> Cause | None:
    """The cause, which a campaign that ends with its first finding leaves no time for."""
    with worker.session():
        return cause_of(worker, finding)


def _stored(folder: Path, target: str) -> Iterator[tuple[Path, Counterexample]]:
    """The counterexamples of a target that earlier tests and campaigns left; what cannot be read is the command's."""
    for path in sorted(folder.glob("*.json")):
        try:
            known = load(path)
        except UsageError:
            continue
        if known.target == target:
            yield path, known


def _first_found(target: Target, plan: Plan) -> Found | None:
    """Fuzz until the first bug is known, small and tried on asyncio's own loop, or the budget is used up."""
    campaign = Campaign(target, plan, confirming=True)
    with closing(campaign.events()) as events:
        for event in events:
            if isinstance(event, BugFound):
                campaign.stop()
    if not campaign.tally.executions:
        raise UsageError(f"{target.name}: the budget ended before the first execution; give the test more of it")
    return min(campaign.tally.found.values(), key=_doubted, default=None)


def _doubted(found: Found) -> bool:
    return found.confirmation is not None and found.confirmation.verdict == "not confirmed"


def _explained(name: str, finding: Finding, cause: Cause | None, notes: list[str], again: str) -> str:
    """What a broken promise says in a test's output: what happened, the program, the lanes, why, and how to see it."""
    execution, violation = finding.execution, finding.violation
    why = in_lines(cause, execution.program) if cause is not None else []
    operations = [f"    {number}. {operation}" for number, operation in enumerate(execution.program.operations)]
    width = max(shutil.get_terminal_size().columns, LEAST_WIDE)
    console = plain_console(width=width, file=io.StringIO(), color_system=None, force_terminal=False)
    with console.capture() as drawn:
        console.print(lanes(execution, violation))
    rows = [row.rstrip() for row in drawn.get().splitlines()]
    return lines(
        "\n".join(
            (
                plain(f"{name}: {violation.kind} ({violation.promise})"),
                plain(f"  {violation.message}"),
                *operations,
                *rows,
                *(plain(f"  {line}") for line in (*tracebacks(execution, violation), *why, *notes)),
                plain(f"  replay: {again}"),
            )
        )
    )


def _command(path: Path, options: Options) -> str:
    return f"crosswire replay {shlex.quote(_seen(path, options))}"


def _seen(path: Path, options: Options) -> str:
    return os.path.relpath(path, options.here)
