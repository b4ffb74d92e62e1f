"""The stateful machine: what users do, and how the world moves in between, as Hypothesis rules.

A machine writes a program down; when Hypothesis ends the example, the program is executed as written and then
explored.  Some rules write one operation, most write a whole situation (`phrases`).  `machine_for` leaves out the
rules a target has no use for, so that none of them is ever drawn in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ..fuzzer.core.program import Kind, Pace, Program
from ..fuzzer.engine.schedule import Deliver
from ..fuzzer.targets.adapter import Target
from . import phrases
from .constants import generator_registered
from .phrases import SLOW_FOR, Said
from .script import SPEAKING, Script, Speech, Vocabulary

__all__ = ("MOMENTS", "Check", "ProgramMachine", "machine_for")

Check = Callable[[Program, Sequence["int | Deliver"]], None]
"""What is done with a finished program and the order it was written in; raises to fail the example."""

ON_CONNECTION: tuple[Kind, ...] = ("disconnect", "abort", "log_out", "stall", "unstall", "cancel", "expire")

WIRE_ONLY: tuple[Kind, ...] = ("garble", "truncate", "flood")

MOMENTS = (1.0, 6.0, 12.0, 35.0, 65.0, 310.0, 1900.0, 4000.0, 90_000.0)
"""Seconds that a pause may last where nothing is known of the target's timers: beyond the usual ones."""

TIMES = (2, 3, 3, 4, 5, 5, 6, 8, 8, 12, 12, 20, 30, 55, 100)
"""How often something is repeated: mostly a few times."""


RARE = {
    "again_and_again": 2,
    "cancelled": 3,
    "cleaned_up": 4,
    "expired": 2,
    "leave_meanwhile": 2,
    "log_in_again": 3,
    "log_in_together": 2,
    "login_ended": 7,
    "moved": 2,
    "refused_and_spoken": 2,
    "shut_down_meanwhile": 2,
    "two_runs": 3,
}
"""Rules that are drawn so many times as often: what they write comes about in few of the orders that are tried."""


class ProgramMachine(RuleBasedStateMachine):
    """Writes programs; see `machine_for`, which makes a machine for a target out of it."""

    check: ClassVar[Check]
    vocabulary: ClassVar[Vocabulary]
    moments: ClassVar[Sequence[float]] = MOMENTS
    """How long pauses may last, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script(self.vocabulary)
        self.goes_on = False
        """Whether everybody speaks once more in the end."""

    def moment(self, which: int) -> float:
        """How long a pause lasts, by number."""
        return self.moments[which % len(self.moments)]

    def teardown(self) -> None:
        script, speeches = self.script, self.vocabulary.speeches
        if not script.operations:
            return
        if speeches and (self.goes_on or not any(op.kind in (*SPEAKING, "act") for op in script.operations)):
            script.settle()
            script.everyone_speaks(speeches)
        type(self).check(Program(tuple(script.operations)), script.order)


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
        rules.update(_meanwhile(vocabulary))
        rules.update(_for_long(vocabulary))
    rules.update({f"{name}_{n}": rules[name] for name, times in RARE.items() if name in rules for n in range(1, times)})
    return type(f"{target.name.title().replace('-', '')}Machine", (ProgramMachine,), rules)


def ends_of_logins(vocabulary: Vocabulary) -> tuple[Kind, ...]:
    """What can end a login before it is done, each as likely as any other."""
    return tuple(kind for kind in ("disconnect", "abort", "cancel", "clean_up") if vocabulary.offers(kind))


which = st.integers(0, 3)

moment = st.integers(0, 63)


def _said(vocabulary: Vocabulary) -> st.SearchStrategy[Said]:
    """Something said by somebody to somebody: mostly the plainest of what can be said."""
    plain = vocabulary.speeches[:1] * (len(vocabulary.speeches) // 2)
    return st.tuples(st.sampled_from((*plain, *vocabulary.speeches)), which, which)


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
            connection=which, user=which, token=shown, said=_said(vocabulary), logs_out=out, tab=st.booleans()
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
    said = _said(vocabulary)

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


def _meanwhile(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules for what happens while something is said."""
    said = _said(vocabulary)
    leaving = st.sampled_from(vocabulary.leaving)
    perhaps = st.sampled_from((None, *vocabulary.leaving))
    tabs = st.sampled_from((None, None, "connect", *vocabulary.leaving[:1]))

    def while_stalled(
        self: ProgramMachine, connection: int, said: list[Said], resumes: bool, tab: Kind | None, seconds: float | None
    ) -> None:
        phrases.while_stalled(self.script, connection, said, resumes, tab, seconds)

    def leave_meanwhile(
        self: ProgramMachine, said: Said, connection: int, how: Kind, speaks: bool, tab: bool, slow: bool
    ) -> None:
        phrases.leave_meanwhile(self.script, said, connection, how, speaks=speaks, tab=tab, slow=slow)

    def login_ended(
        self: ProgramMachine, said: Said, connection: int, ends: Kind, slow: bool, other: int | None, resumes: bool
    ) -> None:
        phrases.login_ended(self.script, said, connection, ends, slow=slow, other=other, resumes=resumes)

    def reconnect_meanwhile(self: ProgramMachine, said: Said, connection: int, how: Kind, again: bool) -> None:
        phrases.reconnect_meanwhile(self.script, said, connection, how, again)

    def second_tab(
        self: ProgramMachine, said: Said, connection: int, leaves: Kind | None, last: bool, seconds: float
    ) -> None:
        if seconds:
            self.script.pause(seconds)
        phrases.second_tab(self.script, said, connection, leaves, last=last)

    def keep_and_fetch(self: ProgramMachine, said: Said, times: int, tabs: int, slow: bool) -> None:
        phrases.keep_and_fetch(self.script, said, times, tabs, slow)

    def cut_off(self: ProgramMachine, said: Said, times: int, how: Kind) -> None:
        phrases.cut_off(self.script, said, times, how)

    def come_and_go(
        self: ProgramMachine, user: int, times: int, how: Kind | None, settled: bool, said: Said | None
    ) -> None:
        phrases.come_and_go(self.script, user, times, how, settled, said)

    rules: dict[str, Any] = {
        "while_stalled": rule(
            connection=which,
            said=st.lists(said, min_size=2, max_size=3),
            resumes=st.booleans(),
            tab=tabs,
            seconds=st.sampled_from((None, None, SLOW_FOR)),
        )(while_stalled),
        "leave_meanwhile": rule(
            said=said,
            connection=which,
            how=leaving,
            speaks=st.booleans(),
            tab=st.sampled_from((False, False, True)),
            slow=st.booleans(),
        )(leave_meanwhile),
        "login_ended": rule(
            said=said,
            connection=which,
            ends=st.sampled_from(ends_of_logins(vocabulary)),
            slow=st.sampled_from((False, True, True)),
            other=st.sampled_from((None, 0, 0, 0, 1)),
            resumes=st.booleans(),
        )(login_ended),
        "reconnect_meanwhile": rule(said=said, connection=which, how=leaving, again=st.booleans())(reconnect_meanwhile),
        "second_tab": rule(
            said=said, connection=which, leaves=perhaps, last=st.booleans(), seconds=st.sampled_from((0.0, 2.0))
        )(second_tab),
        "keep_and_fetch": rule(
            said=said, times=st.sampled_from((1, 1, 1, 2, 3)), tabs=st.sampled_from((1, 1, 2)), slow=st.booleans()
        )(keep_and_fetch),
        "cut_off": rule(said=said, times=st.sampled_from((1, 2, 3)), how=leaving)(cut_off),
        "come_and_go": rule(
            user=which,
            times=st.sampled_from((1, 2, 2, 3, 5, 5, 12)),
            how=st.sampled_from((None, *vocabulary.leaving * 2)),
            settled=st.booleans(),
            said=st.one_of(st.none(), st.none(), said),
        )(come_and_go),
    }
    if vocabulary.tokens:

        def refused_and_spoken(
            self: ProgramMachine, token: str, user: int, said: Said, logins: int, retries: bool, meanwhile: bool
        ) -> None:
            phrases.refused_and_spoken(self.script, token, user, said, logins, retries, meanwhile=meanwhile)

        rules["refused_and_spoken"] = rule(
            token=st.sampled_from(vocabulary.tokens),
            user=which,
            said=said,
            logins=st.sampled_from((1, 1, 1, 2, 6)),
            retries=st.booleans(),
            meanwhile=st.booleans(),
        )(refused_and_spoken)
    if "run_agent" in vocabulary.speeches:

        def two_runs(self: ProgramMachine, user: int, leaves: Kind | None, slow: bool) -> None:
            phrases.two_runs(self.script, user, leaves, slow=slow)

        rules["two_runs"] = rule(user=which, leaves=perhaps, slow=st.booleans())(two_runs)
    if vocabulary.offers("clean_up"):

        def cleaned_up(self: ProgramMachine, user: int, said: Said, speaks: bool, arrives: bool) -> None:
            phrases.cleaned_up(self.script, user, said if speaks else None, arrives)

        rules["cleaned_up"] = rule(user=which, said=said, speaks=st.booleans(), arrives=st.booleans())(cleaned_up)
    if vocabulary.offers("shut_down"):

        def shut_down_meanwhile(self: ProgramMachine, said: list[Said], slow: bool) -> None:
            phrases.shut_down_meanwhile(self.script, said, slow=slow)

        rules["shut_down_meanwhile"] = rule(
            said=st.lists(said, min_size=1, max_size=2), slow=st.sampled_from((False, True, True))
        )(shut_down_meanwhile)
    if vocabulary.offers("expire"):

        def expired(self: ProgramMachine, connection: int, said: Said, tab: bool) -> None:
            phrases.expired(self.script, connection, said, tab=tab)

        rules["expired"] = rule(connection=which, said=said, tab=st.booleans())(expired)
    if vocabulary.in_rooms:

        def moved(self: ProgramMachine, connection: int, room: int, said: Said, leaves: bool, slow: bool) -> None:
            phrases.moved(self.script, connection, room, said, leaves, slow=slow)

        def in_two_rooms(self: ProgramMachine, speech: Speech, connection: int, first: int, how: Kind | None) -> None:
            phrases.in_two_rooms(self.script, speech, connection, first, how)

        rules["in_two_rooms"] = rule(
            speech=st.sampled_from(vocabulary.in_rooms), connection=which, first=which, how=perhaps
        )(in_two_rooms)
        there = st.tuples(st.sampled_from(vocabulary.in_rooms), which, which)
        leaves = st.booleans() if vocabulary.offers("leave") else st.just(False)
        rules["moved"] = rule(connection=which, room=which, said=there, leaves=leaves, slow=st.booleans())(moved)
    return rules


def _for_long(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules by which the same is done many times, or much time goes by."""
    said = _said(vocabulary)

    def again_and_again(self: ProgramMachine, said: Said, times: int) -> None:
        phrases.again_and_again(self.script, said, times)

    def burst(self: ProgramMachine, said: Said, moment: int, times: int) -> None:
        phrases.burst(self.script, said, self.moment(moment), times)

    def flood_the_slow(self: ProgramMachine, said: Said, times: int, how: Kind | None) -> None:
        phrases.flood_the_slow(self.script, said, times, how)

    def stay_busy(self: ProgramMachine, said: Said, moment: int, times: int) -> None:
        phrases.stay_busy(self.script, said, self.moment(moment), times)

    return {
        "again_and_again": rule(said=said, times=st.sampled_from(TIMES))(again_and_again),
        "burst": rule(said=said, moment=moment, times=st.sampled_from(TIMES))(burst),
        "flood_the_slow": rule(
            said=said, times=st.sampled_from(TIMES[:-2]), how=st.sampled_from((None, *vocabulary.leaving))
        )(flood_the_slow),
        "stay_busy": rule(said=said, moment=moment, times=st.sampled_from((1, 2, 5)))(stay_busy),
    }
