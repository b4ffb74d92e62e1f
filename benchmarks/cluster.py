"""What a campaign on a Dask cluster costs, and how far one could grow.

    python -m benchmarks.cluster [--target degraded] [--rounds 12] [--turns 2] [--json FILE]

The same rounds are run by a cluster of one worker and by one of two, in turn, so that a machine's other load meets
both.  Whoever counts does everything it does in a campaign: unpack, count, shrink what is new.  The model that is
printed behind it has no measurement beyond two workers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.child import Care
from crosswire.fuzzer.campaigns.cluster import Cluster
from crosswire.fuzzer.campaigns.messages import packed, unpacked
from crosswire.fuzzer.campaigns.pool import Pool
from crosswire.fuzzer.campaigns.rounds import Batch, Plan
from crosswire.fuzzer.campaigns.seats import Ran, RoundsJob
from crosswire.fuzzer.campaigns.versions import versions_here
from crosswire.fuzzer.store import Store
from crosswire.fuzzer.targets.resolve import resolve

__all__ = ("Costs", "Model", "measure", "model")

NETWORK = 125e6
"""Bytes/s of a network of 1 Gbit/s, through the one scheduler."""


class Measured(Cluster):
    """A cluster of which the rounds' own seconds are kept."""

    def __init__(self, workers: int, job: RoundsJob) -> None:
        self.seconds: list[float] = []
        target = resolve(job.target)
        super().__init__("local", workers, job, Care(), versions_here(job.target), target.state.note, lambda: None)

    def hear(self) -> list[Ran]:
        heard = super().hear()
        self.seconds += [ran.seconds for ran in heard]
        return heard


@dataclass(frozen=True)
class Costs:
    """What so many rounds took: ``wall`` seconds from the first asked for to the last that came."""

    workers: int
    rounds: int
    executions: int
    wall: float
    spent: float
    """Seconds that workers spent on these rounds."""
    bytes_per_round: float

    @property
    def idle(self) -> float:
        """The share of the workers' time that was not spent on rounds."""
        return 1 - self.spent / (self.wall * self.workers)


@dataclass(frozen=True)
class Model:
    """Efficiency that so many workers could have in the long run, and what limits it."""

    workers: int
    efficiency: float
    limit: str


def measure(target: str, workers: int, rounds: int, seed: int = 0) -> tuple[Costs, list[Batch]]:
    """Run rounds on a cluster of so many workers, and give them back in order; starting it is not measured."""
    plan = Plan(seed=seed, schedules=8)
    job = RoundsJob(target, plan, resolve(target).state.way, None, 5.0)
    cluster = Measured(workers, job)
    with closing(Pool(resolve(target), cluster, 1)) as pool:
        warm = pool.next_round(lambda: False, lambda: None)
        while len(cluster.seconds) < cluster.capacity:  # every worker has had its first
            warm += pool.next_round(lambda: False, lambda: None)
        came, carried, began = len(cluster.seconds), cluster.bytes, time.perf_counter()
        batches: list[Batch] = []
        while len(cluster.seconds) - came < rounds:
            batches += pool.next_round(lambda: False, lambda: None)
        wall = time.perf_counter() - began
        spent, number = sum(cluster.seconds[came:]), len(cluster.seconds) - came
        executions = sum(len(batch.executions) for batch in batches)
        costs = Costs(workers, number, executions, wall, spent, (cluster.bytes - carried) / number)
    return costs, batches


def head_seconds(target: str, batches: list[Batch], folder: Path) -> tuple[float, float]:
    """Seconds of the counting machine for these batches: what each costs, and what is new in them, once."""
    campaign = Campaign(resolve(target), Plan(schedules=8), explaining=False)
    worker, data = campaign._worker, packed(batches)
    with worker.session():
        shrinking = counting = 0.0
        for _ in range(2):  # the second time nothing is new
            began = time.perf_counter()
            for batch in batches:
                for _event in campaign._count(worker, batch):
                    pass
            shrinking, counting = counting, time.perf_counter() - began
    began = time.perf_counter()
    unpacked(data)
    counting += time.perf_counter() - began
    with Store.open(folder) as store:
        number = store.begin(None, 0, {})
        campaign.tally.found.clear()  # counterexamples are written once, counts all the time
        began = time.perf_counter()
        store.record(number, campaign.tally, False)
        counting += time.perf_counter() - began
    return counting, shrinking


def model(workers: int, round_seconds: float, overhead: float, head: float, carried: float) -> Model:
    """The paper model: workers give rounds, the head counts them one after the other, the network carries them.

    ``round_seconds`` a round takes a worker, ``overhead`` is the share of its time that goes to anything else, ``head``
    the seconds that counting one takes, ``carried`` its bytes, which pass the network twice, by the scheduler.
    """
    rates = {
        "the workers": workers * (1 - overhead) / round_seconds,
        "counting": 1 / head,
        "the network": NETWORK / (2 * carried),
    }
    limit = min(rates, key=lambda name: rates[name])
    return Model(workers, rates[limit] * round_seconds / workers, limit)


def main() -> None:
    """Print what was measured, and the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="degraded")
    parser.add_argument("--rounds", type=int, default=12, help="of each campaign")
    parser.add_argument("--turns", type=int, default=2, help="campaigns with one and with two workers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONHASHSEED", "0")
    one: list[Costs] = []
    two: list[Costs] = []
    batches: list[Batch] = []
    for _ in range(options.turns):
        for workers, costs in ((1, one), (2, two)):
            measured, batches = measure(options.target, workers, options.rounds)
            costs.append(measured)
            print(
                f"{workers} worker{'s' if workers > 1 else ''}: {measured.rounds} rounds, "
                f"{measured.rounds / measured.wall:.2f} rounds/s, {measured.bytes_per_round / 1024:,.0f} KiB a round, "
                f"{measured.idle:.1%} of the workers' time not in rounds",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as folder:
        counting, shrinking = head_seconds(options.target, batches, Path(folder))
    rounds = max(1, round(sum(len(batch.executions) for batch in batches) / (two[-1].executions / two[-1].rounds)))
    head = counting / rounds
    ratio = statistics.median(b.rounds / b.wall / (a.rounds / a.wall) / 2 for a, b in zip(one, two, strict=True))
    round_seconds = statistics.median(costs.spent / costs.rounds for costs in one)
    overhead = statistics.median(costs.idle for costs in one)
    carried = statistics.median(costs.bytes_per_round for costs in one + two)
    slower = statistics.median(b.spent / b.rounds / (a.spent / a.rounds) for a, b in zip(one, two, strict=True))
    kept = statistics.median((1 - b.idle) / (1 - a.idle) for a, b in zip(one, two, strict=True))
    print(
        f"two workers against one: efficiency {ratio:.2f} by the clock, on {os.cpu_count()} processors; a round took "
        f"{slower:.2f} times as long beside another, and the share of time in rounds was {kept:.2f} of one worker's"
    )
    print(f"counting: {head * 1000:.1f} ms a round; new findings: {shrinking:.1f} s, once, shrinking for the most part")
    models = [model(workers, round_seconds, overhead, head, carried) for workers in (2, 10, 100, 1000)]
    for one_model in models:
        print(
            f"on paper, {one_model.workers:,} workers: efficiency {one_model.efficiency:.2f}, {one_model.limit} limit"
        )
    if options.json is not None:
        figures: dict[str, object] = {
            "one": [asdict(c) for c in one],
            "two": [asdict(c) for c in two],
            "efficiency": ratio,
            "slower": slower,
            "kept": kept,
            "head": head,
            "shrinking": shrinking,
            "models": [asdict(m) for m in models],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
