"""Each benchmark runs and measures what it says; asserted is only what must hold on any machine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import defects, peers, speed, strategies
from benchmarks.fault_kinds import FAULTS, source
from benchmarks.faults import inject
from benchmarks.floors import TaskLoop, by_hand
from benchmarks.kernels import IN_ORDER, KERNELS, Broken, Kernel, lost_update, main, run_all
from benchmarks.plots import draw_peers, draw_speed, draw_strategies
from benchmarks.report import in_turns, spread, table, write
from benchmarks.tools import TOOLS, Budget, Tool, version
from crosswire.fuzzer.search import STRATEGIES

INSTALLED = [tool for tool in TOOLS.values() if version(tool) is not None and tool.name != "asyncio.run"]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: str(kernel.name))
def test_every_kernel_has_its_bug_and_its_twin_has_not(kernel: Kernel) -> None:
    explore = TOOLS["crosswire"].explore
    buggy = explore(lambda pause: kernel.make(pause, False), main, 1, Budget(executions=20_000))
    assert buggy.finding in ("Broken", "RuntimeError")
    correct = explore(lambda pause: kernel.make(pause, True), main, 1, Budget(executions=1500))
    assert (correct.finding, correct.executions) == (None, 1500)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_accuses_what_is_correct_in_order(strategy: str) -> None:
    for kernel in IN_ORDER.values():
        assert strategies.share(kernel, True, strategy, 100) == 0


@pytest.mark.parametrize("kernel", {**KERNELS, **IN_ORDER}.values(), ids=lambda kernel: str(kernel.name))
def test_correct_programs_are_correct_on_stock_asyncio(kernel: Kernel) -> None:
    asyncio.run(main(kernel.make(speed.a_turn, True)))


def test_a_broken_promise_is_raised() -> None:
    with pytest.raises(Broken):
        asyncio.run(main(lost_update(speed.a_turn, False)))


def test_the_floors_do_the_same_work() -> None:
    program = lost_update(speed.a_turn, False, 3)
    by_hand([worker() for worker in program.workers])
    assert not program.holds()
    program = lost_update(speed.a_turn, True, 3)
    TaskLoop().run(run_all(program))
    assert program.holds()
    with pytest.raises(Broken):
        TaskLoop().run(main(lost_update(speed.a_turn, False, 3)))


@pytest.mark.parametrize("tool", INSTALLED, ids=lambda tool: str(tool.name))
def test_every_tool_finds_the_lost_update_and_explores_on_where_nothing_is_judged(tool: Tool) -> None:
    budget = Budget(executions=20, seconds=10)
    assert tool.explore(lambda pause: lost_update(pause, False), main, 1, budget).finding is not None
    unjudged = tool.explore(lambda pause: lost_update(pause, False), run_all, 1, budget)
    assert unjudged.finding is None
    assert unjudged.executions > 1


def test_counterexamples_are_made_small() -> None:
    shrink = TOOLS["crosswire"].shrink
    assert shrink is not None

    def size(name: str) -> int | None:
        return shrink(lambda pause: KERNELS[name].make(pause, False), main, 3, Budget(executions=5000))

    assert size("lost update") == 0  # in order is enough
    assert size("lock order") == 1
    assert shrink(lambda pause: KERNELS["ABA"].make(pause, True), main, 3, Budget(executions=20)) is None


def test_the_same_seed_is_the_same_hunt() -> None:
    def hunt() -> int:
        kernel = KERNELS["order violation"]
        return TOOLS["crosswire"].explore(lambda pause: kernel.make(pause, False), main, 5, Budget()).executions

    assert hunt() == hunt() > 1


def test_speed_measures_everything_and_draws_it(tmp_path: Path) -> None:
    figures: dict[str, Any] = {
        "steps": {"2 tasks": speed.steps(2, 200, 2)},
        "executions": {"2 tasks": speed.executions(2, 5, 2), "20 tasks": speed.executions(20, 2, 2)},
        "pending": {"in order": speed.pending((10, 20), False, 2), "random walk": speed.pending((10, 20), True, 2)},
        "memory": speed.memory(200, 4),
        "memory of a campaign": speed.campaign_memory(400, 4),
    }
    assert all(rate > 0 for rates in figures["steps"].values() for taken in rates.values() for rate in taken)
    assert list(figures["memory"]) == [5, 50, 100, 150, 200]
    assert [mark // 100 for mark in figures["memory of a campaign"]] == [0, 1, 2, 3, 4]
    assert list(speed.steps_growing((10, 100), 2)) == [10, 100]
    draw_speed(figures, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"executions.png", "pending.png", "memory.png"}


def test_strategies_are_compared_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, few = tmp_path / "s.json", ["--executions", "40", "--seeds", "3"]
    strategies.main([*few, "--json", str(file), "--plots", str(tmp_path)])
    shown = json.loads(file.read_text())
    assert list(shown["shares"]) == list(KERNELS)
    assert shown["accused"] == []
    assert shown["soonest"]["ABA"]["calm"] == 2  # in order, and then the reverse
    assert shown["soonest"]["arrivals reversed"]["delay"] == 40  # not found
    assert max(shown["shares"]["readers/writers"].values()) > 0.1
    assert "correct programs accused: none" in capsys.readouterr().out
    draw_strategies(shown["shares"], tmp_path)
    assert (tmp_path / "strategies.png").exists()


def test_peers_are_measured_in_processes_of_their_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    peers.main(["crosswire", "asyncio.run", "--seeds", "2", "--seconds", "0.05", "--json", str(file)])
    figures = json.loads(file.read_text())["tools"]
    assert len(figures["crosswire"]["hunts"]["lost update"]) == 2
    assert all(hunt["finding"] is None for hunts in figures["crosswire"]["twins"].values() for hunt in hunts)
    assert figures["asyncio.run"]["hunts"] == {}
    assert "ploom: left out" in capsys.readouterr().out
    draw_peers(figures, tmp_path)
    assert (tmp_path / "first-finding.png").exists()


def test_defects_are_hunted_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "defects.json"
    defects.main(["golden-path-shared-login", "--seeds", "1", "--json", str(file), "--plots", str(tmp_path)])
    assert json.loads(file.read_text())["found"]["D24"][0]["executions"] > 0
    assert "1/1" in capsys.readouterr().out
    assert (tmp_path / "defects.png").exists()


def test_tables_line_up_and_rounds_take_turns(tmp_path: Path) -> None:
    assert table(["a", "bc"], [["x", 1], ["yyyy", 22]]).splitlines() == [
        "| a    |  bc |",
        "| ---- | --: |",
        "| x    |   1 |",
        "| yyyy |  22 |",
    ]
    log: list[str] = []

    def measure(name: str) -> float:
        log.append(name)
        return float(len(log))

    taken = in_turns({"p": lambda: measure("p"), "q": lambda: measure("q")}, 2)
    assert log == ["p", "q", "p", "q"]
    assert taken == {"p": [1.0, 3.0], "q": [2.0, 4.0]}
    assert spread([3.0]) == (3.0, 3.0)
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
    write(str(tmp_path / "f.json"), {"x": 1})
    assert json.loads((tmp_path / "f.json").read_text())["x"] == 1


def test_every_kind_of_fault_is_a_target() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40
    for fault in FAULTS:
        compile(source(fault), f"{fault.name}.py", "exec")


@pytest.mark.parametrize("name", ["init_exits", "base"])
def test_a_fault_is_named_and_harms_nobody_else(tmp_path: Path, name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    outcome = inject(fault, 1, 3, tmp_path)
    assert outcome.wrong == [] and outcome.injected
