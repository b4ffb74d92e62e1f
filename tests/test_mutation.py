"""Programs made out of others are ones that the machine could have written, and the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.campaigns import rounds
from crosswire.fuzzer.campaigns.rounds import Plan, run_round
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.managers.targets import TARGETS
from crosswire.strategies.mutation import Corpus, mend

PROGRAM = (
    Operation("connect", "c0", "u0", token="valid"),
    Operation("authenticate", "c0", token="valid"),
    Operation("emit", user="u0", to="u1"),
    Operation("connect", "c1", "u1", token="valid"),
    Operation("authenticate", "c1", token="u0"),
    Operation("run_agent", user="u1", to="u1"),
    Operation("abort", "c1"),
)


def assert_sensible(program: Program) -> None:
    """What every program of the machine is like."""
    users: dict[str, str | None] = {}
    for op in program.operations:
        if op.kind == "connect":
            assert op.connection == f"c{len(users)}"
            users[op.connection] = op.user
        elif op.connection is not None:
            assert op.connection in users
            assert op.user in (None, users[op.connection])
        if op.kind in ("run_agent", "emit_to_thread"):
            assert op.to == op.user
    assert program.users


def programs_of(target: Target, number: int, **plan: Any) -> list[Program]:
    worker = Worker(target)
    with worker.session():
        batches = run_round(worker, Plan(schedules=1, **plan), number, lambda more: False)
        return [batch.program for batch in batches]


@pytest.mark.parametrize("name", ["unified", "golden-path-shared-login", "examples.agent_server:app"])
def test_mutants_are_programs_as_the_machine_writes_them(name: str) -> None:
    target = TARGETS.get(name) or resolve(name)
    programs = programs_of(target, 2, strategies=("coverage",))
    assert len(set(programs)) == len(programs) > 1.5 * rounds.ROUND
    for program in programs:
        assert_sensible(program)


def test_only_coverage_guided_search_makes_mutants() -> None:
    for strategies in (("random",), ("portfolio",)):
        assert len(programs_of(TARGETS["degraded"], 2, strategies=strategies)) <= 1.2 * rounds.ROUND
    assert len(programs_of(TARGETS["degraded"], 2, strategies=("random", "coverage"))) > 1.2 * rounds.ROUND


def test_mutants_stay_short_and_differ_from_what_they_were_made_of() -> None:
    corpus = Corpus(0, 3, 8)
    assert corpus.mutant() is None
    corpus.keep(Program(PROGRAM))
    corpus.keep(Program(mend(PROGRAM[3:])))
    mutants = [mutant for _ in range(400) if (mutant := corpus.mutant()) is not None]
    assert len(set(mutants)) > 80
    for mutant in mutants:
        assert_sensible(mutant)
        assert len(mutant) <= 8
    assert {op.kind for mutant in mutants for op in mutant.operations} == {op.kind for op in PROGRAM}
    assert any(len(mutant) > len(PROGRAM) for mutant in mutants)
    assert any(op.kind == "run_agent" and op.user == "u2" for mutant in mutants for op in mutant.operations)


def test_the_same_seed_gives_the_same_mutants() -> None:
    def mutants(seed: int) -> list[Program | None]:
        corpus = Corpus(seed, 3, 12)
        corpus.keep(Program(PROGRAM))
        return [corpus.mutant() for _ in range(50)]

    assert mutants(1) == mutants(1) != mutants(2)


def test_what_makes_no_sense_is_mended() -> None:
    assert mend(PROGRAM) == PROGRAM
    muddled = (
        Operation("abort", "c7"),
        PROGRAM[1],
        Operation("connect", "c9", "u2", token="u2"),
        Operation("connect", "c9", "u1", token="valid"),
        Operation("emit", "c9", "u0", "u1"),
        Operation("authenticate", "c9", token="u2"),
        Operation("run_agent", user="u1", to="u0"),
        Operation("settle"),
    )
    assert mend(muddled) == (
        Operation("connect", "c0", "u2", token="valid"),
        Operation("authenticate", "c0", token="valid"),
        Operation("emit", "c0", "u2", "u1"),
        Operation("run_agent", user="u1", to="u1"),
        Operation("settle"),
    )
