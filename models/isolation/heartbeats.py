"""Which connections a server may have given up, since a heartbeat, or its answer, was on its way for too long."""

from __future__ import annotations

from collections.abc import Iterable

from ...fuzzer.core.history import History, RowKind

__all__ = ("late_beats",)

BEHIND = 5.0
"""Seconds for which frames of a connection may be held up, and a heartbeat with them, before servers give it up: most
have patience for 20."""

TRAFFIC = frozenset({"pong", "bytes", "frame"})
"""Kinds of pending events behind which a heartbeat of the same connection may lie."""


def late_beats(history: History, clocks: Iterable[int], delay: float, hides: bool) -> dict[str, int]:
    """Return, by connection, the row at which a heartbeat, or its answer, may have been on its way for too long.

    From then on the server may have given it up: some do so without closing it for a while.  One that is seen to be
    under way is late after the ``delay``; one that may lie behind other frames, where a wire ``hides`` it among them,
    after `BEHIND`.  Where the clock moved while nothing was under way, which no row says, what is under way later began
    to wait later.  ``clocks``: the rows at which the clock was moved.
    """
    late: dict[str, int] = {}
    waits: dict[tuple[str, bool], float] = {}
    moved = 0.0
    for row in clocks:
        pending, began = history[row].detail, history[row].time
        if began > moved:
            waits.clear()
        moved = _moved_to(history, row)
        keys = [key for key in pending if isinstance(key, tuple)] if isinstance(pending, tuple) else []
        names = {(str(key[-1]), True) for key in keys if key[0] == "pong"}
        names |= {(str(key[-1]), False) for key in keys if hides and key[0] in TRAFFIC}
        waits = {one: waits.get(one, 0.0) + moved - began for one in names}
        for (name, seen), waited in waits.items():
            if round(waited, 3) > (delay if seen else BEHIND):
                late.setdefault(name, row)
    return late


def _moved_to(history: History, row: int) -> float:
    """Return the time to which the clock was moved at a row that says so; the same, where the history ends there."""
    after = row + 1
    if after < len(history) and history[after].kind == RowKind.BUSY:  # said before it moves, too
        after += 1
    return history[min(after, len(history) - 1)].time
