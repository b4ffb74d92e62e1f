"""Clients join rooms and leave them, while something is said there."""

from __future__ import annotations

from typing import Literal

from ...fuzzer.core.program import Kind
from ..script import Script, Speech, Vocabulary
from .speaking import Said, lagging

__all__ = ("Mind", "change_ones_mind", "change_places", "in_two_rooms", "minds", "moved")

Mind = Literal["other", "out", "back"]
"""Where whoever goes somewhere goes next at once: to another room, out again, or back to where it had just left."""


def minds(vocabulary: Vocabulary) -> tuple[Mind, ...]:
    """Where one can go next, in this target."""
    return ("other", "out", "back") if vocabulary.offers("leave") else ("other",)


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


def change_ones_mind(script: Script, which: int, room: int, mind: Mind) -> None:
    """A client joins a room, and before that is answered it joins the other, or leaves again; or it is back at once."""
    name, room_of = script.connection(which), script.vocabulary.room
    if mind == "back":
        script.add("join", connection=name, room=room_of(room))
        script.settle()
        script.add("leave", connection=name, room=room_of(room))
    script.add("join", connection=name, room=room_of(room))
    if mind == "out":
        script.add("leave", connection=name, room=room_of(room))
    elif mind == "other":
        script.add("join", connection=name, room=room_of(room + 1))
    script.settle()


def change_places(script: Script, leaver: int, comer: int, room: int, how: Kind) -> None:
    """One client leaves a room, or for good, as another comes into it."""
    going, coming = script.two(leaver, comer)
    entered = script.vocabulary.room(room)
    if how == "leave":
        script.add("leave", connection=going, room=entered)
    else:
        script.leave(going, how)
    if coming in script.here:
        script.add("join", connection=coming, room=entered)
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
