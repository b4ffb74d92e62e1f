"""Has a machine write programs: Hypothesis' part of it, with nothing that depends on earlier runs or on time."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from ..fuzzer.core.program import Program
from ..fuzzer.engine.schedule import Deliver
from .constants import no_local_constants
from .machine import Check, ProgramMachine

__all__ = ("unheard", "write_programs")


def unheard(program: Program, order: Sequence[int | Deliver]) -> None:
    """What is done with programs that nobody waits for: nothing."""


def write_programs(machine: type[ProgramMachine], name: int, examples: int, steps: int, check: Check) -> None:
    """Have ``check`` told what the seed ``name`` stands for: so many programs, of so many steps at most."""
    machine.check = staticmethod(check)
    try:
        with no_local_constants():
            run_state_machine_as_test(
                seed(name)(machine),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    phases=[Phase.generate],
                    database=None,
                    deadline=None,
                    derandomize=False,
                    verbosity=Verbosity.quiet,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        machine.check = staticmethod(unheard)
