"""Executions in processes of their own: what a process asks of itself is the same in all of them."""

from __future__ import annotations

import os
import signal

import pytest

from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.alone import CAN_FORK, Alone, AloneError
from crosswire.fuzzer.world import Chooser, InOrder

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="there is no fork")

NOTHING = Program(())


def test_every_process_goes_by_the_number_of_the_one_it_comes_from() -> None:
    def numbers(program: Program, chooser: Chooser) -> tuple[int, int]:
        return os.getpid(), os.getppid()

    alone = Alone(numbers)
    try:
        told = [alone.run(NOTHING, InOrder()) for _ in range(2)]
    finally:
        alone.close()
    assert told == [(os.getpid(), alone.pid)] * 2


def test_a_process_that_ends_itself_by_its_number_ends_no_other() -> None:
    def ends_itself(program: Program, chooser: Chooser) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    alone = Alone(ends_itself)
    try:
        with pytest.raises(AloneError, match="was killed by SIGTERM") as raised:
            alone.run(NOTHING, InOrder())
    finally:
        alone.close()
    assert raised.value.code == -signal.SIGTERM


def test_what_a_target_forks_itself_has_a_number_of_its_own() -> None:
    def forks(program: Program, chooser: Chooser) -> bool:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, str(os.getpid()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        return int(os.read(reading, 20)) == child

    alone = Alone(forks)
    try:
        assert alone.run(NOTHING, InOrder())
    finally:
        alone.close()
