"""The agent of `agent_server`, repaired: who logs in is known to that login alone."""

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from crosswire.models.managers.reference import ReferenceWebSocketManager

STEPS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")


async def validate(token: str) -> str | None:
    """Ask the auth service whose token it is; None for one that is worth nothing."""
    await asyncio.sleep(0.02)
    return token.removeprefix("token-") if token.startswith("token-") else None


class Socket:
    """A connection as the manager wants it: one that is gone says so with `ConnectionError`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send_json(self, data: Any) -> None:
        try:
            await self._websocket.send_json(data)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionError("the client has left") from error

    async def close(self, code: int = 1000) -> None:
        await self._websocket.close(code)


class AgentServer:
    """Logs clients in and runs agents for them; events go to every tab of the user."""

    def __init__(self) -> None:
        self.manager = ReferenceWebSocketManager()

    async def serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        socket = Socket(websocket)
        try:
            user = await validate((await websocket.receive_json())["token"])
            await self.audit()
            if user is None:
                await websocket.send_json({"type": "error", "reason": "bad token"})
                await websocket.close(4401)
                return
            await websocket.send_json({"type": "ready", "user": user})
        except WebSocketDisconnect:
            return
        await self.manager.connect_user(user, socket)
        try:
            while True:
                await self.run(user, (await websocket.receive_json())["ask"])
        except WebSocketDisconnect:
            await self.manager.disconnect_user(user, socket)

    async def audit(self) -> None:
        """Write the login into the audit log."""
        await asyncio.sleep(0.02)

    async def run(self, user: str, question: str) -> None:
        """One run of the agent."""
        for step in STEPS:
            await self.manager.emit_critical_event(user, step, {"question": question})
            await asyncio.sleep(0.01)


server = AgentServer()
app = Starlette(routes=[WebSocketRoute("/agent", server.serve)])
