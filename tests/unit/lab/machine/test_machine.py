from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from picluster.lab.kernel.control_groups import Hierarchies
from picluster.lab.machine.machine import keeper_words, machine_words
from picluster.lab.places import NodePlaces

PLACES = NodePlaces("lab", "pi1")
GROUP = PLACES.group
LIMIT = 1 << 30
HOSTILE = 'a\'; echo "b" $c'
TIMEOUT_SECONDS = 20


def machine(folder: Path, *, boots: int, prepare: str = "") -> list[str]:
    """A stand-in for nspawn that is told to reboot until its last boot; it writes down how it was called."""
    log = shlex.quote(str(folder / "boots"))
    script = f'{prepare}\nprintf \'%s\\n\' "$1" >> {log}\n[ "$(wc -l < {log})" -ge {boots} ] || exit 133\nexit 7'
    return ["sh", "-c", script, "machine", HOSTILE]


def test_what_of_the_host_is_mounted_is_read_only_and_may_be_called_anything() -> None:
    words = machine_words(PLACES, {Path("/home/a b/x:y"): Path("/opt/picluster/packages")}, {})
    assert "--bind-ro=/home/a b/x\\:y:/opt/picluster/packages" in words
    assert not [word for word in words if word.startswith("--bind=")]


def test_a_machine_on_v1_joins_its_groups_and_boots_again_after_a_reboot(tmp_path: Path) -> None:
    roots = {name: tmp_path / name for name in ("memory", "freezer")}
    for root in roots.values():
        (root / GROUP).mkdir(parents=True)
    words = keeper_words(Hierarchies(1, roots), GROUP, LIMIT, machine(tmp_path, boots=3))
    subprocess.run(words, check=False, timeout=TIMEOUT_SECONDS)
    assert (tmp_path / "boots").read_text() == f"{HOSTILE}\n" * 3
    for root in roots.values():
        assert (root / GROUP / "cgroup.procs").read_text() == "0\n"


def test_a_machine_on_v2_has_a_group_for_each_boot_in_which_its_limit_is_seen(tmp_path: Path) -> None:
    group = tmp_path / GROUP
    (group / "keeper").mkdir(parents=True)
    payload = (
        f"{shlex.quote(str(group))}/boot$(($(cat {shlex.quote(str(tmp_path))}/boots 2>/dev/null | wc -l) + 1))/payload"
    )
    made = f'mkdir "{payload}" && : > "{payload}/memory.max" && sleep 0.3'
    words = keeper_words(Hierarchies(2, {"unified": tmp_path}), GROUP, LIMIT, machine(tmp_path, boots=2, prepare=made))
    subprocess.run(words, check=False, timeout=TIMEOUT_SECONDS)
    assert (tmp_path / "boots").read_text() == f"{HOSTILE}\n" * 2
    assert (group / "keeper/cgroup.procs").read_text() == "0\n"
    for boot in ("boot1", "boot2"):
        assert (group / boot / "cgroup.procs").read_text() == "0\n"
        assert (group / boot / "payload/memory.max").read_text() == f"{LIMIT}\n"


@pytest.mark.parametrize("version", [1, 2])
def test_a_machine_whose_groups_are_gone_does_not_start(tmp_path: Path, version: int) -> None:
    roots = {"freezer": tmp_path} if version == 1 else {"unified": tmp_path}
    words = keeper_words(Hierarchies(version, roots), GROUP, LIMIT, machine(tmp_path, boots=1))
    done = subprocess.run(words, check=False, capture_output=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 1
    assert not (tmp_path / "boots").exists()
