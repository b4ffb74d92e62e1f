"""Consistency: at rest, what the target says of itself is so."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import RowKind
from . import violations as v
from .index import HistoryIndex
from .loss import forgotten
from .verdicts import Breach, Check, rows_of

__all__ = ("CHECKS",)


def registry(index: HistoryIndex) -> Iterator[Breach]:
    """At rest the registry has every connection that is surely up, and none that is surely gone."""
    reported: set[str] = set()
    for row in index.marks.get(RowKind.REGISTRY, ()):
        known = index.history[row].detail
        if not isinstance(known, tuple):
            continue
        for c in index.connections.values():
            if c.name not in known:
                if index.surely_up(c, row, row):
                    message = f"{c.name} of {c.identity} is connected, and the registry does not know it"
                    found = v.MissingEntry(message, c.given_up(row), rows_of(c.login.sure_from, row))
                    yield Breach(found, row, row, connection=c)
            elif c.login.may_until < row < c.login.doubtful and c.name not in reported:
                reported.add(c.name)
                all_left = all(other.login.sure_until < row for other in index.connections.values())
                kind = v.LeakedEntry if all_left else v.GhostEntry
                ghost = kind(
                    f"{c.name} is gone ({c.ended_by}), and the registry still names it",
                    "left" if c.ended_by in ("disconnect", "abort") else c.ended_by,
                    rows_of(c.login.may_until, row),
                )
                yield Breach(ghost, row, row, connection=c)


def kept_open(index: HistoryIndex, b: Breach) -> bool:
    """There is no log-out: the connection is still the user's."""
    return not index.policy.logs_out and b.connection is not None and b.connection.ended_by == "log_out"


def answers(index: HistoryIndex) -> Iterator[Breach]:
    """At rest a user is said to be connected where a connection surely is, and not where surely none is.

    The target says so itself, or has told it to a client that is surely up; to whom it need not name the client's own.
    """
    if index.misidentified:
        return
    users = {user: [c for c in index.sessions if user in (c.user, c.identity)] for user in index.program.users}
    for row in index.marks.get(RowKind.ACTIVE, ()):
        active = index.history[row].detail
        told = index.connections.get(index.history[row].connection or "")
        if not isinstance(active, tuple) or (told is not None and not index.surely_up(told, row, row)):
            continue
        says = "the target says" if told is None else f"{told.name} was told that"
        for user, theirs in users.items():
            if user in active:
                if all(index.surely_absent(c, row, row) for c in theirs):
                    message = f"{says} {user} is connected, which is wrong"
                    about = next((c for c in theirs if c.ended_by == "log_out"), None)
                    yield Breach(v.WrongAnswer(message, "is", (row,)), row, row, connection=about)
            elif told is None or user not in (told.user, told.identity):
                sure = next((c for c in theirs if index.surely_up(c, row, row) and c.genuine), None)
                if sure is not None:
                    message = f"{says} {user} is not connected, which is wrong"
                    found = v.WrongAnswer(message, f"is not{sure.given_up(row)}", (row,))
                    yield Breach(found, row, row, connection=sure)


CHECKS = (Check(registry, (kept_open, forgotten)), Check(answers, (kept_open, forgotten)))
