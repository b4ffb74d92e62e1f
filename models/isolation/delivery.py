"""What may be seen, and what must arrive: isolation, authentication, loss, duplicates, offline delivery, order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from . import violations as v
from .acts import EMITS, absent, emits, emitter, events_of, how, path, rows_of, step
from .facts import NEVER, Act, Connection, Facts, number_of
from .violations import Violation

__all__ = ("authentication", "duplicates", "isolation", "loss", "offline", "order")


# -- who may see what ------------------------------


def isolation(facts: Facts) -> Iterator[Violation]:
    for (event, name), rows in facts.received.items():
        act = emitter(facts, event)
        connection = facts.connections[name]
        if event[0] == "@" and connection.identity == connection.user != event[1:]:
            yield v.CrossUserLeak(
                f"a frame for {event[1:]} arrived on {name}, whose login is {connection.identity}'s",
                "frame of another user",
                rows_of(connection.asked, rows[0]),
            )
        if act is None or act.op.kind == "broadcast":
            continue
        if connection.identity is not None and connection.identity != act.op.to:
            login = "their own" if connection.identity == connection.user else f"{connection.identity}'s"
            yield v.CrossUserLeak(
                f"{event} was for {act.op.to}, and {name} received it, whose login is {connection.identity}'s "
                f"(it asked to be {connection.user})",
                f"{act.op.kind}, {'own token' if login == 'their own' else 'foreign token'}",
                rows_of(act.began, connection.asked, rows[0]),
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
                    rows_of(connection.asked, connection.login_failed, row),
                )
            elif row > connection.ended and connection.up != NEVER:
                yield v.LateDelivery(
                    f"{facts.history[row].detail} was sent to {name} after its {connection.how_ended} had returned",
                    f"after {connection.how_ended}, "
                    f"{'emitted before' if act.began < connection.ended else 'emitted after'}",
                    rows_of(act.began, connection.ended, row),
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
                f"{act.op.connection} logged in with an {act.op.token} token",
                act.op.token,
                rows_of(act.began, act.ended),
            )
        elif _misidentified(facts, connection, act):
            yield v.WrongIdentity(
                f"{connection.name} showed {connection.identity}'s token, and its login came out as {said}",
                "login",
                rows_of(act.began, act.ended),
            )


def _misidentified(facts: Facts, connection: Connection, act: Act) -> bool:
    first_login = facts.tells_identity and connection.login_began == act.began and not act.settled
    return first_login and isinstance(act.detail, str) and connection.identity not in (None, act.detail)


# -- what must arrive ------------------------------


def loss(facts: Facts) -> Iterator[Violation]:
    for number, act in emits(facts):
        rest = facts.rest_after(act.ended)
        if act.outcome not in ("returned", "raised") or act.cancelled or rest == NEVER or _unheard(facts, act):
            continue
        if _perhaps_unread(facts, number, act, rest):
            continue
        owed = [c for c in facts.of_user(act.op.to) if _meant(act, c) and c.surely_up(act.began, rest)]
        for event in events_of(number, act):
            for connection in owed:
                if (event, connection.name) in facts.received:
                    continue
                got = facts.sent.get((number, connection.name), [])
                others = any((event, c.name) in facts.received for c in facts.connections.values())
                served = "another connection got it" if others else "nobody got it"
                evidence = rows_of(connection.up, act.began, act.ended)
                if act.op.kind == "run_agent":
                    yield v.BrokenGoldenPath(
                        f"{event} never arrived on {connection.name} of {connection.identity}; {how(act)}, {served}",
                        f"missing, {how(act)}",
                        evidence,
                    )
                elif got and all(number_of(str(facts.history[row].detail)) is None for row in got):
                    yield v.ReplacedEvent(
                        f"instead of {event}, {connection.name} received {facts.history[got[0]].detail}; {how(act)}",
                        f"{act.op.kind}, {how(act)}",
                        (*evidence, got[0]),
                    )
                else:
                    yield v.LostEvent(
                        f"{event} never arrived on {connection.name} of {connection.identity}, "
                        f"which was up all the time; {how(act)}, {served}",
                        f"{path(act)}, {how(act)}, {_served_kind(facts, number, connection, others)}",
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
                rows_of(sent[0], act.ended, facts.received[event, reached[0].name][0]),
            )


def _served_kind(facts: Facts, number: int, connection: Connection, others: bool) -> str:
    if others:
        return "another connection got it"
    elsewhere = any(op == number and name != connection.name for op, name in facts.sent)
    return "another connection was sent something" if elsewhere else "nobody got it"


def duplicates(facts: Facts) -> Iterator[Violation]:
    for (event, name), rows in facts.received.items():
        if len(rows) > 1:
            act = emitter(facts, event)
            if act is None:
                continue
            kind = v.OfflineDuplicate if absent(facts, act) else v.DuplicateEvent
            yield kind(f"{event} arrived {len(rows)} times on {name}", f"{path(act)}", (act.began, *rows))


# -- offline delivery ------------------------------


def offline(facts: Facts) -> Iterator[Violation]:
    if not facts.target.traits.offline_delivery:
        return
    for number, act in emits(facts):
        if act.outcome != "returned" or act.cancelled or act.op.kind == "broadcast" or not absent(facts, act):
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
        for event in events_of(number, act):
            got = sorted((rows[0], name) for (e, name), rows in facts.received.items() if e == event)
            if len(got) > 1 and facts.connections[got[0][1]].ending > got[1][0]:
                yield v.OfflineDuplicate(
                    f"{event}, kept for {act.op.to}, arrived on {got[0][1]} and again on {got[1][1]}",
                    f"{path(act)}",
                    rows_of(act.began, got[0][0], got[1][0]),
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
                    rows_of(act.began, act.ended, first.up),
                )


def order(facts: Facts) -> Iterator[Violation]:
    arrived: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (event, name), rows in facts.received.items():
        act = emitter(facts, event)
        if act is not None:
            arrived.setdefault((act.op.user or "", name), []).append((rows[0], event))
    for (sender, name), events in arrived.items():
        events.sort()
        for (row, event), (later_row, later) in pairwise(events):
            act, earlier = emitter(facts, event), emitter(facts, later)
            assert act is not None and earlier is not None
            if act is earlier and act.op.kind == "run_agent":
                if step(event) > step(later):
                    yield v.BrokenGoldenPath(
                        f"{later} arrived on {name} after {event}", "out of order", rows_of(act.began, row, later_row)
                    )
            elif earlier.ended < act.began or (
                earlier.op.connection is not None
                and earlier.op.connection == act.op.connection
                and earlier.began < act.began
            ):
                kind = v.OfflineDisorder if absent(facts, earlier) else v.Disorder
                yield kind(
                    f"{sender} emitted {later} before {event}, and {name} received it after",
                    "",
                    rows_of(earlier.began, act.began, row, later_row),
                )
