"""Simulated clients: connections that live outside the loop, over bytes or straight into an ASGI application."""

from .asgi import AsgiLink
from .link import Link, Peer
from .websocket import WebSocketLink

__all__ = ("AsgiLink", "Link", "Peer", "WebSocketLink")
