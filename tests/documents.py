"""Reads the project's pages as somebody does who follows them: in an empty folder, one code block after the other.

    python -m tests.documents README.md docs/tutorial.md

runs the commands of pages anew and writes what they print into the pages; output that is cut by hand (a
line of ``...``) is left alone.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from typer.main import get_command
from typer.testing import CliRunner

from crosswire.fuzzer.cli.main import app
from crosswire.fuzzer.cli.profiles import load_profile

__all__ = ("PAGES", "ROOT", "Block", "Reader", "blocks", "links", "same")

ROOT = Path(__file__).parent.parent
SAMPLE = Path(__file__).parent / "pages"
"""What readers have already: an application of their own, and modules that belong to it."""

PAGES = (
    ROOT / "README.md",
    *(
        page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "notebooks"
    ),  # executed by nbconvert
)

ALLOWED = frozenset({"cat", "cp", "crosswire", "mkdir", "pytest", "python"})
"""Commands that a page may have its reader run in the folder: what else it shows is not run here."""

BLOCK = re.compile(
    r"(?:^<!-- (?:not run here: (?P<why>.*?)|file: (?P<file>\S+)|needs: (?P<needs>\S+)) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"# ([\w./-]+\.(?:py|toml|yml))\n")
FIGURE = re.compile(r"(?<![\w.])\d[\d,.]*(?=[^\w.]|[smh]?\b(?![\w-])|$)")
IN_PROCESS = frozenset({"managers", "results", "schedule"})
"""Commands that start no process, and need no hash seed."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    ``why`` it cannot be run, where it says so; the ``file`` that it is; one it ``needs``, which the page shows later.
    """

    page: Path
    line: int
    language: str
    text: str
    why: str | None
    file: str | None
    needs: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """The blocks of a page, or of a text that would stand there."""
    text = page.read_text(encoding="utf-8") if text is None else text
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        named = FILE.match(found["text"])
        file = found["file"] or (named[1] if named is not None else None)
        yield Block(page, line, found["language"], found["text"], found["why"], file, found["needs"])


def links(page: Path) -> Iterator[str]:
    """What a page links to, but for other sites."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    yield from (goal for goal in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", goal))


def words(text: str) -> list[str]:
    """A text's words, without its figures, and what only CPython before 3.12 says."""
    text = text.replace(", as seen in one execution of 16", "").replace("─", "").replace("━", "")
    return FIGURE.sub("0", text).split()


def same(shown: str, printed: str) -> str | None:
    """Return what of the output that a page shows was not printed, in the order shown; None where all of it was."""
    told = words(printed)
    at = 0
    for part in re.split(r"^ *\.\.\.$", shown, flags=re.M):
        wanted = words(part)
        for start in range(at, len(told) - len(wanted) + 1):
            if told[start : start + len(wanted)] == wanted:
                at = start + len(wanted)
                break
        else:
            return part.strip()
    return None


class Reader:
    """Follows one page in a folder of its own."""

    def __init__(self, folder: Path, page: Path | None = None) -> None:
        self.folder = folder
        shown = list(blocks(page)) if page is not None else []
        own = {block.file for block in shown}
        hidden = ["__pycache__", *(["chat"] if "chat.py" in own else [])]  # a page's chat.py goes before a package
        shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns(*hidden))
        needed = {block.needs for block in shown}
        for block in shown:
            if block.file in needed:
                self._file(block)
        self._names: dict[str, Any] = {}
        self._commands = folder / ".commands"
        self._commands.mkdir()
        for name, module in {"crosswire": "-m crosswire.fuzzer", "pytest": "-m pytest", "python": ""}.items():
            shim = self._commands / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            shim.chmod(0o755)

    def follow(self, block: Block) -> None:
        """Do what a block says; raises where it does not work, or prints something else than is shown."""
        if block.why is not None:
            if block.language in ("sh", "console"):
                check_commands(block.text)
            return
        self._file(block)
        match block.language:
            case "python":
                self._python(block, block.file)
            case "console":
                for command, shown in sessions(block.text):
                    printed = self.printed(command)
                    missing = same(shown, printed) if shown.strip() else None
                    assert missing is None, f"{block}: {command}\nshows\n{missing}\nand prints\n{printed}"
            case "sh":
                for command in re.sub(r"\\\n", " ", block.text).splitlines():
                    self._shell(command)
            case "toml":
                data = tomllib.loads(block.text)
                (self.folder / "pyproject.toml").write_text(block.text, encoding="utf-8")
                for name in (None, *data.get("tool", {}).get("crosswire", {}).get("profiles", ())):
                    load_profile(name, self.folder)
            case "yaml":
                YAML(typ="safe", pure=True).load(block.text)
            case "json":
                json.loads(block.text)
            case _:
                raise AssertionError(f"{block}: a block of {block.language or 'nothing'} says why it is not run")

    def _file(self, block: Block) -> None:
        """Write the file that a block is, as somebody does who copies it."""
        if block.file is not None and block.why is None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")

    def _python(self, block: Block, name: str | None) -> None:
        source = compile(block.text, str(block), "exec")
        with self._here():
            if name is None:
                exec(source, self._names)
            elif not Path(name).name.startswith("test_"):  # a test is pytest's to run
                runpy.run_path(name)

    @contextmanager
    def _here(self) -> Iterator[None]:
        """Be in the folder, whose modules can be imported and are forgotten afterwards."""
        before, path = set(sys.modules), sys.path[:]
        sys.path.insert(0, str(self.folder))
        try:
            with chdir(self.folder):
                yield
        finally:
            sys.path[:] = path
            for loaded in set(sys.modules) - before:
                file = getattr(sys.modules[loaded], "__file__", None) or ""
                if file.startswith(str(self.folder)):
                    del sys.modules[loaded]

    def printed(self, command: str) -> str:
        """What a command prints, standard error first."""
        arguments = shlex.split(command)
        if arguments[0] == "crosswire" and (arguments[1] in IN_PROCESS or "--help" in arguments):
            with self._here():
                done = CliRunner().invoke(app, arguments[1:], prog_name="crosswire", env={"COLUMNS": "100"})
            assert done.exit_code == 0, done.output
            return done.output
        return self._shell(command)

    def _shell(self, command: str) -> str:
        first = shlex.split(command, comments=True)[:1]
        assert not first or first[0] in ALLOWED, f"{command}: say why it is not run, or allow it"
        environment = {
            **os.environ,
            "PATH": f"{self._commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "COLUMNS": "100",
        }
        done = subprocess.run(
            ["bash", "-e", "-c", command], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600
        )
        told = done.stderr + done.stdout
        assert done.returncode in (0, 1) and "Traceback" not in told, told
        return told


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output shown."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def check_commands(text: str) -> None:
    """Have the command line look at every ``crosswire`` command of a text: it must know the command and its options."""
    group: Any = get_command(app)
    for line in re.findall(r"^(?:\$ )?crosswire .*$", re.sub(r"\\\n", " ", text), re.M):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        for number, word in enumerate(words):
            if word == "crosswire" and (number == 0 or words[number - 1] in ("&&", ";")):
                rest = words[number + 1 :]
                ends = [at for at, one in enumerate(rest) if one in ("&&", "|", ">", "&", ";")]
                rest = rest[: min(ends, default=len(rest))]
                if rest and not {"--help", "--version"} & set(rest):
                    _check(group, rest)


def _check(command: Any, arguments: list[str]) -> None:
    context = command.make_context("crosswire", list(arguments))
    while hasattr(command, "resolve_command"):
        name, command, arguments = command.resolve_command(context, arguments)
        context = command.make_context(name, list(arguments), parent=context)


def main() -> None:
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            reader = Reader(Path(folder) / "page", page)
            for block in blocks(page):
                if block.language != "console" or block.why is not None:
                    reader.follow(block)
                    continue
                told = []
                for command, shown in sessions(block.text):
                    printed = reader.printed(command)
                    cut = re.search(r"^ *\.\.\.$", shown, re.M) or not shown.strip()
                    told.append(f"$ {command}\n{shown if cut else re.sub(r'[ ]+$', '', printed, flags=re.M)}")
                text = text.replace(block.text, "".join(told))
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
