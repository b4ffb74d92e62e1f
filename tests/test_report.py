"""Pictures, the HTML report and the notebooks say what the store says."""

from __future__ import annotations

import html
import json
import os
import platform
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from benchmarks.baseline import PUBLISHED, page, table
from crosswire.fuzzer import Results, UsageError
from crosswire.fuzzer.campaigns.campaign import Plan
from crosswire.fuzzer.campaigns.runs import Run
from crosswire.fuzzer.cli.plotting import write_plots
from crosswire.fuzzer.cli.trust import check_trust
from crosswire.fuzzer.findings.counterexample import load, save
from crosswire.fuzzer.findings.regression import replayed
from crosswire.fuzzer.reports.html import environment_in_words, html_report, regression_test
from crosswire.fuzzer.reports.plots.frequencies import percent
from crosswire.fuzzer.statistics import By, shares_by_promise
from crosswire.fuzzer.store import Store
from crosswire.fuzzer.store.database import environment
from crosswire.models.managers.targets import TARGETS
from crosswire.models.timeline import timeline

ROOT = Path(__file__).parent.parent
CPYTHON = ".".join(platform.python_version_tuple()[:2])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "results"
    with Store.open(folder) as store:
        for seed in (1, 2):
            both = [TARGETS["emergency"], TARGETS["reference"]]
            Run(store, both, Plan(executions=120, seed=seed), explain_findings=False).go()
        store.together([row.signature for row in store.failures()[:2]])
    return folder


@pytest.fixture(scope="module")
def text(results: Path) -> str:
    """The report: each counterexample in it was replayed."""
    with Store.open(results, readonly=True) as store:
        return html_report(store, check_trust)


class Tables(HTMLParser):
    """The text of every cell, by the table's id."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self._name = ""
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "table":
            self._name = dict(attrs).get("id") or ""
            self.tables[self._name] = []
        elif tag == "tr":
            self.tables[self._name].append([])
        elif tag in ("td", "th"):
            self._cell = True
            self.tables[self._name][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[self._name][-1][-1] += data + " "


def test_every_number_of_the_report_is_the_stores(results: Path, text: str) -> None:
    with Store.open(results, readonly=True) as store:
        counts, failures = store.counts(), store.failures()
    page = Tables()
    page.feed(text)
    shares = shares_by_promise([count for count in counts if count.campaign == 2])
    _, *rows = page.tables["broken"]
    shown = {(row[0].strip(), row[1].strip()): [cell.strip() for cell in row[2:]] for row in rows}
    assert shown.keys() == {cell for cell, (times, _) in shares.items() if times}
    for cell, (campaign, broken_in, share, _) in shown.items():
        times, executions = shares[cell]
        assert (campaign, broken_in, share) == ("2", f"{times:,} of {executions:,}", f"{times / executions:.2%}")
    assert "reference: no promise broken in 120 executions of campaign 2." in text
    assert f"{sum(count.executions for count in counts):,} executions in 2 campaigns" in text
    for failure in failures:
        assert html.escape(failure.message).replace("&#x27;", "&#39;") in text
        assert f"seen {failure.times:,} time" in text
        assert f"crosswire replay {results / 'counterexamples' / failure.file}" in text


def test_the_report_has_one_entry_for_each_bug(results: Path, text: str) -> None:
    with Store.open(results, readonly=True) as store:
        rows = store.failures()
    bugs = {row.bug for row in rows}
    assert text.count('class="bug"') == len(bugs) < len(rows)
    assert f"{len(bugs)} bugs, seen as {len(rows)} distinct violations" in text
    assert " symptoms; " in text


def test_when_one_may_stop_is_never_said_for_certain(results: Path, text: str) -> None:
    with Store.open(results, readonly=True) as store:
        samples = {sample.target: sample for sample in store.samples(2)}
    page = Tables()
    page.feed(text)
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in page.tables["discovery"][1:]}
    assert rows.keys() == {"emergency", "reference"}
    for target, (campaign, tried, seen, at_most, something_new) in rows.items():
        sample = samples[target]
        assert (campaign, tried, seen) == ("2", f"{sample.programs} programs", f"{sample.distinct}")
        assert int(at_most) > sample.distinct
        assert something_new.startswith("at most one of ")
    assert "not to be expected" not in text


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100%"), (0.0951, "9.5%"), (0.0996, "10%"), (0.0021, "0.2%"), (0.00031, "0.03%")]
)
def test_shares_are_shown_without_an_exponent(share: float, shown: str) -> None:
    assert percent(share) == shown
    assert percent(0.00001) == "<0.01%"


def test_an_environment_is_said_in_words() -> None:
    said = environment_in_words(json.dumps(environment()))
    assert said.startswith(f"CPython {platform.python_version()} on ")
    assert "; crosswire " in said and "{" not in said
    assert environment_in_words("no JSON") == "no JSON"


def test_the_report_fetches_nothing_and_runs_nothing(text: str) -> None:
    page = Tables()
    page.feed(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "image"}
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_what_comes_from_a_target_is_escaped(results: Path, tmp_path: Path) -> None:
    hostile = "<script>alert('x')</script>\"><img src=x>"
    path = sorted((results / "counterexamples").glob("*.json"))[0]
    changed = msgspec.structs.replace(load(path), target=hostile, message=hostile)
    with Store.open(tmp_path) as store:
        save(changed, store.counterexamples)
    with Store.open(tmp_path) as store:
        text = html_report(store, check_trust)
    page = Tables()
    page.feed(text)
    assert not page.tags & {"script", "img"}
    assert html.escape("<script>") in text


def test_the_regression_test_fails_while_the_bug_is_there(results: Path) -> None:
    with Store.open(results, readonly=True) as store:
        row = store.failures()[0]
        path = store.counterexamples / row.file
    (results.parent / "test_it.py").write_text(regression_test(row, path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=results.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout


def test_pictures_are_written_as_svg_and_png(results: Path, tmp_path: Path) -> None:
    files = sorted((results / "counterexamples").glob("*.json"))[:1]
    written = write_plots(results, tmp_path / "plots", []) + write_plots(results, tmp_path / "plots", files)
    assert {path.stem for path in written} == {
        *("failure-frequency", "over-time", "users", "discovery", "survival"),
        files[0].stem,
    }
    for path in written:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") if path.suffix == ".png" else b"<svg" in data[:1000]
        assert len(data) > 2000


def test_the_timeline_ends_as_the_history_says(results: Path) -> None:
    for path in sorted((results / "counterexamples").glob("*.json")):
        execution = replayed(load(path)).execution
        moments = list(timeline(execution.program, execution.history))
        assert len(moments) == len(execution.history)
        said = [row.detail for row in execution.history if row.kind == "registry"]
        assert moments[-1].registry == (said[-1] if said else None)
        assert moments[-1].connected == {}


@pytest.mark.parametrize("by", ["users", "length", "strategy"])
def test_shares_of_a_promise_add_up_by_whatever_they_are_told_apart(results: Path, by: By) -> None:
    opened = Results(results)
    (whole,) = opened.shares("consistency")
    table = opened.shares("consistency", by=by)
    assert len(table) > 1 and {row["target"] for row in table} == {"emergency"}
    assert sum(row["broken"] for row in table) == whole["broken"] > 0
    assert sum(row["executions"] for row in table) == whole["executions"] == 240
    assert all(row["low"] <= row["share"] <= row["high"] for row in table)
    assert table.columns == ["target", "promise", by, "broken", "executions", "share", "low", "high"]
    assert str(table).splitlines()[0].split() == table.columns
    assert opened.plot("consistency", by).axes[0].lines


def test_results_are_those_of_some_campaigns_and_promises_have_names(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Results(results, campaigns=[1]).executions == 240
    with pytest.raises(UsageError, match="unknown promise 'no los'"):
        Results(results).shares("no los")
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    with pytest.raises(UsageError, match=r"crosswire\[pandas\]"):
        Results(results).shares().to_pandas()


def test_a_table_is_a_data_frame_where_there_is_pandas(results: Path) -> None:
    pytest.importorskip("pandas")
    table = Results(results).shares()
    frame = table.to_pandas()
    assert list(frame.columns) == table.columns
    assert int(frame["broken"].sum()) == sum(row["broken"] for row in table)


def notebook(name: str, **environment: str) -> str:
    """Execute a notebook as `make notebooks` does; the text of its outputs."""
    options = ("--log-level", "WARN", "--execute", "--to", "notebook", "--stdout")
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", *options, str(ROOT / "notebooks" / name)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads(done.stdout)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    return "".join("".join(output.get("text", "")) for output in outputs)


def test_the_notebook_of_frequencies_agrees_with_the_store(results: Path) -> None:
    text = notebook("failure_frequencies.ipynb", CROSSWIRE_RESULTS=str(results), CROSSWIRE_PROMISE="consistency")
    assert re.search(r"^target +promise +users +broken +executions", text, re.MULTILINE)
    with Store.open(results, readonly=True) as store:
        shares = shares_by_promise(store.counts())
    first = text.split("reference: no promise broken")[0]
    for (target, promise), (times, executions) in shares.items():
        found = re.search(rf"^{target} +{promise} +([\d,]+) of +([\d,]+)", first, re.MULTILINE)
        assert (found is not None) == bool(times)
        if found is not None:
            assert (found[1], found[2]) == (f"{times:,}", f"{executions:,}")
    assert "reference: no promise broken in 240 executions" in text


def test_the_notebook_of_a_counterexample_replays_it(results: Path) -> None:
    path = sorted((results / "counterexamples").glob("*MissingEntry*.json"))[0]
    text = notebook("counterexample.ipynb", CROSSWIRE_COUNTEREXAMPLE=str(path))
    assert f"still there, as recorded: {load(path).message}" in text
    assert ">>" in text


def test_notebooks_are_kept_without_outputs() -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path


def test_the_published_table_is_what_the_published_store_says() -> None:
    text = (PUBLISHED / "README.md").read_text()
    with Store.open(PUBLISHED, readonly=True) as store:
        assert table(store) in text
        version = json.loads(store.campaigns()[-1].environment)["python"].rpartition(".")[0]
        assert page(text, store, "18m") == re.sub(r"CPython [\d.]+:", f"CPython {CPYTHON}:", text)
        assert f"CPython {version}:" in text
