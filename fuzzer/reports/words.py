"""History rows in words, for traces and lanes."""

from __future__ import annotations

from ...models.isolation.violations import Violation
from ..core.history import Failure, Kept, Outcome, Remains, Row
from ..core.program import Program
from ..core.text import plain
from ..engine.execution import Execution

__all__ = ("describe", "lane_of", "tracebacks")


def describe(row: Row, program: Program) -> str:
    """One row as a person would say it, in one line without its lane."""
    return plain(_described(row, program))


def _described(row: Row, program: Program) -> str:
    op = program.operation(row.operation)
    what = op.kind if op is not None else "disconnect at the end" if row.connection else "shut_down"
    match row.kind:
        case "invoked":
            return f"{op}" if op is not None else what
        case "returned" if row.detail is Outcome.INDETERMINATE:
            return f"{what}: nobody answered, by now it is done"
        case "returned":
            return f"{what} returns" + (f" {row.detail!r}" if row.detail is not None else "")
        case "raised":
            return f"{what} raises {row.detail.brief if isinstance(row.detail, Failure) else row.detail}"
        case "cancelled":
            return f"{what} is cancelled"
        case "skipped":
            return f"{what}: nothing to do"
        case "stuck":
            return f"{what} never returns; it waits in {row.detail}"
        case "sent":
            return f"server sends {row.detail}"
        case "received":
            return f"receives {row.detail}"
        case "refused":
            return f"server sends {row.detail}: nobody there"
        case "closed":
            return f"server hangs up ({row.detail})" if isinstance(row.detail, str) else "server closes"
        case "gone":
            return "client is gone"
        case "stalled":
            return "stops reading"
        case "resumed":
            return "reads again"
        case "placed":
            return f"is now in room {row.detail}"
        case "removed":
            return f"is in room {row.detail} no more" if row.detail else "is in no room any more"
        case "registry":
            return f"registry: {_listed(row, 'empty')}"
        case "active":
            return f"says connected: {_listed(row, 'nobody')}"
        case "unhandled":
            assert isinstance(row.detail, Failure)
            return f"unhandled {row.detail.brief} in {row.detail.place}"
        case "left":
            return f"left behind: {row.detail.what if isinstance(row.detail, Remains) else row.detail}"
        case "kept":
            return f"an entry for each: {row.detail.path if isinstance(row.detail, Kept) else row.detail}"
        case "blocked":
            return f"the loop stands still in {row.detail[0] if isinstance(row.detail, tuple) else row.detail}"
        case "rest":
            return "- at rest -"
        case "emptied":
            return "- everybody has left -"
        case "clock":
            keys = row.detail if isinstance(row.detail, tuple) else ()
            return f"time passes before {', '.join(_key(key) for key in keys)}"
        case "busy":
            return f"the machine is busy for {row.detail} s"
        case _:
            return row.kind


def tracebacks(execution: Execution, violation: Violation) -> list[str]:
    """The tracebacks of exceptions that prove a violation, as far as they are the target's own; of one line, none."""
    found: dict[Failure, None] = {}
    for number in violation.evidence:
        detail = execution.history[number].detail
        if isinstance(detail, Failure) and len(detail.through) > 1:
            found[detail] = None
    return [line for one in found for line in (f"{one.error}, raised by way of", *(f"  {at}" for at in one.through))]


def _key(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _listed(row: Row, nothing: str) -> str:
    names = [str(name) for name in row.detail] if isinstance(row.detail, tuple) else []
    return ", ".join(names) or nothing


def lane_of(row: Row, program: Program) -> str:
    """The column a row belongs to: a connection's name, or ``server``."""
    if row.connection is not None:
        return row.connection
    op = program.operation(row.operation)
    return op.connection if op is not None and op.connection is not None else "server"
