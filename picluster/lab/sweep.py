"""Removal of a lab: whatever the kernel still holds of it, however it was left."""

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.kernel.commands import run
from picluster.lab.kernel.group_acts import hierarchies, kill, processes, remove_groups
from picluster.lab.machine.emulation import end_emulation_without_labs
from picluster.lab.places import NAMESPACES, LabPlaces

UNMOUNT_TIMEOUT_SECONDS = 10
_POLL_SECONDS = 0.05
_NSPAWN = Path("/run/systemd/nspawn")
_OCTAL = re.compile(r"\\([0-7]{3})")


def sweep(name: str) -> list[str]:
    """Remove every trace of a lab, as the kernel lists it rather than as it was written down.

    Returns:
        What there was, in words; empty where there was nothing.
    """
    places, groups = LabPlaces(name), hierarchies()
    places.stamp.unlink(missing_ok=True)  # from here on it is no whole lab, should this be interrupted too
    done: list[str] = []
    if left := processes(groups, places.group):
        kill(groups, places.group)
        done.append(f"{len(left)} processes")
    if remove_groups(groups, places.group):
        done.append("control groups")
    for kind, take in (("mounts", _unmount), ("loop devices", _detach), ("namespaces", _delete_namespaces)):
        if count := take(places):
            done.append(f"{count} {kind}")
    for leftover in (_NSPAWN / "propagate").glob(f"{places.namespace}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if places.folder.exists():
        shutil.rmtree(places.folder)
        done.append(str(places.folder))
    if end_emulation_without_labs():
        done.append("the entry of qemu")
    return done


def mounted_below(mounts: str, folder: Path) -> list[Path]:
    """List the mount points below a folder from the text of /proc/mounts, the last one first."""
    found = (Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split(" ")[1])) for line in mounts.splitlines())
    return [place for place in found if place.is_relative_to(folder)][::-1]


def _unmount(places: LabPlaces) -> int:
    found = mounted_below(Path("/proc/mounts").read_text(), places.folder)
    for place in found:
        deadline = time.monotonic() + UNMOUNT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            with suppress(MissingError):  # the last process is on its way out, or somebody looks into it
                run(["umount", place])
                break
            time.sleep(_POLL_SECONDS)
        else:
            run(["umount", "--lazy", place])
    return len(found)


def _detach(places: LabPlaces) -> int:
    """Detach loop devices that a crash has left between their making and their mounting."""
    listed = run(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE"])
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    # The name of a file that is gone has " (deleted)" at its end.
    found = [each["name"] for each in devices if Path(each["back-file"] or "/").is_relative_to(places.folder)]
    for device in found:
        with suppress(MissingError):  # it was on its way out already
            run(["losetup", "--detach", device])
    return len(found)


def _delete_namespaces(places: LabPlaces) -> int:
    """Delete the namespaces of the nodes and of the bridge; bridges and cables go with them."""
    found = [*NAMESPACES.glob(places.namespace), *NAMESPACES.glob(f"{places.namespace}-*")]
    for file in found:
        run(["ip", "netns", "delete", file.name])
    interface = Path("/sys/class/net") / places.interface
    # The kernel takes the cable away with the namespace of its other end, a moment later.
    deadline = time.monotonic() + 1
    while interface.exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if interface.exists():
        run(["ip", "link", "delete", places.interface])
    return len(found)
