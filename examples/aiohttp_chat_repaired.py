"""The chat of `aiohttp_chat`, repaired: writes go out side by side, and each failure is its own client's affair."""

import asyncio

from aiohttp import WSMsgType, web

Members = dict[web.WebSocketResponse, str]
MEMBERS = web.AppKey("members", Members)


async def send(member: web.WebSocketResponse, message: dict[str, str]) -> None:
    """Send to one member, or to nobody where the member has left; what waits for it then fails, too."""
    try:
        await member.send_json(message)
    except ConnectionError:
        return  # its own handler hears so too


async def chat(request: web.Request) -> web.WebSocketResponse:
    """Log a client in, then pass on what it says."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    members = request.app[MEMBERS]
    login = await websocket.receive()
    if login.type is not WSMsgType.TEXT:
        return websocket
    user = login.json()["login"]
    members[websocket] = user
    try:
        await send(websocket, {"type": "welcome", "user": user})
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                said = {"type": "message", "from": user, "text": message.json()["text"]}
                await asyncio.gather(*(send(member, said) for member in list(members)))
    finally:
        del members[websocket]
    return websocket


def create_app() -> web.Application:
    """The application, for ``web.run_app`` or a test."""
    app = web.Application()
    app[MEMBERS] = {}
    app.router.add_get("/ws", chat)
    return app
