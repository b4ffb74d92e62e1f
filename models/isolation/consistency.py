"""Consistency: at rest, what the target says of itself is so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...fuzzer.core.history import RowKind
from . import violations as v
from .index import HistoryIndex
from .loss import forgotten, missed_beat, newer_tab
from .records import Connection
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)


def lacking(index: HistoryIndex) -> Iterator[Breach]:
    """At rest the registry has every connection that is surely up."""
    for row, known in _registries(index):
        for c in index.connections.values():
            if c.name not in known and index.surely_up(c, row, row):
                message = f"{c.name} of {c.identity} is connected, and the registry does not know it"
                found = v.MissingEntry(message, c.given_up(row), rows_of(c.login.sure_from, row))
                yield Breach(found, row, row, connection=c)


def leaking(index: HistoryIndex) -> Iterator[Breach]:
    """At rest the registry has none that is surely gone."""
    reported: set[str] = set()
    for row, known in _registries(index):
        for c in index.connections.values():
            gone = c.login.may_until < row < c.login.doubtful
            if gone and c.name in known and c.name not in reported:
                reported.add(c.name)
                all_left = all(other.login.sure_until < row for other in index.connections.values())
                kind = v.LeakedEntry if all_left else v.StaleEntry
                ghost = kind(
                    f"{c.name} is gone ({c.ended_by}), and the registry still names it",
                    "left" if c.ended_by in ("disconnect", "abort") else c.ended_by,
                    rows_of(c.login.may_until, row),
                )
                yield Breach(ghost, row, row, connection=c)


def _registries(index: HistoryIndex) -> Iterator[tuple[int, tuple[object, ...]]]:
    for row in index.marks.get(RowKind.REGISTRY, ()):
        known = index.history[row].detail
        if isinstance(known, tuple):
            yield row, known


def kept_open(index: HistoryIndex, b: Breach) -> bool:
    """There is no log-out: the connection is still the user's."""
    return index.policy.logs_out is False and b.connection is not None and b.connection.ended_by == "log_out"


def wrongly_there(index: HistoryIndex) -> Iterator[Breach]:
    """At rest a user is not said to be connected where surely none of the user's connections is.

    The target says so itself, or has told it to a client that is surely up.
    """
    for row, says, active, theirs, told in _answers(index):
        for user, connections in theirs.items():
            if user in active and all(index.surely_absent(c, row, row) for c in connections):
                message = f"{says} {user} is connected, which is wrong"
                about = next((c for c in connections if c.ended_by == "log_out"), None)
                yield Breach(v.WrongAnswer(message, "is", (row,)), row, row, connection=about, told=told)


def wrongly_absent(index: HistoryIndex) -> Iterator[Breach]:
    """At rest a user is said to be connected where a connection surely is; a client need not be told of its own."""
    for row, says, active, theirs, told in _answers(index):
        for user, connections in theirs.items():
            if user in active or (told is not None and user in (told.user, told.identity)):
                continue
            sure = [c for c in connections if index.surely_up(c, row, row) and c.genuine]
            if sure:
                c = min(sure, key=lambda one: (index.missed_beat(one, row), -one.asked))
                message = f"{says} {user} is not connected, which is wrong"
                found = v.WrongAnswer(message, f"is not{c.given_up(row)}", (row,))
                yield Breach(found, row, row, connection=c, told=told)


@declared(one_tab=True)
def told_another_tab(index: HistoryIndex, b: Breach) -> bool:
    """One connection of a user is told who is there, and there has been a newer one."""
    return b.told is not None and newer_tab(index, replace(b, connection=b.told))


Answer = tuple[int, str, tuple[object, ...], dict[str, list[Connection]], Connection | None]
"""Where it is said, who says it, who is said to be there, each user's connections, and whom it was told."""


def _answers(index: HistoryIndex) -> Iterator[Answer]:
    if index.misidentified:
        return
    theirs = {user: [c for c in index.sessions if user in (c.user, c.identity)] for user in index.program.users}
    for row in index.marks.get(RowKind.ACTIVE, ()):
        active = index.history[row].detail
        told = index.connections.get(index.history[row].connection or "")
        if isinstance(active, tuple) and (told is None or _hears(index, told, row)):
            yield row, "the target says" if told is None else f"{told.name} was told that", active, theirs, told


def _hears(index: HistoryIndex, told: Connection, row: int) -> bool:
    return index.surely_up(told, row, row) and not index.missed_beat(told, row)


CHECKS = (
    Check(lacking, (missed_beat, forgotten)),
    Check(leaking, (kept_open,)),
    Check(wrongly_there, (kept_open, told_another_tab)),
    Check(wrongly_absent, (missed_beat, forgotten, told_another_tab, newer_tab)),
)
