"""A chat on aiohttp: users log in with their first message, and the sender's handler writes to everybody in turn.

Needs ``pip install aiohttp``.  Where one of them has just vanished, the write raises in the handler of whoever spoke,
who is hung up on; and who comes later in the loop never gets the message.

    crosswire run 'examples.aiohttp_chat:create_app?wire=examples.wires:aiohttp_chat'
"""

from aiohttp import WSMsgType, web

Members = dict[web.WebSocketResponse, str]
MEMBERS = web.AppKey("members", Members)


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
        await websocket.send_json({"type": "welcome", "user": user})
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                for member in list(members):
                    if not member.closed:
                        await member.send_json({"type": "message", "from": user, "text": message.json()["text"]})
    finally:
        del members[websocket]
    return websocket


def create_app() -> web.Application:
    """The application, for ``web.run_app`` or a test."""
    app = web.Application()
    app[MEMBERS] = {}
    app.router.add_get("/ws", chat)
    return app
