"""However a lab ends, nothing of it is left."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.lab.kernel.control_groups import hierarchies
from picluster.lab.places import NAMESPACES, LabPlaces
from tests.lab.running import PICLUSTER, RunningLab, lab_command

pytestmark = pytest.mark.lab

OPTIONS = ("--nodes", "2", "--fresh")
Moment = Callable[[LabPlaces], bool]
MOMENTS: dict[str, Moment] = {
    "the spec is written": lambda places: places.spec.exists(),
    "a disk is there": lambda places: places.node("pi1").image.exists(),
    "a disk is mounted": lambda places: _is_mounted(places.node("pi1").disk),
    "a node's files are mounted": lambda places: _is_mounted(places.node("pi2").root),
    "the bridge is there": lambda places: (NAMESPACES / places.namespace).exists(),
    "the last node has a cable": lambda places: (NAMESPACES / places.node("pi2").namespace).exists(),
    "a machine starts": lambda places: places.node("pi1").console.exists(),
    "all machines start": lambda places: places.node("pi2").console.exists(),
    "the inventory is written": lambda places: places.inventory.exists(),
}
TOLD_APART = {"the spec is written", "a disk is mounted", "the last node has a cable", "all machines start"}
"""Moments between which the most is set up."""
MOMENTS_OF_DOWN: dict[str, Moment] = {
    "begun": lambda places: not places.stamp.exists(),
    "unmounting": lambda places: not _is_mounted(places.node("pi2").root),
    "unplugged": lambda places: not (NAMESPACES / places.namespace).exists(),
}


def traces(name: str) -> list[str]:
    """Whatever is left of a lab anywhere on this machine."""
    places = LabPlaces(name)
    listing = ["losetup", "--list"]
    loops = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=240).stdout
    found = [line for line in (loops + Path("/proc/mounts").read_text()).splitlines() if f"{places.folder}/" in line]
    found += map(str, NAMESPACES.glob(f"{places.namespace}*"))
    found += map(str, Path("/sys/class/net").glob(f"{places.interface}*"))
    found += map(str, Path("/run/systemd/nspawn").glob(f"*/*{places.namespace}*"))
    found += [str(place / places.group) for place in hierarchies().places if (place / places.group).exists()]
    found += [str(places.folder)] if places.folder.exists() else []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cgroup").read_text() + (process / "cmdline").read_text().replace("\0", " ")
            dead = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            continue
        if dead:  # it only waits for init to take note
            continue
        if places.group in text or f"{places.namespace}-" in text or f"{places.folder}/" in text:
            found.append(text)
    return found


def _is_mounted(place: Path) -> bool:
    return f" {place} " in Path("/proc/mounts").read_text()


def _kill_at(moment: Moment, *words: str, places: LabPlaces) -> None:
    """Start a lab command and end it with SIGKILL at that moment; it may have ended by itself."""
    with subprocess.Popen([*PICLUSTER, "lab", *words], stdout=subprocess.DEVNULL) as command:
        while command.poll() is None and not moment(places):
            time.sleep(0.001)
        command.kill()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(moment, id=words, marks=() if words in TOLD_APART else pytest.mark.thorough)
        for words, moment in MOMENTS.items()
    ],
)
def test_down_after_a_crash_of_up_leaves_nothing(other_name: str, moment: Moment) -> None:
    _kill_at(moment, "up", "--name", other_name, *OPTIONS, places=LabPlaces(other_name))
    lab_command("down", "--name", other_name)
    assert traces(other_name) == []


@pytest.mark.parametrize(
    "moment",
    [pytest.param("a disk is there", marks=pytest.mark.thorough), "the last node has a cable", "all machines start"],
)
def test_up_after_a_crash_of_up_ends_well(other_name: str, moment: str) -> None:
    """At three moments, since it first takes away what there is, as `down` does at every moment above."""
    _kill_at(MOMENTS[moment], "up", "--name", other_name, *OPTIONS, places=LabPlaces(other_name))
    lab_command("up", "--name", other_name, *OPTIONS)
    lab = RunningLab(other_name)
    assert lab.states() == {"pi1": "running", "pi2": "running"}
    assert lab.ssh("pi2", "hostname").stdout == "pi2\n"


@pytest.mark.parametrize(
    ("moment", "again"), [("begun", "up"), ("begun", "down"), ("unmounting", "down"), ("unplugged", "down")]
)
def test_a_crash_of_down_is_mended_by_both(other_name: str, moment: str, again: str) -> None:
    lab_command("up", "--name", other_name, *OPTIONS)
    _kill_at(MOMENTS_OF_DOWN[moment], "down", "--name", other_name, places=LabPlaces(other_name))
    lab_command(again, "--name", other_name, *(OPTIONS if again == "up" else ()))
    if again == "up":
        assert RunningLab(other_name).ssh("pi1", "hostname").stdout == "pi1\n"
        lab_command("down", "--name", other_name)
    assert traces(other_name) == []


def test_down_takes_away_a_lab_that_is_broken_in_every_way(other_name: str) -> None:
    lab_command("up", "--name", other_name, *OPTIONS)
    assert len(traces(other_name)) > 10
    for node, fault in (("pi1", "--fill-disk"), ("pi1", "--freeze"), ("pi2", "--link-down"), ("pi2", "--kill")):
        lab_command("break", node, fault, "--name", other_name)
    assert lab_command("down", "--name", other_name).stdout.startswith("down")
    assert traces(other_name) == []


def test_down_where_there_is_nothing_says_so(other_name: str) -> None:
    assert lab_command("down", "--name", other_name).stdout == f"there is no lab {other_name}\n"


def test_a_lab_of_before_the_hosts_restart_is_made_anew(other_name: str) -> None:
    lab_command("up", "--name", other_name, *OPTIONS)
    places = LabPlaces(other_name)
    places.stamp.write_text("another boot")
    assert lab_command("status", "--name", other_name, check=False).returncode == 2
    assert "restart has left" in lab_command("up", "--name", other_name, *OPTIONS).stdout


def test_two_labs_stand_side_by_side(lab: RunningLab, other_name: str) -> None:
    lab_command("up", "--name", other_name, *OPTIONS)
    other = RunningLab(other_name)
    assert not set(lab.addresses.values()) & set(other.addresses.values())
    lab_command("down", "--name", other_name)
    assert set(lab.states().values()) == {"running"}


def test_the_json_of_a_lab_names_what_others_need(lab: RunningLab) -> None:
    found = lab.status()
    assert {"inventory", "known_hosts", "key", "host_address", "nodes"} <= set(found)
    assert json.loads(lab.places.spec.read_text())["name"] == f"t{os.getpid()}"
