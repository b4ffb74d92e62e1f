"""Logins that meet others, or are ended, refused, repeated; and users whom the server logs out by itself."""

from __future__ import annotations

from ...fuzzer.core.program import Kind
from ..script import Script
from .speaking import Said, concern

__all__ = ("cleaned_up", "expired", "log_in_again", "log_in_together", "login_ended", "refused_and_spoken", "sign_out")


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


def log_in_together(script: Script, first: int, tokens: tuple[str, str], ends: Kind | None) -> None:
    """Two users log in at once; ``ends`` is what becomes of the first login before it is done."""
    one, other = script.connect(script.user(first), tokens[0]), script.connect(script.user(first + 1), tokens[1])
    script.log_in(one, tokens[0])
    script.log_in(other, tokens[1])
    if ends == "cancel":
        script.add("cancel", connection=one)
    elif ends is not None:
        script.leave(one, ends)


def sign_out(script: Script, said: Said, which: int, how: Kind) -> None:
    """A user with two tabs logs out in one, closes that one too, and is spoken to."""
    name = script.connection(which)
    user = script.owners[name]
    script.arrive(user)
    script.settle()
    script.leave(name, "log_out")
    script.settle()
    script.leave(name, how)
    script.settle()
    concern(script, said, user)


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


def cleaned_up(script: Script, which: int, said: Said | None, arrives: bool) -> None:
    """A user is cleaned up while a client of the user's connects, or while something is said to that user."""
    user = script.user(which)
    if arrives:
        script.arrive(user)
    if said is not None:
        script.say(said[0], said[1], which)
    script.add("clean_up", user=user)
