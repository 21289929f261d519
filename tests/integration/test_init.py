"""`picluster init` as a person types it; what it writes is read by those for whom it is meant."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.controller.nodes.inventory import read_inventory, remote_nodes
from tests.integration.desk import CHECKOUT

WIFI = ("--wifi", "our network", "--wifi-country", "GB", "--wifi-password-file", "password")
ACCOUNT = """
import json, sys
from cloudinit import distros, helpers, util
from cloudinit.distros.ug_util import normalize_users_groups
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud
settings = {"default_user": {"name": "pi", "groups": ["adm", "gpio", "sudo"]}}
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
distro = distros.fetch("debian")("debian", settings, paths)
source = DataSourceNoCloud({"datasource": {"NoCloud": {"fs_label": None}}}, distro, paths)
assert source._get_data()
users, _ = normalize_users_groups({"users": ["default"], **util.load_yaml(source.userdata_raw)}, distro)
print(json.dumps({"users": users, "meta-data": source.metadata, "network-config": source.network_config}))
"""
"""What cloud-init's own code makes of a card in its seed folder, on a system whose first account is pi."""
RENDERERS = {"networkd": "systemd/network/*.network", "NetworkManager": "NetworkManager/system-connections/*"}
"""Who makes connections of what netplan reads: the first on Ubuntu Server, the second on Raspberry Pi OS."""
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
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(params=[pytest.param((), marks=pytest.mark.slow), WIFI], ids=["cable", "wifi"])
def shelf(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the example's cards and inventory."""
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh/id_ed25519"
    make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make_key, check=True, timeout=240)
    example = (CHECKOUT / "inventory/cluster.example.yml").read_text()
    (tmp_path / "cluster.yml").write_text(example.replace("user: pi", "user: me"))
    (tmp_path / "password").write_text("a password\n")
    done = init(tmp_path, *request.param)
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


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init, which reads the cards, is not installed")
def test_cloud_init_gives_the_first_account_another_name_and_keeps_its_groups(shelf: Path) -> None:
    seed = shelf / "state/seed/nocloud"
    seed.parent.mkdir(parents=True)
    seed.symlink_to(shelf / "cards/pi1")
    done = subprocess.run(
        ["/usr/bin/python3", "-c", ACCOUNT, str(shelf / "state")],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["meta-data"]["local-hostname"] == "pi1"
    assert made["network-config"]["network"]["version"] == 2
    assert list(made["users"]) == ["me"]
    assert made["users"]["me"]["groups"] == "adm,gpio,sudo"
    assert len(made["users"]["me"]["ssh_authorized_keys"]) == 1


@pytest.mark.skipif(not Path("/usr/libexec/netplan/generate").exists(), reason="netplan.io is not installed")
@pytest.mark.parametrize("renderer", RENDERERS)
def test_netplan_takes_the_network_and_names_the_link_as_the_user_data_does(shelf: Path, renderer: str) -> None:
    for name in ("pi1", "pi4"):
        root = shelf / "root" / name
        config, own = root / "etc/netplan/50-cloud-init.yaml", root / "lib/netplan/00-own.yaml"
        for file in (config, own):
            file.parent.mkdir(parents=True)
            file.touch(0o600)
        own.write_text(f"network: {{version: 2, renderer: {renderer}}}\n")
        config.write_text((shelf / "cards" / name / "network-config").read_text())
        words = ["/usr/libexec/netplan/generate", "--root-dir", str(root)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
        assert (done.returncode, done.stderr) == (0, "")
        links = sorted(link.name for link in (root / "run").glob(RENDERERS[renderer]))
        assert len(links) == len(re.findall("optional: true", config.read_text()))
        if renderer == "networkd":
            user_data = (shelf / "cards" / name / "user-data").read_text()
            assert all(f"/etc/systemd/network/{link}.d/" in user_data for link in links) is (name == "pi4")


def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = init(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: there is no cluster.yml\n"
        f"  fix: cp {CHECKOUT}/inventory/cluster.example.yml cluster.yml, and put in your own names\n"
    )


def test_a_password_that_nobody_gives_or_types_is_missed(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "inventory/cluster.example.yml", tmp_path / "cluster.yml")
    done = init(tmp_path, *WIFI[:4])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the Wi-Fi's password is missing\n  fix: --wifi-password-file FILE")
