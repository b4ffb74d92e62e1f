"""An assistant that streams its answer: `ask` starts a run whose events go, in order, to the tabs open at that time.

A run belongs to the user, not to the tab that asked: it goes on while one of those tabs is left, and is
cancelled when the last of them has gone.
"""

import asyncio
import itertools
import json
import logging
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

logger = logging.getLogger("agent")

tabs: dict[str, list["Tab"]] = {}
runs: dict[int, asyncio.Task] = {}
numbers = itertools.count(1)


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    tasks = list(runs.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


app = FastAPI(lifespan=lifespan)


class Tab:
    def __init__(self, websocket: WebSocket):
        self.websocket = websocket
        self.outbox: asyncio.Queue[dict] = asyncio.Queue()
        self.open = True

    async def write(self):
        try:
            while True:
                await self.websocket.send_text(json.dumps(await self.outbox.get()))
        except (WebSocketDisconnect, RuntimeError, OSError) as exc:
            logger.info("tab: %r", exc)


async def model(question: str):
    """The language model, a word at a time. It does not repeat the question."""
    for word in f"That is a question of {len(question)} letters .".split():
        await asyncio.sleep(0.01)
        yield word


async def run_agent(number: int, question: str, audience: list[Tab]):
    def tell(kind: str, **more):
        audience[:] = [tab for tab in audience if tab.open]
        for tab in audience:
            tab.outbox.put_nowait({"type": kind, "run": number, **more})

    try:
        tell("agent_started", question=question)
        tell("agent_thinking", question=question)
        await asyncio.sleep(0.01)
        tell("tool_executing", question=question, tool="search")
        await asyncio.sleep(0.02)
        tell("tool_completed", question=question, tool="search")
        index = 0
        async for word in model(question):
            if not audience:
                logger.info("run %s: nobody is listening", number)
                return
            tell("token", index=index, word=word)
            index += 1
        tell("agent_completed", question=question, tokens=index)
    except Exception:
        logger.exception("run %s", number)
        tell("agent_failed")
    finally:
        runs.pop(number, None)


@app.websocket("/agent")
async def agent(websocket: WebSocket, token: str = ""):
    user = token.removeprefix("token-")
    if not user or user == token:
        await websocket.close(4401)
        return
    await websocket.accept()
    tab = Tab(websocket)
    tabs.setdefault(user, []).append(tab)
    tab.outbox.put_nowait({"type": "ready", "user": user})
    writer = asyncio.create_task(tab.write())
    try:
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                break
            try:
                question = json.loads(event.get("text") or "")["ask"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if isinstance(question, str):
                number = next(numbers)
                runs[number] = asyncio.create_task(run_agent(number, question, list(tabs[user])))
    finally:
        tab.open = False
        tabs[user].remove(tab)
        if not tabs[user]:
            del tabs[user]
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
