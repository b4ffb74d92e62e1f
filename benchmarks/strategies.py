"""Which scheduling strategy shows which classic bug, in what share of executions?

    python -m benchmarks.strategies [--json FILE] [--plots FOLDER] [--executions 2000]

Each strategy of the search explores each kernel, and its correct twin, which none may accuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from crosswire.fuzzer.search import STRATEGIES
from crosswire.fuzzer.world import InOrder, WorldLoop, latency

from .kernels import IN_ORDER, KERNELS, Kernel
from .kernels import main as judged
from .report import arguments, machine, table, write
from .tools import execute, executions

__all__ = ("share",)


def share(kernel: Kernel, correct: bool, strategy: str, most: int, seed: int = 0) -> float:
    """The share of executions in which the kernel's bug showed."""
    loop = WorldLoop()
    shown = done = 0
    with loop.entropy:
        _, orderly = execute(loop, judged(kernel.make(latency, correct)), InOrder())
        found = executions(loop, lambda: judged(kernel.make(latency, correct)), strategy, seed, orderly)
        for error, _ in islice(found, most):
            done += 1
            shown += error is not None
    return shown / max(1, done)


def _percent(value: float, best: bool) -> str:
    words = f"{100 * value:.1f} %"
    return f"**{words}**" if best and value else words


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("--executions", type=int, default=2000)
    options = parser.parse_args(given)
    most = 50 if options.quick else options.executions
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
    print(f"\ncorrect programs accused: {', '.join(accused) or 'none'}")
    write(options.json, {"executions": most, "shares": shares, "accused": accused})
    if options.plots:
        from .plots import draw_strategies

        draw_strategies(shares, options.plots)


if __name__ == "__main__":
    main()
