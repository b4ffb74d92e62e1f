"""Campaigns on real Dask clusters of processes: as on one machine, whatever becomes of workers and scheduler."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.cluster import model
from benchmarks.cluster_kills import Processes, outcome
from crosswire.fuzzer.campaigns import beginning, relay
from crosswire.fuzzer.campaigns.child import Care
from crosswire.fuzzer.campaigns.cluster import Cluster
from crosswire.fuzzer.campaigns.pool import AHEAD, Pool
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.campaigns.seats import Ran, RoundsJob
from crosswire.fuzzer.campaigns.versions import Versions, versions_here
from crosswire.fuzzer.store import Store, StoreError
from crosswire.models.managers.targets import TARGETS

from .command import crosswire

PATIENCE = 600
"""Real seconds for a process of a cluster to come up."""

OPTIONS = "--max-executions 1500 --schedules 1 --seed 3 --no-confirm --no-cause --json"
PLAN = ("degraded", *OPTIONS.split())
"""Some twelve rounds, of a target that breaks promises."""

ROUND = 100
"""Executions after which the first round of the plan is under way, at the least."""

ROUGH = """
import os, re, signal
from crosswire.fuzzer import Adapter

PARENT = os.getppid()

class Chat(Adapter):
    def __init__(self): self.users = {}
    async def connect(self, client): self.users.setdefault(client.user, []).append(client.websocket)
    async def disconnect(self, client): self.users[client.user].remove(client.websocket)
    async def emit(self, event):
        for websocket in list(self.users.get(event.to, [])):
            try: await websocket.send_json(event.payload)
            except ConnectionError: pass
        if "ROUGH" in os.environ and int(re.search(r"e(\\d+)", event.id)[1]) >= 5:
            os.kill(PARENT, signal.SIGKILL)
"""


@contextmanager
def cluster_in(folder: Path) -> Iterator[Processes]:
    folder.mkdir()
    cluster = Processes(folder)
    try:
        yield cluster
    finally:
        cluster.close()


Saved = tuple[list[object], dict[str, str]]
"""Counts and sightings, and the text of counterexamples by the name of their file."""


def saved(folder: Path) -> Saved:
    """Everything that a run leaves but its times: counts by cell, sightings, and counterexamples."""
    left = outcome(folder, "")
    return [*left.counts, *left.sightings], left.files


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Saved]:
    """The result of the plan with two processes, and what it leaves."""
    folder = tmp_path_factory.mktemp("alone")
    done = crosswire("run", *PLAN, "--workers", "2", cwd=folder, expect=1)
    return done.stdout, saved(folder)


def test_a_cluster_gives_what_processes_give_byte_for_byte(alone: tuple[str, Saved], tmp_path: Path) -> None:
    done = crosswire("run", *PLAN, "--cluster", "local", "--workers", "2", cwd=tmp_path, expect=1)
    assert "the cluster runs 2 rounds at a time, on 2 workers" in done.stderr
    assert (done.stdout, saved(tmp_path)) == alone, done.stderr


def test_workers_that_are_killed_lose_nothing_and_count_nothing_twice(alone: tuple[str, Saved], tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with cluster_in(folder) as cluster:
        cluster.add_worker("--no-nanny")
        cluster.add_worker("--no-nanny")
        with running(*PLAN, "--cluster", cluster.address, cwd=tmp_path) as run:
            kills = 0
            while run.poll() is None and kills < 3:
                rounds = counted(tmp_path)
                until = time.monotonic() + 2.0
                while run.poll() is None and counted(tmp_path) <= rounds and time.monotonic() < until:
                    time.sleep(0.1)
                if run.poll() is None and (kills or counted(tmp_path)):
                    cluster.workers[kills].kill()
                    cluster.add_worker("--no-nanny")
                    kills += 1
            out, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 1, err
        assert kills >= 2, err
    assert (out, saved(tmp_path)) == alone, err


def test_whoever_waits_for_a_first_worker_says_that_it_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is taken for a target that keeps the loop's thread, by whoever watches."""
    monkeypatch.setattr(beginning, "method", "fork")
    monkeypatch.setattr(relay, "JOINING", 3.0)
    job, beats = RoundsJob("degraded", Plan(), "snapshot", None, 5.0), list[float]()
    with cluster_in(tmp_path / "cluster") as cluster:
        with pytest.raises(relay.ClusterError, match="has had no worker for 3 s"):
            Cluster(
                *(cluster.address, 0, job, Care(), versions_here("degraded"), lambda _: None),
                alive=lambda: beats.append(time.monotonic()),
            )
    assert len(beats) > 1


def test_a_scheduler_that_is_gone_ends_the_run_with_everything_saved(alone: tuple[str, Saved], tmp_path: Path) -> None:
    with cluster_in(tmp_path / "first") as cluster:
        cluster.add_worker("--no-nanny")
        with running(*PLAN, "--cluster", cluster.address, cwd=tmp_path) as run:
            while run.poll() is None and counted(tmp_path) < ROUND:
                time.sleep(0.05)
            cluster.scheduler.kill()
            _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == 2, err
        last = err.strip().splitlines()[-1]
        assert re.fullmatch(r"crosswire: the Dask scheduler at tcp://\S+ is gone; .*, and --resume goes on .*", last)
    assert 0 < counted(tmp_path) < 1500
    crosswire("run", *PLAN, "--resume", "--workers", "2", cwd=tmp_path, expect=1)
    assert counted(tmp_path) == 1500
    assert saved(tmp_path)[1].keys() == alone[1][1].keys()


def test_a_round_that_ends_workers_is_run_here_and_what_differs_there_is_told(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, source in ((here, ROUGH), (there, ROUGH + "# as it was\n")):
        folder.mkdir()
        (folder / "rough.py").write_text(source)
    plan = ("rough:Chat", "--max-executions", "120", "--schedules", "1", "--no-confirm", "--no-cause", "--json")
    quiet = crosswire("run", *plan, "--results", "quiet", cwd=here, expect=0)
    with cluster_in(tmp_path / "cluster") as cluster:
        cluster.add_worker("--nanny", cwd=there, ROUGH="1")
        rough = crosswire("run", *plan, "--cluster", cluster.address, cwd=here, expect=0)
    assert rough.stdout == quiet.stdout
    assert re.search(r"round 0 ended one worker of the cluster after the other; it is run here", rough.stderr)
    told = r"the cluster's worker tcp://\S+ has the target's source \w+, here \w+"
    assert len(re.findall("the target's source", rough.stderr)) == len(re.findall(told, rough.stderr)) == 1


def test_only_one_line_where_the_extra_or_the_scheduler_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'distributed' else find(name, package)\n"
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = crosswire("run", "factory", "--cluster", "local", cwd=tmp_path, expect=2, PYTHONPATH=path)
    assert done.stderr == "crosswire: --cluster needs Dask: pip install 'crosswire[cluster]'\n"
    done = crosswire("run", "factory", "--cluster", "head:8786", cwd=tmp_path, expect=2)
    assert done.stderr == ("crosswire: --cluster 'head:8786': name a Dask scheduler, as in tcp://host:8786, or local\n")


def test_dask_is_not_imported_unless_it_is_used() -> None:
    code = "import crosswire.fuzzer.campaigns.campaign, sys; sys.exit('distributed' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


class Shuffled:
    """Runners that give rounds back in reverse, the first of them twice."""

    capacity = 3

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.sent: list[int] = []

    def take(self, number: int) -> bool:
        self.taken.append(number)
        return True

    def hear(self) -> list[Ran]:
        waiting = [number for number in reversed(self.taken) if number not in self.sent]
        self.sent += waiting
        return [Ran(number, [], [], cost=1) for number in waiting + waiting[:1]]

    def close(self) -> None:
        """There is nothing to end."""


def test_rounds_count_once_and_in_order_however_they_come_back() -> None:
    runners = Shuffled()
    pool = Pool(TARGETS["factory"], runners, 5)
    lives = pool._lives
    for number in range(5, 9):
        pool.next_round(lambda: False, lambda: None)
        assert pool._due == number + 1
    assert runners.taken == list(range(5, max(runners.taken) + 1))
    assert max(runners.taken) < 9 + AHEAD * runners.capacity
    assert lives - pool._lives == len(runners.sent)


def test_the_model_names_what_limits_a_cluster() -> None:
    few, many = (model(n, round_seconds=2.0, overhead=0.05, head=0.02, carried=200_000) for n in (10, 1000))
    assert few.limit == "the workers" and few.efficiency == pytest.approx(0.95)
    assert many.limit == "counting" and many.efficiency == pytest.approx(0.1)
    assert model(1000, 2.0, 0.05, head=0.001, carried=1_000_000).limit == "the network"


def test_versions_say_what_differs() -> None:
    mine = versions_here("factory")
    assert mine.unlike(mine) == []
    other = Versions("CPython 3.10.1", mine.crosswire, "0")
    assert other.unlike(mine) == [
        f"Python CPython 3.10.1, here {mine.python}",
        f"the target's source 0, here {mine.target}",
    ]


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of the command that goes on meanwhile."""
    run = subprocess.Popen(
        [sys.executable, "-m", "crosswire.fuzzer", "run", *arguments],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield run
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            run.communicate()


def counted(folder: Path) -> int:
    """Executions that a run has saved so far."""
    try:
        with Store.open(folder / "results", readonly=True) as store:
            return sum(count.executions for count in store.counts())
    except StoreError:
        return 0  # it is not made yet
