"""Scenes of rooms: clients go into them and out, change places, and are put out."""

from __future__ import annotations

from ..fuzzer.core.program import Kind
from ..fuzzer.targets.own import Own
from . import phrases
from .scenes import CLIENTS, arrive
from .script import Script, Speech

__all__ = (
    "changes_its_mind",
    "changes_places",
    "comes_meanwhile",
    "crosses",
    "in_two_rooms",
    "is_put_out",
    "moves",
    "slow_elsewhere",
    "tab_leaves",
)


def _arrive_for(script: Script, *rooms: int) -> None:
    """Users arrive, and only the first and the third go into rooms, these: what follows is about going into one."""
    script.gathers = False
    arrive(script)
    for name, room in zip(("c0", "c2"), rooms, strict=False):
        script.add("join", connection=name, room=script.vocabulary.room(room))
    script.settle()


def comes_meanwhile(script: Script, speech: Speech) -> None:
    """Somebody comes while another does not read, who may be told of it, and speaks to a third.

    Said in a room, it is in another one than that of whoever does not read.
    """
    in_room = speech in script.vocabulary.in_rooms
    newcomers = [2]
    if in_room:
        _arrive_for(script, 0, 1)
        newcomers = [1]
    elif speech in script.vocabulary.spoken_in_rooms:  # every third client connects to the other room
        arrive(script)
        newcomers = [*range(CLIENTS)]
    else:
        arrive(script, 2)
    script.add("stall", connection="c0", seconds=phrases.SLOW_FOR)
    for number in newcomers:
        name = script.arrive(script.user(number))
    if in_room:
        script.add("join", connection=name, room=script.vocabulary.room(1))
    script.say(speech, script.speaker_at(name), 1)


def slow_elsewhere(script: Script, speech: Speech) -> None:
    """Somebody in one room does not read what is said there; then something is said in another, of two users."""
    script.gathers = bool(script.vocabulary.in_rooms)
    for number in (*range(2 * CLIENTS - 1), 0):
        script.arrive(script.user(number))
    script.settle()
    script.add("stall", connection="c1")
    script.say(speech, script.speaker_at("c0"), 0)
    script.say(speech, script.speaker_at("c2"), 1)


def moves(script: Script, speech: Speech, leaves: bool, slow: bool, which: int) -> None:
    """Somebody comes into a room or leaves it while others speak there."""
    _arrive_for(script, 0, 0)
    phrases.moved(script, which, 0, (speech, 2, 0), leaves, slow=slow)


def in_two_rooms(script: Script, speech: Speech, how: Kind | None) -> None:
    """Somebody is in two rooms, speaks in both, and leaves."""
    _arrive_for(script)
    phrases.in_two_rooms(script, speech, 1, 0, how)


def changes_its_mind(script: Script, speech: Speech, mind: phrases.Mind) -> None:
    """Somebody goes into a room, and at once into another or out again, or is back in it; then all are spoken in."""
    _arrive_for(script, 0, 1)
    phrases.change_ones_mind(script, 1, 1, mind)
    for number in range(2):
        script.say(speech, 2 * number, number)


def changes_places(script: Script, speech: Speech, how: Kind, alone: bool, comes: int = 1) -> None:
    """Somebody goes into a room as another leaves it, who may have been alone there; then it is spoken in."""
    _arrive_for(script, *((0,) if alone else (0, 0)))
    phrases.change_places(script, 0, comes, 0, how)
    if alone:
        script.add("join", connection="c2", room=script.vocabulary.room(0))
        script.settle()
    for name in ("c2", "c1"):
        script.say(speech, script.speaker_at(name), 0)
        script.settle()


def crosses(script: Script, speech: Speech, speaks: bool, both: bool) -> None:
    """One goes at once into a room where another is, who goes into the first one's or stays.

    Perhaps with a word as they leave: who stays would hear it, where it goes to the room its speaker is in by then.
    """
    _arrive_for(script, 0, 1)
    for number, name in enumerate(("c0", "c2") if both else ("c0",)):
        if speaks:
            script.say(speech, script.speaker_at(name), number)
        script.add("join", connection=name, room=script.vocabulary.room(1 - number))
    script.settle()
    for number, name in enumerate(("c2", "c0")):
        script.say(speech, script.speaker_at(name), number)
    script.settle()
    script.leave("c0", script.vocabulary.leaving[0])


def tab_leaves(script: Script, speech: Speech) -> None:
    """A second tab of a member leaves the room; then it is spoken in."""
    _arrive_for(script, 0, 0)
    tab = script.arrive("u0")
    script.settle()
    script.add("leave", connection=tab, room=script.vocabulary.room(0))
    script.settle()
    script.say(speech, script.speaker_at("c2"), 0)


def is_put_out(script: Script, speech: Speech, own: Own, tab: bool, meanwhile: bool) -> None:
    """A member is put out of its room, perhaps with a second tab, or as something is said; it asks to come in again."""
    room = script.vocabulary.room(0)
    _arrive_for(script)
    for name in ("c0", "c1"):
        script.add("join", connection=name, room=room)
    if tab:
        script.add("join", connection=script.arrive("u1"), room=room)
    script.settle()
    speaker = script.speaker_at("c0")
    script.say(own, 0, 1)
    if not meanwhile:
        script.settle()
    script.say(speech, speaker, 0)
    script.add("join", connection="c1", room=room)
    script.settle()
    script.say(speech, speaker, 0)
