"""What a round's outcome depends on besides the plan: the Python, the Crosswire and the target that run it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ..targets.places import module_and_name

__all__ = ("Versions", "versions_here")

OURS = ("crosswire.fuzzer", "crosswire.models", "crosswire.strategies")

DIGITS = 8
"""Hexadecimal digits of a digest that are shown: it tells versions apart, nothing hangs on it."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of a process that runs rounds, each in words."""

    python: str
    crosswire: str
    target: str

    def unlike(self, other: Versions) -> list[str]:
        """Return what differs, in words: ``Python CPython 3.12.1, here CPython 3.11.7``."""
        pairs = (
            ("Python", self.python, other.python),
            ("Crosswire", self.crosswire, other.crosswire),
            ("the target's source", self.target, other.target),
        )
        return [f"{what} {theirs}, here {mine}" for what, theirs, mine in pairs if theirs != mine]


def versions_here(target: str) -> Versions:
    """The versions of this process, for a target it has taken up: the source is that of its outermost package."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    module, named = module_and_name(target.partition("?")[0])
    source = module.partition(".")[0] if named else OURS[1]  # else it is one of the managers that come with Crosswire
    return Versions(python, _crosswire(), _digest(_sources(source)))


@cache
def _crosswire() -> str:
    try:
        number = version("crosswire")
    except PackageNotFoundError:
        number = "uninstalled"
    return f"{number} ({_digest(source for name in OURS for source in _sources(name))})"


def _sources(module: str) -> list[tuple[str, Path]]:
    """The Python files of a module, or of a package: how each is called inside it, and where it is."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if folders:
        found = ((path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py"))
        return sorted(found)
    return [(module, Path(spec.origin))] if spec.origin is not None else []


def _digest(sources: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in sources:
        try:
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
        except OSError:
            continue
    return digest.hexdigest()[:DIGITS]
