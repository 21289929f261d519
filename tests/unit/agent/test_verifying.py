"""Files of a node's cache: read once, and again when anything about them may have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from picluster.agent.verifying import damaged, verified


@pytest.fixture
def checksums(tmp_path: Path) -> dict[str, str]:
    """Of two files that are whole."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 5000)
    return {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a", "b")}


def test_a_file_is_known_once_it_was_verified_and_no_sooner(tmp_path: Path, checksums: dict[str, str]) -> None:
    assert verified(tmp_path, ["a", "b"]) == {}
    assert damaged(tmp_path, {"a": checksums["a"]}) == []
    assert verified(tmp_path, ["a", "b"]) == {"a": checksums["a"]}
    assert damaged(tmp_path, {**checksums, "missing": "0"}) == ["missing"]
    assert verified(tmp_path, ["a", "b", "missing"]) == checksums


def test_a_change_is_found_also_where_size_and_time_are_as_before(tmp_path: Path, checksums: dict[str, str]) -> None:
    assert damaged(tmp_path, checksums) == []
    times = (tmp_path / "a").stat()
    (tmp_path / "a").write_bytes(b"A" + b"a" * 4999)
    os.utime(tmp_path / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verified(tmp_path, ["a", "b"]) == {"b": checksums["b"]}
    assert damaged(tmp_path, checksums) == ["a"]
    assert damaged(tmp_path, checksums) == ["a"]


def test_a_file_is_read_again_after_the_node_s_next_start(tmp_path: Path, checksums: dict[str, str]) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        pytest.skip("this system does not name its starts")
    assert damaged(tmp_path, checksums) == []
    notes = tmp_path / ".verified.json"
    notes.write_text(notes.read_text().replace(boot.read_text().strip(), "another start"))
    assert verified(tmp_path, ["a", "b"]) == {}
    assert damaged(tmp_path, checksums) == []
    assert verified(tmp_path, ["a", "b"]) == checksums


@pytest.mark.parametrize("notes", [b"", b"\xff", b"[]", b'{"a": 1}', b'{"a": [1, 2, 3]}'])
def test_notes_that_cannot_be_read_mean_that_nothing_is_known(
    tmp_path: Path, checksums: dict[str, str], notes: bytes
) -> None:
    (tmp_path / ".verified.json").write_bytes(notes)
    assert verified(tmp_path, ["a"]) == {}
    assert damaged(tmp_path, checksums) == []
