"""The plain situations, each a whole program: who is there, what they do to each other, and what is said afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from ..fuzzer.core.program import Kind, Pace
from ..fuzzer.targets.own import FOR_A_USER, Own
from . import phrases
from .script import Script, Speech, of_oneself

__all__ = (
    "CLIENTS",
    "LONG",
    "SOON",
    "absent",
    "absent_for_all",
    "alone_and_back",
    "arrive",
    "at_once",
    "back_for_long",
    "beyond",
    "burst",
    "cancelled",
    "cleaned_up",
    "comes_and_goes",
    "conversation",
    "cut_off",
    "expires",
    "flooded",
    "for_one",
    "is_back",
    "leaves",
    "log_in",
    "login_ended",
    "logs_in_again",
    "long",
    "malformed",
    "refused",
    "second_tab",
    "shut_down",
    "slow",
    "slow_link",
    "two_slow",
)

CLIENTS = 3
"""So many are there, mostly."""

SLOW: Pace = "slow"

FOR_ONE = frozenset[Speech]({"emit", "run_agent", "emit_to_thread"})
"""What is said to one user, who may be absent; and what of the target's own is for another user."""

BURST = 12
"""Events on each other's heels: more than a slow server handles within seconds."""

FLOOD = 40
"""Events for a client that does not read: more than small queues hold."""

SOON = 120.0
"""Seconds within which heartbeats are due."""

LONG = 2000.0
"""Seconds that a user stays where nothing says what is long: beyond half an hour, the usual idle limit."""

SHARE = 5
"""A long time goes by in so many parts, so that none of them alone is idleness."""


def for_one(speech: Speech) -> bool:
    """Whether it is said to one user, who may be absent."""
    return speech.audience in FOR_A_USER if isinstance(speech, Own) else speech in FOR_ONE


def arrive(script: Script, clients: int = CLIENTS) -> None:
    """Users arrive one after the other; beyond the number of users they open second tabs."""
    for number in range(clients):
        script.arrive(script.user(number))
    script.settle()


def conversation(script: Script, speeches: Sequence[Speech], which: int, leaves: Kind, seconds: float = 0.0) -> None:
    """Two come, later one of them with a second tab, and speak; a tab leaves, and they speak again."""
    arrive(script, 2)
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


def at_once(script: Script, speech: Speech) -> None:
    """Everybody speaks at once to the same one, then one twice on its own heels."""
    arrive(script)
    phrases.concurrently(script, [(speech, 0, 1)] * CLIENTS)
    script.settle()
    phrases.on_the_heels(script, (speech, 0, 1), 2)
    script.say(speech, 1, 1)


def absent(script: Script, speech: Speech, times: int, tabs: int, slow: bool) -> None:
    """Events for somebody who comes later."""
    script.arrive("u1")
    phrases.keep_and_fetch(script, (speech, 1, 0), times, tabs, slow)


def absent_for_all(script: Script, speech: Speech) -> None:
    """Two speak at once to somebody who comes later."""
    speakers = [script.arrive(user) for user in ("u1", "u2")]
    script.settle()
    for name in speakers:
        script.say(speech, script.speaker_at(name), 0)
    script.settle()
    script.arrive("u0")


def leaves(script: Script, speech: Speech, which: int, how: Kind) -> None:
    """Somebody leaves while something is said, with a second tab that stays, or the speaker; then a third speaks up.

    Where the speaker has left, it is to the one who was spoken to: what the speech held on to may be held still.
    """
    arrive(script, CLIENTS + 1)
    speaks = which == 1
    slow = speaks or not for_one(speech) or of_oneself(speech)
    phrases.leave_meanwhile(script, (speech, 1, 0), which, how, speaks=speaks, tab=False, slow=slow)
    script.say(speech, 2, 0 if speaks else 1)
    script.settle()
    script.say(speech, 2, 0 if speaks else which % CLIENTS)


def is_back(script: Script, speech: Speech, how: Kind) -> None:
    """Somebody leaves while something is said, and is back at once."""
    arrive(script)
    phrases.reconnect_meanwhile(script, (speech, 0, 1), 1, how, again=True)


def all_back(script: Script, speech: Speech, ways: Sequence[Kind]) -> None:
    """All leave at once, and come back when all is quiet: whoever was not taken off the books is there twice."""
    arrive(script)
    phrases.leave_together(script, (speech, 0, 1), ways)


def alone_and_back(script: Script, speech: Speech, how: Kind) -> None:
    """The only one who is there leaves and is back at once: what is ended with the last and begun with the first."""
    script.leave(script.arrive("u0"), how)
    script.arrive("u0")
    if script.vocabulary.by_wire:
        script.arrive("u1")
    script.say(speech, 0 if of_oneself(speech) else 1, 0)


def second_tab(script: Script, speech: Speech, leaves: Kind | None, last: bool) -> None:
    """A second tab comes while something is said, in the middle of everything or when all is quiet."""
    script.arrive("u0")
    script.arrive("u1")
    if leaves is not None:
        script.settle()
    phrases.second_tab(script, (speech, 1, 0), 0, leaves, last=last)


def log_in(script: Script, token: str, ends: Kind | None, speech: Speech) -> None:
    """Two users log in at once, and everybody speaks."""
    phrases.log_in_together(script, 0, (token, "valid"), ends)
    script.settle()
    script.everyone_speaks([speech])


def beyond(script: Script, speech: Speech, tabs: int, there: int, how: Kind | None = None) -> None:
    """A user opens more tabs than one may have: all at once, or some at leisure; and is spoken to.

    ``how``: the first of them leaves so, and another comes at once, which a tab that waits its turn may meet.
    """
    for number in range(tabs):
        script.arrive("u0")
        if number < there:
            script.settle()
    if how is not None:
        script.leave(script.here[0], how)
        script.arrive("u0")
    script.arrive("u1")
    script.settle()
    script.say(speech, tabs, 0)


def login_ended(script: Script, speech: Speech, ends: Kind, slow: bool, other: int | None) -> None:
    """A user's second and third tab log in while something is on its way to the first; one of them does not get in."""
    arrive(script, 2)
    phrases.login_ended(script, (speech, 1, 0), 0, ends, slow=slow, other=other, resumes=True)
    script.settle()
    script.everyone_speaks([speech])


def refused(
    script: Script, token: str, logins: int, speech: Speech, retries: bool, there: bool, meanwhile: bool = False
) -> None:
    """Logins that ought to be refused, and then a good one; or the user is there already."""
    script.arrive("u1")
    if there:
        script.arrive("u0")
    script.settle()
    phrases.refused_and_spoken(script, token, 0, (speech, 1, 0), logins, retries, meanwhile=meanwhile)


def logs_in_again(script: Script, speech: Speech, logs_out: bool, tab: bool) -> None:
    """A client that is one user becomes another, and then the first again."""
    arrive(script, 2)
    for other in (2, 0):
        phrases.log_in_again(script, 0, other, (speech, 1, 1), logs_out=logs_out, tab=tab)
        script.settle()


def comes_and_goes(
    script: Script, speech: Speech, how: Kind | None, settled: bool, times: int, spoken: bool = False
) -> None:
    """A user comes and leaves again and again, or brings tab after tab, then stays with two tabs; all speak."""
    script.arrive("u1")
    phrases.come_and_go(script, 0, times, how, settled, (speech, 0, 0) if spoken else None)
    script.arrive("u0")
    script.settle()
    script.say(speech, 0, 0)
    script.say(speech, 1, 1)


def back_for_long(script: Script, speech: Speech, how: Kind, moments: Sequence[float]) -> None:
    """Somebody leaves, is back at once, and is spoken to as time goes by."""
    arrive(script, 2)
    soon = sorted({LONG, *(moment for moment in moments if moment <= SOON)})
    phrases.back_for_long(script, (speech, 1, 0), 0, how, soon)


def signs_out(script: Script, speech: Speech, how: Kind) -> None:
    """Somebody logs out in one of two tabs, and closes that one too."""
    arrive(script, 2)
    phrases.sign_out(script, (speech, 1, 0), 0, how)


def slow_for_long(script: Script, speech: Speech, seconds: float) -> None:
    """One client does not read for longer than anybody waits for it, and the others speak afterwards."""
    arrive(script)
    script.add("stall", connection="c1", seconds=seconds)
    script.say(speech, 1 if of_oneself(speech) else 0, 1)
    script.settle()
    script.everyone_speaks([speech])


def slow(script: Script, speech: Speech, resumes: bool, tab: Kind | None, seconds: float | None = None) -> None:
    """One client stops reading while the others speak, to it and to each other."""
    arrive(script)
    phrases.while_stalled(script, 1, [(speech, 0, 1), (speech, 1, 2), (speech, 1, 0)], resumes, tab, seconds)


def two_slow(script: Script, speech: Speech, which: int, other: int, how: Kind) -> None:
    """Two tabs of one user do not read when something is said to both; one leaves, the other reads on."""
    arrive(script)
    script.arrive("u1")
    script.settle()
    phrases.two_stalled(script, which, other, (speech, 1 if of_oneself(speech) else 0, 1), how)


def cancelled(script: Script, speech: Speech, slow: int | None, behind: int = 0) -> None:
    """One of three events is cancelled: the last, or one behind which others wait; then another is said."""
    arrive(script)
    phrases.cancelled(script, (speech, 0, 1), [(speech, 0, 1), (speech, 1, 1)], slow, behind)
    if behind:
        script.settle()
        script.say(speech, 1, 1)


def cleaned_up(script: Script, speech: Speech, speaks: bool, arrives: bool) -> None:
    """A user is cleaned up, and spoken to afterwards."""
    arrive(script, 2)
    phrases.cleaned_up(script, 0, (speech, 1, 0) if speaks else None, arrives)
    script.settle()
    script.say(speech, 1, 0)


def expires(script: Script, speech: Speech, tab: bool) -> None:
    """A token expires while its user is spoken to."""
    arrive(script, 2)
    phrases.expired(script, 0, (speech, 1, 0), tab=tab)


def shut_down(script: Script, speech: Speech, slow: bool) -> None:
    """The target is shut down while two speak."""
    arrive(script)
    phrases.shut_down_meanwhile(script, [(speech, 1 if of_oneself(speech) else 0, 1)] * 2, slow=slow)


def cut_off(script: Script, speech: Speech, how: Kind) -> None:
    """Somebody who missed something is back, leaves in the middle of it or is cancelled there, and comes again."""
    script.arrive("u1")
    phrases.cut_off(script, (speech, 1, 0), 2, how)


def flooded(script: Script, speech: Speech, how: Kind | None) -> None:
    """Much is said to a client that does not read, and perhaps leaves without a word."""
    arrive(script)
    phrases.flood_the_slow(script, (speech, 0, 1), FLOOD, how)


def malformed(script: Script, speech: Speech, which: int) -> None:
    """Somebody sends a message that means nothing, leaves, is spoken to by the others, and comes again."""
    arrive(script)
    owner = script.owners[script.here[which]]
    script.leave(script.here[which], "malform")
    script.settle()
    script.everyone_speaks([speech])
    script.settle()
    script.arrive(owner)
    script.settle()
    script.everyone_speaks([speech])


def burst(script: Script, speech: Speech, seconds: float) -> None:
    """Somebody says much at once, just before something is due, or just after."""
    arrive(script, 2)
    phrases.burst(script, (speech, 0, 1), seconds, BURST)


def long(script: Script, speech: Speech, seconds: float) -> None:
    """Somebody stays for long, now and then spoken to, and goes on as a second tab comes."""
    arrive(script, 2)
    phrases.stay_busy(script, (speech, 0, 1), seconds, SHARE if seconds > SHARE else 1)
    script.arrive("u1")
    script.settle()
    script.say(speech, 0, 1)


def slow_link(script: Script, speech: Speech, slow: int, speaker: int, leaver: int, how: Kind) -> None:
    """Three clients, one of them on a slow link; one speaks, and one leaves while that is under way."""
    for client in range(CLIENTS):
        script.arrive(script.user(client), pace=SLOW if client == slow else None)
    script.settle()
    script.say(speech, speaker, speaker + 1)
    script.leave(script.here[leaver], how)
