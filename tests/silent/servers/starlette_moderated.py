"""Rooms that anybody may moderate: who is put out hears nothing more, and may not come back."""

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

members: dict[str, set["Seat"]] = {}
banned: set[tuple[str, str]] = set()


class Seat:
    def __init__(self, ws, user):
        self.ws, self.user = ws, user
        self.outbox = asyncio.Queue()

    async def write(self):
        try:
            while True:
                await self.ws.send_json(await self.outbox.get())
        except (WebSocketDisconnect, RuntimeError):
            pass

    def handle(self, said):
        room = said["room"]
        match said["type"]:
            case "join" if (room, self.user) in banned:
                self.outbox.put_nowait({"type": "denied", "room": room})
            case "join":
                members.setdefault(room, set()).add(self)
                self.outbox.put_nowait({"type": "joined", "room": room})
            case "leave":
                members.get(room, set()).discard(self)
                self.outbox.put_nowait({"type": "left", "room": room})
            case "kick":
                banned.add((room, said["user"]))
                for seat in [one for one in members.get(room, ()) if one.user == said["user"]]:
                    members[room].discard(seat)
                    seat.outbox.put_nowait({"type": "kicked", "room": room})
                self.outbox.put_nowait({"type": "done", "room": room, "user": said["user"]})
            case "say" if self in members.get(room, ()):
                for seat in members[room]:
                    seat.outbox.put_nowait({"type": "said", "room": room, "from": self.user, "text": said["text"]})
            case _:
                self.outbox.put_nowait({"type": "denied", "room": room})


async def endpoint(ws: WebSocket):
    await ws.accept()
    seat = Seat(ws, ws.query_params["user"])
    writer = asyncio.create_task(seat.write())
    seat.outbox.put_nowait({"type": "ready"})
    try:
        while True:
            seat.handle(await ws.receive_json())
    except WebSocketDisconnect:
        pass
    finally:
        for seats in members.values():
            seats.discard(seat)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
