"""How the server behaves: independence, liveness, consistency, hygiene, availability."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.world.network import DIALLED
from . import violations as v
from .acts import EMITS, called, events_of, how, rows_of
from .facts import NEVER, Act, Connection, Facts
from .violations import Violation

__all__ = ("availability", "consistency", "dropped", "hygiene", "independence", "liveness")


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
            f"{called(number, act)} took {act.ended_at - act.began_at:g} s while {culprits[0]} was not reading; "
            f"the limit is {limit:g} s",
            act.op.kind if act.op.kind in ("emit", "run_agent") else "connection",
            rows_of(act.began, act.ended),
        )


def _late_arrival(facts: Facts, number: int, act: Act) -> Iterator[Violation]:
    """Where nobody answers the emitter, an event that somebody else's stalled client held up arrives late."""
    if act.op.kind not in EMITS:
        return
    for event in events_of(number, act):
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
                    rows_of(act.began, row),
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
                f"{called(entry.operation or 0, act)} never finished: everything has arrived, "
                f"and it waits in {place or 'the event loop'}",
                place.partition(" ")[0],
                rows_of(act.began, row),
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
                        rows_of(c.up, row),
                    )
                elif c.name in known and c.ended < row < c.unsure and c.name not in haunted:
                    haunted.add(c.name)
                    all_left = all(other.ending < row for other in facts.connections.values())
                    kind = v.LeakedEntry if all_left else v.GhostEntry
                    yield kind(
                        f"{c.name} is gone ({c.how_ended}), and the registry still names it",
                        "left" if c.how_ended in ("disconnect", "abort") else c.how_ended,
                        rows_of(c.ended, row),
                    )
        elif entry.kind == "active" and isinstance(entry.detail, tuple) and not facts.misidentified:
            for user in facts.program.users:
                theirs = [c for c in facts.connections.values() if user in (c.user, c.identity)]
                sure = any(c.surely_up(row, row) and c.user == c.identity for c in theirs)
                none = all(c.surely_absent(row, row) for c in theirs)
                if (user in entry.detail and none) or (user not in entry.detail and sure):
                    says = "is" if user in entry.detail else "is not"
                    yield v.WrongAnswer(f"the target says {user} {says} connected, which is wrong", says, rows_of(row))


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
                        rows_of(c.up, act.ended),
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
        why = how(act)
        if facts.target.traits.by_wire and connection.closed < act.ended:
            why = str(facts.history[connection.closed].detail)
        yield v.Refused(
            f"{connection.name} of {connection.user} was turned away ({why}), with {possible} other connections of "
            "that user" + (f" and a limit of {limit}" if limit is not None else ""),
            why,
            rows_of(act.began, act.ended),
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
            rows_of(c.up, c.closed),
        )


def _last_act(facts: Facts, connection: Connection) -> int:
    """The row of the last thing a connection did before it was closed."""
    own = (act.began for act in facts.acts.values() if act.op.connection == connection.name)
    return max(row for row in (connection.asked, *own) if row < connection.closed)
