"""Nodes in good health, to be made ill by tests."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec

import picluster
from picluster.controller.health.findings_node import Patient
from picluster.schema.facts import NodeFacts
from picluster.schema.health import Facts, Interface, Link, TorchTrial

GIB = 1 << 30
FACTS = Facts(
    board="Raspberry Pi 4 Model B Rev 1.4",
    machine="aarch64",
    bits=64,
    system="Debian GNU/Linux 12 (bookworm)",
    python="3.11.2",
    atomics=False,
    memory_bytes=4 * GIB,
    available_bytes=3 * GIB,
    swap_free_bytes=0,
    limit_bytes=None,
    memory_controller=True,
    swaps_on_card=(),
    free_bytes=20 * GIB,
    read_only=False,
    sudo=True,
    name_addresses=("192.168.1.101",),
    interfaces={"eth0": Interface(speed_mbit=1000, wireless=False, half_duplex=False)},
    governor="ondemand",
    celsius=48.3,
    throttled=0,
    package_locks=(),
)
VERSIONS = {"python": "3.11", "torch": "2.9.1", "numpy": "2.3.5", "msgspec": "0.20.0"}
WORKS = TorchTrial(step="done", signal=None, error="", versions=VERSIONS)
SEEN = NodeFacts(
    name="pi1",
    worker="/opt/picluster/.venv/bin/picluster-worker",
    version=picluster.__version__,
    trouble="",
    torch="2.9.1",
    packages={},
    rsync=True,
    ssh_address="192.168.1.101",
    interfaces={"192.168.1.101": "eth0"},
    claims=(),
    cache="/home/pi/.cache/picluster",
    lacking=(),
    free_bytes=20 * GIB,
    oom_kills=0,
)


def a_patient(name: str = "pi1", *, facts: dict[str, Any] | None = None, **changes: Any) -> Patient:
    """A Raspberry Pi 4 that lacks nothing, but for what is changed."""
    told: dict[str, Any] = {
        "seen": SEEN,
        "facts": msgspec.structs.replace(FACTS, **(facts or {})),
        "torch": WORKS,
        "clock_seconds": 0.01,
        "address": "192.168.1.101",
        "interface": "eth0",
    }
    return Patient(name=name, **{**told, **changes})


def links_between(*names: str, mbit: float = 940.0, **of_nodes: float) -> list[Link]:
    """All pairs, in both directions; a node that is named has that rate with everybody."""
    return [
        Link(
            source=source,
            target=target,
            round_trip_ms=0.3,
            mbit_per_second=min(of_nodes.get(source, mbit), of_nodes.get(target, mbit)),
        )
        for source, target in permutations(names, 2)
    ]
