"""Confirmation: does a finding also show where nothing is shared with the world that found it?

The program runs on asyncio's own event loop, against a real server on loopback sockets: an ASGI application behind
uvicorn, a manager behind a server of `websockets`.  Nothing of the server's is changed.  From outside, by when clients
send and read, the recorded order of external events is enforced; the target's own declared latencies and its timers go
through the same gate.  Where sends have to wait, clients have a backlog, and the verdict says of how many bytes.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from time import perf_counter
from typing import Literal

from ...models.isolation import judge
from ...models.isolation.violations import Dropped, Refused, Violation
from ..core.history import Row, RowKind
from ..drivers import TargetError
from ..drivers.served import served_driver
from ..engine.enforced import Enforced
from ..engine.execution import Execution, Worker
from ..engine.schedule import Visible
from ..targets.adapter import Target
from ..targets.traits import WireTraits
from ..world.stock import StockLoop
from .doubts import said
from .finding import judged

__all__ = ("SECONDS", "Confirmation", "Verdict", "confirm")

Verdict = Literal["confirmed", "not confirmed", "not confirmable"]

SECONDS = 10.0
"""Real seconds that confirming one finding may take."""

ATTEMPTS = 60
"""How often at most the recorded order is tried, with different times between its events."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and in a line: on what, the first divergence, or why it cannot be tried.

    ``backlog``: for each client that had to have one, the bytes it had not read.
    """

    verdict: Verdict
    detail: str
    backlog: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        if self.verdict == "confirmed":
            return f"confirmed on stock asyncio ({self.detail})"
        return f"{self.verdict} on stock asyncio: {self.detail}"


def confirm(
    target: Target, execution: Execution, signature: str, seconds: float | None = None, attempts: int = ATTEMPTS
) -> Confirmation:
    """Run an execution's program against a real server, events in the same order; say whether the violation shows.

    Takes no longer than ``seconds``, by the real clock; without them than `SECONDS`.
    """
    seconds = SECONDS if seconds is None else seconds
    until = perf_counter() + seconds
    shown = _Same(target, execution, signature)
    loop = StockLoop()
    loop.until = until
    worker = Worker(target, loop, drive=served_driver)
    seen: Execution | None = None
    why = f"ran out of time ({seconds:g} s)"
    try:
        with worker.session():
            for chooser, loop.backlogs in _attempts(target, execution, attempts):
                result = judged(worker, worker.run(execution.program, chooser))
                if loop.out_of_time:
                    break
                if any(shown(violation, result.execution) for violation in result.violations):
                    return _confirmed(target, loop.backlog)
                if seen is None or _alike(execution, result.execution) > _alike(execution, seen):
                    seen = result.execution
    except TargetError as error:
        if not loop.out_of_time:
            seen, why = None, str(error)
    finally:
        loop.close()
    if seen is None:
        return Confirmation("not confirmable", why)
    return Confirmation("not confirmed", _divergence(execution, seen))


def _attempts(target: Target, execution: Execution, attempts: int) -> Iterator[tuple[Enforced, bool]]:
    """The choosers to try, each with whether clients that do not read at once have a backlog."""
    operations = execution.program.expanded
    held = any(op.pace == "slow" or op.kind in ("stall", "abort") for op in operations)
    held = held or not target.traits.by_wire
    orders = [execution.visible]
    if _by_bytes(target):
        answered = _answered(execution)
        orders += [answered] if answered != execution.visible else []
    for number in range(attempts):
        for backlogs in (False, True) if held else (False,):
            for order in orders:
                yield Enforced(order, number or None), backlogs


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
    """Whether a violation is the one that was found: the same signature.

    How a connection looks that an application has dropped depends on the server before it; where an application was
    called directly, what it did to the connection is compared, and not how that looked to its client.
    """

    def __init__(self, target: Target, execution: Execution, signature: str) -> None:
        self._target = target
        self._signature = signature
        self._looked: set[tuple[str, str | None]] = set()
        if target.traits.by_wire and not _by_bytes(target):
            for violation in judge(target, execution.program, execution.history):
                if violation.signature(target.name) == signature and isinstance(violation, Dropped | Refused):
                    self._looked.add((violation.kind, execution.history[violation.evidence[-1]].connection))

    def __call__(self, violation: Violation, execution: Execution) -> bool:
        seen = violation.kind, execution.history[violation.evidence[-1]].connection
        return violation.signature(self._target.name) == self._signature or seen in self._looked


def _by_bytes(target: Target) -> bool:
    return isinstance(target.traits, WireTraits) and target.traits.by_bytes


def _confirmed(target: Target, backlog: dict[str, int]) -> Confirmation:
    if not target.traits.by_wire:
        server = "a websockets server"
    elif _by_bytes(target):
        server = "its own server"
    else:
        server = "uvicorn"
    waiting = ", ".join(f"{name} {size:,} bytes" for name, size in sorted(backlog.items()))
    behind = f"; with a backlog that was not read: {waiting}" if waiting else ""
    detail = f"{server}, loopback sockets, SelectorEventLoop, CPython {platform.python_version()}{behind}"
    return Confirmation("confirmed", detail, tuple(sorted(backlog.items())))


SAME_ANYWHERE = frozenset(
    {RowKind.REST, RowKind.CLOCK, RowKind.BUSY, RowKind.REGISTRY, RowKind.ACTIVE, RowKind.EMPTIED}
)
"""Rows whose number and place depend on when the clock moves."""


def _divergence(recorded: Execution, seen: Execution) -> str:
    """The first thing that happened in one of two executions and not in the other, or earlier in one, in words."""
    operations = recorded.program.expanded
    before, after = _rows(recorded), _rows(seen)
    left = Counter(map(_what, after))
    for row in before:
        left[_what(row)] -= 1
        if left[_what(row)] < 0:
            return f"when found, {said(row, operations)}; over real sockets that did not happen"
    left = Counter(map(_what, before))
    for row in after:
        left[_what(row)] -= 1
        if left[_what(row)] < 0:
            return f"over real sockets, {said(row, operations)}; when found, that did not happen"
    for row, other in zip(before, after, strict=False):
        if _what(row) != _what(other):
            return f"over real sockets, {said(other, operations)} before {said(row, operations)}"
    return "over real sockets everything happened as when found, and no promise was broken"


def _alike(recorded: Execution, seen: Execution) -> int:
    """How many rows two histories begin with alike."""
    pairs = zip(_rows(recorded), _rows(seen), strict=False)
    return sum(1 for _ in takewhile(lambda pair: _what(pair[0]) == _what(pair[1]), pairs))


def _rows(execution: Execution) -> list[Row]:
    return [row for row in execution.history if row.kind not in SAME_ANYWHERE]


TELLING = frozenset({RowKind.SENT, RowKind.RECEIVED, RowKind.UNHANDLED, RowKind.LEFT})
"""Rows of which what they say is compared too."""


def _what(row: Row) -> tuple[str, int | None, str | None, str]:
    """A row without its time, and of an outcome no more than that it came."""
    return row.kind, row.operation, row.connection, str(row.detail) if row.kind in TELLING else ""
