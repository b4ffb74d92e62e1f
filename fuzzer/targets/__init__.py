"""Targets: the adapter protocol and the fake websockets of manager-level targets."""

from .adapter import Adapter, Client, Event, Limits, Target
from .websocket import FakeWebSocket, PeerGoneError

__all__ = ("Adapter", "Client", "Event", "FakeWebSocket", "Limits", "PeerGoneError", "Target")
