"""Gauges of machines, read from folders that look like theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from picluster.agent.gauge import memory, processor_time

MEMINFO = "MemTotal:        1000 kB\nMemFree:           10 kB\nMemAvailable:     400 kB\n"
KIB = 1024
VERSION_2 = {
    "proc/self/cgroup": "0::/user/session\n",
    "sys/fs/cgroup/user/memory.max": f"{500 * KIB}\n",
    "sys/fs/cgroup/user/memory.current": f"{300 * KIB}\n",
    "sys/fs/cgroup/user/memory.stat": f"anon 7\ninactive_file {60 * KIB}\nactive_file {40 * KIB}\ninactive_anon 9\n",
}
VERSION_1 = {
    "proc/self/cgroup": "4:memory:/pi\n",
    "sys/fs/cgroup/memory/pi/memory.limit_in_bytes": f"{500 * KIB}\n",
    "sys/fs/cgroup/memory/pi/memory.usage_in_bytes": f"{300 * KIB}\n",
    "sys/fs/cgroup/memory/pi/memory.stat": f"file 1\ntotal_inactive_file {99 * KIB}\ntotal_active_file {KIB}\n",
}
LARGER = {**VERSION_2, "sys/fs/cgroup/user/memory.max": f"{2000 * KIB}\n"}


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "told"),
    [({}, (600, 1000)), (VERSION_2, (200, 500)), (VERSION_1, (200, 500)), (LARGER, (600, 1000))],
    ids=["machine", "version 2", "version 1", "a limit beyond the machine"],
)
def test_memory_in_use_and_its_limit_are_of_the_same_place_without_what_can_be_dropped(
    tmp_path: Path, files: dict[str, str], told: tuple[int, int]
) -> None:
    assert memory(machine(tmp_path, {"proc/meminfo": MEMINFO, **files})) == tuple(size * KIB for size in told)


def test_waiting_for_a_disk_is_no_work_and_guests_count_once(tmp_path: Path) -> None:
    root = machine(tmp_path, {"proc/stat": "cpu  100 10 20 700 150 1 2 17 90 9\ncpu0 1 2 3 4 5 6 7 8 9 10\n"})
    assert processor_time(root) == (150, 1000)


def test_where_the_kernel_does_not_tell_there_is_no_gauge(tmp_path: Path) -> None:
    assert memory(tmp_path) == processor_time(tmp_path) == (None, None)
