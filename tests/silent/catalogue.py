"""The correct servers: what each does in its own style, and the one line that declares what it does on purpose."""

from __future__ import annotations

from dataclasses import dataclass, fields

from crosswire.fuzzer import Policy, Target, application
from crosswire.fuzzer.targets.resolve import resolve

from .wires import WIRES

__all__ = ("SERVERS", "Server")


@dataclass(frozen=True, slots=True)
class Server:
    """A module in ``servers``, or an adapter in ``managers``; ``attribute`` is what is served, ``style`` its kind."""

    name: str
    framework: str
    style: str
    attribute: str = "app"
    policy: Policy | None = None
    port: int | None = None

    def target(self) -> Target:
        if self.framework == "manager":
            return resolve(f"tests.silent.managers:{self.attribute}")
        place = f"tests.silent.servers.{self.name}:{self.attribute}"
        return application(place, wire=WIRES[self.name], policy=self.policy, port=self.port)

    @property
    def declared(self) -> str:
        """Its policy, as far as it is not the strict promise, in Python."""
        policy, strict = self.target().traits.policy, Policy()
        said = ((one.name, getattr(policy, one.name)) for one in fields(Policy) if one.name != "rest")
        return ", ".join(f"{name}={value!r}" for name, value in said if value != getattr(strict, name))


SERVERS = {
    server.name: server
    for server in (
        Server("queue_writer", "manager", "queue and writer for each connection", "QueueWriter"),
        Server("actor", "manager", "one task owns the state", "Actor"),
        Server("user_lock", "manager", "a lock for each user, gather", "UserLock"),
        Server("task_group", "manager", "broadcast in a task group", "TaskGroup"),
        Server("copy_and_guard", "manager", "copy of the recipients, each looked up again", "CopyAndGuard"),
        Server("newest_wins", "manager", "one tab, the newest", "NewestWins"),
        Server("mailbox_next", "manager", "mailbox for the next tab", "MailboxNext"),
        Server("mailbox_each", "manager", "mailbox for each tab", "MailboxEach"),
        Server("drop_slow", "manager", "bounded queues, slow readers dropped", "DropSlow"),
        Server("locked_rooms", "manager", "rooms behind a thread's lock", "LockedRooms"),
        Server("fastapi_rooms", "FastAPI", "rooms, joined by frames"),
        Server("starlette_presence", "Starlette", "who is online"),
        Server("fastapi_history", "FastAPI", "the last messages replayed on joining"),
        Server("fastapi_login", "FastAPI", "login by the first message, errors logged"),
        Server("starlette_oldest_wins", "Starlette", "one device, the oldest", policy=Policy(per_user=1)),
        Server("fastapi_agent", "FastAPI", "an agent's runs, streamed"),
        Server("fastapi_sessions", "FastAPI", "sessions that end, a cleaner", policy=Policy(session=3600)),
        Server("starlette_limit", "Starlette", "three connections a user", policy=Policy(per_user=3)),
        Server("fastapi_context", "FastAPI", "context variable, acknowledgements that quote"),
        Server("fastapi_matches", "FastAPI", "pairs for a game, chosen by the server"),
        Server("starlette_moderated", "Starlette", "rooms out of which one is put"),
        Server("websockets_ticker", "websockets", "broadcast(), a ticker", "main", port=8765),
        Server(
            "websockets_resend",
            "websockets",
            "acknowledge and resend",
            "handler",
            Policy(delivery="at least once", kept="next"),
        ),
        Server("websockets_batches", "websockets", "several messages in a frame", "main", port=8766),
        Server("websockets_rate_limit", "websockets", "token bucket", "handler", Policy(rate=(20, 2.0))),
        Server("websockets_heartbeat", "websockets", "heartbeat", "main", Policy(idle=50), port=8767),
        Server("aiohttp_weakset", "aiohttp", "weak set, copies to the sender's tabs", "make_app"),
        Server("aiohttp_typing", "aiohttp", "typing, with timers"),
        Server("aiohttp_newest_wins", "aiohttp", "one line, the newest", "build", Policy(per_user=1, at_limit="close")),
        Server("aiohttp_idle", "aiohttp", "idle connections closed", policy=Policy(idle=600)),
        Server("socketio_direct", "Socket.IO", "a room for each user, session"),
        Server("socketio_rooms", "Socket.IO", "rooms in a namespace"),
        Server("socketio_presence", "Socket.IO", "presence, acknowledgements"),
        Server("socketio_acknowledged", "Socket.IO", "handlers answer by what they return"),
        Server(
            "fastapi_threads",
            "FastAPI",
            "mentions, one log-out for all tabs, few logins",
            policy=Policy(attempts=(8, 60)),
        ),
        Server("quart_broker", "Quart", "broker with subscriptions"),
        Server("litestar_mailroom", "Litestar", "queue for each tab in the application's state"),
    )
}
"""By name."""
