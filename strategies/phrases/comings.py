"""Clients leave and come while something is said: for good, at once again, with another tab, or a day later."""

from __future__ import annotations

from collections.abc import Sequence

from ...fuzzer.core.program import Kind
from ..script import Script, Speech, of_oneself
from .speaking import Said, concern, lagging

__all__ = (
    "back_for_long",
    "come_and_go",
    "come_and_go_on_two_days",
    "cut_off",
    "keep_and_fetch",
    "leave_meanwhile",
    "leave_together",
    "reconnect_meanwhile",
    "second_tab",
)


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


def reconnect_meanwhile(script: Script, said: Said, which: int, how: Kind, again: bool) -> None:
    """A client leaves and its user is back at once, while something is on its way to that user."""
    name = script.connection(which)
    user = script.owners[name]
    concern(script, said, user)
    script.leave(name, how)
    script.arrive(user)
    if again:
        concern(script, said, user)


def leave_together(script: Script, said: Said, ways: Sequence[Kind]) -> None:
    """All who are there leave at once, each in the next of these ways; when all is quiet their users come back."""
    users = [script.owners[name] for name in script.here]
    for number, name in enumerate(tuple(script.here)):
        script.leave(name, ways[number % len(ways)])
    script.settle()
    for user in users or [script.user(0)]:
        script.arrive(user)
    script.settle()
    script.say(*said)


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
