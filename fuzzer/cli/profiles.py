"""Profiles: named settings for runs, kept in ``pyproject.toml``.

    [tool.crosswire]
    targets = ["mychat:Chat"]

    [tool.crosswire.profiles.nightly]
    budget = "2h"
    fail-on = "new"

What the command line says goes before the profile, the profile before ``[tool.crosswire]``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..core.choices import MOST, MOST_SCHEDULES, FailOn
from ..core.errors import UsageError
from ..core.text import cut, plain

__all__ = ("BUILT_IN", "Profile", "ProfileError", "listed_targets", "load_profile")


Named = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""A name or a path: one line."""

LARGEST = 1 << 20
"""Bytes of a ``pyproject.toml`` that is read at all."""


class ProfileError(UsageError):
    """The settings cannot be used; the message is one line."""


class Profile(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Settings of a run, in the ranges of the command line's options; None where nothing is said.

    ``seed`` may be ``"fresh"``: one no campaign has had yet.
    """

    targets: list[Named] | None = None
    results: Named | None = None
    budget: str | None = None
    max_executions: Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=MOST)] | Literal["fresh"] | None = None
    users: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None
    schedules: Annotated[int, msgspec.Meta(ge=1, le=MOST_SCHEDULES)] | None = None
    promises: list[str] | None = None
    strategies: list[str] | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=512)] | None = None
    cluster: str | None = None
    fail_on: FailOn | None = None
    junit: Named | None = None
    notify: str | None = None
    confirm: bool | None = None
    cause: bool | None = None
    patience: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] | None = None
    memory: Annotated[int, msgspec.Meta(ge=64, le=1 << 20)] | None = None

    def over(self, other: Profile) -> Profile:
        """These settings, and the other's where nothing is said."""
        mine = msgspec.structs.asdict(self)
        theirs = msgspec.structs.asdict(other)
        return Profile(**{key: value if value is not None else theirs[key] for key, value in mine.items()})


BUILT_IN = {
    "quick": Profile(budget="1m", fail_on="new"),
    "nightly": Profile(budget="30m", seed="fresh", fail_on="new"),
}
"""Profiles there are without saying anything; a table of the same name adds to them."""


def load_profile(name: str | None, folder: Path) -> Profile:
    """The settings of a profile, or the general ones where ``name`` is None; raises `ProfileError`.

    Read from the nearest ``pyproject.toml`` at or above ``folder`` that has a table ``[tool.crosswire]``.
    """
    path, table = _table(folder)
    profiles = table.pop("profiles", {})
    if not isinstance(profiles, dict):
        raise ProfileError(f"{path}: [tool.crosswire.profiles] holds a table for each profile")
    general = _convert(table, f"{path}: [tool.crosswire]")
    if name is None:
        return general
    if name not in profiles and name not in BUILT_IN:
        known = ", ".join(sorted({*profiles, *BUILT_IN}))
        raise ProfileError(
            f"unknown profile {name!r}: there are {known}; add [tool.crosswire.profiles.{name}] to pyproject.toml"
        )
    own = _convert(profiles.get(name, {}), f"{path}: [tool.crosswire.profiles.{name}]")
    return own.over(BUILT_IN.get(name, Profile())).over(general)


def listed_targets(folder: Path) -> list[str]:
    """The targets that the project's settings list, in general and in profiles; raises `ProfileError`."""
    path, table = _table(folder)
    profiles = table.pop("profiles", {})
    settings = [_convert(table, f"{path}: [tool.crosswire]")]
    if isinstance(profiles, dict):
        settings += [_convert(own, f"{path}: [tool.crosswire.profiles.{name}]") for name, own in profiles.items()]
    return [target for setting in settings for target in setting.targets or ()]


def _table(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            try:
                with path.open("rb") as file:
                    text = file.read(LARGEST + 1)
                if len(text) > LARGEST:
                    raise ValueError(f"it has over {LARGEST:,} bytes")
                data = tomllib.loads(text.decode("utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise ProfileError(f"{path}: cannot be read: {error}") from None
            tools = data.get("tool")
            table = tools.get("crosswire") if isinstance(tools, dict) else None
            if table is not None:
                if not isinstance(table, dict):
                    raise ProfileError(f"{path}: [tool.crosswire] is a table of settings")
                return path, dict(table)
    return None, {}


def _convert(table: Any, where: str) -> Profile:
    try:
        return msgspec.convert(table, Profile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{where}: {plain(cut(str(error)))}") from None
