"""What lines have to do with each other is told from their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosswire.fuzzer.core.source import Line
from crosswire.fuzzer.findings.causes.sharing import NOTHING, access

SOURCE = """
current = None
class Desk:
    def enter(self, client):
        global current
        current = client.user
        tabs = self.tabs.get(client.user)
        tabs.append(client)
        del self.tabs[client.user]
        alone = client.user
        if self.open:
            self.seen += 1
        return self.find(alone)
    async def guarded(self):
        async with self.lock:
            return [tab for tab in sorted(self.tabs)]
def outer():
    room = 1
    def inner():
        return room
    return inner
"""

LINES = {text.strip(): number for number, text in enumerate(SOURCE.splitlines(), 1)}


@pytest.mark.parametrize(
    ("said", "reads", "changes"),
    [
        ("current = client.user", {"user"}, {"current"}),
        ("tabs = self.tabs.get(client.user)", {"tabs", "user"}, set()),
        ("tabs.append(client)", {"tabs"}, {"tabs"}),
        ("del self.tabs[client.user]", {"tabs", "user"}, {"tabs"}),
        ("if self.open:", {"open"}, set()),
        ("self.seen += 1", {"seen"}, {"seen"}),
        ("return self.find(alone)", {"user"}, set()),
        ("async with self.lock:", {"lock"}, set()),
        ("return [tab for tab in sorted(self.tabs)]", {"tabs"}, set()),
        ("room = 1", set(), {"room"}),
        ("return room", {"room"}, set()),
    ],
)
def test_what_a_line_reads_and_changes(tmp_path: Path, said: str, reads: set[str], changes: set[str]) -> None:
    path = tmp_path / "desk.py"
    path.write_text(SOURCE, encoding="utf-8")
    found = access(Line(str(path), LINES[said], ""))
    assert found.reads == reads
    assert found.changes == changes


def test_the_conditions_that_a_line_is_under(tmp_path: Path) -> None:
    path = tmp_path / "desk.py"
    path.write_text(SOURCE, encoding="utf-8")
    assert access(Line(str(path), LINES["self.seen += 1"], "")).under == {LINES["if self.open:"]}
    assert access(Line(str(path), LINES["return self.find(alone)"], "")).under == set()


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "desk.py"
    path.write_text("def (", encoding="utf-8")
    assert access(Line(str(path), 1, "")) is NOTHING
    assert access(Line(str(tmp_path / "gone.py"), 1, "")) is NOTHING
