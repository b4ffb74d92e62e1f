"""How clients speak to the chats whose routes nobody can read: those behind a server that a coroutine starts."""

from __future__ import annotations

from crosswire.fuzzer import JsonWire

live = JsonWire(path="/live/{user}", to_user=None, to_all="{event}")
rooms = JsonWire(path="/live/rooms/{user}", to_user=None, to_all="{event}")
