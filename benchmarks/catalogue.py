"""An application that takes a while to build, measured by `benchmarks.state`: thirty response models beside a chat."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, WebSocket
from pydantic import create_model

from . import lobby

MODELS = 30

app = FastAPI()


def offer(number: int) -> None:
    """Add an endpoint with a model of its own."""
    fields: dict[str, Any] = {
        "id": (int, ...),
        "name": (str, ""),
        "tags": (list[str], []),
        "prices": (dict[str, float], {}),
    }
    model = create_model(f"Item{number}", **fields)

    @app.get(f"/items/{number}", response_model=list[model], name=f"items{number}")  # type: ignore[valid-type]
    def items(query: str = "", limit: int = 10) -> list[Any]:
        return []


for number in range(MODELS):
    offer(number)


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    """The same chat."""
    await lobby.lobby(websocket, user)
