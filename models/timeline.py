"""The model's state beside the server's, step by step: for looking at a counterexample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..fuzzer.core.history import History, Row
from ..fuzzer.core.program import Program

__all__ = ("Moment", "timeline")


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of a history, and what is so after it.

    ``connected`` maps connection to user: whom the model knows to be connected for certain.  ``registry`` is what the
    server last said of itself, at rest; None while it has said nothing.  ``owed`` lists what was sent and not received,
    as (event, connection).
    """

    number: int
    row: Row
    connected: dict[str, str]
    registry: tuple[str, ...] | None
    owed: tuple[tuple[str, str], ...]


def timeline(program: Program, history: History) -> Iterator[Moment]:
    """Walk through a history."""
    users = {op.connection: op.user or "" for op in program.operations if op.kind == "connect" and op.connection}
    connected: dict[str, str] = {}
    registry: tuple[str, ...] | None = None
    owed: list[tuple[str, str]] = []
    for number, row in enumerate(history):
        op = program.operation(row.operation)
        name = row.connection or ""
        if row.kind == "returned" and op is not None and op.kind == "connect" and row.detail is not False:
            connected[name] = users[name]
        elif row.kind in ("gone", "closed") or (row.kind == "invoked" and op is not None and op.kind == "log_out"):
            connected.pop(name, None)
            owed = [(event, to) for event, to in owed if to != name]
        elif row.kind == "sent":
            owed.append((str(row.detail), name))
        elif row.kind == "received" and (str(row.detail), name) in owed:
            owed.remove((str(row.detail), name))
        elif row.kind == "registry" and isinstance(row.detail, tuple):
            registry = tuple(map(str, row.detail))
        yield Moment(number, row, dict(connected), registry, tuple(owed))
