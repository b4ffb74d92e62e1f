"""A front desk that answers a guest's check-in to whichever of the guest's lines is the newest by then."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

lines: dict[str, WebSocket] = {}


async def desk(socket: WebSocket) -> None:
    """Check a guest in, and listen."""
    await socket.accept()
    user = socket.path_params["user"]
    try:
        async for said in socket.iter_json():
            if said["do"] == "check in":
                lines[user] = socket
                await asyncio.sleep(0.01)  # the key is fetched
                await lines[user].send_json({"key": 7})
            elif said["to"] in lines:
                await lines[said["to"]].send_json(said)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        if lines.get(user) is socket:
            del lines[user]


app = Starlette(routes=[WebSocketRoute("/desk/{user}", desk)])
