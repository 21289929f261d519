"""Limits of the control groups over a process."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from picluster.agent.control_groups import limits_above, memory_limit


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def write_limit(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        (
            {
                "proc/self/cgroup": "0::/user/session\n",
                "sys/fs/cgroup/user/memory.max": "1000\n",
                "sys/fs/cgroup/user/session/memory.max": "max\n",
            },
            1000,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/pi\n3:cpu:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{(1 << 63) - 4096}\n",
                "sys/fs/cgroup/memory/pi/memory.limit_in_bytes": "2000\n",
            },
            2000,
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_the_smallest_limit_of_a_group_and_those_above_it_holds(
    tmp_path: Path, files: dict[str, str], limit: int
) -> None:
    assert memory_limit(machine(tmp_path, files)) == limit


def test_where_nothing_is_limited_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None


def test_limits_of_a_group_and_of_all_above_it_are_found(tmp_path: Path) -> None:
    write_limit(tmp_path / "system.slice" / "run-1.service", "memory.max", "max\n")
    write_limit(tmp_path / "system.slice", "memory.max", "500000000\n")
    write_limit(tmp_path, "memory.max", "900000000\n")
    write_limit(tmp_path / "elsewhere", "memory.max", "1000\n")
    found = limits_above(tmp_path, "/system.slice/run-1.service", "memory.max")
    assert sorted(found.values()) == [500_000_000, 900_000_000]


def test_a_group_that_is_not_mounted_here_has_the_limits_that_are(tmp_path: Path) -> None:
    write_limit(tmp_path, "memory.limit_in_bytes", "536870912\n")
    assert limits_above(tmp_path, "/docker/0123", "memory.limit_in_bytes") == {tmp_path: 536_870_912}
    assert limits_above(tmp_path / "nothing", "/a/b", "memory.max") == {}
