"""Programs to begin with: the plain situations in which servers most often fail, the commonest first.

A machine would write each of these by and by; a campaign tries them first, each under a few schedules before any
is looked at closely, so that what is common shows within seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from ..fuzzer.core.program import Kind, Pace, Program
from ..fuzzer.drivers.retained import EACH_DAY, LONG_AFTER
from ..fuzzer.targets.adapter import Target
from ..fuzzer.targets.own import Own
from . import phrases
from .script import Script, Speech, Vocabulary, of_oneself

__all__ = ("LONG_LOOK", "openings", "rehearsal")

CLIENTS = 3

SLOW: Pace = "slow"

FOR_ONE = frozenset[Speech]({"emit", "run_agent", "emit_to_thread"})
"""What is said to one user, who may be absent; and what of the target's own is for another user."""

MANY = 60
"""Events that an absent user misses: more than most servers keep."""

COMINGS = 3
"""How often a user comes and leaves: as often as most servers let one user in."""

MANY_COMINGS = 12
"""How often, where something small may be lost each time; and how many tabs are there at once."""

BURST = 12
"""Events on each other's heels: more than a slow server handles within seconds."""

FLOOD = 40
"""Events for a client that does not read: more than small queues hold."""

SOON = 120.0
"""Seconds within which heartbeats are due."""

FAILURES = 6
"""Wrong logins in a row: more than most servers put up with."""

LONG = 2000.0
"""Seconds that a user stays where nothing says what is long: beyond half an hour, the usual idle limit."""

SHARE = 5
"""A long time goes by in so many parts, so that none of them alone is idleness."""

Opening = partial[None]


def for_one(speech: Speech) -> bool:
    return speech.audience == "user" if isinstance(speech, Own) else speech in FOR_ONE


def openings(
    target: Target, users: int, moments: Sequence[float] = (), night: float | None = None
) -> Iterator[Program]:
    """The opening programs for a target.

    ``moments`` are times, in seconds, after which it might change, if known; ``night`` is one for which it can be left
    alone, where that does not take too long to execute.
    """
    vocabulary = Vocabulary(target, users)
    written: set[Program] = set()
    for opening in _openings(vocabulary, moments, night):
        script = Script(vocabulary)
        script.gathers |= opening.keywords.get("speech") in vocabulary.in_rooms
        opening(script)
        program = Program(tuple(script.operations))
        if program not in written:
            written.add(program)
            yield program


LONG_LOOK = 65.0
"""Seconds that a rehearsal goes on for, so that what the target does every minute is seen."""


def rehearsal(target: Target, users: int) -> Program | None:
    """A program in which much is done that a target sets timers for; None where nobody can speak to it."""
    vocabulary = Vocabulary(target, users)
    if not vocabulary.speeches:
        return None
    script = Script(vocabulary)
    _conversation(script, vocabulary.speeches, 0, "abort")
    for speech in vocabulary.speeches:
        phrases.keep_and_fetch(script, (speech, 1, 0), 1, 1, slow=True)
        script.settle()
    phrases.while_stalled(script, 1, [(vocabulary.speeches[0], 0, 1)] * 2, resumes=False)
    script.pause(LONG_LOOK)
    return Program(tuple(script.operations))


def deserted(target: Target) -> Program:
    """A program after which nobody is there: one comes and leaves."""
    script = Script(Vocabulary(target, 1))
    script.leave(script.arrive("u0"), "disconnect")
    script.pause(LONG_LOOK)
    return Program(tuple(script.operations))


def _openings(vocabulary: Vocabulary, moments: Sequence[float], night: float | None) -> Iterator[Opening]:
    speeches, leaving = vocabulary.speeches, vocabulary.leaving
    if not speeches:
        return
    yield partial(_conversation, speeches=speeches, which=0, leaves="disconnect")
    yield partial(_conversation, speeches=speeches[::-1], which=2, leaves=leaving[-1], seconds=2.0)
    if vocabulary.users < 2:
        return
    for speech in speeches:
        yield partial(_at_once, speech=speech)
        if for_one(speech):
            yield partial(_absent, speech=speech, times=1, tabs=2, slow=False)
        yield partial(_slow, speech=speech, resumes=False, tab="connect", seconds=phrases.SLOW_FOR)
    if vocabulary.logs_in_again:
        outs = (False, True) if vocabulary.offers("log_out") else (False,)
        for logs_out, tab in product(outs, (False, True)):
            yield partial(_logs_in_again, speech=speeches[0], logs_out=logs_out, tab=tab)
    most = vocabulary.target.traits.policy.per_user
    if most is not None and most < MANY_COMINGS:
        for there in dict.fromkeys((0, most)):
            yield partial(_beyond, speech=speeches[0], tabs=most + 1, there=there)
    yield from _by_the_server(vocabulary, speeches[0])
    for number, speech in enumerate(speeches):
        yield partial(_second_tab, speech=speech, leaves=None, last=False)
        yield partial(_second_tab, speech=speech, leaves=leaving[0], last=False)
        yield partial(_second_tab, speech=speech, leaves="abort", last=True)
        for how in leaving if number == 0 else leaving[number % len(leaving) :][:1]:
            yield partial(_leaves, speech=speech, which=0, how=how)
            yield partial(_is_back, speech=speech, how=how)
        yield partial(_leaves, speech=speech, which=1, how=leaving[-1])
        if not for_one(speech) or of_oneself(speech):
            yield partial(_leaves, speech=speech, which=CLIENTS, how=leaving[0])
            yield partial(_leaves, speech=speech, which=0, how="abort")
        if speech in ("broadcast", "run_agent"):
            yield partial(_leaves, speech=speech, which=0, how="disconnect")
    ends: tuple[Kind, ...] = ("cancel", "abort", "clean_up", "disconnect")
    for end, lasts in product(ends, (True, False)):
        if vocabulary.offers(end):
            yield partial(_login_ended, speech=speeches[0], ends=end, slow=lasts, other=0)
    if vocabulary.offers("clean_up"):
        for lasts in (True, False):
            yield partial(_login_ended, speech=speeches[0], ends="clean_up", slow=lasts, other=None)
    if "run_agent" in speeches:
        for end in ends[:2]:
            if vocabulary.offers(end):
                yield partial(_login_ended, speech="run_agent", ends=end, slow=True, other=0)
        yield partial(phrases.two_runs, which=0, leaves=None)
        yield partial(phrases.two_runs, which=0, leaves=leaving[0])
        yield partial(phrases.two_runs, which=0, leaves=leaving[-1], slow=True)
        yield partial(phrases.two_runs, which=1, leaves=leaving[0], slow=True)
        yield partial(phrases.two_runs, which=1, leaves="abort")
    yield from _logins(vocabulary, speeches[0])
    yield partial(_flooded, speech=speeches[0], how=None)
    yield partial(_flooded, speech=speeches[0], how="abort")
    for speech in speeches[:2]:
        yield partial(_long, speech=speech, seconds=LONG)
    for how in leaving[:2]:
        yield partial(_back_for_long, speech=speeches[0], how=how, moments=moments)
    if not vocabulary.by_wire:
        for speech, slow in product(speeches, (None, 1)):
            yield partial(_cancelled, speech=speech, slow=slow)
        yield partial(_cancelled, speech=speeches[0], slow=2)
    for how in leaving:
        yield partial(_comes_and_goes, speech=speeches[0], how=how, settled=False, times=COMINGS)
    yield partial(_comes_and_goes, speech=speeches[0], how="disconnect", settled=True, times=COMINGS)
    yield partial(_comes_and_goes, speech=speeches[0], how="abort", settled=True, times=MANY_COMINGS)
    yield partial(_comes_and_goes, speech=speeches[0], how="abort", settled=False, times=MANY_COMINGS)
    yield partial(_comes_and_goes, speech=speeches[0], how=None, settled=True, times=MANY_COMINGS)
    yield partial(_comes_and_goes, speech=speeches[0], how="abort", settled=True, times=MANY_COMINGS, spoken=True)
    for speech, times in product([speech for speech in speeches if for_one(speech)], (1, MANY)):
        yield partial(_absent, speech=speech, times=times, tabs=1, slow=True)
    if night is not None and night >= LONG_AFTER:
        days = partial(phrases.come_and_go_on_two_days, which=0, times=EACH_DAY, seconds=night)
        for how in leaving[:2]:
            yield partial(days, how=how)
        yield partial(days, how=leaving[0], speech=speeches[0])
    for speech in speeches:
        yield partial(_slow, speech=speech, resumes=False, tab="connect")
        yield partial(_slow, speech=speech, resumes=True, tab=None)
    for speech in speeches:
        if for_one(speech):
            yield partial(_cut_off, speech=speech)
    for seconds in moments:
        yield partial(_long, speech=speeches[0], seconds=seconds)
    for seconds in moments:
        if seconds <= SOON:
            yield partial(_burst, speech=speeches[0], seconds=seconds)
    if vocabulary.offers("malform"):
        for which in range(CLIENTS):
            yield partial(_malformed, speech=speeches[0], which=which)
    if vocabulary.by_wire:
        yield from _slow_links(vocabulary)


def _logins(vocabulary: Vocabulary, speech: Speech) -> Iterator[Opening]:
    """Logins at once, one of them ended, with other users' tokens or worthless ones; and speaking after a refusal."""
    ends: list[Kind | None] = [None, "abort"]
    if vocabulary.offers("cancel"):
        ends.append("cancel")
    tokens = vocabulary.tokens
    for end, token in product(ends, ("valid", *tokens[-2:-1])):
        yield partial(_log_in, token=token, ends=end, speech=speech)
    yield partial(_log_in, token="valid", ends="disconnect", speech=speech)
    for token, retries in product((*tokens[:2], *tokens[-2:-1]), (True, False)):
        yield partial(_refused, token=token, logins=1, speech=speech, retries=retries, there=not retries)
    for token in tokens[:1]:
        for said in (speech, *(other for other in vocabulary.speeches if not for_one(other))):
            yield partial(
                _refused, token=token, logins=1, speech=said, retries=False, there=False, meanwhile=said != speech
            )
        yield partial(_refused, token=token, logins=FAILURES, speech=speech, retries=True, there=False)


def _by_the_server(vocabulary: Vocabulary, speech: Speech) -> Iterator[Opening]:
    """What the server does meanwhile: clean a user up, expire a token, take a client into a room, shut down."""
    if vocabulary.offers("clean_up"):
        for speaks, arrives in ((True, False), (False, True), (True, True)):
            yield partial(_cleaned_up, speech=speech, speaks=speaks, arrives=arrives)
    if vocabulary.offers("expire"):
        for said, tab in product(vocabulary.speeches[:2], (False, True)):
            yield partial(_expires, speech=said, tab=tab)
    parting = (False, True) if vocabulary.offers("leave") else (False,)
    for said, leaves, slow, which in product(vocabulary.in_rooms, parting, (False, True), (1, 0)):
        yield partial(_moves, speech=said, leaves=leaves, slow=slow, which=which)
    for said in vocabulary.in_rooms:
        for how in (None, *vocabulary.leaving[:2]):
            yield partial(_in_two_rooms, speech=said, how=how)
        for leaves in parting:
            yield partial(_changes_its_mind, speech=said, leaves=leaves)
    if vocabulary.offers("shut_down"):
        yield partial(_shut_down, speech=speech, slow=False)
        for said in vocabulary.speeches:
            yield partial(_shut_down, speech=said, slow=True)


def _slow_links(vocabulary: Vocabulary) -> Iterator[Opening]:
    speeches = [kind for kind in vocabulary.speeches if kind in ("broadcast", "emit", "run_agent")]
    leaving: tuple[Kind, ...] = ("disconnect", "abort")
    for number, (speech, slow, speaker, leaver) in enumerate(
        product(speeches, range(CLIENTS), range(CLIENTS), range(CLIENTS))
    ):
        how = leaving[number % len(leaving)]
        yield partial(_slow_link, speech=speech, slow=slow, speaker=speaker, leaver=leaver, how=how)


# -- one function for each kind ------------------------------


def _arrive(script: Script, clients: int = CLIENTS) -> None:
    """Users arrive one after the other; beyond the number of users they open second tabs."""
    for number in range(clients):
        script.arrive(script.user(number))
    script.settle()


def _arrive_for(script: Script, *rooms: int) -> None:
    """Users arrive, and only the first and the third go into rooms, these: what follows is about going into one."""
    script.gathers = False
    _arrive(script)
    for name, room in zip(("c0", "c2"), rooms, strict=False):
        script.add("join", connection=name, room=script.vocabulary.room(room))
    script.settle()


def _conversation(script: Script, speeches: Sequence[Speech], which: int, leaves: Kind, seconds: float = 0.0) -> None:
    """Two come, later one of them with a second tab, and speak; a tab leaves, and they speak again."""
    _arrive(script, 2)
    if seconds:
        script.pause(seconds)
    script.arrive("u0")
    script.settle()
    for number, speech in enumerate(speeches):
        script.say(speech, 0 if of_oneself(speech) else number + 1, number)
    script.settle()
    script.leave(script.here[which], leaves)
    script.settle()
    for number in range(2):
        script.say(speeches[0], number, number + 1)


def _at_once(script: Script, speech: Speech) -> None:
    """Everybody speaks at once to the same one, then one twice on its own heels."""
    _arrive(script)
    phrases.concurrently(script, [(speech, 0, 1)] * CLIENTS)
    script.settle()
    phrases.on_the_heels(script, (speech, 0, 1), 2)
    script.say(speech, 1, 1)


def _absent(script: Script, speech: Speech, times: int, tabs: int, slow: bool) -> None:
    """Events for somebody who comes later."""
    script.arrive("u1")
    phrases.keep_and_fetch(script, (speech, 1, 0), times, tabs, slow)


def _leaves(script: Script, speech: Speech, which: int, how: Kind) -> None:
    """Somebody leaves while something is said: with a second tab that stays, or the speaker."""
    _arrive(script, CLIENTS + 1)
    slow = which == 1 or not for_one(speech) or of_oneself(speech)
    phrases.leave_meanwhile(script, (speech, 1, 0), which, how, speaks=which == 1, tab=False, slow=slow)
    script.say(speech, 2, 1)
    script.settle()
    script.say(speech, 2, which % CLIENTS)


def _is_back(script: Script, speech: Speech, how: Kind) -> None:
    """Somebody leaves while something is said, and is back at once."""
    _arrive(script)
    phrases.reconnect_meanwhile(script, (speech, 0, 1), 1, how, again=True)


def _second_tab(script: Script, speech: Speech, leaves: Kind | None, last: bool) -> None:
    """A second tab comes while something is said, in the middle of everything or when all is quiet."""
    script.arrive("u0")
    script.arrive("u1")
    if leaves is not None:
        script.settle()
    phrases.second_tab(script, (speech, 1, 0), 0, leaves, last=last)


def _log_in(script: Script, token: str, ends: Kind | None, speech: Speech) -> None:
    """Two users log in at once, and everybody speaks."""
    phrases.log_in_together(script, 0, (token, "valid"), ends)
    script.settle()
    script.everyone_speaks([speech])


def _beyond(script: Script, speech: Speech, tabs: int, there: int) -> None:
    """A user opens more tabs than one may have: all at once, or some at leisure; and is spoken to."""
    for number in range(tabs):
        script.arrive("u0")
        if number < there:
            script.settle()
    script.arrive("u1")
    script.settle()
    script.say(speech, tabs, 0)


def _login_ended(script: Script, speech: Speech, ends: Kind, slow: bool, other: int | None) -> None:
    """A user's second and third tab log in while something is on its way to the first; one of them does not get in."""
    _arrive(script, 2)
    phrases.login_ended(script, (speech, 1, 0), 0, ends, slow=slow, other=other, resumes=True)
    script.settle()
    script.everyone_speaks([speech])


def _refused(
    script: Script, token: str, logins: int, speech: Speech, retries: bool, there: bool, meanwhile: bool = False
) -> None:
    """Logins that ought to be refused, and then a good one; or the user is there already."""
    script.arrive("u1")
    if there:
        script.arrive("u0")
    script.settle()
    phrases.refused_and_spoken(script, token, 0, (speech, 1, 0), logins, retries, meanwhile=meanwhile)


def _logs_in_again(script: Script, speech: Speech, logs_out: bool, tab: bool) -> None:
    """A client that is one user becomes another, and then the first again."""
    _arrive(script, 2)
    for other in (2, 0):
        phrases.log_in_again(script, 0, other, (speech, 1, 1), logs_out=logs_out, tab=tab)
        script.settle()


def _comes_and_goes(
    script: Script, speech: Speech, how: Kind | None, settled: bool, times: int, spoken: bool = False
) -> None:
    """A user comes and leaves again and again, or brings tab after tab, then stays with two tabs; all speak."""
    script.arrive("u1")
    phrases.come_and_go(script, 0, times, how, settled, (speech, 0, 0) if spoken else None)
    script.arrive("u0")
    script.settle()
    script.say(speech, 0, 0)
    script.say(speech, 1, 1)


def _back_for_long(script: Script, speech: Speech, how: Kind, moments: Sequence[float]) -> None:
    """Somebody leaves, is back at once, and is spoken to as time goes by."""
    _arrive(script, 2)
    soon = sorted({LONG, *(moment for moment in moments if moment <= SOON)})
    phrases.back_for_long(script, (speech, 1, 0), 0, how, soon)


def _slow(script: Script, speech: Speech, resumes: bool, tab: Kind | None, seconds: float | None = None) -> None:
    """One client stops reading while the others speak, to it and to each other."""
    _arrive(script)
    phrases.while_stalled(script, 1, [(speech, 0, 1), (speech, 1, 2), (speech, 1, 0)], resumes, tab, seconds)


def _cancelled(script: Script, speech: Speech, slow: int | None) -> None:
    """One of three events is cancelled."""
    _arrive(script)
    phrases.cancelled(script, (speech, 0, 1), [(speech, 0, 1), (speech, 1, 1)], slow)


def _cleaned_up(script: Script, speech: Speech, speaks: bool, arrives: bool) -> None:
    """A user is cleaned up, and spoken to afterwards."""
    _arrive(script, 2)
    phrases.cleaned_up(script, 0, (speech, 1, 0) if speaks else None, arrives)
    script.settle()
    script.say(speech, 1, 0)


def _expires(script: Script, speech: Speech, tab: bool) -> None:
    """A token expires while its user is spoken to."""
    _arrive(script, 2)
    phrases.expired(script, 0, (speech, 1, 0), tab=tab)


def _moves(script: Script, speech: Speech, leaves: bool, slow: bool, which: int) -> None:
    """Somebody comes into a room or leaves it while others speak there."""
    _arrive_for(script, 0, 0)
    phrases.moved(script, which, 0, (speech, 2, 0), leaves, slow=slow)


def _in_two_rooms(script: Script, speech: Speech, how: Kind | None) -> None:
    """Somebody is in two rooms, speaks in both, and leaves."""
    _arrive_for(script)
    phrases.in_two_rooms(script, speech, 1, 0, how)


def _changes_its_mind(script: Script, speech: Speech, leaves: bool) -> None:
    """Somebody goes into a room, and at once into another or out again; then all rooms are spoken in."""
    _arrive_for(script, 0, 1)
    phrases.change_ones_mind(script, 1, 1, leaves)
    for number in range(2):
        script.say(speech, 2 * number, number)


def _shut_down(script: Script, speech: Speech, slow: bool) -> None:
    """The target is shut down while two speak."""
    _arrive(script)
    phrases.shut_down_meanwhile(script, [(speech, 1 if of_oneself(speech) else 0, 1)] * 2, slow=slow)


def _cut_off(script: Script, speech: Speech) -> None:
    """Somebody who missed something is back, leaves in the middle of it, and comes again."""
    script.arrive("u1")
    phrases.cut_off(script, (speech, 1, 0), 2, "abort")


def _flooded(script: Script, speech: Speech, how: Kind | None) -> None:
    """Much is said to a client that does not read, and perhaps leaves without a word."""
    _arrive(script)
    phrases.flood_the_slow(script, (speech, 0, 1), FLOOD, how)


def _malformed(script: Script, speech: Speech, which: int) -> None:
    """Somebody sends a message that means nothing, leaves, is spoken to by the others, and comes again."""
    _arrive(script)
    owner = script.owners[script.here[which]]
    script.leave(script.here[which], "malform")
    script.settle()
    script.everyone_speaks([speech])
    script.settle()
    script.arrive(owner)
    script.settle()
    script.everyone_speaks([speech])


def _burst(script: Script, speech: Speech, seconds: float) -> None:
    """Somebody says much at once, just before something is due, or just after."""
    _arrive(script, 2)
    phrases.burst(script, (speech, 0, 1), seconds, BURST)


def _long(script: Script, speech: Speech, seconds: float) -> None:
    """Somebody stays for long, now and then spoken to, and goes on as a second tab comes."""
    _arrive(script, 2)
    phrases.stay_busy(script, (speech, 0, 1), seconds, SHARE if seconds > SHARE else 1)
    script.arrive("u1")
    script.settle()
    script.say(speech, 0, 1)


def _slow_link(script: Script, speech: Speech, slow: int, speaker: int, leaver: int, how: Kind) -> None:
    """Three clients, one of them on a slow link; one speaks, and one leaves while that is under way."""
    for client in range(CLIENTS):
        script.arrive(script.user(client), pace=SLOW if client == slow else None)
    script.settle()
    script.say(speech, speaker, speaker + 1)
    script.leave(script.here[leaver], how)
