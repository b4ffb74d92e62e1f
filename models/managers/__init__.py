"""The seven WebSocket managers of one chat product as they grew, and two that keep their promises."""

from .connection_manager import WebSocketConnectionManager
from .degraded import DegradedWebSocketManager
from .emergency import EmergencyWebSocketManager
from .factory import WebSocketManagerFactory
from .isolated import IsolatedWebSocketManager
from .outbox import OutboxWebSocketManager
from .reference import ReferenceWebSocketManager
from .singleton import WebSocketManagerAdapter
from .unified import UnifiedWebSocketManager

__all__ = (
    "DegradedWebSocketManager",
    "EmergencyWebSocketManager",
    "IsolatedWebSocketManager",
    "OutboxWebSocketManager",
    "ReferenceWebSocketManager",
    "UnifiedWebSocketManager",
    "WebSocketConnectionManager",
    "WebSocketManagerAdapter",
    "WebSocketManagerFactory",
)
