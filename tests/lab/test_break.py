"""Nodes that are broken on purpose, and whole again."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.lab.running import RunningLab, eventually

pytestmark = pytest.mark.lab


def test_a_killed_node_says_no_goodbye_and_keeps_its_disk(lab: RunningLab) -> None:
    lab.ssh("pi2", "echo kept > kept; sync")
    talk = ["ssh", "-N", "-F", "none", "-o", "BatchMode=yes", "-i", str(lab.places.key)]
    with subprocess.Popen(
        [*talk, "-o", f"UserKnownHostsFile={lab.places.known_hosts}", f"pi@{lab.addresses['pi2']}"]
    ) as connection:
        time.sleep(2)
        with lab.broken("pi2", "--kill"):
            assert lab.states() == {"pi1": "running", "pi2": "dead", "pi3": "running", "pi4": "running"}
            time.sleep(1)
            assert connection.poll() is None  # nobody told it
            assert lab.ssh("pi2", "true", check=False).returncode == 255
        connection.kill()
    assert lab.ssh("pi2", "cat kept").stdout == "kept\n"
    assert lab.states()["pi2"] == "running"


def test_a_pulled_link_is_down_until_restored(lab: RunningLab) -> None:
    with lab.broken("pi3", "--link-down"):
        assert lab.states()["pi3"] == "link down"
        assert lab.ssh("pi3", "true", check=False).returncode == 255
        assert "NO-CARRIER" in lab.in_node("pi3", ["ip", "link", "show", "enp1s0"]).stdout
    assert lab.ssh("pi3", "true").returncode == 0


def test_a_frozen_node_stops_where_it_is_and_goes_on(lab: RunningLab) -> None:
    lab.ssh("pi4", "nohup sh -c 'while :; do date +%s%N > tick; sleep 0.05; done' > /dev/null 2>&1 &")
    tick = lab.places.node("pi4").root / "home/pi/tick"
    eventually(tick.exists)
    with lab.broken("pi4", "--freeze"):
        assert lab.states()["pi4"] == "frozen"
        before = tick.read_text()
        time.sleep(0.5)
        assert tick.read_text() == before
    eventually(lambda: tick.read_text() != before)
    lab.in_node("pi4", ["pkill", "-f", "date"])


def test_a_full_disk_is_one_nodes_alone(lab: RunningLab) -> None:
    with lab.broken("pi1", "--fill-disk"):
        for user in ("", "sudo "):
            assert "No space left" in lab.ssh("pi1", f"{user}cp /etc/passwd y", check=False).stderr
        assert lab.ssh("pi2", "echo x > y && cat y").stdout == "x\n"
        used = {node["name"]: node["disk_used_bytes"] / node["disk_bytes"] for node in lab.status()["nodes"]}
        assert used["pi1"] > 0.95
        assert used["pi2"] < 0.1
    assert lab.ssh("pi1", "cp /etc/passwd y").returncode == 0


def test_a_node_reboots(lab: RunningLab) -> None:
    before = lab.leader("pi4")
    lab.ssh("pi4", "sudo systemctl reboot", check=False)
    eventually(lambda: lab.states()["pi4"] == "running" and _leader(lab, "pi4") not in (None, before))
    eventually(lambda: lab.ssh("pi4", "hostname", check=False).stdout == "pi4\n")


def _leader(lab: RunningLab, node: str) -> int | None:
    try:
        return lab.leader(node)
    except (AssertionError, FileNotFoundError, ProcessLookupError):
        return None
