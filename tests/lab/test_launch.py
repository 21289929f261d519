"""Training over SSH on virtual Pis: the bare words, the network's traps, refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import msgspec
import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import losses
from tests.lab.running import RunningLab
from tests.lab.shelf import Shelf, make_shelf

pytestmark = pytest.mark.lab

GIB = 1 << 30
WORDS = ("--layers-per-node", "1", "--epochs", "2")
REFUSAL_SECONDS = 10.0


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


@pytest.fixture(scope="module")
def bare(shelf: Shelf) -> RunFolder:
    """The bare words, on nodes that hold no data of other runs."""
    for node in shelf.lab.addresses:
        shelf.lab.ssh(node, "rm -rf .cache/picluster")
    return shelf.desk.launch("--layers-per-node", "1")


def test_the_bare_words_train_on_all_four_and_learn_what_a_local_run_learns_bit_for_bit(
    shelf: Shelf, bare: RunFolder
) -> None:
    local = shelf.desk.folder / "local.yml"
    hosts = "".join(f"    pi{number}: {{ansible_connection: local}}\n" for number in range(1, 5))
    local.write_text(f"picluster:\n  hosts:\n{hosts}")
    here = shelf.desk.launch("--inventory", str(local), "--layers-per-node", "1")
    assert losses(bare) == losses(here)
    assert len(losses(bare)) > 10
    there, local_result = bare.result(), here.result()
    assert there
    assert local_result
    assert there.test_accuracy == local_result.test_accuracy
    plan, same = bare.plan(), msgspec.structs.replace(here.plan(), memory=bare.plan().memory)
    assert plan == same
    assert {each.limit_bytes for each in plan.memory.values()} == {GIB}


def test_the_report_shows_each_node_s_memory_against_its_kernel_s_limit(shelf: Shelf, bare: RunFolder) -> None:
    nodes = shelf.report(bare)["nodes"]
    assert [node["name"] for node in nodes] == ["pi1", "pi2", "pi3", "pi4"]
    for node in nodes:
        assert node["memory"]["limit_bytes"] == GIB
        least = 15 << 20 if node["role"] == "sampler" else 100 << 20  # which does without torch
        assert least < node["memory"]["peak_anonymous_bytes"] < GIB


def test_each_node_holds_what_its_role_reads_and_nothing_else(shelf: Shelf, bare: RunFolder) -> None:
    graph = bare.run().spec.dataset
    common = {"meta.json", "indptr.npy", "train.npy", "validation.npy", "test.npy"}
    for node, own in (("pi1", "indices.npy"), ("pi2", "features.npy"), ("pi3", "features.npy"), ("pi4", "labels.npy")):
        assert set(shelf.lab.ssh(node, f"ls .cache/picluster/graphs/{graph}").stdout.split()) == common | {own}
        # Other tests kill their controllers, and what these leave is swept an hour later.
        assert bare.name not in shelf.lab.ssh(node, "ls .cache/picluster/runs").stdout


@contextmanager
def bare_locale(shelf: Shelf) -> Iterator[None]:
    """LC_ALL=C at both ends."""
    for node in shelf.lab.addresses:
        shelf.lab.in_node(node, "echo LC_ALL=C >> /etc/environment")
    shelf.desk.environment["LC_ALL"] = "C"
    try:
        assert "LC_ALL=C" in shelf.lab.ssh("pi1", "env").stdout.split()
        yield
    finally:
        del shelf.desk.environment["LC_ALL"]
        for node in shelf.lab.addresses:
            shelf.lab.in_node(node, "sed -i /^LC_ALL=C$/d /etc/environment")


@contextmanager
def networks_that_lead_nowhere(lab: RunningLab) -> Iterator[None]:
    """Each node has another network, under a name that sorts first, with a default route."""
    for number, node in enumerate(lab.addresses):
        lab.in_node(
            node,
            f"ip link add aa{number} type veth peer name ab{number} && ip addr add 172.29.{number}.2/24 dev aa{number}"
            f" && ip link set aa{number} up && ip link set ab{number} up",
        )
    try:
        yield
    finally:
        for number, node in enumerate(lab.addresses):
            lab.in_node(node, f"ip link del aa{number}")


def held_data(shelf: Shelf, run: RunFolder) -> dict[str, str]:
    """Files of a run's graph on each node, with their inodes and times of change."""
    listing = f"stat -c '%n %i %Z' .cache/picluster/graphs/{run.run().spec.dataset}/*"
    return {node: shelf.lab.ssh(node, listing).stdout for node in shelf.lab.addresses}


def test_a_second_run_ships_nothing_and_traps_of_networks_locales_and_systemd_do_no_harm(
    shelf: Shelf, bare: RunFolder
) -> None:
    """One launch for all: host names that resolve to loopback, a second network, LC_ALL=C, an ending user's systemd."""
    before = held_data(shelf, bare)
    for node in shelf.lab.addresses:
        assert shelf.lab.ssh(node, "getent hosts $(hostname)").stdout.startswith("127.0.1.1")
    with bare_locale(shelf), networks_that_lead_nowhere(shelf.lab):
        for node in shelf.lab.addresses:  # it ends 10 s after the last session
            shelf.lab.in_node(node, "systemctl stop user@1000; systemctl restart --no-block user@1000")
        run = shelf.desk.launch(*WORDS)
    assert losses(run) == losses(bare)[: len(losses(run))]
    assert held_data(shelf, bare) == before


@contextmanager
def without_user_bus(lab: RunningLab) -> Iterator[None]:
    """As on a small Debian: users cannot speak with their own systemd, and sudo is asked."""
    for node in lab.addresses:
        lab.in_node(
            node, "loginctl enable-linger pi && systemctl start user@1000 && mv /run/user/1000/bus /run/user/bus"
        )
    try:
        yield
    finally:
        for node in lab.addresses:
            lab.in_node(node, "mv /run/user/bus /run/user/1000/bus && loginctl disable-linger pi")


@pytest.mark.parametrize("manager", ["user", "system"])
def test_a_worker_runs_in_a_unit_of_its_own_that_goes_with_it(shelf: Shelf, manager: str) -> None:
    units = f"systemctl --{manager} list-units --all --plain --no-legend 'picluster-*' | cut -d' ' -f1"
    with nullcontext() if manager == "user" else without_user_bus(shelf.lab):
        with shelf.training() as (_, run):
            for node in run.plan().nodes:
                assert shelf.lab.ssh(node, units).stdout.split() == [f"picluster-{run.name}-{node}.service"]
        assert not shelf.busy()
        for node in run.plan().nodes:
            assert shelf.lab.ssh(node, units).stdout == ""


def test_this_machine_can_be_one_of_the_nodes(shelf: Shelf, bare: RunFolder) -> None:
    """Its address is then the one that the others reach, not its loopback."""
    mixed = shelf.desk.folder / "mixed.yml"
    here = "  hosts:\n    laptop: {ansible_connection: local}\n"
    mixed.write_text(shelf.lab.inventory.read_text().replace("  hosts:\n", here, 1))
    run = shelf.desk.launch("--inventory", str(mixed), "--nodes", "laptop,pi1,pi2", *WORDS)
    assert run.plan().nodes == ("laptop", "pi1", "pi2")
    assert losses(run) == losses(bare)[: len(losses(run))]


@contextmanager
def without_ssh(lab: RunningLab, node: str) -> Iterator[None]:
    """Connections are refused."""
    lab.in_node(node, "systemctl stop ssh.socket ssh.service")
    try:
        yield
    finally:
        lab.in_node(node, "systemctl start ssh.service")


@pytest.mark.quiet
@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "silent"])
def test_a_node_without_ssh_is_named_within_ten_seconds_and_nothing_starts(shelf: Shelf, silent: bool) -> None:
    before = shelf.desk.runs()
    away = shelf.lab.broken("pi3", "--link-down") if silent else without_ssh(shelf.lab, "pi3")
    with away:
        begun = time.monotonic()
        told = shelf.desk.picluster("launch", *WORDS)
        assert time.monotonic() - begun < REFUSAL_SECONDS
    assert told.returncode == 5
    (error,) = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: pi3: ")
    assert ("does not answer" if silent else "nothing answers SSH at") in error
    assert "  fix: " in told.stderr
    assert shelf.desk.runs() == before
    assert not shelf.busy()


def test_a_full_disk_is_told_before_anything_starts(shelf: Shelf) -> None:
    before = shelf.desk.runs()
    with shelf.lab.broken("pi4", "--fill-disk"):
        told = shelf.desk.picluster("launch", *WORDS)
    assert told.returncode == 3
    assert "error: pi4: its disk is too full" in told.stderr
    assert shelf.desk.runs() == before
    assert not shelf.busy()
