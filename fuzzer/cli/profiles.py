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

from ..core.choices import FailOn
from ..core.errors import UsageError

__all__ = ("BUILT_IN", "Profile", "ProfileError", "load_profile")


class ProfileError(UsageError):
    """The settings cannot be used; the message is one line."""


class Profile(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Settings of a run, in the ranges of the command line's options; None where nothing is said.

    ``seed`` may be ``"fresh"``: one no campaign has had yet.
    """

    targets: list[str] | None = None
    results: str | None = None
    budget: str | None = None
    max_executions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] | Literal["fresh"] | None = None
    users: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None
    schedules: Annotated[int, msgspec.Meta(ge=1)] | None = None
    promises: list[str] | None = None
    strategies: list[str] | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=512)] | None = None
    cluster: str | None = None
    fail_on: FailOn | None = None
    junit: str | None = None
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


def _table(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            try:
                data = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ProfileError(f"{path}: cannot be read: {error}") from None
            table = data.get("tool", {}).get("crosswire")
            if table is not None:
                return path, dict(table)
    return None, {}


def _convert(table: Any, where: str) -> Profile:
    try:
        return msgspec.convert(table, Profile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{where}: {error}") from None
