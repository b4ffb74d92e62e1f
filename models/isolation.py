"""The reference model of user isolation: what a correct server may show, and must.

`judge` reads one history and names every broken promise.  Operations are intervals: what overlaps a connect or a
disconnect *may* be seen by that connection and never *must*; a connection that reads more slowly than the target's
limits, or whose operations were cancelled, is owed nothing; what nobody may ever see is a violation wherever it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from ..fuzzer.history import History
from ..fuzzer.program import CRITICAL_EVENTS, Program
from ..fuzzer.targets.adapter import Target
from ..fuzzer.world.network import DIALLED
from . import violations as v
from .facts import NEVER, Act, Connection, Facts, gather, number_of
from .violations import Violation

__all__ = ("judge",)

EMITS = frozenset({"emit", "emit_to_thread", "broadcast", "run_agent"})


def judge(target: Target, program: Program, history: History) -> list[Violation]:
    """Every violation in a history, in the order of the promises; an empty list for what a correct server may show."""
    facts = gather(target, program, history)
    return [violation for check in CHECKS for violation in check(facts)]


# -- who may see what ------------------------------


def isolation(facts: Facts) -> Iterator[Violation]:
    for (event, name), rows in facts.received.items():
        act = _emitter(facts, event)
        connection = facts.connections[name]
        if event[0] == "@" and connection.identity == connection.user != event[1:]:
            yield v.CrossUserLeak(
                f"a frame for {event[1:]} arrived on {name}, whose login is {connection.identity}'s",
                "frame of another user",
                _rows(connection.asked, rows[0]),
            )
        if act is None or act.op.kind == "broadcast":
            continue
        if connection.identity is not None and connection.identity != act.op.to:
            login = "their own" if connection.identity == connection.user else f"{connection.identity}'s"
            yield v.CrossUserLeak(
                f"{event} was for {act.op.to}, and {name} received it, whose login is {connection.identity}'s "
                f"(it asked to be {connection.user})",
                f"{act.op.kind}, {'own token' if login == 'their own' else 'foreign token'}",
                _rows(act.began, connection.asked, rows[0]),
            )


def authentication(facts: Facts) -> Iterator[Violation]:
    for (number, name), rows in facts.sent.items():
        connection = facts.connections.get(name)
        act = facts.acts.get(number)
        if connection is None or act is None or act.op.kind not in EMITS:
            continue
        for row in rows:
            if row > connection.unsure or number_of(str(facts.history[row].detail)) is None:
                continue
            if row < connection.login_began or row > connection.login_failed:
                when = "before it asked to log in" if row < connection.login_began else "after its login had failed"
                yield v.EarlyDelivery(
                    f"{facts.history[row].detail} was sent to {name} {when}",
                    when,
                    _rows(connection.asked, connection.login_failed, row),
                )
            elif row > connection.ended and connection.up != NEVER:
                yield v.LateDelivery(
                    f"{facts.history[row].detail} was sent to {name} after its {connection.how_ended} had returned",
                    f"after {connection.how_ended}, "
                    f"{'emitted before' if act.began < connection.ended else 'emitted after'}",
                    _rows(act.began, connection.ended, row),
                )
            else:
                continue
            break
    for act in facts.acts.values():
        if act.op.kind not in ("connect", "authenticate") or not act.went_well:
            continue
        connection = facts.connections[act.op.connection or ""]
        said = act.detail
        if act.op.token in ("invalid", "expired") and (said is not None or act.op.kind == "connect"):
            yield v.BadTokenAccepted(
                f"{act.op.connection} logged in with an {act.op.token} token", act.op.token, _rows(act.began, act.ended)
            )
        elif _misidentified(facts, connection, act):
            yield v.WrongIdentity(
                f"{connection.name} showed {connection.identity}'s token, and its login came out as {said}",
                "login",
                _rows(act.began, act.ended),
            )


def _misidentified(facts: Facts, connection: Connection, act: Act) -> bool:
    first_login = facts.tells_identity and connection.login_began == act.began and not act.settled
    return first_login and isinstance(act.detail, str) and connection.identity not in (None, act.detail)


# -- what must arrive ------------------------------


def loss(facts: Facts) -> Iterator[Violation]:
    for number, act in _emits(facts):
        rest = facts.rest_after(act.ended)
        if act.outcome not in ("returned", "raised") or act.cancelled or rest == NEVER or _unheard(facts, act):
            continue
        if _perhaps_unread(facts, number, act, rest):
            continue
        owed = [c for c in facts.of_user(act.op.to) if _meant(act, c) and c.surely_up(act.began, rest)]
        for event in _events(number, act):
            for connection in owed:
                if (event, connection.name) in facts.received:
                    continue
                got = facts.sent.get((number, connection.name), [])
                others = any((event, c.name) in facts.received for c in facts.connections.values())
                served = "another connection got it" if others else "nobody got it"
                evidence = _rows(connection.up, act.began, act.ended)
                if act.op.kind == "run_agent":
                    yield v.BrokenGoldenPath(
                        f"{event} never arrived on {connection.name} of {connection.identity}; {_how(act)}, {served}",
                        f"missing, {_how(act)}",
                        evidence,
                    )
                elif got and all(number_of(str(facts.history[row].detail)) is None for row in got):
                    yield v.ReplacedEvent(
                        f"instead of {event}, {connection.name} received {facts.history[got[0]].detail}; {_how(act)}",
                        f"{act.op.kind}, {_how(act)}",
                        (*evidence, got[0]),
                    )
                else:
                    yield v.LostEvent(
                        f"{event} never arrived on {connection.name} of {connection.identity}, "
                        f"which was up all the time; {_how(act)}, {served}",
                        f"{_path(act)}, {_how(act)}, {_served_kind(facts, number, connection, others)}",
                        evidence,
                    )
        if act.outcome == "returned" and act.detail is False and act.op.to is not None:
            yield from _false_failure(facts, number, act)


def _unheard(facts: Facts, act: Act) -> bool:
    """Whether what was emitted may never have reached the server: its client vanished, and nobody has confirmed it."""
    emitter = facts.connections.get(act.op.connection or "")
    return act.settled and emitter is not None and emitter.how_ended == "abort" and emitter.ending < act.ended


def _meant(act: Act, connection: Connection) -> bool:
    """Whether an event is owed to a connection of its user.

    A client that emits over its own connection need not be sent its event back, and who asks for a run gets the answer.
    """
    return act.op.connection is None or (connection.name == act.op.connection) == (act.op.kind == "run_agent")


def _perhaps_unread(facts: Facts, number: int, act: Act, rest: int) -> bool:
    """Whether the server may never have read an event: its connection ended, and nothing shows that it was seen.

    What a client had sent is lost with it where it vanishes, and a server need not read on from one that has left.
    """
    emitter = facts.connections.get(act.op.connection or "")
    if not act.settled or emitter is None or min(emitter.gone, emitter.closed) > rest:
        return False
    return not any(event == number for event, _ in facts.sent)


def _false_failure(facts: Facts, number: int, act: Act) -> Iterator[Violation]:
    event = f"e{number}"
    theirs = facts.of_user(act.op.to)
    reached = [c for c in theirs if (event, c.name) in facts.received]
    at_the_time = [c for c in theirs if c.asked < act.ended and min(c.ended, c.gone) > act.began]
    if reached and len(reached) == len(at_the_time):
        sent = facts.sent.get((number, reached[0].name), [])
        if sent and sent[0] < act.ended:
            yield v.FalseFailure(
                f"emitting {event} to {act.op.to} reported failure, and {reached[0].name} received it",
                act.op.kind,
                _rows(sent[0], act.ended, facts.received[event, reached[0].name][0]),
            )


def _served_kind(facts: Facts, number: int, connection: Connection, others: bool) -> str:
    if others:
        return "another connection got it"
    elsewhere = any(op == number and name != connection.name for op, name in facts.sent)
    return "another connection was sent something" if elsewhere else "nobody got it"


def duplicates(facts: Facts) -> Iterator[Violation]:
    for (event, name), rows in facts.received.items():
        if len(rows) > 1:
            act = _emitter(facts, event)
            if act is None:
                continue
            kind = v.OfflineDuplicate if _absent(facts, act) else v.DuplicateEvent
            yield kind(f"{event} arrived {len(rows)} times on {name}", f"{_path(act)}", (act.began, *rows))


# -- offline delivery ------------------------------


def offline(facts: Facts) -> Iterator[Violation]:
    if not facts.target.traits.offline_delivery:
        return
    for number, act in _emits(facts):
        if act.outcome != "returned" or act.cancelled or act.op.kind == "broadcast" or not _absent(facts, act):
            continue
        if _unheard(facts, act):
            continue
        later = sorted((c for c in facts.of_user(act.op.to) if c.asked > act.ended), key=lambda c: c.asked)
        if not later:
            continue
        first = later[0]
        rest = facts.rest_after(first.up)
        wiped = any(
            a.op.kind in ("clean_up", "sweep", "shut_down", "pause") and act.began < a.began < rest
            for a in facts.acts.values()
        )
        for event in _events(number, act):
            got = sorted((rows[0], name) for (e, name), rows in facts.received.items() if e == event)
            if len(got) > 1 and facts.connections[got[0][1]].ending > got[1][0]:
                yield v.OfflineDuplicate(
                    f"{event}, kept for {act.op.to}, arrived on {got[0][1]} and again on {got[1][1]}",
                    f"{_path(act)}",
                    _rows(act.began, got[0][0], got[1][0]),
                )
            if (
                not got
                and not wiped
                and rest != NEVER
                and all(c.surely_up(c.up + 1, rest) or c.asked > rest for c in later)
            ):
                yield v.OfflineLoss(
                    f"{event}, emitted while {act.op.to} was absent, never arrived on the next connection {first.name}",
                    "",
                    _rows(act.began, act.ended, first.up),
                )


def order(facts: Facts) -> Iterator[Violation]:
    arrived: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (event, name), rows in facts.received.items():
        act = _emitter(facts, event)
        if act is not None:
            arrived.setdefault((act.op.user or "", name), []).append((rows[0], event))
    for (sender, name), events in arrived.items():
        events.sort()
        for (row, event), (later_row, later) in pairwise(events):
            act, earlier = _emitter(facts, event), _emitter(facts, later)
            assert act is not None and earlier is not None
            if act is earlier and act.op.kind == "run_agent":
                if _step(event) > _step(later):
                    yield v.BrokenGoldenPath(
                        f"{later} arrived on {name} after {event}", "out of order", _rows(act.began, row, later_row)
                    )
            elif earlier.ended < act.began or (
                earlier.op.connection is not None
                and earlier.op.connection == act.op.connection
                and earlier.began < act.began
            ):
                kind = v.OfflineDisorder if _absent(facts, earlier) else v.Disorder
                yield kind(
                    f"{sender} emitted {later} before {event}, and {name} received it after",
                    "",
                    _rows(earlier.began, act.began, row, later_row),
                )


# -- what the server does ------------------------------


def independence(facts: Facts) -> Iterator[Violation]:
    limit = facts.limits.delay
    for number, act in facts.acts.items():
        if act.outcome is None or act.cancelled:
            continue
        if act.settled:
            yield from _late_arrival(facts, number, act)
            continue
        if act.ended_at - act.began_at <= limit:
            continue
        if act.op.kind not in ("connect", "authenticate", "log_out", "disconnect", "abort", "emit", "run_agent"):
            continue
        recipients = facts.of_user(act.op.to) if act.op.to is not None else []
        own = {act.op.connection, *(c.name for c in recipients)}
        culprits = [name for since, until, name in facts.stalls if since < act.ended and until > act.began]
        if not culprits or not own.isdisjoint(culprits) or _waits_for_itself(facts, number, act, own):
            continue
        yield v.HeldUp(
            f"{_called(number, act)} took {act.ended_at - act.began_at:g} s while {culprits[0]} was not reading; "
            f"the limit is {limit:g} s",
            act.op.kind if act.op.kind in ("emit", "run_agent") else "connection",
            _rows(act.began, act.ended),
        )


def _late_arrival(facts: Facts, number: int, act: Act) -> Iterator[Violation]:
    """Where nobody answers the emitter, an event that somebody else's stalled client held up arrives late."""
    if act.op.kind not in EMITS:
        return
    for event in _events(number, act):
        for connection in facts.of_user(act.op.to):
            row = facts.received.get((event, connection.name), [NEVER])[0]
            if row == NEVER or facts.history[row].time - act.began_at <= facts.limits.delay:
                continue
            own = {act.op.connection, connection.name}
            culprits = [name for since, until, name in facts.stalls if since < row and until > act.began]
            if (
                culprits
                and own.isdisjoint(culprits)
                and connection.up < act.began
                and connection.slow > row
                and not _waits_for_itself(facts, number, act, own, row)
            ):
                yield v.HeldUp(
                    f"{event} arrived on {connection.name} after {facts.history[row].time - act.began_at:g} s, while "
                    f"{culprits[0]} was not reading; the limit is {facts.limits.delay:g} s",
                    f"{act.op.kind}, late",
                    _rows(act.began, row),
                )
                return


def _waits_for_itself(facts: Facts, number: int, act: Act, own: set[str | None], until: int | None = None) -> bool:
    """Whether the clock moved past something that this operation itself was waiting for."""
    return _passed_over(facts, number, own, act.began, act.ended if until is None else until)


def _passed_over(facts: Facts, number: int | None, own: set[str | None], since: int, until: int) -> bool:
    """Whether the clock moved past something of an operation's, or of a connection's, between two rows."""
    for row in facts.history[since:until]:
        if row.kind == "clock" and isinstance(row.detail, tuple):
            for waiting in row.detail:
                kind, _, rest = waiting.partition(" ")
                if kind in ("latency", "job") and rest.rpartition(" ")[2] in (str(number), "-1"):
                    return True
                if kind in ("connect", "bytes", "lost") and rest.startswith(DIALLED):
                    return True  # a backend of the target's; whoever waits for it, nobody can tell
                if kind == "notice" or (kind in ("frame", "bytes", "connect", "lost", "pong") and rest in own):
                    return True
    return False


def liveness(facts: Facts) -> Iterator[Violation]:
    """One violation for each place something is stuck in; which is the cause of which, the model cannot tell."""
    places = set()
    for row, entry in enumerate(facts.history):
        if entry.kind == "stuck":
            act = facts.acts[entry.operation or 0]
            place = str(entry.detail)
            if place.partition(" ")[0] in places:
                continue
            places.add(place.partition(" ")[0])
            yield v.Stuck(
                f"{_called(entry.operation or 0, act)} never finished: everything has arrived, "
                f"and it waits in {place or 'the event loop'}",
                place.partition(" ")[0],
                _rows(act.began, row),
            )
        if entry.kind == "spinning":
            yield v.Spinning(
                "the target never comes to rest: it keeps the loop busy with nothing left to arrive", "", (row,)
            )


def consistency(facts: Facts) -> Iterator[Violation]:
    haunted: set[str] = set()
    for row, entry in enumerate(facts.history):
        if entry.kind == "registry" and isinstance(entry.detail, tuple):
            known = set(entry.detail)
            for c in facts.connections.values():
                if c.name not in known and c.surely_up(row, row):
                    yield v.MissingEntry(
                        f"{c.name} of {c.identity} is connected, and the registry does not know it",
                        "",
                        _rows(c.up, row),
                    )
                elif c.name in known and c.ended < row < c.unsure and c.name not in haunted:
                    haunted.add(c.name)
                    all_left = all(other.ending < row for other in facts.connections.values())
                    kind = v.LeakedEntry if all_left else v.GhostEntry
                    yield kind(
                        f"{c.name} is gone ({c.how_ended}), and the registry still names it",
                        "left" if c.how_ended in ("disconnect", "abort") else c.how_ended,
                        _rows(c.ended, row),
                    )
        elif entry.kind == "active" and isinstance(entry.detail, tuple) and not facts.misidentified:
            for user in facts.program.users:
                theirs = [c for c in facts.connections.values() if user in (c.user, c.identity)]
                sure = any(c.surely_up(row, row) and c.user == c.identity for c in theirs)
                none = all(c.surely_absent(row, row) for c in theirs)
                if (user in entry.detail and none) or (user not in entry.detail and sure):
                    says = "is" if user in entry.detail else "is not"
                    yield v.WrongAnswer(f"the target says {user} {says} connected, which is wrong", says, _rows(row))


def hygiene(facts: Facts) -> Iterator[Violation]:
    for row, entry in enumerate(facts.history):
        if entry.kind == "unhandled" and isinstance(entry.detail, tuple):
            error, place = entry.detail
            yield v.UnhandledError(
                f"nobody handled {error}, raised in {place or 'the event loop'}",
                f"{error.partition(':')[0]} in {place.partition(' ')[0]}",
                (row,),
            )
        elif entry.kind == "left" and isinstance(entry.detail, tuple):
            name, place = entry.detail
            what = name.removeprefix("task ") if name.startswith("task ") else name.partition(" ")[0]
            waits = f"; it waits in {place}" if place else ""
            yield v.LeftBehind(f"{name} outlived the shut-down{waits}", what, (row,))
        elif entry.kind == "blocked" and isinstance(entry.detail, tuple):
            place, seconds = entry.detail
            yield v.BlockedLoop(
                f"the event loop stood still for {seconds} s, and everybody with it, in {place}",
                place.partition(" ")[0],
                (row,),
            )
    for act in facts.acts.values():
        rest = facts.rest_after(act.ended)
        if act.op.kind == "clean_up" and act.went_well and rest != NEVER:
            for c in facts.connections.values():
                if (
                    c.identity == c.user == act.op.user
                    and c.unsure > rest
                    and c.up < act.began
                    and c.ending >= act.began
                    and min(c.closed, c.gone) > rest
                ):
                    yield v.LeftOpen(
                        f"cleaning up {act.op.user} returned, and {c.name} was never closed",
                        "clean_up",
                        _rows(c.up, act.ended),
                    )


def availability(facts: Facts) -> Iterator[Violation]:
    limit = facts.limits.connections_per_user
    for number, act in facts.acts.items():
        if act.op.kind not in ("connect", "authenticate") or act.outcome is None or act.cancelled or facts.disturbed:
            continue
        connection = facts.connections[act.op.connection or ""]
        if act.went_well and not (act.op.kind == "authenticate" and act.detail is None):
            continue
        if act.outcome == "cancelled" or connection.identity != connection.user or connection.gone < act.ended:
            continue
        if act.op.kind == "authenticate" and connection.login_began < act.began:
            continue
        around = [
            a
            for a in facts.acts.values()
            if a.op.kind in ("clean_up", "sweep", "expire") and a.began < act.ended and a.ended > act.began
        ]
        possible = sum(
            c is not connection
            and c.user == connection.user
            and c.asked < act.ended
            and min(c.ended, c.closed) > act.began
            for c in facts.connections.values()
        )
        if (
            around
            or (limit is not None and possible >= limit)
            or connection.stalled_since  # who does not read may be given up
            or facts.stalled(connection.name, act.ended)
            or _waits_for_itself(facts, number, act, {connection.name})
        ):
            continue
        why = _how(act)
        if facts.target.traits.by_wire and connection.closed < act.ended:
            why = str(facts.history[connection.closed].detail)
        yield v.Refused(
            f"{connection.name} of {connection.user} was turned away ({why}), with {possible} other connections of "
            "that user" + (f" and a limit of {limit}" if limit is not None else ""),
            why,
            _rows(act.began, act.ended),
        )


def dropped(facts: Facts) -> Iterator[Violation]:
    """Applications with a wire: clients see for themselves when the server hangs up on them."""
    if not facts.target.traits.by_wire or facts.disturbed:
        return
    limit = facts.limits.connections_per_user
    for c in facts.connections.values():
        if c.closed == NEVER or c.up > c.closed or min(c.ending, c.slow, c.unsure) < c.closed or c.stalled_since:
            continue
        quiet = facts.history[c.closed].time - facts.history[_last_act(facts, c)].time
        others = sum(
            o.user == c.user and o.asked < c.closed < min(o.ended, o.closed + 1) for o in facts.connections.values()
        )
        if quiet > facts.limits.delay or (limit is not None and others > limit) or facts.stalled(c.name, c.closed):
            continue
        if _passed_over(facts, None, {c.name}, c.up, c.closed):
            continue  # its bytes were that late: a server's heartbeat may give it up
        leavers = [o.name for o in facts.connections.values() if o is not c and o.ending < c.closed]
        yield v.Dropped(
            f"the server hung up on {c.name} of {c.user}, which had done nothing wrong"
            f" ({facts.history[c.closed].detail})" + (f"; {leavers[-1]} had left before" if leavers else ""),
            str(facts.history[c.closed].detail),
            _rows(c.up, c.closed),
        )


def _last_act(facts: Facts, connection: Connection) -> int:
    """The row of the last thing a connection did before it was closed."""
    own = (act.began for act in facts.acts.values() if act.op.connection == connection.name)
    return max(row for row in (connection.asked, *own) if row < connection.closed)


CHECKS: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    isolation,
    authentication,
    loss,
    duplicates,
    offline,
    order,
    independence,
    liveness,
    consistency,
    hygiene,
    availability,
    dropped,
)


# -- words and small questions ------------------------------


def _emits(facts: Facts) -> Iterator[tuple[int, Act]]:
    for number, act in facts.acts.items():
        if act.op.kind in EMITS:
            yield number, act


def _events(number: int, act: Act) -> tuple[str, ...]:
    if act.op.kind == "run_agent":
        return tuple(f"e{number}.{name}" for name in CRITICAL_EVENTS)
    return (f"e{number}",)


def _emitter(facts: Facts, event: str) -> Act | None:
    number = number_of(event)
    return facts.acts.get(number) if number is not None else None


def _step(event: str) -> int:
    return CRITICAL_EVENTS.index(event.partition(".")[2])


def _absent(facts: Facts, act: Act) -> bool:
    """Whether the event's user had no connection from the emit's beginning to its end, for certain."""
    return (
        facts.target.traits.offline_delivery
        and act.op.to is not None
        and all(
            c.surely_absent(act.began, act.ended)
            for c in facts.connections.values()
            if act.op.to in (c.user, c.identity)
        )
    )


def _path(act: Act) -> str:
    """The way an event took into the target."""
    return "emit" if act.op.kind == "emit_to_thread" and act.op.thread == act.op.to else act.op.kind


def _how(act: Act) -> str:
    """How the operation reported, without line numbers, which change with every edit of the target."""
    if act.outcome == "raised":
        error, place = act.detail if isinstance(act.detail, tuple) else (str(act.detail), "")
        return f"it raised {error.partition(':')[0]} in {place.partition(' ')[0]}" if place else f"it raised {error}"
    if act.settled:
        return "nobody answered"
    return "it reported failure" if act.detail is False else "it reported success"


def _called(number: int, act: Act) -> str:
    return f"operation {number} ({act.op})"


def _rows(*rows: int) -> tuple[int, ...]:
    return tuple(sorted({row for row in rows if row != NEVER}))
