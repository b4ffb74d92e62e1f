"""An application that keeps what is said in a database, measured by `benchmarks.state`: thirty SQLAlchemy models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

MODELS = 29
"""Beside the one that is written to."""


class Base(DeclarativeBase):
    """What all tables are registered with."""


class Entry(Base):
    """What somebody said."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(String(40), index=True)
    text: Mapped[str] = mapped_column(String(400))


def offer(number: int) -> type[Base]:
    """Another table, whose rows belong to an entry."""
    names = {
        "__tablename__": f"notes{number}",
        "__annotations__": {
            "id": Mapped[int],
            "entry_id": Mapped[int],
            "title": Mapped[str],
            "price": Mapped[float | None],
            "entry": Mapped[Entry],
        },
        "id": mapped_column(primary_key=True),
        "entry_id": mapped_column(ForeignKey("entries.id")),
        "title": mapped_column(String(80), default=""),
        "price": mapped_column(default=None),
        "entry": relationship(Entry),
    }
    return type(f"Note{number}", (Base,), names)


notes = [offer(number) for number in range(MODELS)]
engine = create_async_engine("sqlite+aiosqlite:///ledger.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)
here: dict[WebSocket, str] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the table that is written to."""
    async with engine.begin() as connection:
        await connection.run_sync(Entry.__table__.create, checkfirst=True)  # type: ignore[attr-defined]
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def enter(session: AsyncSession, user: str, text: str) -> int:
    """Write an entry; how many the user has."""
    session.add(Entry(user=user, text=text))
    await session.commit()
    found = await session.execute(select(func.count()).select_from(Entry).where(Entry.user == user))
    return found.scalar_one()


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    """Tell everybody what anybody says, once it is written."""
    await websocket.accept()
    here[websocket] = user
    try:
        while True:
            text = await websocket.receive_text()
            async with sessions() as session:
                await enter(session, user, text)
            for other in list(here):
                try:
                    await other.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    continue
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        del here[websocket]
