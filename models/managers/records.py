"""What the managers keep of a connection and of the user behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ("ConnectionRecord", "Message", "UserContext", "WebSocket")

Message = dict[str, Any]


class WebSocket(Protocol):
    """The part of a server's websocket that the managers use."""

    async def send_json(self, data: Any) -> None:
        """Send; may suspend, raises `ConnectionError` once the peer is gone."""

    async def close(self, code: int = 1000) -> None:
        """Close from this side."""


@dataclass(slots=True)
class ConnectionRecord:
    """One connection; ``connected_at`` in seconds since 1970."""

    connection_id: str
    user_id: str
    websocket: WebSocket
    connected_at: float = field(default_factory=time.time)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UserContext:
    """On whose behalf a request runs; older clients name their connection in ``websocket_client_id``."""

    user_id: str
    thread_id: str
    run_id: str
    request_id: str
    websocket_connection_id: str | None = None
    websocket_client_id: str | None = None
