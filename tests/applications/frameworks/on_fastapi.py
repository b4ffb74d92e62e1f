"""FastAPI: a route behind an included router, with dependencies; users are numbers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, WebSocket, WebSocketDisconnect

peers: list[WebSocket] = []


def known(user_id: int) -> int:
    return user_id


async def registered(user_id: Annotated[int, Depends(known)]) -> str:
    return f"user {user_id}"


router = APIRouter(prefix="/live")


@router.websocket("/{user_id}")
async def chat(websocket: WebSocket, name: Annotated[str, Depends(registered)]) -> None:
    await websocket.accept()
    peers.append(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for peer in list(peers):
                try:
                    await peer.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    continue
    except WebSocketDisconnect:
        pass
    finally:
        peers.remove(websocket)


app = FastAPI()
app.include_router(router, prefix="/api")
