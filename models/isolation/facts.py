"""What a history says, gathered in one pass: the life of each connection, each operation, each event's deliveries.

Positions are row numbers: rows are in the order things happened, so one position is before another exactly when it
happened before.  ``NEVER`` is after every row.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace

from ...fuzzer.core.history import SETTLED, Detail, History
from ...fuzzer.core.program import LEAVING, Operation, Program
from ...fuzzer.targets.adapter import Limits, Target

__all__ = ("NEVER", "Act", "Connection", "Facts", "gather")

NEVER = 1 << 60

ENDING = LEAVING | {"log_out", "expire"}
"""Operations after which a connection is nobody's any more."""


@dataclass(slots=True)
class Act:
    """One operation as it went.  ``outcome`` is a row kind, or None while it has not finished."""

    op: Operation
    began: int
    began_at: float
    ended: int = NEVER
    ended_at: float = 0.0
    outcome: str | None = None
    detail: Detail = None
    cancelled: bool = False

    @property
    def settled(self) -> bool:
        """Nobody answered: when it ended is not known, only that it has by the time everything rests."""
        return self.detail == SETTLED

    @property
    def went_well(self) -> bool:
        return self.outcome == "returned" and self.detail is not False


@dataclass(slots=True)
class Connection:
    """The life of one connection.

    ``up``: logged in, as far as the server has said so.  ``ending``: somebody began to end it.  ``ended``: that has
    returned.  ``slow``: from when on it read too slowly for the target's limits (a target may then give it up).
    ``unsure``: from when on nobody can say what became of it (an operation on it was cancelled or failed).
    """

    name: str
    user: str
    identity: str | None
    asked: int
    login_began: int = NEVER
    login_failed: int = NEVER
    up: int = NEVER
    ending: int = NEVER
    ended: int = NEVER
    gone: int = NEVER
    slow: int = NEVER
    closed: int = NEVER
    unsure: int = NEVER
    how_ended: str = ""
    stalled_since: tuple[int, float] | None = None
    waiting: list[tuple[int, float]] = field(default_factory=list)

    def surely_up(self, since: int, until: int) -> bool:
        """Logged in before ``since``, and nothing that could excuse the target happened before ``until``."""
        return self.up < since and min(self.ending, self.slow, self.closed, self.unsure) > until

    def surely_absent(self, since: int, until: int) -> bool:
        """Not even asked for before ``until``, or all over before ``since``."""
        return self.asked > until or (self.ended < since and self.unsure > until)


@dataclass(slots=True)
class Facts:
    """Everything the promises are judged by."""

    target: Target
    limits: Limits
    program: Program
    history: History
    acts: dict[int, Act] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    received: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """(event, connection) -> rows"""
    sent: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """(operation, connection) -> rows of all frames sent for it"""
    rests: list[int] = field(default_factory=list)
    stalls: list[tuple[int, int, str]] = field(default_factory=list)
    """(from row, to row, connection)"""
    misidentified: bool = False
    """A login came out as somebody else: what follows from that is not counted again."""
    disturbed: bool = False
    """An operation was cancelled or the target was shut down: availability is no longer promised."""

    @property
    def tells_identity(self) -> bool:
        """Whether what a login returns is the user the server takes the client for."""
        return self.target.offers("authenticate") or self.target.traits.by_wire

    def rest_after(self, row: int) -> int:
        """The next moment of rest after a row, or NEVER."""
        at = bisect_right(self.rests, row)
        return self.rests[at] if at < len(self.rests) else NEVER

    def stalled(self, name: str, row: int) -> bool:
        """Whether a connection had stopped reading before a row, even for a moment."""
        return any(stalled == name and since < row for since, _, stalled in self.stalls)

    def of_user(self, user: str | None) -> list[Connection]:
        return [c for c in self.connections.values() if user is None or c.identity == user]


def number_of(event: str) -> int | None:
    """The number of the operation that emitted an event, or None where the target made the id up."""
    head = event[1:].partition(".")[0]
    return int(head) if event[:1] == "e" and head.isdigit() else None


def gather(target: Target, program: Program, history: History) -> Facts:
    """Read a history once."""
    limits = target.traits.limits
    two_steps = target.offers("authenticate")
    facts = Facts(target, limits, program, history)
    operations = program.expanded
    connections = facts.connections
    acts = facts.acts
    disconnect, shut_down = Operation("disconnect"), Operation("shut_down")
    for row, (time, kind, number, name, detail) in enumerate(history):
        connection = connections.get(name) if name is not None else None
        if kind == "invoked":
            assert number is not None
            op = operations[number] if number < len(operations) else disconnect if name is not None else shut_down
            if op.kind == "run_agent" and connection is not None and connection.identity not in (None, op.to):
                op = replace(op, to=connection.identity)  # who asks is who the token says
            acts[number] = Act(op, row, time)
            match op.kind:
                case "connect":
                    assert name is not None and op.user is not None
                    connection = Connection(name, op.user, _identity(op, op.user), row)
                    connections[name] = connection
                    if not two_steps:
                        connection.login_began = row
                        # Whether a server refuses such a client or serves it as who it is, is its own affair.
                        if connection.identity != op.user:
                            connection.unsure = row
                case "authenticate":
                    assert connection is not None
                    if connection.login_began == NEVER:
                        connection.login_began = row
                        connection.identity = _identity(op, connection.user)
                    else:
                        connection.unsure = min(connection.unsure, row)
                case "cancel":
                    facts.disturbed = True
                    if isinstance(detail, int) and detail in acts:
                        acts[detail].cancelled = True
                        cancelled = acts[detail].op
                        if cancelled.connection in connections:
                            of_cancelled = connections[cancelled.connection]
                            of_cancelled.unsure = min(of_cancelled.unsure, acts[detail].began)
                case "clean_up":
                    for other in connections.values():
                        if op.user in (other.user, other.identity) and other.login_began < row:
                            _ending(other, row, "clean_up")
                case "sweep" if limits.idle is not None:
                    for other in connections.values():
                        _ending(other, row, "sweep")
                        other.unsure = min(other.unsure, row)
                case "pause" if limits.idle is not None and (op.seconds or 0) >= limits.idle / 2:
                    for other in connections.values():
                        _ending(other, row, "pause")
                        other.unsure = min(other.unsure, row)
                case "shut_down":
                    facts.disturbed = facts.disturbed or number < len(operations)  # not the one at the very end
                    for other in connections.values():
                        _ending(other, row, "shut_down")
                case "disconnect" | "abort" | "garble" | "truncate" | "log_out" | "expire":
                    if connection is not None:
                        _ending(connection, row, op.kind)
                    elif name in connections:
                        _ending(connections[name], row, op.kind)
        elif kind in ("returned", "raised", "cancelled"):
            assert number is not None
            act = acts[number]
            act.ended, act.ended_at, act.outcome, act.detail = row, time, kind, detail
            if act.op.kind in ENDING:
                if connection is not None:
                    if kind == "returned":
                        connection.ended = min(connection.ended, row)
                    else:
                        connection.unsure = min(connection.unsure, row)
            elif act.op.kind == ("authenticate" if two_steps else "connect"):
                assert connection is not None
                accepted = act.went_well and not (two_steps and detail is None)
                if accepted:
                    connection.up = min(connection.up, row)
                    if (
                        facts.tells_identity
                        and isinstance(detail, str)
                        and detail not in (SETTLED, connection.identity)
                    ):
                        connection.unsure = min(connection.unsure, row)
                        facts.misidentified = True
                elif connection.up == NEVER:
                    connection.login_failed = row
                    _ending(connection, row, "refused")
                    connection.ended = min(connection.ended, row)
            elif act.op.kind == "connect" and not act.went_well:
                connection = connections[act.op.connection or ""]
                _ending(connection, row, "refused")
                connection.ended = min(connection.ended, row)
            elif act.op.kind == "clean_up" and kind == "returned":
                for other in connections.values():
                    if act.op.user == other.user == other.identity and other.up < act.began:
                        other.ended = min(other.ended, row)
        elif kind == "sent":
            if number is not None:
                facts.sent.setdefault((number, name or ""), []).append(row)
            if connection is not None:
                connection.waiting.append((row, time))
        elif kind == "received":
            assert connection is not None and isinstance(detail, str)
            facts.received.setdefault((detail, connection.name), []).append(row)
            if connection.waiting:
                sent, sent_at = connection.waiting.pop(0)
                if time - sent_at >= limits.delay:
                    connection.slow = min(connection.slow, sent)
        elif kind == "rest":
            facts.rests.append(row)
            for other in connections.values():
                if other.waiting and time - other.waiting[0][1] >= limits.delay:
                    other.slow = min(other.slow, other.waiting[0][0])
        elif connection is None:
            continue
        elif kind == "gone":
            connection.gone = min(connection.gone, row)
            connection.waiting.clear()
            _ending(connection, row, str(detail))
        elif kind == "closed":
            connection.closed = min(connection.closed, row)
        elif kind == "stalled":
            connection.stalled_since = (row, time)
        elif kind == "resumed" and connection.stalled_since is not None:
            facts.stalls.append((connection.stalled_since[0], row, connection.name))
            if time - connection.stalled_since[1] >= limits.delay:
                connection.slow = min(connection.slow, connection.stalled_since[0])
            connection.stalled_since = None
    return facts


def _identity(op: Operation, user: str) -> str | None:
    """Whose the token is that an operation shows."""
    if op.token in ("invalid", "expired"):
        return None
    return user if op.token in (None, "valid") else op.token


def _ending(connection: Connection, row: int, how: str) -> None:
    if row < connection.ending:
        connection.ending, connection.how_ended = row, how
