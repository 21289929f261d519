from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]

from picluster.lab.build import inventory_text
from picluster.lab.machine.environment import SharedEnvironment
from picluster.lab.machine.identity import identity_files
from picluster.lab.spec import LabRequest, LabSpec, NodeLimits, specify
from picluster.lab.state import State, judge
from picluster.schema.record import from_json, to_json

LIMITS = NodeLimits(memory_bytes=1 << 30, cpus=0.5, rate_bits=10**9)
WANTED = LabRequest(
    name="lab",
    nodes=3,
    limits=LIMITS,
    like=(),
    releases=("bookworm",),
    disk_bytes=1 << 30,
    fresh=False,
    emulated=False,
    own_files=False,
    second_interface=True,
)
LAB = specify(WANTED, "10.66.0.0/24")


def test_a_node_takes_its_own_name_for_the_loopback_as_a_pi_does() -> None:
    files = {file.path: file for file in identity_files(LAB.nodes[1], machine_id="m", public_key="p", host_key="h")}
    assert "127.0.1.1\tpi2\n" in files["etc/hosts"].text
    assert files["etc/hostname"].text == "pi2\n"


def test_secret_files_are_secret() -> None:
    files = {file.path: file for file in identity_files(LAB.nodes[0], machine_id="m", public_key="p", host_key="h")}
    assert files["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    key = files["home/pi/.ssh/authorized_keys"]
    assert (key.mode, key.owner) == (0o600, 1000)


def test_a_nodes_own_packages_stand_before_the_controllers() -> None:
    environment = SharedEnvironment(Path("/venv/packages"), Path("/checkout/picluster"), "3.12")
    own = Path("/opt/picluster/.venv/lib/python3.12/site-packages")
    assert environment.mounts()[Path("/checkout/picluster")] == own / "picluster"
    files = {Path("/") / file.path: file.text for file in environment.files()}
    assert files[own / "controller-packages.pth"].strip() == str(environment.mounts()[Path("/venv/packages")])
    worker = files[Path("/opt/picluster/.venv/bin/picluster-worker")]
    assert worker.startswith("#!/opt/picluster/.venv/bin/python\n")


def test_the_inventory_keeps_host_keys_checked() -> None:
    group = yaml.safe_load(inventory_text(LAB))["picluster"]
    assert {name: host["ansible_host"] for name, host in group["hosts"].items()} == {
        f"pi{number}": f"10.66.0.{10 + number}" for number in (1, 2, 3)
    }
    told = {"picluster_memory_mb": LAB.nodes[0].memory_bytes >> 20, "picluster_cores": 1}
    assert group["hosts"]["pi1"] == {"ansible_host": "10.66.0.11", **told}
    assert group["vars"] == {
        "ansible_user": "pi",
        "ansible_ssh_private_key_file": "/var/lib/picluster-lab/lab/key",
        "ansible_ssh_common_args": "-o UserKnownHostsFile=/var/lib/picluster-lab/lab/known_hosts",
    }


def test_emulated_nodes_ask_for_no_firewall() -> None:
    group = yaml.safe_load(inventory_text(msgspec.structs.replace(LAB, emulated=True)))["picluster"]
    assert group["vars"]["firewall_enabled"] is False


def test_a_lab_is_the_same_after_writing_and_reading() -> None:
    assert from_json(LabSpec, to_json(LAB), source="lab.json") == LAB


@pytest.mark.parametrize(
    ("alive", "frozen", "connected", "state"),
    [
        (True, False, True, "running"),
        (True, False, False, "link down"),
        (True, True, False, "frozen"),
        (False, False, False, "dead"),
    ],
)
def test_the_gravest_fault_names_the_state(alive: bool, frozen: bool, connected: bool, state: State) -> None:
    assert judge(alive=alive, frozen=frozen, connected=connected) == state
