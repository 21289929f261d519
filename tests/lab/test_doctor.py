"""`picluster doctor` on virtual Pis: the healthy, and several that are ill in different ways at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import picluster
from tests.lab.running import RunningLab
from tests.lab.shelf import Shelf, make_shelf

pytestmark = [pytest.mark.lab, pytest.mark.quiet]

MBIT = 940
NODES = ["pi1", "pi2", "pi3", "pi4"]
# A home in which all is there that can be seen from outside, and torch dies as 2.10 does on a Pi 4.
DYING_TORCH = f"""
mkdir -p /opt/dying/.venv/bin /opt/dying/.venv/lib/python3.11/site-packages/torch-2.10.0.dist-info /opt/dying/picluster
cp /opt/picluster/.venv/bin/picluster-worker /opt/dying/.venv/bin/
echo '__version__ = "{picluster.__version__}"' > /opt/dying/picluster/__init__.py
printf '#!/bin/sh\\necho importing torch\\nkill -ILL $$\\n' > /opt/dying/.venv/bin/python
chmod 755 /opt/dying/.venv/bin/python
"""
LOCK = """setsid python3 -c '
import fcntl, time
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(60)' > /dev/null 2>&1 &"""


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


def examined(shelf: Shelf, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and what `doctor --json` says."""
    told = shelf.desk.picluster("doctor", "--json", *words)
    return told.returncode, json.loads(told.stdout)


def findings(health: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """Node and check → gravity and words; notes are left out."""
    return {
        (node, each["check"]): (each["severity"], each["what"])
        for each in health["findings"]
        for node in each["nodes"]
        if each["severity"] != "note"
    }


@contextmanager
def faulty(lab: RunningLab, node: str, fault: str, mend: str) -> Iterator[None]:
    """What root did to a node is undone at the end."""
    lab.in_node(node, fault)
    try:
        yield
    finally:
        lab.in_node(node, mend)


def test_nodes_that_are_ready_are_told_so_with_torch_and_every_link_measured(shelf: Shelf) -> None:
    code, health = examined(shelf)
    assert (code, health["ready"]) == (0, True)
    assert findings(health) == {}
    for node in health["nodes"]:
        assert node["torch"]["step"] == "done"
        assert node["address"] == shelf.lab.addresses[node["name"]]
        assert node["facts"]["limit_bytes"] == 1 << 30
        assert abs(node["clock_seconds"]) < 0.5
    links = health["links"]
    assert len({(link["source"], link["target"]) for link in links}) == len(links) == 12
    for link in links:
        assert 0 < link["round_trip_ms"] < 20
        assert MBIT / 4 < link["mbit_per_second"] < MBIT * 1.05


def test_several_faults_are_told_each_of_its_node_and_hide_nothing(shelf: Shelf, tmp_path: Path) -> None:
    lab = shelf.lab
    inventory = tmp_path / "hosts.yml"
    place = f"ansible_host: {lab.addresses['pi4']}\n"
    inventory.write_text(lab.inventory.read_text().replace(place, f"{place}      picluster_home: /opt/dying\n"))
    with (
        faulty(lab, "pi1", f"ip route add unreachable {lab.addresses['pi3']}", "ip route flush type unreachable"),
        faulty(lab, "pi2", "mv /etc/sudoers.d/010_pi-nopasswd /root", "mv /root/010_pi-nopasswd /etc/sudoers.d"),
        faulty(lab, "pi4", DYING_TORCH, "rm -rf /opt/dying"),
        lab.broken("pi3", "--fill-disk"),
    ):
        code, health = examined(shelf, "--inventory", str(inventory))
    found = findings(health)
    assert code == 5
    assert {node["name"]: node["ready"] for node in health["nodes"]} == dict.fromkeys(NODES, False) | {"pi2": True}
    told = {(node, check) for node, check in found if check != "versions"}
    assert told == {("pi1", "reach"), ("pi2", "sudo"), ("pi3", "reach"), ("pi3", "fit"), ("pi4", "torch")}
    assert "does not reach pi3 over TCP" in found["pi1", "reach"][1]
    assert found["pi2", "sudo"][0] == "warning"
    assert "disk is too full" in found["pi3", "fit"][1]
    assert "SIGILL" in found["pi4", "torch"][1]


@pytest.mark.parametrize(("fault", "words"), [("--kill", "does not answer"), ("--freeze", "says nothing in time")])
def test_a_node_that_does_not_answer_is_named_and_the_others_are_examined(shelf: Shelf, fault: str, words: str) -> None:
    with shelf.lab.broken("pi3", fault):
        code, health = examined(shelf)
    assert code == 5
    assert words in findings(health)["pi3", "ssh"][1]
    assert [node["ready"] for node in health["nodes"]] == [True, True, False, True]
    assert {link["source"] for link in health["links"]} == {"pi1", "pi2", "pi4"}


def test_a_slow_link_and_a_lock_of_dpkg_are_warnings(shelf: Shelf) -> None:
    lab = shelf.lab
    (device,) = next(node["addresses"] for node in lab.status()["nodes"] if node["name"] == "pi2")
    shaping = f"tc qdisc change dev {device} root tbf burst 262025b latency 50ms rate"
    slow, fast = f"{shaping} 60mbit", f"{shaping} {MBIT}mbit"
    with faulty(lab, "pi2", slow, fast), faulty(lab, "pi4", LOCK, "pkill -f '[d]pkg.lock-frontend'"):
        code, health = examined(shelf)
    found = findings(health)
    assert (code, health["ready"]) == (0, True)
    assert found.keys() == {("pi2", "rate"), ("pi4", "apt")}
    assert "Mbit/s at best" in found["pi2", "rate"][1]


def test_a_run_is_not_disturbed(shelf: Shelf) -> None:
    with shelf.training("--nodes", "pi1,pi2", "--layers-per-node", "2") as (_, run):
        code, health = examined(shelf)
    found = findings(health)
    assert code == 5
    assert found.keys() == {("pi1", "fit"), ("pi2", "fit")}
    assert f"busy with run {run.name}" in found["pi1", "fit"][1]
    assert [node["torch"] is None for node in health["nodes"]] == [True, True, False, False]
    assert {link["source"] for link in health["links"]} == {"pi3", "pi4"}
