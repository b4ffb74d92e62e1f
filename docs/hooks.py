"""What `make docs` does besides rendering: reference tables from the code, and pages for what docs/ links to outside.

Pages are written to be read in the repository too, so they link to files beside docs/ (an example, a test). In the
site these links lead to copies; a link to what is not there fails the build.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "build" / "docs-sources"
LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(\))")
MARK = re.compile(r"^<!-- (commands|profile keys|tables) -->$", re.MULTILINE)
REMARK = re.compile(r"^<!-- (?:not run here|file|needs): .*? -->\n", re.MULTILINE | re.DOTALL)

linked: dict[str, Any] = {}
"""Files outside docs/ that pages link to, by their path in the repository."""


@event_priority(100)  # before mkdocstrings reads its own
def on_config(config: Any) -> Any:
    """Have the packages importable as they are installed, and tell mkdocstrings where they are."""
    package = SOURCES / "crosswire"
    package.mkdir(parents=True, exist_ok=True)
    for room in ("fuzzer", "models", "strategies"):
        place = package / room
        if not place.is_symlink():
            place.symlink_to(ROOT / room, target_is_directory=True)
    sys.path.insert(0, str(SOURCES))
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(SOURCES)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what pages link to outside docs/: Markdown as pages, anything else as it is, folders as lists."""
    from mkdocs.structure.files import File, InclusionLevel

    def made(uri: str, content: str | bytes) -> Any:
        return File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV)

    linked.clear()
    waiting = [(f"docs/{page.src_uri}", page.content_string) for page in files.documentation_pages()]
    while waiting:
        place, text = waiting.pop()
        for match in LINK.finditer(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), match[2]))
            there = ROOT / path
            if path.startswith(("docs/", "..")) or path in linked or not there.exists():
                continue
            if there.is_dir():
                names = sorted(child.name for child in there.iterdir() if not child.name.startswith((".", "_")))
                content = f"# {path}\n\n" + "".join(f"- {name}\n" for name in names)
                linked[path] = made(f"repository/{path}/contents.md", content)
            elif there.suffix == ".md":
                content = there.read_text(encoding="utf-8")
                linked[path] = made(f"repository/{path}", content)
                waiting.append((path, content))
            else:
                linked[path] = made(f"repository/{path}.txt", there.read_bytes())
            files.append(linked[path])
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    uri = page.file.src_uri
    place = uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"

    def moved(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), match[2]))
        if path in linked:
            goal = linked[path].src_uri
        elif path.startswith("docs/"):
            goal = path.removeprefix("docs/")
        else:
            return match[0]
        return f"{match[1]}{posixpath.relpath(goal, posixpath.dirname(uri) or '.')}{match[3] or ''}{match[4]}"

    text = LINK.sub(moved, REMARK.sub("", markdown))
    return MARK.sub(lambda match: TABLES[match[1]](), text)


def commands() -> str:
    """What each command says when it is asked for help."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from crosswire.fuzzer.cli.main import app

    parts = []

    def tell(command: Any, words: list[str]) -> None:
        for name, child in sorted(getattr(command, "commands", {}).items()):
            tell(child, [*words, name])
        if not hasattr(command, "commands"):
            said = CliRunner().invoke(app, [*words, "--help"], prog_name="crosswire", env={"COLUMNS": "100"}).output
            parts.append(f"## crosswire {' '.join(words)}\n\n```text\n{said.strip()}\n```\n")

    tell(get_command(app), [])
    return "\n".join(parts)


def profile_keys() -> str:
    """The keys of a profile with the values that are taken, from the type that reads them."""
    import msgspec

    from crosswire.fuzzer.cli.profiles import BUILT_IN, Profile

    rows = [
        f"| `{field.encode_name}` | {_values(msgspec.inspect.type_info(field.type))} |"
        for field in msgspec.structs.fields(Profile)
    ]
    built_in = [
        f"| `{name}` | "
        + ", ".join(f"`{key} = {value!r}`" for key, value in msgspec.to_builtins(profile).items() if value is not None)
        + " |"
        for name, profile in BUILT_IN.items()
    ]
    return (
        "| key | value |\n| --- | --- |\n"
        + "\n".join(rows)
        + "\n\nBuilt in, and added to by a table of the same name:\n\n| profile | sets |\n| --- | --- |\n"
        + "\n".join(built_in)
        + "\n"
    )


def _values(kind: Any) -> str:
    name = type(kind).__name__
    if name == "UnionType":
        return " or ".join(_values(one) for one in kind.types if type(one).__name__ != "NoneType")
    if name == "LiteralType":
        return ", ".join(f'`"{value}"`' for value in kind.values)
    if name == "ListType":
        return f"list of {_values(kind.item_type)}s"
    word = {"StrType": "text", "IntType": "number", "FloatType": "number", "BoolType": "`true` or `false`"}[name]
    low, high = getattr(kind, "ge", None), getattr(kind, "le", None)
    return f"{word}, {low:,} to {high:,}" if low is not None and high is not None else word


def tables() -> str:
    """The store's tables with their columns, from a database made by the migrations."""
    import sqlite3

    from crosswire.fuzzer.store.schema import TABLES as names
    from crosswire.fuzzer.store.schema import migrate

    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database)
    parts = []
    for table in names:
        rows = [
            f"| `{name}` | {kind.lower()} | {'key' if key else ''} |"
            for _, name, kind, _, _, key in database.execute(f"PRAGMA table_info({table})")
        ]
        parts.append(f"### `{table}`\n\n| column | type | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


TABLES = {"commands": commands, "profile keys": profile_keys, "tables": tables}
