"""What a target declares it does on purpose: plain data, read by drivers and by the isolation model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..core.errors import UsageError

__all__ = ("REST", "Limits", "Policy", "policy_of")

REST = 30.0
"""Seconds after which, with nothing arriving any more, a target's operations have finished, if it says nothing else."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One sentence each; the default is the strict promise.  Times in virtual seconds.

    ``delay``: somebody else's stalled client holds nobody up for longer, and a client that leaves a frame unread for
    longer may be given up.  ``closing``: to close one that is given up takes so long, and holds others up as well.
    ``rest``: when nothing more arrives, every operation has finished after so long.
    ``connections``, ``per_user``, ``per_room``: so many connections at once are always served.  ``at_limit``: beyond,
    the newcomer is refused (``refuse``), or an older connection is closed (``close``), or now this, now that
    (``either``), or the newcomer waits until there is room (``wait``).  ``attempts``: beyond n connections that begin
    within s seconds, ``(n, s)``, whoever they are of, one may be turned away.  ``one_room``: whoever joins a room
    leaves the one before.  ``tabs_apart``: a connection is in the rooms that it has joined itself, whatever its user's
    others do (False: it may be users who are members).
    ``session``: the server may end a login that has lasted so long.  ``idle``: it may end one that has been silent
    for so long.  ``rate``: beyond n events of one user within s seconds, ``(n, s)``, an event may be refused or
    dropped.  ``backlog``: with so many frames unread before a connection, or so many events kept for a user, others
    may be dropped.  ``slow``: a client that was given up is closed, or may be forgotten with its socket open.
    ``delivery``: how often what is owed arrives.
    ``kept``: events for an absent user are not kept, go once to the next connection, or once to each connection.
    ``kept_for``: only for who was there before, and is back within so long of having left (None: for anybody).
    ``one_tab``: what is for a user goes to one of the user's connections, the newest or whichever (False: to all).
    ``one_member``: what is said in a room goes to one of its members, as work from a queue does (False: to all).
    ``tabs_wait``: a stalled connection may hold up its own user's others, and what its backend does.  ``in_turn``:
    what one client says may be sent to one after the other, so that who does not read holds up those after it
    (False: nobody waits for another hearer).
    ``logs_out``: a log-out ends the login though the socket stays open (False: there is none; where nothing is said, of
    a manager without a log-out of its own only what is emitted after it counts).
    ``hears_out``: what a client said before it took a proper leave is heard as if it had stayed (False: whoever
    leaves may take along what nobody has confirmed).  ``may_refuse``: an emit that returned False was refused, and is
    owed to nobody.  ``failure``: an emit that reports failure was not delivered, or only nobody knows.  ``grace``:
    tasks may outlive the clients they serve for so long.  ``overhears``: users, ``("u2",)``, who may be sent whatever
    is said, to whomever and wherever, as a moderator is.  ``records``: something of each client that ever came may be
    kept for good, as who writes down all logins does.
    """

    delay: float = 1.0
    rest: float | None = None
    connections: int | None = None
    per_user: int | None = None
    per_room: int | None = None
    one_room: bool = False
    at_limit: Literal["refuse", "close", "either", "wait"] = "refuse"
    session: float | None = None
    idle: float | None = None
    rate: tuple[int, float] | None = None
    backlog: int | None = None
    slow: Literal["closed", "forgotten"] = "closed"
    delivery: Literal["exactly once", "at least once", "at most once"] = "exactly once"
    kept: Literal["no", "next", "each"] = "no"
    tabs_wait: bool = False
    in_turn: bool = True
    logs_out: bool | None = None
    hears_out: bool = False
    may_refuse: bool = False
    failure: Literal["false", "unknown"] = "false"
    grace: float = 0.0
    records: bool = False
    closing: float = 0.0
    tabs_apart: bool = False
    kept_for: float | None = None
    one_tab: bool = False
    one_member: bool = False
    attempts: tuple[int, float] | None = None
    overhears: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "overhears", tuple(self.overhears))
        strange = [name for name in self.overhears if not (name[:1] == "u" and name[1:].isdecimal())]
        if strange:
            raise UsageError(f'overhears= names users as programs do, ("u2",) say; {strange[0]!r} is none of them')

    @property
    def may_refuse_newcomers(self) -> bool:
        """Beyond a limit, who comes may be turned away."""
        return self.at_limit in ("refuse", "either")

    @property
    def may_close_older(self) -> bool:
        """Beyond a limit, somebody may be hung up on for who comes."""
        return self.at_limit in ("close", "either")

    @property
    def holds_up(self) -> float:
        """For how long at most a client that does not read, or is being closed for it, holds somebody else up."""
        return self.delay + self.closing


@dataclass(frozen=True, slots=True)
class Limits:
    """The part of a `Policy` that came first; times in (virtual) seconds.

    ``delay``: for how long somebody else's stalled or vanished client may hold an operation up.
    ``rest``: when nothing more arrives, every operation has finished after this long.
    ``connections_per_user``: how many a user may always have (None: any number).
    ``idle``: after this long without traffic, a sweep may drop a connection (None: never).
    """

    delay: float = 1.0
    rest: float = REST
    connections_per_user: int | None = None
    idle: float | None = None

    @property
    def policy(self) -> Policy:
        most = self.connections_per_user
        return Policy(
            self.delay, self.rest, per_user=most, at_limit="refuse" if most is None else "either", idle=self.idle
        )


def policy_of(declared: Limits | Policy, offline_delivery: bool = False, rest: float = REST) -> Policy:
    """One policy out of what a target declares in either way; ``rest`` is for one that says nothing of it.

    ``offline_delivery`` alone does not say to how many connections what is kept goes: it may be each.
    """
    policy = declared.policy if isinstance(declared, Limits) else declared
    if offline_delivery and policy.kept == "no":
        policy = replace(policy, kept="each")
    return policy if policy.rest is not None else replace(policy, rest=rest)
