"""docs/nothing-found.md shows what the command prints."""

from __future__ import annotations

import re
from pathlib import Path

from .command import crosswire

PAGE = (Path(__file__).parent.parent / "docs" / "nothing-found.md").read_text(encoding="utf-8")


def words(text: str) -> list[str]:
    """The text without its figures, and without what only CPython before 3.12 says."""
    return re.sub(r"\d[\d,.]*", "0", text.replace(", as seen in one execution of 16", "")).split()


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    command, *printed = shown.splitlines()
    (tmp_path / "chat.py").write_text(source.removeprefix("# chat.py\n"))
    done = crosswire(*command.removeprefix("$ crosswire ").split(), cwd=tmp_path, expect=0)
    told = words(done.stderr + done.stdout)
    head, _, result = "\n".join(printed).partition("\n\n")
    for expected in (words(head.splitlines()[0]), words(result)):
        assert any(told[at : at + len(expected)] == expected for at in range(len(told))), (expected, told)
