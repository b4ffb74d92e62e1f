"""Programs to begin with: the plain situations in which servers most often fail, the commonest first.

A machine would write each of these by and by; a campaign tries them first, each under a few schedules before any
is looked at closely, so that what is common shows within seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from ..fuzzer.core.program import Kind, Program
from ..fuzzer.drivers.retained import EACH_DAY, LONG_AFTER
from ..fuzzer.targets.adapter import Target
from . import phrases, room_scenes, scenes
from .script import Script, Speech, Vocabulary, of_oneself

__all__ = ("LONG_LOOK", "openings", "rehearsal")

MANY = 60
"""Events that an absent user misses: more than most servers keep."""

COMINGS = 3
"""How often a user comes and leaves: as often as most servers let one user in."""

MANY_COMINGS = 12
"""How often, where something small may be lost each time; and how many tabs are there at once."""

FAILURES = 6
"""Wrong logins in a row: more than most servers put up with."""

Opening = partial[None]


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
    scenes.conversation(script, vocabulary.speeches, 0, "abort")
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
    yield partial(scenes.conversation, speeches=speeches, which=0, leaves="disconnect")
    yield partial(scenes.conversation, speeches=speeches[::-1], which=2, leaves=leaving[-1], seconds=2.0)
    if vocabulary.users < 2:
        return
    for speech in speeches:
        yield partial(scenes.at_once, speech=speech)
        if scenes.for_one(speech):
            yield partial(scenes.absent, speech=speech, times=1, tabs=2, slow=False)
            if vocabulary.target.traits.policy.kept != "no" and not of_oneself(speech):
                yield partial(scenes.absent_for_all, speech=speech)
        if (scenes.for_one(speech) and not of_oneself(speech)) or speech in vocabulary.spoken_in_rooms:
            yield partial(room_scenes.comes_meanwhile, speech=speech)
        yield partial(scenes.slow, speech=speech, resumes=False, tab="connect", seconds=phrases.SLOW_FOR)
    for speech in vocabulary.spoken_in_rooms:
        yield partial(room_scenes.slow_elsewhere, speech=speech)
    if vocabulary.logs_in_again:
        outs = (False, True) if vocabulary.offers("log_out") else (False,)
        for logs_out, tab in product(outs, (False, True)):
            yield partial(scenes.logs_in_again, speech=speeches[0], logs_out=logs_out, tab=tab)
    most = vocabulary.target.traits.policy.per_user
    if most is not None and most < MANY_COMINGS:
        for there, how in product(dict.fromkeys((0, most)), (None, leaving[0])):
            yield partial(scenes.beyond, speech=speeches[0], tabs=most + 1, there=there, how=how)
    yield from _by_the_server(vocabulary, speeches[0])
    for number, speech in enumerate(speeches):
        yield partial(scenes.second_tab, speech=speech, leaves=None, last=False)
        yield partial(scenes.second_tab, speech=speech, leaves=leaving[0], last=False)
        yield partial(scenes.second_tab, speech=speech, leaves="abort", last=True)
        for how in leaving if number == 0 else leaving[number % len(leaving) :][:1]:
            yield partial(scenes.leaves, speech=speech, which=0, how=how)
            yield partial(scenes.is_back, speech=speech, how=how)
            if number == 0:
                yield partial(scenes.alone_and_back, speech=speech, how=how)
        yield partial(scenes.leaves, speech=speech, which=1, how=leaving[-1])
        if not scenes.for_one(speech) or of_oneself(speech):
            yield partial(scenes.leaves, speech=speech, which=scenes.CLIENTS, how=leaving[0])
            yield partial(scenes.leaves, speech=speech, which=0, how="abort")
        if speech in ("broadcast", "run_agent"):
            yield partial(scenes.leaves, speech=speech, which=0, how="disconnect")
    for ways in (("abort", "disconnect"), ("disconnect", "abort"), ("disconnect",), ("abort",)):
        yield partial(scenes.all_back, speech=speeches[0], ways=ways)
    yield partial(scenes.all_back, speech=speeches[-1], ways=leaving[:1])
    if vocabulary.offers("log_out"):
        for how in leaving[:2]:
            yield partial(scenes.signs_out, speech=speeches[0], how=how)
    for seconds in phrases.SLOW_FOR_LONG:
        yield partial(scenes.slow_for_long, speech=speeches[0], seconds=seconds)
    for how, speech, (which, other) in product(leaving[1::-1], speeches[:2], ((1, 3), (3, 1))):
        yield partial(scenes.two_slow, speech=speech, which=which, other=other, how=how)
    if vocabulary.offers("malform"):
        yield partial(scenes.malformed, speech=speeches[0], which=0)
        yield partial(scenes.malformed, speech=speeches[0], which=1)
    ends: tuple[Kind, ...] = ("cancel", "abort", "clean_up", "disconnect")
    for end, lasts in product(ends, (True, False)):
        if vocabulary.offers(end):
            yield partial(scenes.login_ended, speech=speeches[0], ends=end, slow=lasts, other=0)
    if vocabulary.offers("clean_up"):
        for lasts, beside in product((True, False), (None, 1)):
            yield partial(scenes.login_ended, speech=speeches[0], ends="clean_up", slow=lasts, other=beside)
    if "run_agent" in speeches:
        for end in ends[:2]:
            if vocabulary.offers(end):
                yield partial(scenes.login_ended, speech="run_agent", ends=end, slow=True, other=0)
        yield partial(phrases.two_runs, which=0, leaves=None)
        yield partial(phrases.two_runs, which=0, leaves=leaving[0])
        yield partial(phrases.two_runs, which=0, leaves=leaving[-1], slow=True)
        yield partial(phrases.two_runs, which=1, leaves=leaving[0], slow=True)
        yield partial(phrases.two_runs, which=1, leaves="abort")
    yield partial(scenes.flooded, speech=speeches[0], how=None)
    yield partial(scenes.flooded, speech=speeches[0], how="abort")
    yield from _many_comings(speeches[0])
    for speech in filter(scenes.for_one, speeches):
        yield partial(scenes.absent, speech=speech, times=MANY, tabs=1, slow=True)
    yield from _logins(vocabulary, speeches[0])
    for speech in speeches[:2]:
        yield partial(scenes.long, speech=speech, seconds=scenes.LONG)
    for how in leaving[:2]:
        yield partial(scenes.back_for_long, speech=speeches[0], how=how, moments=moments)
    if not vocabulary.by_wire:
        for speech, slow in product(speeches, (None, 1)):
            yield partial(scenes.cancelled, speech=speech, slow=slow)
        yield partial(scenes.cancelled, speech=speeches[0], slow=2)
        for speech in speeches[:2]:
            yield partial(scenes.cancelled, speech=speech, slow=None, behind=1)
    for how in leaving:
        yield partial(scenes.comes_and_goes, speech=speeches[0], how=how, settled=False, times=COMINGS)
    yield partial(scenes.comes_and_goes, speech=speeches[0], how="disconnect", settled=True, times=COMINGS)
    for speech in filter(scenes.for_one, speeches):
        yield partial(scenes.absent, speech=speech, times=1, tabs=1, slow=True)
    if night is not None and night >= LONG_AFTER:
        days = partial(phrases.come_and_go_on_two_days, which=0, times=EACH_DAY, seconds=night)
        for how in leaving[:2]:
            yield partial(days, how=how)
        yield partial(days, how=leaving[0], speech=speeches[0])
    for speech in speeches:
        yield partial(scenes.slow, speech=speech, resumes=False, tab="connect")
        yield partial(scenes.slow, speech=speech, resumes=True, tab=None)
    for speech in speeches:
        if scenes.for_one(speech):
            yield partial(scenes.cut_off, speech=speech, how="abort")
            if vocabulary.offers("cancel") and vocabulary.target.traits.policy.kept != "no":
                yield partial(scenes.cut_off, speech=speech, how="cancel")
    for seconds in moments:
        yield partial(scenes.long, speech=speeches[0], seconds=seconds)
    for seconds in moments:
        if seconds <= scenes.SOON:
            yield partial(scenes.burst, speech=speeches[0], seconds=seconds)
    if vocabulary.offers("malform"):
        for which in range(scenes.CLIENTS):
            yield partial(scenes.malformed, speech=speeches[0], which=which)
    if vocabulary.by_wire:
        yield from _slow_links(vocabulary)


def _many_comings(speech: Speech) -> Iterator[Opening]:
    """Coming and leaving so often that what is lost each time adds up."""
    many = partial(scenes.comes_and_goes, speech=speech, times=MANY_COMINGS)
    yield partial(many, how="abort", settled=True)
    yield partial(many, how="abort", settled=False)
    yield partial(many, how=None, settled=True)
    yield partial(many, how="abort", settled=True, spoken=True)


def _logins(vocabulary: Vocabulary, speech: Speech) -> Iterator[Opening]:
    """Logins at once, one of them ended, with other users' tokens or worthless ones; and speaking after a refusal."""
    ends: list[Kind | None] = [None, "abort"]
    if vocabulary.offers("cancel"):
        ends.append("cancel")
    tokens = vocabulary.tokens
    for end, token in product(ends, ("valid", *tokens[-2:-1])):
        yield partial(scenes.log_in, token=token, ends=end, speech=speech)
    yield partial(scenes.log_in, token="valid", ends="disconnect", speech=speech)
    for token, retries in product((*tokens[:2], *tokens[-2:-1]), (True, False)):
        yield partial(scenes.refused, token=token, logins=1, speech=speech, retries=retries, there=not retries)
    for token in tokens[:1]:
        for said in (speech, *(other for other in vocabulary.speeches if not scenes.for_one(other))):
            yield partial(
                scenes.refused, token=token, logins=1, speech=said, retries=False, there=False, meanwhile=said != speech
            )
        yield partial(scenes.refused, token=token, logins=FAILURES, speech=speech, retries=True, there=False)


def _by_the_server(vocabulary: Vocabulary, speech: Speech) -> Iterator[Opening]:
    """What the server does meanwhile: clean a user up, expire a token, take a client into a room, shut down."""
    if vocabulary.offers("clean_up"):
        for speaks, arrives in ((True, False), (False, True), (True, True)):
            yield partial(scenes.cleaned_up, speech=speech, speaks=speaks, arrives=arrives)
    if vocabulary.offers("expire"):
        for said, tab in product(vocabulary.speeches[:2], (False, True)):
            yield partial(scenes.expires, speech=said, tab=tab)
    if len(vocabulary.rooms) > 1 and vocabulary.users >= scenes.CLIENTS:
        for said, (speaks, both) in product(vocabulary.in_rooms, ((True, False), (True, True), (False, True))):
            yield partial(room_scenes.crosses, speech=said, speaks=speaks, both=both)
    if vocabulary.target.traits.policy.tabs_apart and vocabulary.offers("leave"):
        for said in vocabulary.in_rooms:
            yield partial(room_scenes.tab_leaves, speech=said)
    parting = (False, True) if vocabulary.offers("leave") else (False,)
    for said, leaves, slow, which in product(vocabulary.in_rooms, parting, (False, True), (1, 0)):
        yield partial(room_scenes.moves, speech=said, leaves=leaves, slow=slow, which=which)
    for said in vocabulary.in_rooms:
        for how in (None, *vocabulary.leaving[:2]):
            yield partial(room_scenes.in_two_rooms, speech=said, how=how)
        for mind in phrases.minds(vocabulary):
            yield partial(room_scenes.changes_its_mind, speech=said, mind=mind)
        ways: tuple[Kind, ...] = ("leave",) if vocabulary.offers("leave") else ()
        for how, alone in product((*ways, *vocabulary.leaving), (False, True)):
            yield partial(room_scenes.changes_places, speech=said, how=how, alone=alone)
        yield partial(room_scenes.changes_places, speech=said, how=vocabulary.leaving[0], alone=False, comes=2)
    puts_out = [own for own in vocabulary.target.traits.own_operations if own.removes]
    for own, said, (tab, meanwhile) in product(
        puts_out, vocabulary.in_rooms, ((False, False), (True, False), (False, True))
    ):
        yield partial(room_scenes.is_put_out, speech=said, own=own, tab=tab, meanwhile=meanwhile)
    if vocabulary.offers("shut_down"):
        yield partial(scenes.shut_down, speech=speech, slow=False)
        for said in vocabulary.speeches:
            yield partial(scenes.shut_down, speech=said, slow=True)


def _slow_links(vocabulary: Vocabulary) -> Iterator[Opening]:
    speeches = [kind for kind in vocabulary.speeches if kind in ("broadcast", "emit", "run_agent")]
    leaving: tuple[Kind, ...] = ("disconnect", "abort")
    for number, (speech, slow, speaker, leaver) in enumerate(
        product(speeches, range(scenes.CLIENTS), range(scenes.CLIENTS), range(scenes.CLIENTS))
    ):
        how = leaving[number % len(leaving)]
        yield partial(scenes.slow_link, speech=speech, slow=slow, speaker=speaker, leaver=leaver, how=how)
