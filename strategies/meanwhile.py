"""Rules that write a whole situation: something happens while something is said, many times over, or after long."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from ..fuzzer.core.program import Kind
from . import phrases
from .machine import ProgramMachine, moment, something_said, which
from .phrases import SLOW_FOR, SLOW_FOR_LONG, Said
from .script import Speech, Vocabulary

__all__ = ("for_long", "meanwhile")

TIMES = (2, 3, 3, 4, 5, 5, 6, 8, 8, 12, 12, 20, 30, 55, 100)
"""How often something is repeated: mostly a few times."""


def ends_of_logins(vocabulary: Vocabulary) -> tuple[Kind, ...]:
    """What can end a login before it is done, each as likely as any other."""
    return tuple(kind for kind in ("disconnect", "abort", "cancel", "clean_up") if vocabulary.offers(kind))


def meanwhile(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules for what happens while something is said."""
    said = something_said(vocabulary)
    leaving = st.sampled_from(vocabulary.leaving)
    perhaps = st.sampled_from((None, *vocabulary.leaving))
    tabs = st.sampled_from((None, None, "connect", *vocabulary.leaving[:1]))

    def while_stalled(
        self: ProgramMachine, connection: int, said: list[Said], resumes: bool, tab: Kind | None, seconds: float | None
    ) -> None:
        phrases.while_stalled(self.script, connection, said, resumes, tab, seconds)

    def two_stalled(self: ProgramMachine, connection: int, other: int, said: Said, how: Kind) -> None:
        phrases.two_stalled(self.script, connection, other, said, how)

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

    def leave_together(self: ProgramMachine, said: Said, ways: list[Kind]) -> None:
        phrases.leave_together(self.script, said, ways)

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
            seconds=st.sampled_from((None, None, None, None, SLOW_FOR, SLOW_FOR, SLOW_FOR_LONG[0])),
        )(while_stalled),
        "two_stalled": rule(connection=which, other=which, said=said, how=leaving)(two_stalled),
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
        "leave_together": rule(said=said, ways=st.lists(leaving, min_size=1, max_size=2))(leave_together),
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
    if vocabulary.offers("log_out"):

        def sign_out(self: ProgramMachine, said: Said, connection: int, how: Kind) -> None:
            phrases.sign_out(self.script, said, connection, how)

        ends = tuple(how for how in vocabulary.leaving if how != "log_out")
        rules["sign_out"] = rule(said=said, connection=which, how=st.sampled_from(ends))(sign_out)
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

        def change_places(self: ProgramMachine, leaver: int, comer: int, room: int, how: Kind) -> None:
            phrases.change_places(self.script, leaver, comer, room, how)

        def change_ones_mind(self: ProgramMachine, connection: int, room: int, mind: phrases.Mind) -> None:
            phrases.change_ones_mind(self.script, connection, room, mind)

        rules["change_ones_mind"] = rule(connection=which, room=which, mind=st.sampled_from(phrases.minds(vocabulary)))(
            change_ones_mind
        )
        ways: tuple[Kind, ...] = ("leave",) * 2 if vocabulary.offers("leave") else ()
        rules["change_places"] = rule(
            leaver=which, comer=which, room=which, how=st.sampled_from((*ways, *vocabulary.leaving))
        )(change_places)
        there = st.tuples(st.sampled_from(vocabulary.in_rooms), which, which)
        leaves = st.booleans() if vocabulary.offers("leave") else st.just(False)
        rules["moved"] = rule(connection=which, room=which, said=there, leaves=leaves, slow=st.booleans())(moved)
    return rules


def for_long(vocabulary: Vocabulary) -> dict[str, Any]:
    """Rules by which the same is done many times, or much time goes by."""
    said = something_said(vocabulary)

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
