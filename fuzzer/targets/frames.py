"""What a frame says of the events in it: their ids, and whose the object around each id says it is.

An id is text that a driver made; which texts those are, the driver knows (``made``).  Everything else that looks like
one is the target's own affair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.handshake import Frame
from ..core.history import Content, EventId, Mention
from ..core.jsons import read_json
from ..core.program import CRITICAL_EVENTS

__all__ = ("FIELDS", "MARKER", "Fields", "Said", "carries_any", "in_objects", "in_payload", "markers")

MARKER = re.compile(r"cw-(e\d+)", re.IGNORECASE)
MARKER_IN_BYTES = re.compile(rb"cw-(e\d+)", re.IGNORECASE)
"""In capitals, too: some applications change what is said."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of the fields that say whose an event is; of several, the first that is there."""

    sender: tuple[str, ...] = ("from", "sender", "from_user", "author")
    recipient: tuple[str, ...] = ("to", "recipient", "to_user")
    room: tuple[str, ...] = ("room", "room_id", "channel")
    run: tuple[str, ...] = ("run_id",)
    user: Callable[[Any], str | None] | None = None
    """The user whom the application calls so; None: they are called as they are here."""


FIELDS = Fields()


@dataclass(slots=True)
class Said:
    """An object in a frame that has an event among its texts: the step of an agent's run that it or one around it
    names, and its fields."""

    step: str = ""
    sender: str | None = None
    recipient: str | None = None
    room: str | None = None
    run: str | None = None


def _step(texts: Sequence[str]) -> str:
    """The step of an agent's run that one of several texts names; "" where none does."""
    for name in CRITICAL_EVENTS:
        for text in texts:
            if name in text:
                return name
    return ""


def _first(
    data: Mapping[str, Any], names: tuple[str, ...], meant: Callable[[Any], str | None] | None = None
) -> str | None:
    for name in names:
        if name in data:
            value = data[name]
            if value is not None and meant is not None:
                value = meant(value)
            if isinstance(value, str):
                return value
    return None


def in_objects(data: Any, fields: Fields = FIELDS) -> dict[str, Said]:
    """The events in JSON-able data, as in the markers, each with the outermost object that it is a text of."""
    found: dict[str, Said] = {}
    _collect(data, fields, "", found)
    return found


def _collect(data: Any, fields: Fields, step: str, found: dict[str, Said]) -> None:
    if isinstance(data, dict) or isinstance(data, Mapping):  # noqa: SIM101 - most are dicts, and the other asks an ABC
        texts = [value for value in data.values() if isinstance(value, str)]
        step = _step(texts) or step
        said: Said | None = None
        for text in texts:
            if "cw-e" in text.lower():
                if said is None:
                    said = Said(
                        step,
                        _first(data, fields.sender, fields.user),
                        _first(data, fields.recipient, fields.user),
                        _first(data, fields.room),
                        _first(data, fields.run),
                    )
                _note(text, said, found)
        if len(texts) < len(data):
            for value in data.values():
                if not isinstance(value, str):
                    _collect(value, fields, step, found)
    elif isinstance(data, str):
        _note(data, Said(step), found)
    elif isinstance(data, list | tuple):
        for value in data:
            _collect(value, fields, step, found)


def _note(text: str, said: Said, found: dict[str, Said]) -> None:
    for event in MARKER.findall(text):
        found.setdefault(f"{event.lower()}.{said.step}" if said.step else event.lower(), said)


def carries_any(frame: Frame) -> bool:
    """Whether there may be a marker in a frame."""
    return ("cw-e" in frame.lower()) if isinstance(frame, str) else (b"cw-e" in frame.lower())


def markers(frame: Frame) -> tuple[str, ...]:
    """The events a frame carries, wherever in it; an agent's event is told by its name beside the marker."""
    if not carries_any(frame):
        return ()
    if isinstance(frame, str):
        found: Iterable[str] = MARKER.findall(frame)
        text = frame
    else:
        found = (match.decode() for match in MARKER_IN_BYTES.findall(frame))
        text = frame.decode("utf-8", "replace")
    events = tuple(dict.fromkeys(map(str.lower, found)))
    step = next((name for name in CRITICAL_EVENTS if name in text), None)
    return tuple(f"{event}.{step}" for event in events) if step is not None else events


def in_payload(frame: Any, made: Mapping[str, EventId]) -> Content:
    """What a frame of a manager says: events are told by the ``event_id`` of their payload, wherever that is."""
    mentions: dict[EventId, Mention] = {}
    data = frame
    if isinstance(frame, str | bytes):
        try:
            data = (
                read_json(frame) if ("event_id" in frame if isinstance(frame, str) else b"event_id" in frame) else None
            )
        except ValueError:
            data = None
    _payloads(data, made, mentions)
    if mentions:
        return Content(tuple(mentions.values()))
    kind = frame.get("type") if isinstance(frame, dict) else None
    return Content(kind=kind if isinstance(kind, str) else type(frame).__name__)


def _named(frame: str | bytes) -> bool:
    return "event_id" in frame if isinstance(frame, str) else b"event_id" in frame


def _payloads(data: Any, made: Mapping[str, EventId], mentions: dict[EventId, Mention]) -> None:
    if isinstance(data, dict):
        text = data.get("event_id")
        event = made.get(text) if isinstance(text, str) else None
        if event is not None:
            said = data.get("text")
            mentions.setdefault(
                event,
                Mention(
                    event,
                    _first(data, FIELDS.sender),
                    _first(data, FIELDS.recipient),
                    _first(data, FIELDS.room),
                    _first(data, FIELDS.run),
                    said if isinstance(said, str) else None,
                ),
            )
            return  # what it quotes of other events arrives with it
        data = data.values()
    elif isinstance(data, str) and '"event_id"' in data:
        try:
            data = (read_json(data),)
        except ValueError:
            return
    elif not isinstance(data, list | tuple):
        return
    for part in data:
        if isinstance(part, dict | list | tuple | str):
            _payloads(part, made, mentions)
