"""What README and docs/ show is what happens: each code block is run, or says why not."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from ruamel.yaml import YAML

from .documents import PAGES, ROOT, Reader, blocks, check_commands, links, same

SHOWING = ("bugs.md", "stress.md")
"""Pages whose output is shown to be read: tests of what they speak of hold it."""

WITH_CODE = [page for page in PAGES if page.name not in SHOWING and any(True for _ in blocks(page))]
LINKING = [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "project", page)
    for block in blocks(page):
        reader.follow(block)


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for goal in links(page):
        path, _, anchor = goal.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), goal
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, goal


def test_what_the_reference_documents_is_there() -> None:
    named = [
        name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert "crosswire.fuzzer.Adapter" in named
    for name in named:
        assert resolve_name(name) is not None


def test_the_site_leads_to_pages_that_there_are() -> None:
    site = YAML(typ="safe", pure=True).load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = re.findall(r"[\w/.-]+\.md", str(site["nav"]))
    assert "index.md" in pages and len(pages) == len(set(pages))
    for page in pages:
        assert (ROOT / "docs" / page).exists(), page


def test_a_block_that_does_not_work_is_noticed(tmp_path: Path) -> None:
    page = ROOT / "docs" / "made-up.md"
    reader = Reader(tmp_path / "project")

    def follow(text: str) -> None:
        for block in blocks(page, text):
            reader.follow(block)

    follow("```python\nx = 1\n```\n")
    with pytest.raises(NameError):
        follow("```python\nprint(y)\n```\n")
    follow("```console\n$ crosswire schedule --every 6h --as cron\n# Fuzz every 6h.\n...\n```\n")
    with pytest.raises(AssertionError):
        follow("```console\n$ crosswire schedule --every 6h --as cron\n# Fuzz every day.\n...\n```\n")
    with pytest.raises(AssertionError):
        follow("```text\nwhat is this\n```\n")
    follow("<!-- not run here: it takes an hour -->\n```sh\ncrosswire run --budget 1h\n```\n")
    with pytest.raises(Exception, match="budgte"):
        follow("<!-- not run here: it takes an hour -->\n```sh\ncrosswire run --budgte 1h\n```\n")
    with pytest.raises(Exception, match="No such command"):
        check_commands("crosswire ran --budget 1h")


def test_figures_may_differ_and_words_may_not() -> None:
    assert same("found 12 bugs in 3.4 s", "found 2 bugs in 1.1 s") is None
    assert same("a b\n...\nc", "a b x y c") is None
    assert same("c\n...\na", "a b x y c") == "a"
    assert same("chat-LostEvent-25a92b09.json", "chat-LostEvent-25a92b08.json") is not None
