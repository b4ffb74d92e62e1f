"""Confirmation: does a counterexample also show on asyncio's own event loop, over real sockets?

The same program runs on the stock loop, the same external events being held back and let through in the recorded order
by a gate outside of it; simulated clients of servers sit at the far end of loopback sockets.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..engine.execution import Execution, TargetError, Worker
from ..engine.schedule import Guided, Recorded, Visible
from ..targets.adapter import Target
from ..targets.traits import WireTraits
from ..world.stock import StockLoop
from .finding import judged

__all__ = ("Confirmation", "Verdict", "confirm")

Verdict = Literal["confirmed", "not confirmed", "not confirmable"]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and in a line: on what, the first divergence, or why it cannot be tried."""

    verdict: Verdict
    detail: str

    def __str__(self) -> str:
        if self.verdict == "confirmed":
            return f"confirmed on stock asyncio ({self.detail})"
        return f"{self.verdict} on stock asyncio: {self.detail}"


def confirm(target: Target, execution: Execution, signature: str, seconds: float | None = None) -> Confirmation:
    """Run an execution's program on the stock loop, external events in the same order; does the violation show?"""
    worker = Worker(target, StockLoop())
    order = execution.visible
    by_bytes = isinstance(target.traits, WireTraits) and target.traits.by_bytes
    over = "over loopback sockets" if by_bytes else "external events in recorded order"
    best: tuple[Visible, ...] = ()
    try:
        with worker.session():
            for chooser in (
                Guided(order),
                Recorded(execution.schedule),
                Guided([(key, False) for key, _ in order]),
            ):
                result = judged(worker, worker.run(execution.program, chooser))
                if any(violation.signature(target.name) == signature for violation in result.violations):
                    return Confirmation("confirmed", f"SelectorEventLoop, CPython {platform.python_version()}, {over}")
                best = best or result.execution.visible
    except TargetError as error:
        return Confirmation("not confirmable", str(error))
    finally:
        worker.loop.close()
    return Confirmation("not confirmed", _divergence(order, best))


def _divergence(recorded: Sequence[Visible], seen: Sequence[Visible]) -> str:
    """The first event that did not happen as recorded."""
    for number, (wanted, got) in enumerate(zip(recorded, seen, strict=False)):
        if wanted != got:
            return f"event {number} was {_said(got)}, recorded is {_said(wanted)}"
    if len(seen) < len(recorded):
        return f"it ended before event {len(seen)}, {_said(recorded[len(seen)])}"
    return "every event happened as recorded, and the violation did not show"


def _said(event: Visible) -> str:
    key, busy = event
    return " ".join(map(str, key)) + (" (while callbacks were ready)" if busy else "")
