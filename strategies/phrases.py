"""What users do to each other, as one step: the situations in which servers fail, each written by one function.

Bugs of concurrency need two or three operations that meet: one user speaks while another leaves, a login is cancelled
beside another.  Written one operation at a time, at random, they hardly ever meet; the openings and the rules of the
machine write them as wholes, by the functions here, and leave it to schedules how they meet.  Users and connections
are given by number, which any script can make something of.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..fuzzer.core.program import Kind
from .script import Script, Speech, of_oneself

__all__ = (
    "SLOW_FOR",
    "again_and_again",
    "back_for_long",
    "burst",
    "cancelled",
    "cleaned_up",
    "come_and_go",
    "come_and_go_on_two_days",
    "concern",
    "concurrently",
    "cut_off",
    "expired",
    "flood_the_slow",
    "change_ones_mind",
    "in_two_rooms",
    "keep_and_fetch",
    "leave_meanwhile",
    "log_in_again",
    "log_in_together",
    "login_ended",
    "moved",
    "on_the_heels",
    "reconnect_meanwhile",
    "refused_and_spoken",
    "second_tab",
    "shut_down_meanwhile",
    "stay_busy",
    "two_runs",
    "while_stalled",
)

SLOW_FOR = 2.5
"""Seconds that a client does not read for: beyond what others may be held up, within the usual time-outs."""

Said = tuple[Speech, int, int]
"""What is said, by whom, to whom."""


def concurrently(script: Script, said: Sequence[Said]) -> None:
    """Several speak at once."""
    for number, (speech, speaker, to) in enumerate(said):
        script.say(speech, speaker + number, to)


def on_the_heels(script: Script, said: Said, times: int) -> None:
    """The same speaker says the same again, before the first has come to rest."""
    speech, speaker, to = said
    for _ in range(times):
        script.say(speech, speaker, to)


def cancelled(script: Script, said: Said, others: Sequence[Said], slow: int | None) -> None:
    """What one is about to say is cancelled, while others speak; with one client that does not read, if any."""
    speech, speaker, to = said
    if slow is not None and script.of(script.user(slow)):
        script.add("stall", connection=script.of(script.user(slow))[0])
    for number, (other, _, whom) in enumerate(others):
        script.say(other, speaker + 1 + number, whom)
    user = script.say(speech, speaker, to)
    script.add("cancel", user=user)


def while_stalled(
    script: Script,
    which: int,
    said: Sequence[Said],
    resumes: bool,
    tab: Kind | None = None,
    seconds: float | None = None,
) -> None:
    """One client stops reading, for so many seconds; something is said to it, and others speak to each other.

    With ``tab``, its user opens a second one then, or that and leaves with it again.
    """
    name = script.connection(which)
    owner = int(script.owners[name][1:])
    script.add("stall", connection=name, seconds=seconds)
    own = script.speaker_at(name)
    for number, (speech, speaker, to) in enumerate(said):
        if number:
            script.say(speech, own + 1 + speaker, to)
        else:
            script.say(speech, own + (not of_oneself(speech)), owner)
    if tab is not None:
        other = script.arrive(script.owners[name])
        if tab != "connect":
            script.leave(other, tab)
    if resumes:
        script.add("unstall", connection=name)


def concern(script: Script, said: Said, user: str, *, speaks: bool = False) -> None:
    """Something is said to a user, or by the user where only users themselves are told of it, or where so asked."""
    speech, speaker, to = said
    own = of_oneself(speech)
    if speaks or own:
        tabs = script.of(user) or [script.arrive(user)]
        speaker = script.speaker_at(tabs[0])
    else:
        speaker = script.beside(user, speaker)
    script.say(speech, speaker, int(user[1:]) if own or not speaks else to)


def leave_meanwhile(
    script: Script, said: Said, which: int, how: Kind, *, speaks: bool, tab: bool, slow: bool = False
) -> None:
    """Something is said by a client's user, or to that user, and the client leaves before it has arrived everywhere.

    With ``tab``, the user has another one, which stays; where slow, somebody else who may hear it does not read.
    """
    name = script.connection(which)
    user = script.owners[name]
    if tab:
        script.arrive(user)
        script.settle()
    if slow:
        lagging(script, name)
    concern(script, said, user, speaks=speaks)
    script.leave(name, how)


def lagging(script: Script, but: str) -> None:
    """Somebody other than that one stops reading: the newest client there is."""
    others = [name for name in script.here if name != but]
    if others:
        script.add("stall", connection=others[-1])


def expired(script: Script, which: int, said: Said, *, tab: bool = False) -> None:
    """A client's token expires while something is said to its user, who may have another tab; more is said later."""
    name = script.connection(which)
    user = script.owners[name]
    if tab:
        script.arrive(user)
        script.settle()
    concern(script, said, user)
    script.add("expire", connection=name)
    concern(script, said, user)
    script.settle()
    concern(script, said, user)


def login_ended(
    script: Script, said: Said, which: int, ends: Kind, *, slow: bool, other: int | None, resumes: bool
) -> None:
    """While something is on its way to a user's tab, which may be slow, the next one's login is ended before its end.

    Perhaps another client, of that user or the next, logs in beside it.
    """
    first = script.connection(which)
    user = script.owners[first]
    if slow:
        script.add("stall", connection=first)
    concern(script, said, user)
    names = [script.connect(user)]
    if other is not None:
        names.append(script.connect(script.user(int(user[1:]) + other)))
    for name in names:
        script.log_in(name)
    if ends == "clean_up":
        script.add("clean_up", user=user)
    elif ends == "cancel":
        script.add("cancel", connection=names[0])
    else:
        script.leave(names[0], ends)
    if slow and resumes:
        script.add("unstall", connection=first)


def reconnect_meanwhile(script: Script, said: Said, which: int, how: Kind, again: bool) -> None:
    """A client leaves and its user is back at once, while something is on its way to that user."""
    name = script.connection(which)
    user = script.owners[name]
    concern(script, said, user)
    script.leave(name, how)
    script.arrive(user)
    if again:
        concern(script, said, user)


def second_tab(script: Script, said: Said, which: int, leaves: Kind | None, *, last: bool = False) -> None:
    """A user opens a second tab while something is on its way to the first; one of the two may leave again."""
    name = script.connection(which)
    user = script.owners[name]
    concern(script, said, user)
    other = script.arrive(user)
    if leaves is not None:
        script.leave(other if last else name, leaves)
        script.settle()
        concern(script, said, user)


def log_in_together(script: Script, first: int, tokens: tuple[str, str], ends: Kind | None) -> None:
    """Two users log in at once; ``ends`` is what becomes of the first login before it is done."""
    one, other = script.connect(script.user(first), tokens[0]), script.connect(script.user(first + 1), tokens[1])
    script.log_in(one, tokens[0])
    script.log_in(other, tokens[1])
    if ends == "cancel":
        script.add("cancel", connection=one)
    elif ends is not None:
        script.leave(one, ends)


def log_in_again(
    script: Script, which: int, other: int, said: Said, *, token: str = "valid", logs_out: bool, tab: bool
) -> None:
    """A client logs in once more, as another user or the same, perhaps after it has logged out.

    Meanwhile and afterwards something is said to the user whom it was, to the one whom it is, and by it.  With ``tab``,
    the one whom it was has another connection.
    """
    name = script.connection(which)
    was, now = script.owners[name], script.user(other)
    speech, _, to = said
    if tab:
        script.arrive(was)
        script.settle()
    concern(script, said, was)
    if logs_out:
        script.leave(name, "log_out")
        script.here.append(name)
    script.log_in_again(name, now, token)
    concern(script, said, was)
    script.settle()
    for user in (was, now):
        concern(script, said, user)
    script.say(speech, script.speaker_at(name), to)


def refused_and_spoken(
    script: Script, token: str, which: int, said: Said, logins: int, retries: bool, *, meanwhile: bool = False
) -> None:
    """Logins with tokens that are not the user's own, and then something is said to that user, and by that user.

    Where the user retries, with a good token, also on that connection; with ``meanwhile``, before the last login is
    answered, too.
    """
    user = script.user(which)
    speech, speaker, _ = said
    caller = script.beside(user, speaker)
    name, good = "", None
    for number in range(logins):
        name = script.arrive(script.user(which + number), token)
    if meanwhile:
        script.say(speech, caller, which)
    if retries:
        script.settle()
        good = script.arrive(user)
    script.settle()
    script.say(speech, caller, which)
    script.say(speech, script.here.index(name) if script.vocabulary.by_wire else which, speaker)
    if good is not None and script.vocabulary.by_wire:
        script.say(speech, script.here.index(good), speaker)


def keep_and_fetch(script: Script, said: Said, times: int, tabs: int, slow: bool) -> None:
    """Something is said to a user who is not there and comes then, perhaps with two tabs at once.

    Where slow, the first of them does not read.
    """
    speech, speaker, to = said
    user = script.user(to)
    for name in script.of(user):
        script.leave(name, "disconnect")
    script.settle()
    if of_oneself(speech):
        speaker = to
    script.say(speech, speaker, to, times)
    script.settle()
    arrived = [script.arrive(user) for _ in range(tabs)]
    if slow:
        script.add("stall", connection=arrived[0])
    script.say(speech, speaker, to)


def cut_off(script: Script, said: Said, times: int, how: Kind) -> None:
    """What a user has missed begins to arrive when the user is back, who leaves at once, and then comes again."""
    speech, speaker, to = said
    user = script.user(to)
    for name in script.of(user):
        script.leave(name, "disconnect")
    script.settle()
    script.say(speech, to if of_oneself(speech) else speaker, to, times)
    script.settle()
    script.leave(script.arrive(user), how)
    script.settle()
    script.arrive(user)


def come_and_go(
    script: Script, which: int, times: int, how: Kind | None, settled: bool, said: Said | None = None
) -> None:
    """A user comes and leaves, again and again, and then stays; without ``how``, every tab stays.

    With ``said``, each time something is said to that user, who does not read, and leaves, if so, in the middle of it.
    """
    user = script.user(which)
    for _ in range(times):
        name = script.arrive(user)
        if said is not None:
            script.settle()
            script.add("stall", connection=name)
            concern(script, said, user)
        if how is not None:
            script.leave(name, how)
        if settled:
            script.settle()
    script.arrive(user)


def come_and_go_on_two_days(
    script: Script, which: int, times: int, how: Kind, seconds: float, speech: Speech | None = None
) -> None:
    """A user comes and leaves again and again, and the same after so many seconds; each time something may be said."""
    user = script.user(which)
    script.gathers &= speech is not None
    for day in range(2):
        if day:
            script.pause(seconds)
        for _ in range(times):
            name = script.arrive(user)
            script.settle()
            if speech is not None:
                script.say(speech, script.speaker_at(name), which)
                script.settle()
            script.leave(name, how)


def back_for_long(script: Script, said: Said, which: int, how: Kind, moments: Sequence[float]) -> None:
    """A client leaves, its user is back at once, and is spoken to after each of these times, in seconds, since then."""
    name = script.connection(which)
    user = script.owners[name]
    script.settle()
    script.leave(name, how)
    script.settle()
    script.arrive(user)
    since = 0.0
    for moment in moments:
        script.pause(round(moment - since, 3))
        concern(script, said, user)
        since = moment


def again_and_again(script: Script, said: Said, times: int) -> None:
    """The same is said many times over."""
    script.say(*said, times=times)


def flood_the_slow(script: Script, said: Said, times: int, how: Kind | None) -> None:
    """Much is said to a client that does not read, which may leave then; and the same speaker goes on to others."""
    speech, speaker, to = said
    slow = script.connection(to)
    user = script.owners[slow]
    script.add("stall", connection=slow)
    script.say(speech, speaker, int(user[1:]), times)
    if how is not None:
        script.leave(slow, how)
        script.settle()
    for number in range(script.crowd):
        script.say(speech, speaker, number)


def burst(script: Script, said: Said, seconds: float, times: int) -> None:
    """Time goes by, and then the same is said many times at once, and then something to its speaker."""
    speech, speaker, to = said
    script.pause(seconds)
    script.say(speech, speaker, to, times)
    script.settle()
    script.say(speech, to, speaker)


def stay_busy(script: Script, said: Said, seconds: float, times: int) -> None:
    """A long time goes by in which somebody speaks now and then."""
    speech, speaker, to = said
    for _ in range(times):
        script.say(speech, speaker, to)
        script.pause(seconds / times)
    script.say(speech, speaker, to)


def two_runs(script: Script, which: int, leaves: Kind | None, *, slow: bool = False) -> None:
    """A user with two tabs asks for two agents at once; one of the tabs may leave meanwhile, or the other not read."""
    user = script.user(which)
    tabs = script.of(user)
    while len(tabs) < 2:
        script.arrive(user)
        tabs = script.of(user)
    script.settle()
    if slow:
        script.add("stall", connection=tabs[1])
    if script.vocabulary.by_wire:
        for name in tabs[:2]:
            script.say("run_agent", script.here.index(name), which)
    else:
        script.say("run_agent", which, which)
        script.say("run_agent", which, which, over=True)
    if leaves is not None:
        script.leave(tabs[0], leaves)


def cleaned_up(script: Script, which: int, said: Said | None, arrives: bool) -> None:
    """A user is cleaned up while a client of the user's connects, or while something is said to that user."""
    user = script.user(which)
    if arrives:
        script.arrive(user)
    if said is not None:
        script.say(said[0], said[1], which)
    script.add("clean_up", user=user)


def shut_down_meanwhile(script: Script, said: Sequence[Said], *, slow: bool = False) -> None:
    """The target is shut down while several speak, perhaps to somebody who does not read."""
    if slow:
        _, _, to = said[0]
        script.add("stall", connection=script.connection(to))
    concurrently(script, said)
    script.add("shut_down")


def moved(script: Script, which: int, room: int, said: Said, leaves: bool, *, slow: bool = False) -> None:
    """A client joins or leaves a room while something is said in it, perhaps to a member who does not read.

    Whoever has left is out once all is at rest: more is said then.
    """
    name = script.connection(which)
    entered = script.vocabulary.room(room)
    if slow:
        lagging(script, name)
    script.add("join", connection=name, room=entered)
    if leaves:
        script.settle()
    speech, speaker, _ = said
    script.say(speech, speaker, room)
    if leaves:
        script.add("leave", connection=name, room=entered)
        script.say(speech, speaker, room)
        script.settle()
        script.say(speech, speaker, room)


def change_ones_mind(script: Script, which: int, room: int, leaves: bool) -> None:
    """A client joins a room, and before that is answered it joins the other, or leaves again."""
    name, room_of = script.connection(which), script.vocabulary.room
    script.add("join", connection=name, room=room_of(room))
    script.add("leave" if leaves else "join", connection=name, room=room_of(room if leaves else room + 1))
    script.settle()


def in_two_rooms(script: Script, speech: Speech, which: int, first: int, how: Kind | None) -> None:
    """A client joins one room and then the other, speaks in both, and leaves the second, or for good."""
    name = script.connection(which)
    room_of = script.vocabulary.room
    rooms = tuple(dict.fromkeys(room_of(first + number) for number in range(2)))
    others = [other for other in script.here if other != name]
    for number, other in enumerate(others):
        script.add("join", connection=other, room=rooms[number % len(rooms)])
    for room in rooms:
        script.add("join", connection=name, room=room)
    script.settle()
    speaker = script.speaker_at(name)
    for number in range(2):
        script.say(speech, speaker, first + number)
    script.settle()
    if how is not None:
        script.leave(name, how)
    elif script.vocabulary.offers("leave"):
        script.add("leave", connection=name, room=rooms[-1])
    script.settle()
    for number, other in enumerate(others[:2]):
        script.say(speech, script.speaker_at(other), first + number)
