"""What it costs to keep executions apart: state put back, modules executed anew, and the floor, where nothing is done.

    python -m benchmarks.state [--quick] [--json FILE]

Executions in a second of the processor's time, each way in a process of its own, in turns.  Then the memory that an
application holds after many executions with its state put back.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice

from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.strategies.openings import openings

from .report import arguments, in_turns, machine, middle, per_second, table, write
from .speed import resident

__all__ = ("growth", "main", "rate")

TARGETS = {
    "small (FastAPI)": "benchmarks.lobby:app?wire=text",
    "thirty response models": "benchmarks.catalogue:app?wire=text",
    "thirty SQLAlchemy models": "benchmarks.ledger:app?wire=text",
}
WAYS = ("floor", "snapshot", "modules")
ROUNDS = 5
PROGRAMS = 40
WARM = 40
EXECUTIONS = 400
SLOW = 10
"""So many times fewer where modules are executed anew: some take a second for each."""
MANY = 10_000
SAMPLES = 5


def _programs(worker: Worker) -> list[Program]:
    found = list(openings(worker.target, 3))
    return found[:: max(1, len(found) // PROGRAMS)]


def rate(target: str, way: str, executions: int) -> float:
    """Executions in a second of the processor's time, in this process; ``way`` may be the floor."""
    worker = Worker(resolve(target if way == "floor" else f"{target}&state={way}"))
    run = worker.execute if way == "floor" else worker.run
    programs = cycle(_programs(worker))
    with worker.session():
        number = 0

        def once() -> None:
            nonlocal number
            number += 1
            run(next(programs), RandomWalk(number))
            if way == "floor":
                worker.collect()

        per_second(once, min(WARM, executions))
        return per_second(once, executions)


def growth(target: str, executions: int, samples: int = SAMPLES) -> dict[int, float]:
    """MiB resident after so many executions, with state put back."""
    worker = Worker(resolve(f"{target}&state=snapshot"))
    held: dict[int, float] = {}
    programs = cycle(_programs(worker))
    with worker.session():
        for number, program in enumerate(islice(programs, executions), 1):
            worker.run(program, RandomWalk(number))
            if number % (executions // samples) == 0:
                gc.collect()
                held[number] = resident()
    return held


def _elsewhere(call: str, *given: object) -> float | dict[str, float]:
    """What one of the functions above returns in a process of its own."""
    code = f"import json; from benchmarks import state; print(json.dumps(state.{call}(*{given!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _rate_elsewhere(target: str, way: str, executions: int) -> float:
    found = _elsewhere("rate", target, way, executions)
    assert isinstance(found, float)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser, given = arguments(__doc__, argv)
    options = parser.parse_args(given)
    rounds, executions, many = (1, 40, 400) if options.quick else (ROUNDS, EXECUTIONS, MANY)
    print(f"{machine()}; executions/s, medians of {rounds} rounds in turns\n")
    rates: dict[str, dict[str, float]] = {}
    rows = []
    for name, target in TARGETS.items():
        measures = {
            way: partial(_rate_elsewhere, target, way, executions // (SLOW if way == "modules" else 1)) for way in WAYS
        }
        found = in_turns(measures, rounds)
        shares = {
            way: middle([one / floor for one, floor in zip(found[way], found["floor"], strict=True)]) for way in WAYS
        }
        rates[name] = {way: middle(values) for way, values in found.items()}
        row = [f"{rates[name][way]:,.0f}" + (f" ({shares[way]:.2f})" if way != "floor" else "") for way in WAYS]
        rows.append([name, *row])
    print(table(["application", "floor", "put back (of the floor)", "modules anew (of the floor)"], rows), flush=True)
    memory = {name: _elsewhere("growth", target, many) for name, target in TARGETS.items()}
    print("\nMiB resident after so many executions, state put back\n")
    for name, held in memory.items():
        assert isinstance(held, dict)
        print(f"{name}: " + ", ".join(f"{int(number):,}: {size:.1f}" for number, size in held.items()))
    write(options.json, {"rates": rates, "memory": memory})


if __name__ == "__main__":
    main()
