"""SQLAlchemy's asyncio extension over aiosqlite: an engine at import, a session for each message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .keeping import serve


class Base(DeclarativeBase):
    """The tables."""


class Said(Base):
    __tablename__ = "said"
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


engine = create_async_engine("sqlite+aiosqlite:///chat.db")
sessions = async_sessionmaker(engine)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def keep(text: str) -> int:
    async with sessions.begin() as session:
        said = Said(text="")
        session.add(said)
        await session.flush()
        said.text = text  # a row that is changed, by the name of its column
    async with sessions() as session:
        return await session.scalar(select(func.count()).where(Said.text == text)) or 0


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    await serve(websocket, keep)
