"""How clients speak to the correct applications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crosswire.fuzzer import Action, JsonWire, Login, Presence, Reading, SocketIOWire, Wire
from crosswire.fuzzer.core.handshake import Frame
from crosswire.fuzzer.targets import integer_users

from .servers.socketio_acknowledged import sign

__all__ = ("WIRES",)

READY: Mapping[str, Any] = {"type": "ready"}
TO_USER = {"to": "{to}", "text": "{event}"}
TO_ALL = {"text": "{event}"}
IN_QUERY = "/ws?token={token}"


class Acknowledging(JsonWire):
    """Says of every message that has a number that it came."""

    def read(self, frame: Frame, login: Login) -> Reading:
        reading = super().read(frame, login)
        message = json.loads(frame)
        if message.get("type") != "message":
            return reading
        return replace(reading, answer=json.dumps({"type": "ack", "id": message["id"]}))


ACK = SocketIOWire.ACK

WIRES: dict[str, Wire] = {
    "socketio_acknowledged": SocketIOWire(
        namespace="/lobby",
        auth=None,
        first=[("login", "{token}", "phone")],
        ready=(ACK, {"ok": True}),
        user="id",
        users=integer_users,
        token=sign,
        authenticates=True,
        rooms=["1", "2"],
        join=("join", "{room}"),
        joined=(ACK, {"ok": True}),
        leave=("leave", "{room}"),
        to_room=("say", "{room}", "{event}"),
        to_user=("whisper", "{to}", "{event}"),
        rejected=(ACK, {"ok": False}),
        sender="by",
        actions={"whoami": Action(("whoami",), answer={ACK: {"ok": True}}, user="id")},
    ),
    "fastapi_threads": JsonWire(
        path="/threads/{user}",
        ready={"kind": "hello"},
        user="you",
        to_user=None,
        rooms=["r0", "r1"],
        join={"do": "follow", "thread": "{room}"},
        joined={"kind": "following", "thread": "{room}"},
        leave={"do": "unfollow", "thread": "{room}"},
        to_room={"do": "reply", "thread": "{room}", "text": "{event}"},
        actions={
            "mention": Action(
                {"do": "reply", "thread": "{room}", "mention": "{to}", "text": "{event}"}, audience="user and room"
            ),
            "log out everywhere": Action({"do": "log out everywhere"}),
        },
    ),
    "fastapi_rooms": JsonWire(
        path=IN_QUERY,
        first=[{"type": "join", "room": "{user}"}, {"type": "join", "room": "lobby"}],
        ready={"type": "joined", "room": "lobby"},
        to_user={"type": "say", "room": "{to}", "text": "{event}"},
        to_all={"type": "say", "room": "lobby", "text": "{event}"},
        rooms=["r0", "r1"],
        join={"type": "join", "room": "{room}"},
        joined={"type": "joined"},
        leave={"type": "leave", "room": "{room}"},
        to_room={"type": "say", "room": "{room}", "text": "{event}"},
    ),
    "fastapi_matches": JsonWire(
        path="/play/{user}",
        ready={"type": "hello"},
        to_user=None,
        join={"type": "find"},
        placed={"type": "matched", "game": "{room}"},
        removed={"type": "over", "game": "{room}"},
        leave={"type": "leave"},
        to_room={"type": "move", "text": "{event}"},
    ),
    "starlette_moderated": JsonWire(
        path="/ws?user={user}",
        ready=READY,
        to_user=None,
        rooms=["r0", "r1"],
        join={"type": "join", "room": "{room}"},
        joined={"type": "joined", "room": "{room}"},
        leave={"type": "leave", "room": "{room}"},
        to_room={"type": "say", "room": "{room}", "text": "{event}"},
        removed={"type": "kicked", "room": "{room}"},
        rejected={"type": "denied"},
        actions={
            "kick": Action(
                {"type": "kick", "room": "{room}", "user": "{to}"},
                answer={"type": "done"},
                removes=True,
            )
        },
    ),
    "starlette_presence": JsonWire(
        path="/chat", headers={"X-User": "{user}"}, ready=READY, user="user", to_user=TO_USER
    ),
    "fastapi_history": JsonWire(path="/channel/{user}", ready=READY, user="user", to_user=None, to_all="{event}"),
    "fastapi_login": JsonWire(
        path="/chat",
        first=[{"type": "login", "token": "{token}"}],
        ready=READY,
        refused={"type": "error"},
        user="user",
        authenticates=True,
        recipient="for",
        to_user={"type": "message", **TO_USER},
    ),
    "starlette_oldest_wins": JsonWire(
        path="/device",
        headers={"Authorization": "Bearer {token}"},
        ready=READY,
        refused={"type": "refused"},
        user="user",
        to_user={"to": "{to}", "body": "{event}"},
    ),
    "fastapi_agent": JsonWire(
        path="/agent?token={token}", ready=READY, user="user", to_user=None, ask={"ask": "{event}"}
    ),
    "fastapi_sessions": JsonWire(path="/live?token={token}", ready=READY, user="user", to_user=TO_USER),
    "starlette_limit": JsonWire(
        path="/chat",
        headers={"Cookie": "theme=dark; session={token}"},
        ready=READY,
        refused={"type": "refused"},
        user="user",
        recipient="to",
        to_user=TO_USER,
    ),
    "fastapi_context": JsonWire(
        path="/dm",
        headers={"X-Token": "{token}"},
        ready=READY,
        user="user",
        recipient="to",
        to_user={**TO_USER, "ref": "{connection}"},
    ),
    "websockets_ticker": JsonWire(path="/?user={user}", ready=READY, user="user", to_user=TO_USER, to_all=TO_ALL),
    "websockets_resend": Acknowledging(
        path="/", headers={"X-User": "{user}"}, ready=READY, user="user", to_user={"type": "message", **TO_USER}
    ),
    "websockets_batches": JsonWire(path="/", headers={"Authorization": "Bearer {token}"}, to_user=TO_USER),
    "websockets_rate_limit": JsonWire(path=IN_QUERY, ready=READY, user="user", to_user={**TO_USER, "n": "{event}"}),
    "websockets_heartbeat": JsonWire(
        path="/",
        first=[{"type": "hello", "name": "{user}"}],
        ready=READY,
        user="name",
        ping={"type": "ping"},
        pong={"type": "pong"},
        to_user={"type": "send", **TO_USER},
        to_all={"type": "send", "to": "*", "text": "{event}"},
    ),
    "aiohttp_weakset": JsonWire(path=IN_QUERY, ready=READY, user="user", to_user=TO_USER),
    "aiohttp_typing": JsonWire(
        path="/desk",
        headers={"Cookie": "sid={token}"},
        ready=READY,
        user="user",
        recipient="to",
        to_user={"type": "message", **TO_USER},
    ),
    "aiohttp_newest_wins": JsonWire(
        path="/line", headers={"X-User": "{user}"}, ready=READY, user="user", to_user=TO_USER
    ),
    "aiohttp_idle": JsonWire(path="/peers/{user}", ready=READY, user="user", to_user=TO_USER, to_all=TO_ALL),
    "socketio_direct": SocketIOWire(),
    "socketio_rooms": SocketIOWire(
        first=[("join", {"room": "{user}"}), ("join", {"room": "lobby"})],
        to_user=("say", {"room": "{to}", "text": "{event}"}),
        to_all=("say", {"room": "lobby", "text": "{event}"}),
        rooms=["r0", "r1"],
        join=("join", {"room": "{room}"}),
        joined="joined",
        leave=("leave", {"room": "{room}"}),
        to_room=("say", {"room": "{room}", "text": "{event}"}),
    ),
    "socketio_presence": SocketIOWire(
        first=[("hello", {})],
        online=Presence({"event": "ready"}, users="online", came={"event": "online"}, left={"event": "offline"}),
    ),
    "quart_broker": JsonWire(path=IN_QUERY, ready=READY, user="user", to_user=TO_USER, to_all=TO_ALL),
    "litestar_mailroom": JsonWire(
        path="/mail", headers={"X-User": "{user}"}, ready=READY, user="user", recipient="to", to_user=TO_USER
    ),
}
"""By the name of the application's module."""
