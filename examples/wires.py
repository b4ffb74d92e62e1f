"""How clients speak to the examples: for each application and its repaired twin, one wire."""

from crosswire.fuzzer.targets import JsonWire, SocketIOWire

__all__ = ("agent", "aiohttp_chat", "fastapi_chat", "socketio_rooms", "websockets_chat")

fastapi_chat = JsonWire(path="/ws/{user}", to_user=None, to_all="{event}")
"""The path says who a client is; every text is for everybody."""

websockets_chat = JsonWire(path="/ws/{user}", to_user={"to": "{to}", "text": "{event}"})
"""The path says who a client is; a message says whom it is for."""

aiohttp_chat = JsonWire(
    path="/ws",
    first=[{"login": "{user}"}],
    ready={"type": "welcome"},
    user="user",
    to_user=None,
    to_all={"text": "{event}"},
)
"""The first message logs in, and is answered."""

socketio_rooms = SocketIOWire(to_user=("message", {"to": "{to}", "text": "{event}"}))
"""The token goes with the connect packet; what ``wire=socketio`` stands for too."""

agent = JsonWire(
    path="/agent",
    first=[{"token": "{token}"}],
    ready={"type": "ready"},
    refused={"type": "error"},
    user="user",
    to_user=None,
    ask={"ask": "{event}"},
    authenticates=True,
)
"""The first message carries the token, good or bad; a run answers with the five events of an agent."""
