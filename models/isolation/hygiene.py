"""Hygiene: exceptions are handled, coroutines awaited, the loop's thread left alone, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import Failure, Kept, Remains, RowKind, Sleep
from ...fuzzer.core.program import LEAVING
from . import violations as v
from .index import HistoryIndex
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)

SERVERS = frozenset({"shut_down", "clean_up"})
"""Operations of the server's own: whoever called them has nobody to tell."""


def unhandled(index: HistoryIndex) -> Iterator[Breach]:
    """Every exception is handled, and every coroutine awaited."""
    for row in index.marks.get(RowKind.UNHANDLED, ()):
        failure = index.history[row].detail
        if isinstance(failure, Failure):
            yield Breach(_unhandled(failure, (row,)), row, row)


def ended_before(index: HistoryIndex, b: Breach) -> bool:
    """It is the end of a client that was never let in, had logged out, or whom the server had put away or hung up on.

    It may be unknown by now.  What would end the process is no answer to that.
    """
    row = index.history[b.since]
    if row.operation is None or row.connection is None:
        return False
    act = index.invocations[row.operation]
    c = index.session(act)
    ended = any(at < act.began and how not in LEAVING for at, how in c.ends)
    return ended or c.closed < b.since or c.failed < b.since


def server_failed(index: HistoryIndex) -> Iterator[Breach]:
    """What the server does of its own accord, a clean-up or its shut-down, does not raise."""
    for act in index.invocations.values():
        own = index.own(act)
        by_server = act.op.kind in SERVERS or (own is not None and own.by == "server")
        if by_server and isinstance(act.detail, Failure):
            found = _unhandled(act.detail, rows_of(act.began, act.ended))
            yield Breach(found, act.began, act.ended, act=act)


def _unhandled(failure: Failure, evidence: tuple[int, ...]) -> v.Violation:
    place = failure.place
    if failure.error == NEVER_AWAITED:
        return v.UnhandledException(f"nobody awaited {place}", f"{failure.error} {place.function}", evidence)
    return v.UnhandledException(
        f"nobody handled {failure.brief}, raised in {place or 'the event loop'}",
        f"{failure.error} in {place.function}",
        evidence,
    )


NEVER_AWAITED = "never awaited"
"""What stands for an exception's class where a coroutine was never awaited."""


def slept(index: HistoryIndex) -> Iterator[Breach]:
    """The loop's thread is not slept on."""
    for row in index.marks.get(RowKind.BLOCKED, ()):
        sleep = index.history[row].detail
        if isinstance(sleep, Sleep):
            message = f"the event loop stood still for {sleep.seconds:g} s, and everybody with it, in {sleep.place}"
            yield Breach(v.BlockedLoop(message, sleep.place.function, (row,)), row, row)


def left_behind(index: HistoryIndex) -> Iterator[Breach]:
    """Nothing outlives the shut-down; and where there is none, nothing that each client has left outlives them all."""
    for row in index.marks.get(RowKind.LEFT, ()):
        remains = index.history[row].detail
        if isinstance(remains, Remains):
            waits = f"; it waits in {remains.place}" if remains.place else ""
            ends = index.by_wire or index.target.offers("shut_down")
            outlived = "outlived the shut-down" if ends else "is left by each client, and outlived them all"
            found = v.LeakedTask(f"{remains.what} {outlived}{waits}", remains.name, (row,))
            yield Breach(found, row, row)


def run_cancels(index: HistoryIndex, b: Breach) -> bool:
    """A task that no client and no operation began: the end of the program (`asyncio.run`) cancels it."""
    remains = index.history[b.since].detail
    return isinstance(remains, Remains) and remains.is_task and remains.of is None


@declared(grace=1e9)
def within_grace(index: HistoryIndex, b: Breach) -> bool:
    """A task may outlive the client it serves for longer than was waited for it."""
    remains = index.history[b.since].detail
    task = isinstance(remains, Remains) and remains.is_task
    emptied = next((entry.time for entry in index.history if entry.kind == RowKind.EMPTIED), 0.0)
    return task and index.policy.grace > index.history[b.since].time - emptied


def kept_for_good(index: HistoryIndex) -> Iterator[Breach]:
    """Nothing has an entry for each client that came and left, a day and as many clients later."""
    for row in index.marks.get(RowKind.KEPT, ()):
        kept = index.history[row].detail
        if isinstance(kept, Kept):
            found = v.LeakedEntry(
                f"all {kept.clients} clients have left, half of them a day before, and {kept.path} still has an entry "
                "for each",
                kept.path,
                (row,),
            )
            yield Breach(found, row, row)


@declared(records=True)
def writes_down(index: HistoryIndex, b: Breach) -> bool:
    """It keeps something of each client on purpose."""
    return index.policy.records


def left_open(index: HistoryIndex) -> Iterator[Breach]:
    """A clean-up that returned has closed every connection of its user that was up when it began."""
    for act in index.invocations.values():
        if act.op.kind != "clean_up" or not act.went_well:
            continue
        rest = index.rest_after(act.ended)
        if rest == NEVER:
            continue
        for c in index.of_user(act.op.user):
            up = c.login.sure_from < act.began <= c.login.sure_until and c.login.doubtful > rest
            if c.genuine and up and c.last > rest:
                message = f"cleaning up {act.op.user} returned, and {c.name} was never closed"
                found = v.LeftOpen(message, "clean_up", rows_of(c.login.sure_from, act.ended))
                yield Breach(found, act.began, act.ended, act=act, connection=c)


def ended_meanwhile(index: HistoryIndex, b: Breach) -> bool:
    """It ended for another reason before the clean-up had returned: there was perhaps nothing left to close."""
    return b.connection is not None and any(b.since < row < b.until for row, _ in b.connection.ends)


CHECKS = (
    Check(unhandled, (ended_before,)),
    Check(server_failed),
    Check(left_behind, (run_cancels, within_grace)),
    Check(kept_for_good, (writes_down,)),
    Check(slept),
    Check(left_open, (ended_meanwhile,)),
)
