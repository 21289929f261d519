"""`picluster init` as a person types it; what it writes is read by those for whom it is meant."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.controller.nodes.inventory import read_inventory, remote_nodes
from tests.integration.desk import CHECKOUT

WIFI = "wifi: {name: 'our network', password: 'a password', country: GB}\n"
NODES = ("pi1", "pi2", "pi3", "pi4")


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "picluster.cli.main", "init", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(params=["", WIFI], ids=["cable", "wifi"])
def shelf(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the example's cards and inventory."""
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh/id_ed25519"
    make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make_key, check=True, timeout=240)
    (tmp_path / "cluster.yml").write_text((CHECKOUT / "inventory/cluster.example.yml").read_text() + request.param)
    done = init(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "card       cards/pi4: pi4 at pi4.local" in done.stdout
    return tmp_path


def test_the_inventory_is_one_that_picluster_reads(shelf: Path) -> None:
    nodes = remote_nodes(read_inventory(shelf / "inventory/hosts.yml"))
    assert tuple(node.name for node in nodes) == NODES
    assert nodes[0].ssh_words[-1].endswith("192.168.1.101")
    assert "id_ed25519" in " ".join(nodes[0].ssh_words)
    assert stat.S_IMODE((shelf / "cards").stat().st_mode) == 0o700


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init, which reads the cards, is not installed")
def test_cloud_init_takes_the_user_data(shelf: Path) -> None:
    for name in NODES:
        words = ["cloud-init", "schema", "--config-file", str(shelf / "cards" / name / "user-data")]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Valid" in done.stdout


@pytest.mark.skipif(not Path("/usr/libexec/netplan/generate").exists(), reason="netplan.io is not installed")
def test_netplan_takes_the_network_and_names_the_link_as_the_user_data_does(shelf: Path) -> None:
    for name in NODES:
        root = shelf / "root" / name
        (root / "etc/netplan").mkdir(parents=True)
        config = root / "etc/netplan/50-cloud-init.yaml"
        config.write_text((shelf / "cards" / name / "network-config").read_text())
        config.chmod(0o600)
        words = ["/usr/libexec/netplan/generate", "--root-dir", str(root)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
        assert (done.returncode, done.stderr) == (0, "")
        (link,) = (root / "run/systemd/network").glob("*.network")
        has_drop_in = f"/etc/systemd/network/{link.name}.d/" in (shelf / "cards" / name / "user-data").read_text()
        assert has_drop_in is (name == "pi4")


def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = init(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: there is no cluster.yml\n"
        f"  fix: cp {CHECKOUT}/inventory/cluster.example.yml cluster.yml, and put in your own names\n"
    )
