"""From bare virtual Pis to nodes that train, by `make provision`; what goes wrong on the way; and back by reset.

The nodes have no internet. The tests are one story and run in their order: each goes on where the last one ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.desk import CHECKOUT, losses
from tests.lab.running import RunningLab, chosen_release, eventually, lab_command
from tests.lab.shelf import Shelf, make_shelf

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

PROVISION_SECONDS = 600
HOME = "/opt/picluster"
FOREIGN = "/opt/picluster/mine.txt"


@pytest.fixture(scope="module")
def shelf(_can_have_labs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Two Pis that were only just flashed."""
    name = f"u{os.getpid()}"
    lab_command("up", "--name", name, "--nodes", "2", "--cpus", "1", "--fresh", *chosen_release())
    yield make_shelf(tmp_path_factory.mktemp("desk"), RunningLab(name))
    lab_command("down", "--name", name)


@pytest.fixture(scope="module", autouse=True)
def packages(shelf: Shelf) -> dict[str, set[str]]:
    """Debian packages of each node before anything was done."""
    return {node: installed(shelf, node) for node in shelf.lab.addresses}


def installed(shelf: Shelf, node: str) -> set[str]:
    return set(
        shelf.lab.in_node(
            node, "dpkg-query -f '${db:Status-Abbrev}${Package}\\n' -W | sed -n 's/^ii //p'"
        ).stdout.split()
    )


def provision(shelf: Shelf, *words: str) -> subprocess.CompletedProcess[str]:
    with shelf.desk.start("provision", *words) as process:
        output, errors = process.communicate(timeout=PROVISION_SECONDS)
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def make(shelf: Shelf, *words: str) -> str:
    """`make …` as a person types it, in the checkout; it must succeed."""
    done = subprocess.run(
        ["/usr/bin/env", "make", *words, f"INVENTORY={shelf.desk.folder}/inventory/hosts.yml"],
        cwd=CHECKOUT,
        env=shelf.desk.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROVISION_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(output: str) -> dict[str, dict[str, int]]:
    """Of the last lines: node → ok, changed, …"""
    found: dict[str, dict[str, int]] = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) > 2 and words[2].startswith("ok="):
            found[words[0]] = {name: int(count) for name, _, count in (word.partition("=") for word in words[2:7])}
    return found


def is_bare(shelf: Shelf, node: str) -> bool:
    wrote = f"{HOME} /opt/picluster-poetry /usr/local/bin/poetry /var/lib/picluster /etc/ssh/sshd_config.d/00-*"
    return not shelf.lab.in_node(node, f"ls -d {wrote} 2>/dev/null || true").stdout


@pytest.mark.thorough  # of the roles alone it is tried in `test_roles.py`
def test_a_check_of_bare_nodes_ends_well_and_changes_nothing(shelf: Shelf, packages: dict[str, set[str]]) -> None:
    output = make(shelf, "provision", "CHECK=1")
    assert all(node["ok"] > 10 and node["failed"] == 0 for node in counts(output).values())
    assert len(counts(output)) == 2
    for node in shelf.lab.addresses:
        assert is_bare(shelf, node)
        assert installed(shelf, node) == packages[node]


def test_a_node_without_space_is_refused_by_name_before_anything_is_changed_anywhere(shelf: Shelf) -> None:
    with shelf.lab.broken("pi2", "--fill-disk"):
        told = provision(shelf)
    assert told.returncode == 5
    assert "error: pi2: " in told.stdout
    assert "MiB" in told.stdout
    assert "nothing was changed on any node" in told.stdout
    assert [line.split()[1] for line in told.stdout.splitlines() if " ok=" in line] == ["untouched", "failed"]
    assert all(is_bare(shelf, node) for node in shelf.lab.addresses)


def test_a_node_that_is_not_reached_is_named_before_anything_is_changed_anywhere(shelf: Shelf) -> None:
    with shelf.lab.broken("pi2", "--link-down"):
        told = provision(shelf)
    assert told.returncode == 5
    assert "error: pi2: it cannot be reached: " in told.stdout
    assert "provision --limit 'all:!pi2'" in told.stdout
    assert [line.split()[1] for line in told.stdout.splitlines() if " ok=" in line] == ["untouched", "failed"]
    assert all(is_bare(shelf, node) for node in shelf.lab.addresses)


def test_a_torch_that_brings_cuda_is_refused_before_anything_is_changed_anywhere(shelf: Shelf) -> None:
    shelf.desk.environment["TORCH_WHEEL"] = "torch-2.13.0+cu130-cp311-cp311-linux_x86_64.whl"
    try:
        told = provision(shelf, "--json")
    finally:
        del shelf.desk.environment["TORCH_WHEEL"]
    assert told.returncode == 5
    nodes = json.loads(told.stdout)["nodes"]
    assert {node["state"] for node in nodes} == {"failed"}
    assert "is torch 2.13.0+cu130, and nodes need torch==2.13.0+cpu" in nodes[0]["reason"]
    assert all(is_bare(shelf, node) for node in shelf.lab.addresses)


def test_killed_in_the_middle_by_a_lost_controller_a_rebooted_node_and_a_damaged_wheel(shelf: Shelf) -> None:
    with shelf.desk.start("provision", "--limit", "pi1") as process:
        eventually(lambda: exists(shelf, "pi1", f"{HOME}/.venv/bin"), within_seconds=PROVISION_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=240)
    with shelf.lab.broken("pi1", "--kill"):
        pass
    (torch,) = Path(shelf.desk.environment["XDG_CACHE_HOME"], "picluster/wheels/sets").glob("*/torch-2*.whl")
    torch.write_bytes(torch.read_bytes()[: 1 << 20])
    assert not exists(shelf, "pi1", f"{HOME}/.venv/.picluster-wheels")


def test_the_next_one_ends_well_also_while_apt_is_locked_for_a_while(shelf: Shelf) -> None:
    lock = "setsid flock /var/lib/dpkg/lock-frontend sleep 15 >/dev/null 2>&1 &"
    with suppress(subprocess.TimeoutExpired):
        shelf.lab.in_node("pi1", lock, timeout=5)
    told = provision(shelf, "--limit", "pi1")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 of 1 node ready" in told.stdout
    assert is_bare(shelf, "pi2")


def test_another_node_is_added_and_the_first_is_told_of_it(shelf: Shelf) -> None:
    output = make(shelf, "provision", "LIMIT=pi2")
    assert "1 of 1 node ready" in output
    address = shelf.lab.addresses["pi2"]
    assert shelf.lab.in_node("pi1", "getent hosts pi2").stdout.split()[0] == address
    assert address in shelf.lab.in_node("pi1", "nft list table inet picluster").stdout


@pytest.mark.thorough  # a play: half a minute
def test_an_environment_whose_python_is_gone_is_made_anew(shelf: Shelf) -> None:
    """As after an upgrade of the system."""
    shelf.lab.in_node(
        "pi2", "rm /opt/picluster-poetry/bin/python3; ln -s /usr/bin/python3.99 /opt/picluster-poetry/bin/python3"
    )
    make(shelf, "provision", "LIMIT=pi2", "TAGS=python")
    assert shelf.lab.ssh("pi2", "poetry --version").stdout.startswith("Poetry")


@pytest.mark.parametrize("nodes", ["pi1", pytest.param("pi1,pi2", marks=pytest.mark.thorough)])
def test_a_second_run_changes_nothing_and_does_something(shelf: Shelf, nodes: str) -> None:
    output = make(shelf, "provision", f"LIMIT={nodes}")
    found = counts(output)
    assert sorted(found) == nodes.split(",")
    assert all(node["changed"] == node["failed"] == 0 < node["ok"] for node in found.values()), output


@pytest.mark.thorough  # a play; the second run above changes nothing either
def test_a_check_of_ready_nodes_ends_well(shelf: Shelf) -> None:
    found = counts(make(shelf, "provision", "CHECK=1"))
    assert all(node["changed"] == node["failed"] == 0 < node["ok"] for node in found.values())


def test_a_node_holds_a_poetry_environment(shelf: Shelf) -> None:
    told = shelf.lab.ssh("pi1", f"cd {HOME} && poetry run picluster-worker --version && poetry check --lock")
    assert told.stdout.splitlines()[0].startswith("picluster-worker ")
    assert "All set!" in told.stdout
    names = shelf.lab.ssh("pi1", f"{HOME}/.venv/bin/python -m pip list --format=freeze").stdout
    assert "torch==2" in names
    assert "ansible" not in names


def test_they_train_by_the_bare_words(shelf: Shelf) -> None:
    run = shelf.desk.launch("--layers-per-node", "1")
    assert run.plan().nodes == ("pi1", "pi2")
    assert losses(run)[-1] < losses(run)[0]


@pytest.mark.thorough  # of the roles alone it is tried in `test_roles.py`
def test_apt_s_timers_are_held_while_a_run_goes_on_and_let_go_when_it_dies(shelf: Shelf) -> None:
    start = "systemctl start apt-daily.service; journalctl --sync; journalctl --unit apt-daily --output cat --lines 2"
    with shelf.training() as (controller, _):
        assert "Skipped due to 'exec-condition'" in shelf.lab.in_node("pi2", start).stdout
        controller.kill()
        shelf.seconds_until_idle(20)
        assert "Skipped due to 'exec-condition'" not in shelf.lab.in_node("pi2", start).stdout


def test_reset_leaves_what_others_installed_and_the_person_s_data(shelf: Shelf, packages: dict[str, set[str]]) -> None:
    shelf.lab.in_node("pi1", f"echo mine > {FOREIGN}")
    output = make(shelf, "reset", "DATA=keep")
    assert "2 of 2 nodes came through" in output
    for node in shelf.lab.addresses:
        assert installed(shelf, node) == packages[node]
        assert shelf.lab.ssh(node, "ls .cache/picluster/graphs").stdout
        assert "picluster" not in shelf.lab.in_node(node, "cat /etc/hosts; nft list ruleset 2>/dev/null || true").stdout
    assert shelf.lab.in_node("pi1", f"cat {FOREIGN}; ls -A {HOME}").stdout == "mine\nmine.txt\n"
    shelf.lab.in_node("pi1", f"rm -r {HOME}")
    assert all(is_bare(shelf, node) for node in shelf.lab.addresses)
    left = "find /etc /opt /usr/local /var/lib /root -xdev -name '*picluster*' ! -name 'picluster-lab*' 2>/dev/null"
    assert shelf.lab.in_node("pi1", f"{left} || true").stdout == ""


@pytest.mark.thorough
def test_reset_of_bare_nodes_ends_well_and_takes_data_where_that_is_wanted(shelf: Shelf) -> None:
    found = counts(make(shelf, "reset", "DATA=delete"))
    assert all(node["failed"] == 0 for node in found.values())
    for node in shelf.lab.addresses:
        assert shelf.lab.ssh(node, "ls -A .cache/picluster 2>/dev/null || true").stdout == ""


def exists(shelf: Shelf, node: str, path: str) -> bool:
    found: Any = shelf.lab.in_node(node, f"ls -d {path} 2>/dev/null || true").stdout
    return bool(found)
