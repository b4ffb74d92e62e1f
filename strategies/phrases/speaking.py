"""Somebody speaks: while others do, while a client does not read, many times over, or after a long time."""

from __future__ import annotations

from collections.abc import Sequence

from ...fuzzer.core.program import Kind
from ..script import Script, Speech, of_oneself

__all__ = (
    "SLOW_FOR",
    "SLOW_FOR_LONG",
    "Said",
    "again_and_again",
    "burst",
    "cancelled",
    "concern",
    "concurrently",
    "flood_the_slow",
    "lagging",
    "on_the_heels",
    "shut_down_meanwhile",
    "stay_busy",
    "two_runs",
    "two_stalled",
    "while_stalled",
)

SLOW_FOR = 2.5
"""Seconds that a client does not read for: beyond what others may be held up, within the usual time-outs."""

SLOW_FOR_LONG = (45.0, 130.0)
"""The same, beyond the usual time-outs: two heartbeats of 20 s, or of a minute, are missed."""

Said = tuple[Speech, int, int]
"""What is said, by whom, to whom."""


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


def lagging(script: Script, but: str) -> None:
    """Somebody other than that one stops reading: the newest client there is."""
    others = [name for name in script.here if name != but]
    if others:
        script.add("stall", connection=others[-1])


def concurrently(script: Script, said: Sequence[Said]) -> None:
    """Several speak at once."""
    for number, (speech, speaker, to) in enumerate(said):
        script.say(speech, speaker + number, to)


def on_the_heels(script: Script, said: Said, times: int) -> None:
    """The same speaker says the same again, before the first has come to rest."""
    speech, speaker, to = said
    for _ in range(times):
        script.say(speech, speaker, to)


def cancelled(script: Script, said: Said, others: Sequence[Said], slow: int | None, behind: int = 0) -> None:
    """What one is about to say is cancelled, while others speak; with one client that does not read, if any.

    ``behind``: so many of the others have spoken up after the one.
    """
    speaker = said[1]
    if slow is not None and script.of(script.user(slow)):
        script.add("stall", connection=script.of(script.user(slow))[0])
    said_by_all = [(other, speaker + 1 + number, whom) for number, (other, _, whom) in enumerate(others)]
    said_by_all.insert(len(others) - behind, said)
    for one in said_by_all:
        script.say(*one)
    script.add("cancel", user=script.user(speaker))


def while_stalled(
    script: Script,
    which: int,
    said: Sequence[Said],
    resumes: bool,
    tab: Kind | None = None,
    seconds: float | None = None,
) -> None:
    """One client stops reading, for so many seconds; something is said to it, and others speak to each other.

    It is told twice: where the kernel takes what a server sends, the first time fills its buffer.  With ``tab``, its
    user opens a second one then, or that and leaves with it again.
    """
    name = script.connection(which)
    owner = int(script.owners[name][1:])
    script.add("stall", connection=name, seconds=seconds)
    own = script.speaker_at(name)
    for number, (speech, speaker, to) in enumerate(said):
        if number:
            script.say(speech, own + 1 + speaker, to)
        else:
            script.say(speech, own + (not of_oneself(speech)), owner, times=2)
    if tab is not None:
        other = script.arrive(script.owners[name])
        if tab != "connect":
            script.leave(other, tab)
    if resumes:
        script.add("unstall", connection=name)


def two_stalled(script: Script, which: int, other: int, said: Said, how: Kind) -> None:
    """Two clients stop reading, and two speak to both; one of them leaves, and the other reads on."""
    leaver, reader = script.two(which, other)
    for name in dict.fromkeys((leaver, reader)):
        script.add("stall", connection=name)
    concurrently(script, [said] * 2)
    script.leave(leaver, how)
    script.add("unstall", connection=reader)
    script.settle()


def shut_down_meanwhile(script: Script, said: Sequence[Said], *, slow: bool = False) -> None:
    """The target is shut down while several speak, perhaps to somebody who does not read."""
    if slow:
        _, _, to = said[0]
        script.add("stall", connection=script.connection(to))
    concurrently(script, said)
    script.add("shut_down")


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
