"""The name by which older code imports the unified manager."""

from .unified import UnifiedWebSocketManager

__all__ = ("WebSocketConnectionManager",)

WebSocketConnectionManager = UnifiedWebSocketManager
