"""Events are made by requests; a connection's handler never asks whether its client is still there."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from crosswire.fuzzer import Http, JsonWire

here: dict[str, WebSocket] = {}


async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    here[websocket.path_params["user"]] = websocket
    while True:
        await asyncio.sleep(1)


async def post(request: Request) -> JSONResponse:
    said = await request.json()
    if said["to"] in here:
        await here[said["to"]].send_json(said)
    return JSONResponse({})


app = Starlette(routes=[WebSocketRoute("/live/{user}", live), Route("/post", post, methods=["POST"])])

posted = JsonWire(path="/live/{user}", to_user=Http("POST", "/post", json={"to": "{to}", "text": "{event}"}))
