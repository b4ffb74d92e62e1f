"""The rules of a machine: what users do, and how the world moves in between.

Some rules write one operation, most write a whole situation (`meanwhile`).  `machine_for` leaves out the rules a target
has no use for, so that none of them is ever drawn in vain.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from ..fuzzer.core.program import Kind, Pace
from ..fuzzer.engine.schedule import Deliver
from ..fuzzer.targets.adapter import Target
from . import phrases
from .constants import generator_registered
from .machine import Check, ProgramMachine, moment, something_said, which
from .meanwhile import for_long, meanwhile
from .phrases import Said
from .script import Vocabulary

__all__ = ("machine_for",)

ON_CONNECTION: tuple[Kind, ...] = ("disconnect", "abort", "log_out", "stall", "unstall", "cancel", "expire")

WIRE_ONLY: tuple[Kind, ...] = ("garble", "truncate", "flood")

RARE = {
    "again_and_again": 2,
    "cancelled": 4,
    "change_places": 10,
    "cleaned_up": 17,
    "expired": 2,
    "leave_meanwhile": 2,
    "leave_together": 2,
    "log_in_again": 3,
    "log_in_together": 2,
    "login_ended": 8,
    "moved": 2,
    "reconnect_meanwhile": 2,
    "refused_and_spoken": 3,
    "shut_down_meanwhile": 8,
    "two_runs": 3,
    "two_stalled": 8,
}
"""Rules that are drawn so many times as often: what they write comes about in few of the orders that are tried."""


def machine_for(target: Target, check: Check, users: int = 3) -> type[ProgramMachine]:
    """A machine whose programs use what the target offers, with up to ``users`` users."""
    generator_registered()
    vocabulary = Vocabulary(target, users)
    rules: dict[str, Any] = {"check": staticmethod(check), "vocabulary": vocabulary}
    rules.update(_arriving(vocabulary))
    rules.update(_on_connections(vocabulary))
    rules.update(_by_the_server(vocabulary))
    rules.update(_time())
    if vocabulary.speeches:
        rules.update(_speaking(vocabulary))
        rules.update(meanwhile(vocabulary))
        rules.update(for_long(vocabulary))
    rules.update({f"{name}_{n}": rules[name] for name, times in RARE.items() if name in rules for n in range(1, times)})
    return type(f"{target.name.title().replace('-', '')}Machine", (ProgramMachine,), rules)


def _arriving(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules by which clients come and log in."""
    tokens = vocabulary.tokens
    paces: tuple[Pace | None, ...] = (None, *vocabulary.paces[:1], *vocabulary.paces)
    links = st.sampled_from((None, *paces) if vocabulary.paces else (None,))
    shown = st.sampled_from(("valid",) * max(len(tokens), 1) + tokens)
    crowds = sorted({1, min(2, vocabulary.users), vocabulary.users})

    gathers = st.booleans() if vocabulary.in_rooms and not vocabulary.gathers else st.just(vocabulary.gathers)

    def begin(
        self: ProgramMachine,
        crowd: int,
        arrivals: list[tuple[int, Pace | None]],
        settled: bool,
        goes_on: bool,
        gathers: bool,
    ) -> None:
        self.script.crowd = crowd
        self.script.gathers = gathers
        self.goes_on = goes_on
        for user, pace in arrivals:
            self.script.arrive(self.script.user(user), pace=pace)
        if settled:
            self.script.settle()

    def arrive(self: ProgramMachine, user: int, token: str, pace: Pace | None) -> None:
        self.script.arrive(self.script.user(user), token, pace)

    def log_in_together(self: ProgramMachine, first: int, tokens: tuple[str, str], ends: Kind | None) -> None:
        phrases.log_in_together(self.script, first, tokens, ends)

    ends: list[Kind | None] = [None, *vocabulary.leaving]
    if vocabulary.offers("cancel"):
        ends += ["cancel", "cancel"]
    rules: dict[str, Any] = {}
    if vocabulary.logs_in_again and vocabulary.speeches:
        out = st.booleans() if vocabulary.offers("log_out") else st.just(False)

        def log_in_again(
            self: ProgramMachine, connection: int, user: int, token: str, said: Said, logs_out: bool, tab: bool
        ) -> None:
            phrases.log_in_again(self.script, connection, user, said, token=token, logs_out=logs_out, tab=tab)

        rules["log_in_again"] = rule(
            connection=which, user=which, token=shown, said=something_said(vocabulary), logs_out=out, tab=st.booleans()
        )(log_in_again)
    return rules | {
        "begin": initialize(
            crowd=st.sampled_from((*crowds[:1], *crowds[1:] * 4)),
            arrivals=st.lists(st.tuples(which, links), min_size=2, max_size=4),
            settled=st.sampled_from((True, True, False)),
            goes_on=st.sampled_from((True, False, False)),
            gathers=gathers,
        )(begin),
        "arrive": rule(user=which, token=shown, pace=links)(arrive),
        "log_in_together": rule(first=which, tokens=st.tuples(shown, shown), ends=st.sampled_from(ends))(
            log_in_together
        ),
    }


def _on_connections(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules for what one client does, or what becomes of it."""
    kinds = [kind for kind in (*ON_CONNECTION, *WIRE_ONLY) if vocabulary.offers(kind)]
    leaving = set(vocabulary.leaving)

    def act(self: ProgramMachine, connection: int, kind: Kind) -> None:
        name = self.script.connection(connection)
        if kind in leaving:
            self.script.leave(name, kind)
        else:
            self.script.add(kind, connection=name)

    rules = {"act": rule(connection=which, kind=st.sampled_from(kinds))(act)}
    if vocabulary.offers("join"):

        def move(self: ProgramMachine, connection: int, room: int, kind: Kind) -> None:
            self.script.add(kind, connection=self.script.connection(connection), room=vocabulary.room(room))

        moves: tuple[Kind, ...] = ("join", "join", "leave") if vocabulary.offers("leave") else ("join",)
        rules["move"] = rule(connection=which, room=which, kind=st.sampled_from(moves))(move)
    return rules


def _by_the_server(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules for what the server does by itself."""
    rules: dict[str, Any] = {}
    if vocabulary.offers("clean_up"):

        def clean_up(self: ProgramMachine, user: int) -> None:
            self.script.add("clean_up", user=self.script.user(user))

        rules["clean_up"] = rule(user=which)(clean_up)
    if vocabulary.offers("shut_down"):

        def shut_down(self: ProgramMachine) -> None:
            self.script.add("shut_down")

        rules["shut_down"] = rule()(shut_down)
    if vocabulary.target.traits.policy.idle is not None:

        def sweep(self: ProgramMachine) -> None:
            self.script.add("sweep")

        rules["sweep"] = rule()(sweep)
    return rules


def _time() -> dict[str, Any]:
    """Rules by which time goes by, and the world moves."""

    def pause(self: ProgramMachine, moment: int) -> None:
        self.script.pause(self.moment(moment))

    def settle(self: ProgramMachine) -> None:
        self.script.settle()

    def deliver(self: ProgramMachine, event: int, busy: bool) -> None:
        self.script.order.append(Deliver(event, busy))

    return {
        "pause": rule(moment=moment)(pause),
        "settle": rule()(settle),
        "deliver": rule(event=which, busy=st.booleans())(deliver),
    }


def _speaking(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules by which users speak."""
    said = something_said(vocabulary)

    def say(self: ProgramMachine, said: Said) -> None:
        self.script.say(*said)

    def concurrently(self: ProgramMachine, said: list[Said]) -> None:
        phrases.concurrently(self.script, said)

    def on_the_heels(self: ProgramMachine, said: Said) -> None:
        phrases.on_the_heels(self.script, said, 2)

    rules: dict[str, Any] = {
        "say": rule(said=said)(say),
        "concurrently": rule(said=st.lists(said, min_size=2, max_size=3))(concurrently),
        "on_the_heels": rule(said=said)(on_the_heels),
    }
    if not vocabulary.by_wire:

        def cancel(self: ProgramMachine, user: int) -> None:
            self.script.add("cancel", user=self.script.user(user))

        def cancelled(self: ProgramMachine, said: Said, others: list[Said], slow: int | None) -> None:
            phrases.cancelled(self.script, said, others, slow)

        rules["cancel_emit"] = rule(user=which)(cancel)
        rules["cancelled"] = rule(
            said=said, others=st.lists(said, min_size=1, max_size=2), slow=st.sampled_from((None, 0, 1, 2))
        )(cancelled)
    return rules
