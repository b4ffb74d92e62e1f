"""The seven managers differ as those they are re-created from did, and the one that replaces them is the shortest."""

from __future__ import annotations

import ast
import inspect

import pytest

from crosswire.models import managers
from crosswire.models.managers.interface import SEVEN, differences, matrix

SHORT = {
    "Isolated": "IsolatedWebSocketManager",
    "Factory": "WebSocketManagerFactory",
    "Emergency": "EmergencyWebSocketManager",
    "Degraded": "DegradedWebSocketManager",
    "Unified": "UnifiedWebSocketManager",
    "Adapter": "WebSocketManagerAdapter",
    "Connection": "WebSocketConnectionManager",
}

PAIRS = {
    ("Isolated", "Factory"): 19,
    ("Isolated", "Emergency"): 7,
    ("Isolated", "Unified"): 27,
    ("Isolated", "Adapter"): 19,
    ("Factory", "Emergency"): 16,
    ("Factory", "Unified"): 39,
    ("Factory", "Adapter"): 14,
    ("Emergency", "Unified"): 28,
    ("Emergency", "Adapter"): 13,
    ("Unified", "Adapter"): 33,
}


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_pairs_differ_as_the_originals_did(left: str, right: str) -> None:
    pairs = {(pair.left, pair.right): pair for pair in differences()}
    assert len(pairs[SHORT[left], SHORT[right]]) == PAIRS[left, right]
    same = {"Emergency": "Degraded", "Unified": "Connection"}  # the same names, and the same class
    assert len(pairs[SHORT[left], SHORT[same.get(right, right)]]) == PAIRS[left, right]


def test_the_factory_lacks_thirty_three_methods_of_the_unified_manager() -> None:
    pairs = {(pair.left, pair.right): pair for pair in differences()}
    assert len(pairs) == 21
    assert len(pairs[SHORT["Factory"], SHORT["Unified"]].only_right) == 33
    assert max(len(pair.only_left) for pair in pairs.values()) <= 33
    alias = pairs[SHORT["Unified"], SHORT["Connection"]]
    assert alias.same_class
    assert len(alias) == 0


def test_each_manager_has_the_methods_of_its_original() -> None:
    table = matrix()
    sizes = {name: sum(forms[name] is not None for forms in table.values()) for name, _ in SEVEN}
    assert list(sizes.values()) == [13, 6, 10, 10, 33, 8, 33]
    waits = table["wait_for_connection"][SHORT["Unified"]]
    assert waits is not None
    assert str(waits) == "async (user_id, timeout=, check_interval=)"


def code_lines(manager: type) -> int:
    """Lines of a manager's module that are code: no docstrings, no comments, no blank lines."""
    source = inspect.getsource(inspect.getmodule(manager) or managers)
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return len(ast.unparse(tree).splitlines())


@pytest.mark.parametrize(
    "manager",
    [
        managers.IsolatedWebSocketManager,
        managers.WebSocketManagerFactory,
        managers.UnifiedWebSocketManager,
    ],
)
def test_the_reference_manager_is_shorter_than_any_it_replaces_that_is_no_mere_fallback(manager: type) -> None:
    assert code_lines(managers.ReferenceWebSocketManager) < code_lines(manager)


def test_managers_know_nothing_of_the_fuzzer() -> None:
    for manager in {cls for _, cls in SEVEN} | {managers.ReferenceWebSocketManager, managers.OutboxWebSocketManager}:
        module = inspect.getmodule(manager)
        assert module is not None
        assert "fuzzer" not in inspect.getsource(module)
