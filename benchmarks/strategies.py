"""Which scheduling strategy shows which classic bug, how soon, and in what share of executions?

    python -m benchmarks.strategies [--json FILE] [--plots FOLDER] [--executions 2000] [--seeds 20]

Each strategy of the search explores each kernel, and its correct twin, which none may accuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from crosswire.fuzzer.core import choices
from crosswire.fuzzer.search import STRATEGIES
from crosswire.fuzzer.world import InOrder, WorldLoop, latency

from .kernels import IN_ORDER, KERNELS, Kernel
from .kernels import main as judged
from .report import arguments, machine, middle, table, write
from .tools import as_execution, execute, executions

__all__ = ("share", "soonest")


def _shows(kernel: Kernel, correct: bool, strategy: str, seed: int) -> Iterator[bool]:
    """Of the execution in order, and then of each of the strategy's: whether the bug shows."""
    loop = WorldLoop()
    with loop.entropy:
        orderly = execute(loop, judged(kernel.make(latency, correct)), InOrder())
        yield orderly[0] is not None
        found = executions(loop, lambda: judged(kernel.make(latency, correct)), strategy, seed, as_execution(orderly))
        for error, *_ in found:
            yield error is not None


def share(kernel: Kernel, correct: bool, strategy: str, most: int, seed: int = 0) -> float:
    """The share of a strategy's executions in which the kernel's bug showed."""
    shown = list(islice(_shows(kernel, correct, strategy, seed), 1, most + 1))
    return sum(shown) / max(1, len(shown))


def soonest(kernel: Kernel, strategy: str, most: int, seed: int) -> int:
    """The execution that is the first to show the bug, the one in order included; ``most`` where none does sooner."""
    shown = islice(_shows(kernel, False, strategy, seed), most)
    return next((number for number, found in enumerate(shown, 1) if found), most)


def _percent(value: float, best: bool) -> str:
    words = f"{100 * value:.1f} %"
    return f"**{words}**" if best and value else words


def _count(value: float, best: bool, most: int) -> str:
    words = f"{value:g}" if value < most else f">{most:,}"
    return f"**{words}**" if best else words


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("--executions", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args(given)
    most, seeds = (50, 3) if options.quick else (options.executions, options.seeds)
    hunters = [name for name in choices.STRATEGIES if name != "fifo"]
    shares = {
        name: {strategy: share(kernel, False, strategy, most) for strategy in STRATEGIES}
        for name, kernel in KERNELS.items()
    }
    accused = [
        f"{name} by {strategy}"
        for name, kernel in {**KERNELS, **IN_ORDER}.items()
        for strategy in STRATEGIES
        if share(kernel, True, strategy, most)
    ]
    print(f"{machine()}; share of {most:,} executions that show the bug, the best strategy in bold\n")
    rows = [[name, *(_percent(v, v == max(row.values())) for v in row.values())] for name, row in shares.items()]
    print(table(["kernel", *STRATEGIES], rows))
    found = {
        name: {
            strategy: middle([soonest(kernel, strategy, most, seed) for seed in range(seeds)]) for strategy in hunters
        }
        for name, kernel in KERNELS.items()
    }
    rows = [[name, *(_count(v, v == min(row.values()), most) for v in row.values())] for name, row in found.items()]
    print(f"\nexecutions until the bug shows, the one in order included: the median of {seeds} seeds\n")
    print(table(["kernel", *hunters], rows))
    print(f"\ncorrect programs accused: {', '.join(accused) or 'none'}")
    write(options.json, {"executions": most, "shares": shares, "seeds": seeds, "soonest": found, "accused": accused})
    if options.plots:
        from .plots import draw_strategies

        draw_strategies(shares, options.plots)


if __name__ == "__main__":
    main()
