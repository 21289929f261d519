"""A shelf of two releases: this machine's own, and Debian 13 as it is flashed today."""

from __future__ import annotations

import pytest

from picluster.lab.machine.release import own_release
from tests.lab.running import RunningLab, lab_command

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]  # the first one bootstraps a base

SAY = ". /etc/os-release; echo $VERSION_CODENAME; systemctl is-system-running --wait; sudo -n id -u; hostname"


def test_nodes_of_two_releases_stand_in_one_lab_and_come_back_as_they_were(other_name: str) -> None:
    releases = {"pi1": own_release().codename, "pi2": "trixie"}
    lab_command("up", "--name", other_name, "--fresh", "--release", ",".join(releases.values()))
    lab = RunningLab(other_name)
    assert {node["name"]: node["release"] for node in lab.status()["nodes"]} == releases
    with lab.broken("pi2", "--kill"):
        pass
    for node, release in releases.items():
        assert lab.ssh(node, SAY).stdout.split() == [release, "running", "0", node]
    assert "URIs: http" in lab.ssh("pi2", "cat /etc/apt/sources.list.d/*.sources").stdout
