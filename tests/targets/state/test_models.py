"""SQLAlchemy's models are configured before executions begin, where that can be done."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from crosswire.fuzzer.engine.models import configure_models

orm = pytest.importorskip("sqlalchemy.orm")

MODELS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Room(Base):
    __tablename__ = "rooms"
    id: Mapped[int] = mapped_column(primary_key=True)
    seats: Mapped[list["Seat"]] = relationship()

def complete():
    class Seat(Base):
        __tablename__ = "seats"
        id: Mapped[int] = mapped_column(primary_key=True)
        room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"))
    return Seat
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "rooms_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("rooms_models")
    yield module
    module.Base.registry.dispose()
    del sys.modules["rooms_models"]


def test_models_are_configured_ahead(models: ModuleType) -> None:
    models.complete()
    assert not models.Room.__mapper__.configured
    configure_models()
    assert models.Room.__mapper__.configured


def test_models_that_are_not_complete_yet_are_left_to_the_target(models: ModuleType) -> None:
    configure_models()
    models.complete()
    orm.configure_mappers()  # raises what it raised before, where it was tried too early
    assert models.Room.__mapper__.configured


def test_models_that_cannot_be_configured_fail_where_they_are_used(models: ModuleType) -> None:
    configure_models()
    with pytest.raises(Exception, match="'Seat'"):
        orm.configure_mappers()
