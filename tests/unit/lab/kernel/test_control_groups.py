from __future__ import annotations

from pathlib import Path

import pytest

from picluster.errors import MissingError
from picluster.lab.kernel.control_groups import (
    anonymous_bytes,
    enabling,
    freezing,
    joining,
    limiting,
    memory_files,
    read_hierarchies,
)
from picluster.lab.spec import NodeInterface, NodeSpec

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
V1 = "".join(
    f"cgroup /sys/fs/cgroup/{place} cgroup rw,{options} 0 0\n"
    for place, options in {
        "cpu,cpuacct": "cpu,cpuacct",
        "memory": "memory",
        "blkio": "blkio",
        "freezer": "freezer",
        "pids": "pids",
        "systemd": "xattr,name=systemd",
        "net_cls": "net_cls",
    }.items()
)
HYBRID = V1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
NODE = NodeSpec(
    name="pi1",
    interfaces=(NodeInterface("eth0", "10.66.0.11"),),
    memory_bytes=1 << 30,
    cpus=0.25,
    rate_bits=10**9,
    disk_bytes=8 << 30,
    random_reads=3000,
    release="bookworm",
)
DEVICES = ("7:0", "254:0")
GROUP = "picluster-lab-lab/pi1"


def test_limits_of_v1() -> None:
    root = Path("/sys/fs/cgroup")
    assert limiting(read_hierarchies(HYBRID), GROUP, NODE, DEVICES) == [
        (root / "memory" / GROUP / "memory.limit_in_bytes", "1073741824"),
        (root / "memory" / GROUP / "memory.memsw.limit_in_bytes", "1073741824"),
        (root / "cpu,cpuacct" / GROUP / "cpu.cfs_period_us", "100000"),
        (root / "cpu,cpuacct" / GROUP / "cpu.cfs_quota_us", "25000"),
        (root / "blkio" / GROUP / "blkio.throttle.read_iops_device", "7:0 3000"),
        (root / "blkio" / GROUP / "blkio.throttle.read_iops_device", "254:0 3000"),
    ]


def test_limits_of_v2() -> None:
    folder = Path("/sys/fs/cgroup") / GROUP
    assert limiting(read_hierarchies(V2), GROUP, NODE, DEVICES) == [
        (folder / "memory.max", "1073741824"),
        (folder / "memory.swap.max", "0"),
        (folder / "cpu.max", "25000 100000"),
        (folder / "io.max", "7:0 riops=3000"),
        (folder / "io.max", "254:0 riops=3000"),
    ]


def test_v2_hands_controllers_down_from_the_root_to_the_node() -> None:
    written = enabling(read_hierarchies(V2), "picluster-lab-lab", GROUP)
    folders = list(dict.fromkeys(str(file.parent) for file, _ in written))
    root = "/sys/fs/cgroup"
    assert folders == [root, f"{root}/picluster-lab-lab", f"{root}/{GROUP}"]
    assert {value for _, value in written} == {"+cpu", "+memory", "+io", "+pids"}
    assert enabling(read_hierarchies(V1), "picluster-lab-lab", GROUP) == []


@pytest.mark.parametrize("mounts", [V1, HYBRID])
def test_a_machine_on_v1_joins_every_hierarchy_once_and_the_freezer_first(mounts: str) -> None:
    joined = [str(file) for file in joining(read_hierarchies(mounts), GROUP)]
    assert joined[0] == f"/sys/fs/cgroup/freezer/{GROUP}/cgroup.procs"
    assert len(joined) == len(set(joined)) == 6 + (mounts == HYBRID)


def test_on_v2_no_process_sits_beside_groups_with_controllers() -> None:
    assert joining(read_hierarchies(V2), GROUP) == [Path(f"/sys/fs/cgroup/{GROUP}/keeper/cgroup.procs")]


def test_freezing() -> None:
    v1, v2 = (read_hierarchies(mounts) for mounts in (V1, V2))
    assert freezing(v1, GROUP, frozen=True) == (Path(f"/sys/fs/cgroup/freezer/{GROUP}/freezer.state"), "FROZEN")
    assert freezing(v1, GROUP, frozen=False)[1] == "THAWED"
    assert freezing(v2, GROUP, frozen=True) == (Path(f"/sys/fs/cgroup/{GROUP}/cgroup.freeze"), "1")
    assert freezing(v2, GROUP, frozen=False)[1] == "0"


def test_what_is_used_is_read_of_both_versions() -> None:
    v1, v2 = (read_hierarchies(mounts) for mounts in (V1, V2))
    assert memory_files(v1, GROUP)[0].name == "memory.usage_in_bytes"
    assert memory_files(v2, GROUP)[0].name == "memory.current"
    assert anonymous_bytes(v1, "cache 5\nrss 6\ntotal_cache 7\ntotal_rss 8\n") == 8
    assert anonymous_bytes(v2, "anon 9\nfile 10\nanon_thp 11\n") == 9


def test_a_kernel_without_a_controller_is_refused_by_its_name() -> None:
    without = "".join(line for line in V1.splitlines(keepends=True) if "freezer" not in line)
    with pytest.raises(MissingError, match="freezer"):
        read_hierarchies(without)
