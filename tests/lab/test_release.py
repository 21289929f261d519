"""A shelf of two releases: this machine's own, and Debian 13 as it is flashed today."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.lab.machine.release import own_release
from tests.lab.running import RunningLab, lab_command
from tests.lab.shelf import Shelf, make_shelf
from tests.lab.test_provision import counts, installed, is_bare, provision

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]  # the first one bootstraps a base

RELEASES = {"pi1": own_release().codename, "pi2": "trixie"}
SAY = ". /etc/os-release; echo $VERSION_CODENAME; systemctl is-system-running --wait; sudo -n id -u; hostname"
WITHOUT_TORCH = ("--limit", "pi2", "--tags", "base,raspberrypi,ssh_hardening,network,firewall")


@pytest.fixture(scope="module")
def shelf(_can_have_labs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    name = f"u{os.getpid()}"
    lab_command("up", "--name", name, "--cpus", "1", "--fresh", "--release", ",".join(RELEASES.values()))
    yield make_shelf(tmp_path_factory.mktemp("desk"), RunningLab(name))
    lab_command("down", "--name", name)


@pytest.mark.thorough  # made of bases that others make too
def test_nodes_of_two_releases_stand_in_one_lab_and_come_back_as_they_were(shelf: Shelf) -> None:
    assert {node["name"]: node["release"] for node in shelf.lab.status()["nodes"]} == RELEASES
    with shelf.lab.broken("pi2", "--kill"):
        pass
    for node, release in RELEASES.items():
        assert shelf.lab.ssh(node, SAY).stdout.split() == [release, "running", "0", node]
    assert "URIs: http" in shelf.lab.ssh("pi2", "cat /etc/apt/sources.list.d/*.sources").stdout


def test_debian_13_is_provisioned_as_far_as_wheels_go_and_reset_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """Not everywhere can a CPU build of torch be had for Python 3.13: an empty wheel stands in its place."""
    before = installed(shelf, "pi2")
    shelf.desk.environment["TORCH_WHEEL"] = str(empty_torch(tmp_path))
    for is_first in (True, False):
        found = counts(provision(shelf, *WITHOUT_TORCH).stdout)["pi2"]
        assert (found["failed"], found["changed"] > 0) == (0, is_first)
    with shelf.desk.start("reset", "--limit", "pi2", "--yes", "--delete-data") as process:
        output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output + errors
    assert is_bare(shelf, "pi2")
    assert installed(shelf, "pi2") == before


@pytest.mark.thorough  # a whole provisioning more
def test_a_torch_that_cannot_be_imported_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.desk.environment["TORCH_WHEEL"] = str(empty_torch(tmp_path))
    told = provision(shelf, "--limit", "pi2")
    assert told.returncode == 5
    assert "error: pi2: " in told.stdout
    assert "No module named 'torch'" in told.stdout
    assert shelf.lab.ssh("pi2", "poetry --version").stdout.startswith("Poetry")


def empty_torch(folder: Path) -> Path:
    """A wheel with the name of torch's CPU build and nothing in it."""
    version, tag = "2.13.0+cpu", "cp313-cp313-linux_x86_64"
    wheel, about = folder / f"torch-{version}-{tag}.whl", f"torch-{version}.dist-info"
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: false\nTag: {tag}\n",
        "RECORD": "".join(f"{about}/{name},,\n" for name in ("METADATA", "WHEEL", "RECORD")),
    }
    with zipfile.ZipFile(wheel, "w") as opened:
        for name, text in files.items():
            opened.writestr(f"{about}/{name}", text)
    return wheel
