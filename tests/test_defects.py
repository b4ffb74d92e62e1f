"""The standing managers have their defects, and a short campaign finds those that are not rare."""

from __future__ import annotations

import pytest

from benchmarks.defects import DEFECTS
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.models.managers.interface import differences, matrix
from crosswire.models.managers.targets import MANAGERS, TARGETS

QUICK = {
    "isolated": {"D3", "D4", "D5"},
    "factory": {"D6", "D8"},
    "emergency": {"D9", "D10", "D12", "D13"},
    "degraded": {"D14", "D15"},
    "unified": {"D16", "D17", "D18"},
    "golden-path-shared-login": {"D24"},
}

EXECUTIONS = {"degraded": 1_500, "golden-path-shared-login": 500}


@pytest.mark.parametrize("name", QUICK)
def test_defects_are_found_without_a_hint(name: str) -> None:
    campaign = Campaign(TARGETS[name], Plan(executions=EXECUTIONS.get(name, 3_000), seed=1)).run()
    shown = {d.name for d in DEFECTS if d.target == name and any(d.shows(found) for found in campaign.found.values())}
    assert shown >= QUICK[name]


def test_every_known_defect_has_an_entry() -> None:
    assert [defect.name for defect in DEFECTS] == [f"D{number}" for number in range(1, 25)]
    assert {defect.target for defect in DEFECTS} <= set(TARGETS)
    assert len(MANAGERS) == 7


def test_the_interfaces_diverge_and_the_alias_does_not() -> None:
    pairs = {(pair.left, pair.right): pair for pair in differences()}
    assert len(pairs) == 21
    alias = pairs["UnifiedWebSocketManager", "WebSocketConnectionManager"]
    assert alias.same_class
    assert len(alias) == 0
    assert max(map(len, pairs.values())) >= 20
    forms = matrix()["send_to_user"]
    isolated, unified = forms["IsolatedWebSocketManager"], forms["UnifiedWebSocketManager"]
    assert isolated is not None
    assert unified is not None
    assert isolated.parameters == ("message",)
    assert unified.parameters == ("user_id", "message")
    assert forms["WebSocketManagerFactory"] is None
