"""Servers that answer who asks, and tell nobody else: a stream of words, on the connection that was asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from crosswire.fuzzer import Action, JsonWire

ASKS = {"ask": Action({"prompt": "{event}"}, audience="sender")}

wire = JsonWire(path="/ask?token={token}", to_user=None, actions=ASKS)

app, shared, one_at_a_time, deaf, forgetful = FastAPI(), FastAPI(), FastAPI(), FastAPI(), FastAPI()


async def words(prompt: str) -> list[str]:
    await asyncio.sleep(0.02)
    return ["you", "said", prompt.upper()]


async def answer(ws: WebSocket, prompt: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        for word in await words(prompt):
            await ws.send_json({"word": word})


@app.websocket("/ask")
async def ask(ws: WebSocket) -> None:
    """Each question is a task; who leaves cancels what is still to be said."""
    await ws.accept()
    async with asyncio.TaskGroup() as group:
        tasks = []
        try:
            while True:
                tasks.append(group.create_task(answer(ws, (await ws.receive_json())["prompt"])))
        except WebSocketDisconnect:
            for task in tasks:
                task.cancel()


asking: list[WebSocket] = []


@shared.websocket("/ask")
async def ask_through_what_is_shared(ws: WebSocket) -> None:
    """Who asked last is remembered for all."""
    await ws.accept()
    try:
        while True:
            prompt = (await ws.receive_json())["prompt"]
            asking[:] = [ws]
            said = await words(prompt)
            for word in said:
                await answer_to(asking[0], word)
    except WebSocketDisconnect:
        pass


async def answer_to(ws: WebSocket, word: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await ws.send_json({"word": word})


busy: list[str] = []


@one_at_a_time.websocket("/ask")
async def ask_unless_busy(ws: WebSocket) -> None:
    """Who asks while somebody else is answered is not."""
    await ws.accept()
    try:
        while True:
            prompt = (await ws.receive_json())["prompt"]
            if busy:
                continue
            busy.append(prompt)
            await answer(ws, prompt)
            busy.clear()
    except WebSocketDisconnect:
        pass


@deaf.websocket("/ask")
async def ask_in_vain(ws: WebSocket) -> None:
    await ws.accept()
    try:
        while True:
            await ws.receive_json()
    except WebSocketDisconnect:
        pass


@forgetful.websocket("/ask")
async def answer_every_other(ws: WebSocket) -> None:
    await ws.accept()
    answers = True
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            prompt = (await ws.receive_json())["prompt"]
            if answers:
                await answer(ws, prompt)
            answers = not answers
