"""Logins as applications have them: a JWT for a name and a password, a session cookie from a form; messages by POST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import jwt
from fastapi import Cookie, FastAPI, Form, HTTPException, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

SECRET = "0123456789abcdef0123456789abcdef"

app = FastAPI()
passwords: dict[str, str] = {}
sessions: dict[str, str] = {}
peers: dict[str, list[WebSocket]] = {}


class Credentials(BaseModel):
    username: str
    password: str


def fill() -> None:
    """The users there are."""
    passwords.update({f"u{number}": f"token-u{number}" for number in range(5)})


def signed(user: object) -> str:
    """A token for a user."""
    return jwt.encode({"sub": str(user), "exp": datetime.now(UTC) + timedelta(hours=1)}, SECRET, "HS256")


def who(token: str | None, session: str | None) -> str | None:
    if session is not None:
        return sessions.get(session)
    try:
        return str(jwt.decode(token or "", SECRET, ["HS256"])["sub"])
    except jwt.InvalidTokenError:
        return None


@app.post("/auth/login")
async def login(credentials: Credentials) -> dict[str, Any]:
    if passwords.get(credentials.username) != credentials.password:
        raise HTTPException(401, "wrong password")
    return {"data": {"access_token": signed(credentials.username)}}


@app.post("/enter")
async def enter(name: Annotated[str, Form()], secret: Annotated[str, Form()], response: Response) -> dict[str, Any]:
    if passwords.get(name) != secret:
        raise HTTPException(403)
    key = f"s{len(sessions)}"
    sessions[key] = name
    response.set_cookie("session", key, httponly=True)
    return {}


async def tell(to: str, text: str) -> None:
    for peer in list(peers.get(to, ())):
        try:
            await peer.send_json({"type": "message", "to": to, "text": text})
        except (RuntimeError, WebSocketDisconnect):
            continue


@app.post("/notify")
async def notify(
    to: Annotated[str, Form()], text: Annotated[str, Form()], session: Annotated[str | None, Cookie()] = None
) -> dict[str, Any]:
    if session not in sessions:
        raise HTTPException(401)
    await tell(to, text)
    return {}


@app.websocket("/ws")
async def chat(websocket: WebSocket, token: str | None = None, session: Annotated[str | None, Cookie()] = None) -> None:
    user = who(token, session)
    if user is None:
        await websocket.close(1008, "who are you?")
        return
    await websocket.accept()
    peers.setdefault(user, []).append(websocket)
    try:
        await websocket.send_json({"type": "ready", "user": user})
        while True:
            message = await websocket.receive_json()
            await tell(str(message["to"]), message["text"])
    except (RuntimeError, WebSocketDisconnect):
        pass
    finally:
        peers[user].remove(websocket)


numbered = FastAPI()


@numbered.websocket("/ws/{user_id}")
async def numbers(websocket: WebSocket, user_id: int) -> None:
    """Users are numbers, also in what is said of them."""
    await websocket.accept()
    peers.setdefault(str(user_id), []).append(websocket)
    try:
        await websocket.send_json({"type": "ready", "user": user_id})
        while True:
            message = await websocket.receive_json()
            assert isinstance(message["to"], int)
            for peer in list(peers.get(str(message["to"]), ())):
                try:
                    await peer.send_json({"type": "message", "to": message["to"], "text": message["text"]})
                except (RuntimeError, WebSocketDisconnect):
                    continue
    except (RuntimeError, WebSocketDisconnect):
        pass
    finally:
        peers[str(user_id)].remove(websocket)
