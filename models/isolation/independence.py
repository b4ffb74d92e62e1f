"""Independence: a client that does not read delays nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import EventId, EventKey, RowKind, usable
from ...fuzzer.world.network import DIALLED
from . import violations as v
from .audience import must_hear
from .index import HistoryIndex
from .limits import waited_for_a_place
from .records import Connection, Invocation, same_user
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS", "waits_for_itself")

HELD = frozenset({"connect", "authenticate", "log_out", "emit", "emit_to_room", "run_agent"})
"""What somebody waits for; nobody does for what a server does when a client has gone."""

EMITTED = frozenset({"emit", "emit_to_room", "run_agent", "act"})


def held_up(index: HistoryIndex) -> Iterator[Breach]:
    """While a client does not read, no operation of anybody else's takes longer than the policy's delay and closing.

    A stall that everything else waited out (it ended where nothing more could happen) has lasted as long as one likes:
    what had not finished by then, with no clock to show it, was held up by it.
    """
    stalls = _stalls(index)
    limit = index.policy.holds_up
    for act in index.invocations.values() if stalls else ():
        if not _may_be_held(index, act) or act.finished is None or act.indeterminate:
            continue
        took, culprit = _culprit(index, stalls, act.began, act.ended)
        if culprit is None:
            continue
        own = {act.op.connection, *(c.name for c in _audience(index, act.number)), *_in_line(index, act, took)}
        if _concerned(index, own, act.began, act.ended):
            continue
        who = _called(index, culprit, act.op.connection)
        found = v.HeadOfLineBlocking(
            f"{act} {_meanwhile(f'took {took:g} s', 'ended', took > limit, who)}; {_limit(index)}",
            act.op.called if act.op.kind in EMITTED else "connection",
            rows_of(act.began, act.ended),
        )
        yield Breach(found, act.began, act.ended, act=act, connection=culprit)


def arrived_late(index: HistoryIndex) -> Iterator[Breach]:
    """Where nobody answers an emitter, its event arrives in time all the same, whoever else does not read."""
    stalls = _stalls(index)
    limit = index.policy.holds_up
    for event in index.events.values() if stalls else ():
        act = event.by
        if not act.indeterminate:
            continue
        came: set[str] = set()
        for d in event.deliveries:
            if d.received == NEVER or d.connection is event.emitter or d.connection.name in came:
                continue
            came.add(d.connection.name)  # what comes again is no later for it
            took, culprit = _culprit(index, stalls, act.began, d.received)
            if culprit is None:
                continue
            own = {act.op.connection, d.connection.name, *_in_line(index, act, took)}
            if _concerned(index, own, act.began, d.received):
                continue
            if d.connection in must_hear(index, event, act.began, d.received):
                arrived, who = f"arrived on {d.connection.name}", _called(index, culprit, act.op.connection)
                found = v.HeadOfLineBlocking(
                    f"{event.id} {_meanwhile(f'{arrived} after {took:g} s,', arrived, took > limit, who)}; "
                    f"{_limit(index)}",
                    f"{act.op.kind}, late",
                    rows_of(act.began, d.received),
                )
                yield Breach(found, act.began, d.received, event, act, culprit)
                break


def _may_be_held(index: HistoryIndex, act: Invocation) -> bool:
    """Whether nobody but those whom it is for may hold an operation up; of the target's own, those for somebody."""
    event = index.events.get(EventId(act.number)) if act.op.kind == "act" else None
    return act.op.kind in HELD or (event is not None and bool(event.to or event.rooms))


Stall = tuple[int, int, bool, Connection]
"""From one row to another a connection did not read; and whether everything else had come to rest by then."""


def _stalls(index: HistoryIndex) -> list[Stall]:
    return [(since, until, out, c) for c in index.connections.values() for since, until, out in c.stalls]


def _audience(index: HistoryIndex, number: int) -> Iterator[Connection]:
    """The connections an operation's events are for, or may have been."""
    for event in index.events.values():
        if event.id.number == number:
            for c in index.sessions:
                member = any(room in c.rooms for room in event.rooms)
                if member or (event.to is not None and c.identity == event.to):
                    yield c
            return


def _in_line(index: HistoryIndex, act: Invocation, took: float) -> set[str | None]:
    """Those to whom what was said on the same connection up to now is for, and who are served one after the other.

    A server reads a connection's messages in order, and may send one to its audience in turn, unless it declares that
    it never does (``in_turn``).  Even then nobody can say, without a clock, that this took too long.
    """
    names: set[str | None] = set()
    if took > index.policy.holds_up and not index.policy.in_turn:
        return names
    for event in index.events.values():
        by = event.by
        same = by is act or (by.op.connection is not None and by.op.connection == act.op.connection)
        if same and by.began <= act.began < by.ended:
            everybody = event.to is None and not event.rooms
            audience = index.connections.values() if everybody else _audience(index, by.number)
            names |= {c.name for c in audience}
    return names


def _called(index: HistoryIndex, culprit: Connection, connection: str | None) -> str:
    actor = index.connections.get(connection or "")
    same = actor is not None and actor is not culprit and actor.user == culprit.user
    return f"{culprit.name}, another of {culprit.user}'s own," if same else culprit.name


def _limit(index: HistoryIndex) -> str:
    declared = "delay= and closing=" if index.policy.closing else "delay="
    return f"the limit is {index.policy.holds_up:g} s ({declared})"


def _meanwhile(timed: str, waited: str, by_clock: bool, who: str) -> str:
    """How something was held up: by so many seconds, or for as long as a client liked, which no clock shows."""
    return f"{timed} while {who} was not reading" if by_clock else f"{waited} only once {who} read again"


def _culprit(index: HistoryIndex, stalls: list[Stall], since: int, until: int) -> tuple[float, Connection | None]:
    """For how many seconds something took because of a client that did not read, and which client.

    Counted is the time in which that client did not read and the target could have gone on.  Where this is not longer
    than the policy's delay and closing, it is the client of a stall that began before and was waited out: then the
    clock need not have moved.
    """
    longest = 0.0
    for a, b, _, c in stalls:
        if a < until and b > since:
            seconds = _kept_waiting(index, c, max(a, since), min(b, until))
            if seconds > index.policy.holds_up:
                return seconds, c
            longest = max(longest, seconds)
    return longest, next((c for a, b, out, c in stalls if out and a < since < b < until), None)


def _kept_waiting(index: HistoryIndex, culprit: Connection, since: int, until: int) -> float:
    """The seconds between two rows in which nothing but the culprit can have kept the target from going on.

    The machine had time for it, and the world let none pass before something else that was on its way.
    """
    history = index.history
    passed = sum(
        history[row + 1].time - history[row].time
        for row in index.marks.get(RowKind.CLOCK, ())
        if since <= row < until
        and any(key[0] != "start" and key[-1] != culprit.name for key in _keys(history[row].detail))
    )
    return round(usable(history, since, until) - passed, 2)


def _concerned(index: HistoryIndex, own: set[str | None], since: int, until: int) -> bool:
    """Whether one of those concerned did not read meanwhile: then it was waited for."""
    return any(c.name in own and c.stalled(since, until) for c in index.connections.values())


def waits_for_itself(index: HistoryIndex, b: Breach) -> bool:
    """The clock moved past something that this operation itself was waiting for."""
    act = b.act
    own: set[str | None] = set()
    if act is None:
        own = {b.connection.name} if b.connection is not None else own
    else:
        own = {act.op.connection, *(c.name for c in _audience(index, act.number))}
    if b.event is not None:
        own |= {d.connection.name for d in b.event.deliveries}
    number = act.number if act is not None else None
    return any(
        _concerns(key, number, own)
        for row in index.marks.get(RowKind.CLOCK, ())
        if b.since <= row < b.until
        for key in _keys(index.history[row].detail)
    )


def _keys(detail: object) -> tuple[EventKey, ...]:
    return detail if isinstance(detail, tuple) else ()


def _concerns(key: EventKey, number: int | None, own: set[str | None]) -> bool:
    """Whether a pending event was one that an operation, or one of these connections, waited for."""
    kind, about = key[0], key[-1]
    if kind in ("latency", "job", "begin"):
        return about in (number, -1)
    if kind in ("connect", "bytes", "lost") and str(about).startswith(DIALLED):
        return True  # a backend of the target's; whoever waits for it, nobody can tell
    return kind == "notice" or (kind in ("frame", "bytes", "connect", "lost", "pong") and about in own)


def turned_away(index: HistoryIndex, b: Breach) -> bool:
    """A connection that the server closed before anything said that it was logged in: `refused` judges that."""
    act = b.act
    return index.by_wire and act is not None and act.op.kind in ("connect", "authenticate") and not act.went_well


def was_cancelled(index: HistoryIndex, b: Breach) -> bool:
    """It was cancelled: how long a cancellation takes is the target's affair."""
    return b.act is not None and b.act.cancelled


@declared(tabs_wait=True)
def own_tab(index: HistoryIndex, b: Breach) -> bool:
    """Who is held up and who holds up, or may have, are one user's: its connections, or its backend."""
    act = b.act
    if act is None or not index.policy.tabs_wait:
        return False
    names = index.names_of(act)
    own = [stall for stall in _stalls(index) if same_user(names, stall[-1].names)]
    own = [stall for stall in own if stall[-1].name != act.op.connection]
    return _culprit(index, own, b.since, b.until)[1] is not None


CHECKS = (
    Check(held_up, (was_cancelled, turned_away, waits_for_itself, own_tab, waited_for_a_place)),
    Check(arrived_late, (was_cancelled, waits_for_itself, own_tab)),
)
