"""Files that nobody should have to wait for, and settings out of range: one line each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crosswire.fuzzer.cli.profiles import ProfileError, load_profile
from crosswire.fuzzer.findings.counterexample import LARGEST, CounterexampleError, load


def test_what_is_no_file_of_ours_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(CounterexampleError, match="no regular file"):
        load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json")
        with pytest.raises(CounterexampleError, match="no regular file"):
            load(tmp_path / "pipe.json")
    for text, message in [('{"crosswire": 0}', "format 0"), ("[" * 200_000, "not JSON"), ("true", "not a counter")]:
        path.write_text(text)
        with pytest.raises(CounterexampleError, match=message):
            load(path)
    os.truncate(path, LARGEST + 1)
    with pytest.raises(CounterexampleError, match="bytes, and no counterexample"):
        load(path)


@pytest.mark.parametrize(
    "setting", ["workers = 0", "users = 10", "seed = -1", "patience = nan", "memory = 1", "max-executions = 0"]
)
def test_a_setting_out_of_range_is_named(tmp_path: Path, setting: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.crosswire]\n{setting}\n")
    with pytest.raises(ProfileError, match=setting.split()[0]):
        load_profile(None, tmp_path)
