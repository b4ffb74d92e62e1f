"""Whatever comes through a door, a file, a setting, a frame, is right, or refused with one line.

``CROSSWIRE_DOORS=N`` tries N times as much.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosswire.fuzzer.cli.budget import parse_budget
from crosswire.fuzzer.cli.options import run_settings
from crosswire.fuzzer.cli.profiles import Profile, load_profile
from crosswire.fuzzer.cli.trust import places_of
from crosswire.fuzzer.core.errors import CrosswireError, UsageError
from crosswire.fuzzer.core.text import plain
from crosswire.fuzzer.findings.counterexample import FORMAT, load, parsed, save
from crosswire.fuzzer.store import Store, StressRuns
from crosswire.fuzzer.store.schema import TABLES
from crosswire.fuzzer.targets.json_wire import TEXT, JsonWire
from crosswire.fuzzer.targets.socketio import SocketIOWire
from crosswire.fuzzer.targets.wire import Login, Wire

BASELINE = Path(__file__).parents[1] / "results" / "baseline" / "counterexamples"
MUCH = int(os.environ.get("CROSSWIRE_DOORS", "1"))


def tried(times: int) -> settings:
    """Settings for so many examples, and more on demand."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=times * MUCH, deadline=None, suppress_health_check=checks)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
GOOD = [json.loads(path.read_text()) for path in sorted(BASELINE.glob("*.json"))[::7]]


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A value of JSON with something in it that is something else, gone, or twice."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        kind = draw(st.sampled_from(["deeper", "deeper", "deeper", "gone", "more"]))
        if kind == "gone":
            return {name: inner for name, inner in value.items() if name != key}
        if kind == "more":
            return {**value, draw(st.text(min_size=1, max_size=8)): draw(anything)}
        return {**value, key: draw(changed(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(changed(value[at])), *value[at + draw(st.integers(0, 1)) :]]
    return draw(anything)


def one_line(error: CrosswireError) -> None:
    said = str(error)
    assert said and plain(said) == said and len(said) < 3000, said[:3000]


@given(st.sampled_from(GOOD).flatmap(changed))
@tried(150)
def test_a_counterexample_is_read_or_refused(data: Any) -> None:
    try:
        known = parsed(json.dumps(data), "a file")
    except UsageError as error:
        return one_line(error)
    assert known.crosswire == FORMAT
    program = known.to_program()
    assert all(plain(str(operation)) == str(operation) for operation in program.operations)
    assert len(program.expanded) <= 100_000 and program.stages and known.to_order() is not None
    assert places_of(known.target) or ":" not in known.target
    return None


@given(
    st.binary(max_size=200) | st.sampled_from([b"\xff", b"[" * 100_000, b"1" * 5000, b"NaN", b'{"crosswire": 1e999}'])
)
@tried(30)
def test_a_file_of_anything_is_no_counterexample(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load(path)
    one_line(caught.value)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    for data in GOOD:
        known = parsed(json.dumps(data), "a file")
        assert load(save(known, tmp_path)) == known


KEYS = [field.encode_name for field in msgspec.structs.fields(Profile)]
values = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.text(max_size=12).map(lambda text: json.dumps(text)),
    st.sampled_from(['["a:b"]', "[]", '[""]', "{}", '"30s"', '"9999999999h"', '"new"', '["no loss"]', '["\\n"]']),
)


@given(st.dictionaries(st.sampled_from([*KEYS, "no-such-key"]), values, max_size=3), st.sampled_from(["", "[tool]\n"]))
@tried(60)
def test_settings_are_understood_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], before: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{key} = {value}\n" for key, value in said.items())
    (tmp_path / "pyproject.toml").write_text(f"{before}[tool.crosswire]\n{lines}", encoding="utf-8", errors="replace")
    none: dict[str, Any] = dict.fromkeys(run_settings.__annotations__.keys() - {"return"})
    try:
        made = run_settings(**{**none, "first": False, "resume": False, "trust": False, "as_json": False})
    except UsageError as error:
        return one_line(error)
    assert "no-such-key" not in said
    plan = made.plan
    assert plan.seconds is None or 0 < plan.seconds <= 366 * 86400
    assert plan.executions is None or plan.executions >= 1
    assert 1 <= plan.users <= 9 and made.workers >= 1 and made.care.patience >= 1
    return None


@pytest.mark.parametrize(
    "text", ["tool = 3", "[tool]\ncrosswire = 3", "[tool.crosswire]\nprofiles = 3", "\0", "[" * 5000]
)
def test_settings_of_another_shape_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    if text == "tool = 3":
        assert load_profile(None, tmp_path) == Profile()
        return
    with pytest.raises(UsageError) as caught:
        load_profile(None, tmp_path)
    one_line(caught.value)


@given(st.text(max_size=12) | st.from_regex(r"[0-9.]{1,400}[smh]?", fullmatch=True))
@tried(50)
def test_a_budget_is_seconds_or_refused(text: str) -> None:
    try:
        seconds = parse_budget(text)
    except UsageError as error:
        return one_line(error)
    assert 0 < seconds <= 366 * 86400
    return None


cells = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=10) | st.binary(max_size=5)


@given(st.sampled_from(TABLES), st.data())
@tried(12)
def test_a_store_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, table: str, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("store")
    Store.open(folder).close()
    with closing(sqlite3.connect(folder / "crosswire.db")) as connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        values = [data.draw(cells, label=column) for column in columns]
        try:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
            connection.commit()
        except (sqlite3.Error, UnicodeEncodeError):
            return
    with Store.open(folder, readonly=True) as store:
        campaigns = (store.campaigns, store.counts, store.failures, store.samples, store.firsts)
        stressed = StressRuns(store)
        for read in (*campaigns, stressed.runs, stressed.intervals, stressed.failures, stressed.violations):
            try:
                rows = read()
            except CrosswireError as error:
                one_line(error)
            else:
                shown = [
                    getattr(row, name) for row in rows for name in ("target", "url", "message") if hasattr(row, name)
                ]
                assert all(plain(text) == text for text in shown)
        for number in (1, 2):
            try:
                store.sightings(number)
            except CrosswireError as error:
                one_line(error)


WIRES: list[Wire] = [
    TEXT,
    JsonWire(to_user={"to": "{to}", "text": "{event}"}, ready={"type": "ready"}, user="user", ping={"type": "ping"}),
    SocketIOWire(),
]
LONG = ["9" * 5000, "[" * 20_000]


@given(
    st.binary(max_size=60) | st.text(max_size=60) | anything.map(json.dumps) | st.sampled_from(LONG),
    st.sampled_from(WIRES),
)
@tried(60)
def test_a_frame_of_anything_is_read(frame: str | bytes, wire: Wire) -> None:
    reading = wire.read(frame, Login("c0", "u0", "token-u0", "u0"))
    assert all(isinstance(marker, str) for marker in reading.events)
    assert reading.recipient is None or isinstance(reading.recipient, str)
