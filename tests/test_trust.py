"""Which targets files may have run: what the user named, what the project lists, and nothing that only a file names."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crosswire.fuzzer.cli.plotting import write_plots, write_report
from crosswire.fuzzer.cli.replaying import explain_file, replay_file
from crosswire.fuzzer.cli.trust import NotTrustedError, check_trust, places_of, remember
from crosswire.fuzzer.findings.counterexample import Counterexample, load, save
from crosswire.fuzzer.fuzztest import Options, check_file
from crosswire.fuzzer.store import Store

from .command import crosswire

BASELINE = Path(__file__).parents[1] / "results" / "baseline" / "counterexamples"
MODULE = "from pathlib import Path\nPath('was_imported').touch()\ndef begin():\n    Path('was_called').touch()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that says when it is imported, which nobody has named."""
    (tmp_path / "other.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def of(target: str) -> Counterexample:
    """A counterexample as somebody else may have sent it."""
    return msgspec.structs.replace(load(next(BASELINE.glob("*.json"))), target=target)


@pytest.mark.parametrize(
    ("target", "places"),
    [
        ("factory", set()),
        ("other:begin", {"other:begin"}),
        ("other:begin?via=uvicorn&wire=wires:path", {"other:begin", "wires:path"}),
        ("chat:app?wire=text", {"chat:app"}),
        ("other?wire=text:", {"other", "text:"}),  # a name without a colon is a module's all the same
        ("chat:app?wire=text&wire=a:b", {"chat:app", "a:b"}),
    ],
)
def test_what_would_be_imported_and_called(target: str, places: set[str]) -> None:
    assert places_of(target) == places


def test_nothing_is_run_that_only_a_file_names(folder: Path) -> None:
    path = save(of("other:begin"), folder)
    said = "would import other and run other:begin, which nobody named here"
    with pytest.raises(NotTrustedError, match=said):
        replay_file(path, trace=False)
    with pytest.raises(NotTrustedError, match="--trust"):
        explain_file(path)
    with pytest.raises(NotTrustedError, match=said):
        write_plots(folder, folder / "plots", [path])
    results = folder / "results"
    save(of("other:begin"), results / "counterexamples")
    Store.open(results).close()
    write_report(results, folder / "report.html")
    assert said in (folder / "report.html").read_text()
    assert not (folder / "was_imported").exists()


def test_a_campaign_of_a_store_from_elsewhere_is_not_gone_on_with(folder: Path) -> None:
    with Store.open(folder / "results") as store:
        plan = {"targets": ["other:begin"], "executions": 5, "seconds": None, "users": 2, "steps": 5, "schedules": 2}
        campaign = store.begin(None, 0, {**plan, "strategies": ["random"], "promises": ["no loss"]})
        store.end(campaign, "interrupted")
    done = crosswire("run", "--resume", cwd=folder, expect=2)
    assert "campaign 1: would import other and run other:begin" in done.stderr
    assert not (folder / "was_imported").exists()
    done = crosswire("run", "--resume", "--trust", cwd=folder, expect=2)
    assert (folder / "was_imported").exists()


def test_what_was_named_here_is_the_users_own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(["other:begin?wire=wires:path"])
    check_trust("other:begin?wire=text", "a file")
    check_trust("other:begin?wire=wires:path", "a file")
    with pytest.raises(NotTrustedError):
        check_trust("other:end", "a file")
    with pytest.raises(NotTrustedError, match="would import os and"):
        check_trust("other:begin?wire=os:abort", "a file")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(NotTrustedError):
        check_trust("other:begin", "a file")
    check_trust("other:begin", "a file", trusting=True)
    check_trust("other:begin", "a file")
    (tmp_path / "state" / "crosswire" / "named.json").write_text("[")
    with pytest.raises(NotTrustedError):
        check_trust("other:begin", "a file")


@pytest.mark.parametrize("table", ["[tool.crosswire]", "[tool.crosswire.profiles.nightly]"])
def test_what_the_project_lists_may_be_run(folder: Path, table: str) -> None:
    (folder / "pyproject.toml").write_text(f'{table}\ntargets = ["other:begin?wire=wires:path"]\n')
    check_trust("other:begin", "a file")
    check_trust("other:begin?wire=wires:path&via=uvicorn", "a file")
    with pytest.raises(NotTrustedError):
        check_trust("other:other", "a file")


def test_where_nothing_can_be_remembered_nobody_minds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "state").write_text("a file")
    remember(["other:begin"])
    with pytest.raises(NotTrustedError):
        check_trust("other:begin", "a file")


@pytest.mark.parametrize("target", ["os:abort", "pytest:exit", "nowhere:T"])
def test_a_counterexample_among_tests_may_run_the_suites_own_modules_only(folder: Path, target: str) -> None:
    path = save(of(target), folder)
    with pytest.raises(NotTrustedError, match="which nobody named here"):
        check_file(path, Options(root=folder, here=folder))


def test_a_counterexample_that_was_just_found_is_replayed_without_a_word(folder: Path) -> None:
    (folder / "chat.py").write_text(
        "from crosswire.fuzzer import Adapter\nclass Deaf(Adapter):\n"
        "    async def connect(self, client): ...\n    async def emit(self, event): self.last = event\n"
        "    async def disconnect(self, client): ...\n"
    )
    crosswire("run", "chat:Deaf", "--max-executions", "5", "--no-confirm", "--no-cause", cwd=folder, expect=1)
    (file, *_) = (folder / "results" / "counterexamples").glob("*.json")
    crosswire("replay", str(file), cwd=folder, expect=1)
    crosswire("replay", str(file), cwd=folder, expect=2, XDG_STATE_HOME=str(folder / "other"))
    crosswire("replay", "--trust", str(file), cwd=folder, expect=1, XDG_STATE_HOME=str(folder / "other"))
