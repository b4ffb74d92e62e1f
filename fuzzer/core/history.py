"""What an execution showed: the rows an oracle judges."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ("SETTLED", "Detail", "History", "Row", "to_json")

SETTLED = "settled"
"""Detail of an operation that nobody answered: it counts as returned once everything has come to rest."""

Detail = str | int | float | bool | None | tuple[str, ...]


class Row(NamedTuple):
    """One thing that happened.

    ``time`` is in virtual seconds since the execution began; ``operation`` the number of the operation it belongs to;
    ``kind`` is one of

    * of operations: ``invoked``, ``returned``, ``raised``, ``cancelled``, ``skipped`` (its connection was not there),
      ``stuck`` (at rest and not finished; detail: where it waits);
    * of connections: ``sent`` and ``received`` (detail: the event, or the frame's type), ``refused`` (the server sent
      after the peer had gone), ``closed`` (by the server), ``gone`` (by the client), ``stalled``, ``resumed``;
    * of the target: ``unhandled`` (an exception nobody caught), ``rest``, ``registry`` (the connections it knows),
      ``active`` (the users it calls connected), ``emptied`` (everybody has
      left), ``left`` (a task or connection that outlived everything), ``blocked`` (it slept on the loop's
      thread; detail: where, and for how many seconds), ``spinning``;
    * of the world: ``clock`` (moved on although events were pending; detail: which).
    """

    time: float
    kind: str
    operation: int | None
    connection: str | None
    detail: Detail


History = tuple[Row, ...]


def to_json(history: Iterable[Row]) -> str:
    """The history as canonical JSON lines: the same execution gives the same bytes."""
    return "\n".join(json.dumps(list(row), separators=(",", ":")) for row in history)
