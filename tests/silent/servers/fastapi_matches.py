"""Whoever asks for a game is paired with the next who does; a game ends when either leaves it."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


@dataclass(eq=False)
class Player:
    ws: WebSocket
    name: str
    game: str | None = None
    outbox: asyncio.Queue = field(default_factory=asyncio.Queue)

    def tell(self, kind, **said):
        self.outbox.put_nowait({"type": kind, **said})

    async def write(self):
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self.ws.send_json(await self.outbox.get())


class Lobby:
    def __init__(self):
        self.waiting: list[Player] = []
        self.games: dict[str, list[Player]] = {}
        self.numbers = itertools.count(100)

    def find(self, player):
        if player.game is not None or player in self.waiting:
            return
        if not self.waiting:
            self.waiting.append(player)
            player.tell("waiting")
            return
        other = self.waiting.pop(0)
        game = f"g{next(self.numbers)}"
        self.games[game] = [other, player]
        for one in self.games[game]:
            one.game = game
            one.tell("matched", game=game)

    def move(self, player, text):
        if player.game is None:
            player.tell("error", reason="in no game")
            return
        for one in self.games[player.game]:
            if one is not player:
                one.tell("move", by=player.name, text=text)

    def leave(self, player):
        if player in self.waiting:
            self.waiting.remove(player)
        if player.game is not None:
            game = player.game
            for one in self.games.pop(game):
                one.game = None
                one.tell("over", game=game)


lobby = Lobby()


@app.websocket("/play/{name}")
async def play(ws: WebSocket, name: str):
    await ws.accept()
    player = Player(ws, name)
    writer = asyncio.create_task(player.write())
    player.tell("hello")
    try:
        while True:
            said = await ws.receive_json()
            if said["type"] == "find":
                lobby.find(player)
            elif said["type"] == "move":
                lobby.move(player, said["text"])
            elif said["type"] == "leave":
                lobby.leave(player)
    except WebSocketDisconnect:
        pass
    finally:
        lobby.leave(player)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
