"""Confirmation: does a finding also show where nothing is shared with the world that found it?

A manager on trio runs under `trio.run`, with the recorded order of events and of batches enforced.  What is on asyncio
runs on asyncio's own event loop, against a real server on loopback sockets: an ASGI application behind
uvicorn, a manager behind a server of `websockets`.  Nothing of the server's is changed.  From outside, by when clients
send and read, the recorded order of external events is enforced; the target's own declared latencies and its timers go
through the same gate.  Where sends have to wait, clients have a backlog, and the verdict says of how many bytes.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product, takewhile
from time import perf_counter
from typing import Any, Literal, Protocol

from ...models.isolation import judge
from ...models.isolation.records import GIVEN_UP
from ...models.isolation.violations import Dropped, Refused, Violation
from ..core.choices import Backend
from ..core.history import Row, RowKind
from ..core.program import Program
from ..core.sentences import said
from ..drivers import Driver, TargetError, driver_for
from ..drivers.served import served_driver
from ..engine.enforced import Enforced
from ..engine.execution import Execution, Worker
from ..engine.schedule import Visible
from ..targets.adapter import Target
from ..targets.traits import WireTraits
from ..world import DrivenWorld
from ..world.running import in_no_loop
from ..world.stock import SETTLE, StockLoop
from .finding import Judged, judged

__all__ = ("NOT_TRIED", "SECONDS", "Confirmation", "Verdict", "confirm")

Verdict = Literal["confirmed", "not confirmed", "not confirmable", "not tried"]

SECONDS = 10.0
"""Real seconds that confirming one finding may take."""

ATTEMPTS = 60
"""How often at most the recorded order is tried, with different times between its events."""


LATE_KERNEL = 5
"""Times as long as usual that every other try waits for the kernel, which is late on a machine that is very busy."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and in a line: on what, the first divergence, or why it cannot be tried.

    ``backlog``: for each client that had to have one, the bytes it had not read.
    """

    verdict: Verdict
    detail: str
    backlog: tuple[tuple[str, int], ...] = ()
    on: Backend = "asyncio"

    def __str__(self) -> str:
        if self.verdict == "confirmed":
            return f"confirmed on stock {self.on} ({self.detail})"
        if self.verdict == "not tried":
            return f"not confirmed yet: {self.detail}"
        return f"{self.verdict} on stock {self.on}: {self.detail}"


NOT_TRIED = Confirmation("not tried", "the time was up; `crosswire replay --confirm` does it")
"""Of what no time was left for."""


class _Gated(DrivenWorld, Protocol):
    """A stock loop with a gate in front of it."""

    until: float
    """When to give up, by the real clock (`time.perf_counter`)."""
    out_of_time: bool
    settling: float
    """How long the kernel is waited for, in real seconds."""
    backlogs: Any
    """The clients that are to have a backlog."""
    backlog: dict[str, int]
    """After an execution: the size in bytes of each backlog that a client was given."""


def confirm(
    target: Target, execution: Execution, signature: str, seconds: float | None = None, attempts: int = ATTEMPTS
) -> Confirmation:
    """Run an execution's program against a real server, events in the same order; say whether the violation shows.

    Takes no longer than ``seconds``, by the real clock; without them, or where there are more, than `SECONDS`.  Fewer
    that did not suffice decide nothing: `NOT_TRIED`.
    """
    hurried = seconds is not None and seconds < SECONDS
    seconds = SECONDS if seconds is None else seconds
    loop, drive = _stock(target)
    loop.until = perf_counter() + seconds
    worker = Worker(target, loop, drive=drive)
    shown = _Same(target, execution, signature)
    ways = _ways(target, execution)
    tried, seen = 0, Judged(execution, (), "")
    try:
        with in_no_loop(), worker.session():
            for seed, way in product(range(attempts), ways):
                result = judged(worker, way.run(worker, loop, execution, seed))
                if loop.out_of_time:
                    break
                if any(shown(violation, result.execution) for violation in result.violations):
                    return _confirmed(target, _needed(worker, loop, execution, way, seed, shown))
                if not tried or _alike(execution, result.execution) > _alike(execution, seen.execution):
                    seen = result
                tried += 1
    except TargetError as error:
        if not loop.out_of_time:
            return Confirmation("not confirmable", str(error), on=target.backend)
    finally:
        loop.close()
    if loop.out_of_time and hurried:
        return NOT_TRIED
    if tried < len(ways):
        return Confirmation("not confirmable", f"ran out of time ({seconds:g} s)", on=target.backend)
    where = "over real sockets" if target.backend == "asyncio" else "under trio.run"
    return Confirmation("not confirmed", _divergence(execution, seen, shown.known, where), on=target.backend)


def _stock(target: Target) -> tuple[_Gated, Callable[[Target, Program, Any], Driver]]:
    """The stock loop that a target's tasks run on, and who plays to it there."""
    if target.backend == "trio":
        from ..world.trio_stock import make_stock  # loaded where it is wanted

        return make_stock(), driver_for
    return StockLoop(), served_driver


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to try it: in which order events become visible, and which clients have a backlog."""

    order: tuple[Visible, ...]
    backlogs: frozenset[str]

    def run(self, worker: Worker, loop: _Gated, execution: Execution, seed: int) -> Execution:
        """Try it; the seed, from 2 on, is for the times between the events."""
        loop.backlogs = self.backlogs
        loop.settling = SETTLE * LATE_KERNEL if seed % 2 else SETTLE
        return worker.run(execution.program, Enforced(self.order, seed if seed > 1 else None))


def _ways(target: Target, execution: Execution) -> list[_Way]:
    """The ways to try it, those that ask for less first: clients that do not read at once may have a backlog."""
    operations = execution.program.expanded
    if target.backend == "trio":  # no sockets, and no backlogs
        return [_Way(execution.visible, frozenset())]
    held = any(op.pace == "slow" or op.kind in ("stall", "abort") for op in operations)
    everybody = frozenset(op.connection for op in operations if op.connection is not None)
    backlogs = [frozenset[str](), everybody] if held or not target.traits.by_wire else [frozenset[str]()]
    orders = [execution.visible]
    if _by_bytes(target) and (answered := _answered(execution)) != execution.visible:
        orders.append(answered)
    return [_Way(order, some) for some in backlogs for order in orders]


def _needed(worker: Worker, loop: _Gated, execution: Execution, way: _Way, seed: int, shown: _Same) -> dict[str, int]:
    """The backlogs without which the violation does not show, each by its size in bytes."""
    needed = loop.backlog
    with suppress(TargetError):  # there was no time left to begin
        for name in sorted(needed):
            fewer = replace(way, backlogs=frozenset(needed) - {name})
            result = judged(worker, fewer.run(worker, loop, execution, seed))
            if loop.out_of_time:
                break
            if any(shown(violation, result.execution) for violation in result.violations):
                needed = loop.backlog
    return needed


def _answered(execution: Execution) -> tuple[Visible, ...]:
    """The order of events in which slow clients shake hands when they read the server's answer.

    Where nothing was sent before there is no backlog, and no server has to wait until it can answer.
    """
    order = list(execution.visible)
    for op in execution.program.expanded:
        if op.kind == "connect" and op.pace == "slow":
            asked = next((at for at, (key, _) in enumerate(order) if key == ("bytes", op.connection)), None)
            read = next((at for at, (key, _) in enumerate(order) if key == ("frame", op.connection)), None)
            if asked is not None and read is not None and asked < read:
                order.insert(read, order.pop(asked))
    return tuple(order)


class _Same:
    """Whether a violation is the one that was found: the same signature, or the same but that a client had been slow.

    Over real sockets a client may read sooner, which makes another circumstance of the same claim.  How a connection
    looks that an application has dropped depends on the server before it; where an application was called directly,
    what it did to the connection is compared, and not how that looked to its client.
    """

    def __init__(self, target: Target, execution: Execution, signature: str) -> None:
        self._target = target
        self._signature = signature
        self._claims: set[tuple[str, str, str]] = set()
        self._looked: set[tuple[str, str | None]] = set()
        called = target.traits.by_wire and not _by_bytes(target)
        self.known = judge(target, execution.program, execution.history)
        for violation in self.known:
            if violation.signature(target.name) == signature:
                self._claims.add(_claim(violation))
                if called and isinstance(violation, Dropped | Refused):
                    self._looked.add((violation.kind, execution.history[violation.evidence[-1]].connection))

    def __call__(self, violation: Violation, execution: Execution) -> bool:
        seen = violation.kind, execution.history[violation.evidence[-1]].connection
        same = violation.signature(self._target.name) == self._signature or _claim(violation) in self._claims
        return same or seen in self._looked


def _claim(violation: Violation) -> tuple[str, str, str]:
    """What is said, and in which circumstance, whether somebody had been slow or not."""
    return violation.kind, violation.circumstance.removesuffix(GIVEN_UP), violation.claim


def _by_bytes(target: Target) -> bool:
    return isinstance(target.traits, WireTraits) and target.traits.by_bytes


def _confirmed(target: Target, backlog: dict[str, int]) -> Confirmation:
    if target.backend == "trio":
        over = ", connections in memory" if _by_bytes(target) else ""
        detail = (
            f"trio.run, its batches in the recorded order{over}, "
            f"trio {version('trio')}, CPython {platform.python_version()}"
        )
        return Confirmation("confirmed", detail, on="trio")
    if not target.traits.by_wire:
        server = "a websockets server"
    elif _by_bytes(target):
        server = "its own server"
    else:
        server = "uvicorn"
    waiting = " and ".join(f"{size:,} bytes on {name}" for name, size in sorted(backlog.items()))
    behind = f"; it takes a backlog, not yet read, of {waiting}" if waiting else ""
    detail = f"{server}, loopback sockets, SelectorEventLoop, CPython {platform.python_version()}{behind}"
    return Confirmation("confirmed", detail, tuple(sorted(backlog.items())))


SAME_ANYWHERE = frozenset(
    {RowKind.REST, RowKind.CLOCK, RowKind.BUSY, RowKind.REGISTRY, RowKind.ACTIVE, RowKind.EMPTIED}
)
"""Rows whose number and place depend on when the clock moves."""


def _divergence(recorded: Execution, seen: Judged, known: Sequence[Violation], where: str) -> str:
    """The first thing that happened in one of two executions and not in the other, or earlier in one, in words."""
    operations = recorded.program.expanded
    before, after = _rows(recorded), _rows(seen.execution)
    left = Counter(map(_what, after))
    for row in before:
        left[_what(row)] -= 1
        if left[_what(row)] < 0:
            return f"when found, {said(row, operations)}; {where} that did not happen"
    left = Counter(map(_what, before))
    for row in after:
        left[_what(row)] -= 1
        if left[_what(row)] < 0:
            return f"{where}, {said(row, operations)}; when found, that did not happen"
    for row, other in zip(before, after, strict=False):
        if _what(row) != _what(other):
            return f"{where}, {said(other, operations)} before {said(row, operations)}"
    others = [violation.message for violation in seen.violations if violation not in known]
    more = f"; instead, {others[0]}" if others else ""
    return f"{where} everything happened as when found, and this did not show{more}"


def _alike(recorded: Execution, seen: Execution) -> int:
    """How many rows two histories begin with alike."""
    pairs = zip(_rows(recorded), _rows(seen), strict=False)
    return sum(1 for _ in takewhile(lambda pair: _what(pair[0]) == _what(pair[1]), pairs))


def _rows(execution: Execution) -> list[Row]:
    return [row for row in execution.history if row.kind not in SAME_ANYWHERE]


TELLING = frozenset({RowKind.SENT, RowKind.RECEIVED, RowKind.UNHANDLED, RowKind.LEFT, RowKind.KEPT})
"""Rows of which what they say is compared too."""


def _what(row: Row) -> tuple[str, int | None, str | None, str]:
    """A row without its time, and of an outcome no more than that it came."""
    return row.kind, row.operation, row.connection, str(row.detail) if row.kind in TELLING else ""
