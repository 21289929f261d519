"""`picluster doctor` over a real sshd, and on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.desk import Desk, make_desk
from tests.integration.sshd import NEEDS_SSHD, Sshd, running_sshd

pytestmark = pytest.mark.slow

NAMES = ("one", "a'; echo b", "three")
GRAPH = "reddit-like-0.003"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def examined(desk: Desk, *words: str) -> tuple[int, dict[str, Any]]:
    told = desk.picluster("doctor", "--json", *words)
    return told.returncode, json.loads(told.stdout)


def test_local_nodes_are_one_machine_without_links(desk: Desk) -> None:
    code, health = examined(desk, "--nodes", "2")
    assert (code, health["ready"]) == (0, True)
    assert [node["name"] for node in health["nodes"]] == ["pi1", "pi2"]
    assert health["nodes"][0]["torch"] == health["nodes"][1]["torch"]
    assert health["links"] == []


@NEEDS_SSHD
def test_nodes_over_ssh_are_ready_and_all_pairs_measured(desk: Desk, sshd: Sshd) -> None:
    inventory = sshd.write_inventory(desk.folder / "ready.yml", NAMES)
    code, health = examined(desk, "--inventory", str(inventory))
    assert code == 0, health["findings"]
    assert [node["torch"]["step"] for node in health["nodes"]] == ["done"] * 3
    assert len(health["links"]) == 6
    assert not any(link["problem"] for link in health["links"])


@NEEDS_SSHD
def test_nothing_stays_on_a_node(desk: Desk, sshd: Sshd) -> None:
    inventory = sshd.write_inventory(desk.folder / "traces.yml", NAMES[:2])
    examined(desk, "--inventory", str(inventory))
    assert not list(sshd.caches.glob("*"))
    deadline = time.monotonic() + 5
    while left := sshd.process.children(recursive=True):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@NEEDS_SSHD
def test_one_bad_node_hides_nothing_of_the_others(desk: Desk, sshd: Sshd) -> None:
    changes = {"one": {"ansible_user": "nobody-of-this-name"}, "three": {"picluster_home": "/nowhere"}}
    inventory = sshd.write_inventory(desk.folder / "bad.yml", NAMES, changes)
    code, health = examined(desk, "--inventory", str(inventory))
    assert code == 5
    assert [node["ready"] for node in health["nodes"]] == [False, True, False]
    told = {(node, each["check"]): each for each in health["findings"] for node in each["nodes"]}
    assert "refuses user nobody-of-this-name" in told["one", "ssh"]["what"]
    assert told["three", "fit"]["what"] == "picluster is not installed in /nowhere there"
    assert told["three", "fit"]["fix"]
    assert {link["source"] for link in health["links"]} == set(NAMES[1:])
    top = desk.picluster("top", "--json", "--inventory", str(inventory))
    assert top.returncode == 5
    read = json.loads(top.stdout)["nodes"]
    assert [bool(node["problem"]) for node in read] == [True, False, False]
    assert [bool(node["memory_used_bytes"] and node["free_bytes"]) for node in read] == [False, True, True]


@NEEDS_SSHD
def test_a_local_node_beside_others_is_measured_too(desk: Desk, sshd: Sshd) -> None:
    hosts = {"here": {"ansible_connection": "local"}, "there": sshd.variables("there")}
    inventory = desk.folder / "mixed.yml"
    inventory.write_text(json.dumps({"picluster": {"hosts": hosts}}))
    code, health = examined(desk, "--inventory", str(inventory))
    assert code == 0, health["findings"]
    assert {(link["source"], link["target"]) for link in health["links"]} == {("here", "there"), ("there", "here")}


@NEEDS_SSHD
def test_with_a_plan_and_a_graph_disk_and_memory_are_compared_with_them(desk: Desk, sshd: Sshd) -> None:
    inventory = sshd.write_inventory(desk.folder / "planned.yml", NAMES)
    words = ("--inventory", str(inventory), "--dataset", "reddit-like", "--scale", "0.003", "--layers-per-node", "1")
    plan = desk.picluster("launch", *words, "--nodes", "2", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    (desk.folder / "plan.json").write_text(plan.stdout)
    code, health = examined(desk, "--inventory", str(inventory), "--plan", "plan.json", "--dataset", GRAPH)
    assert code == 0, health["findings"]
    assert [node["name"] for node in health["nodes"]] == list(NAMES[:2])


def test_a_plan_without_its_graph_is_wrong_input(desk: Desk, tmp_path: Path) -> None:
    refused = desk.picluster("doctor", "--plan", str(tmp_path / "plan.json"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--plan and --dataset go together" in refused.stderr
