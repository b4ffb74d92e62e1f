"""What Tornado raises of a closed connection is no fault where nobody waits for it, or in that client's own handler."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.drivers.evidence import CLOSED, says_closed
from crosswire.fuzzer.targets import JsonWire, application

from .searching import kinds_found

pytest.importorskip("tornado")

WIRE = JsonWire(path="/live/{user}", to_user=None, to_all="{event}")


@pytest.mark.parametrize(("name", "found"), [("loose", set()), ("greets", set()), ("broken", {"Dropped"})])
def test_who_has_gone_is_no_fault_of_the_server_and_whom_it_costs_is(name: str, found: set[str]) -> None:
    target = application(f"tests.applications.tornado_chats:{name}", wire=WIRE)
    kinds = kinds_found(target, 150, 1)
    assert kinds == set() if not found else found <= kinds


def test_the_classes_are_those_there_are() -> None:
    for module, name in CLOSED:
        assert isinstance(getattr(pytest.importorskip(module), name), type)


def test_other_exceptions_and_those_of_the_target_s_own_frames_say_nothing_of_it() -> None:
    from tornado.websocket import WebSocketClosedError

    def raised(error: Exception) -> Exception:
        try:
            raise error
        except Exception as caught:
            return caught

    mine = raised(WebSocketClosedError())
    assert says_closed(mine, served=True) and not says_closed(mine, served=False)
    assert not says_closed(WebSocketClosedError(), served=False), "nobody raised it"
    assert not says_closed(raised(ValueError()), served=True)
