"""Makes a lab and takes it away."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path

from picluster.errors import InputError, MissingError
from picluster.lab.faults import restore, start
from picluster.lab.kernel.commands import check_programs, check_root, run, run_all
from picluster.lab.kernel.control_groups import hierarchies, kill, processes, remove_groups
from picluster.lab.kernel.host import check_inotify, invoker, locked
from picluster.lab.kernel.network import bridge_commands, node_commands, routed_networks
from picluster.lab.machine.base import USER, BaseKind, ensure_base, python_version
from picluster.lab.machine.disk import make_disk
from picluster.lab.machine.emulation import begin_emulation, check_emulator, end_emulation_without_labs
from picluster.lab.machine.environment import own_environment
from picluster.lab.machine.identity import give_identity, known_hosts, make_key
from picluster.lab.machine.machine import wait_for_ssh
from picluster.lab.machine.own_files import make_image, mount_image
from picluster.lab.machine.release import check_releases
from picluster.lab.places import NAMESPACES, LabPlaces, boot_id, write
from picluster.lab.spec import LabRequest, LabSpec, check_name, free_network, specify
from picluster.lab.state import is_whole, read_spec
from picluster.schema.record import to_json

Tell = Callable[[str], None]

UNMOUNT_TIMEOUT_SECONDS = 10
_POLL_SECONDS = 0.05
_NSPAWN = Path("/run/systemd/nspawn")
_OCTAL = re.compile(r"\\([0-7]{3})")


def up(wanted: LabRequest, tell: Tell) -> LabSpec:
    """Make a lab, or repair one that is there; raises InputError where that one has other settings."""
    check_root("up")
    check_programs(emulated=wanted.emulated)
    check_releases(wanted.releases, fresh=wanted.fresh)
    if wanted.emulated:
        check_emulator(wanted.releases)
    os.umask(0o022)  # what is made is a system's files, and an inventory that others than root read
    with locked(tell):
        if is_whole(wanted.name):
            lab = read_spec(wanted.name)
            if specify(wanted, lab.network) != lab:
                raise InputError(
                    f"lab {lab.name} is there with other settings", fix=f"picluster lab down --name {lab.name}"
                )
            for node in lab.nodes:
                for done in restore(lab, node):
                    tell(f"{node.name}: {done}")
            _hand_over(lab)
            return lab
        if swept := sweep(wanted.name):
            tell(f"took away what an interrupted command or this machine's restart has left: {', '.join(swept)}")
        return _make(wanted, tell)


def down(name: str, tell: Tell) -> list[str]:
    """Remove a lab; returns what there was of it, in words."""
    check_name(name)
    check_root("down")
    check_programs()
    with locked(tell):
        return sweep(name)


def _make(wanted: LabRequest, tell: Tell) -> LabSpec:
    environment = None if wanted.fresh else own_environment()
    check_inotify(wanted.nodes)
    if wanted.emulated:
        begin_emulation()
    with _timed("base", tell):
        bases = {
            release: ensure_base(BaseKind(release=release, fresh=wanted.fresh, emulated=wanted.emulated), tell)
            for release in dict.fromkeys(wanted.releases)
        }
    if environment:
        for base in bases.values():
            environment.check_version(python_version(base))
    lab = specify(wanted, free_network(routed_networks()))
    places = LabPlaces(lab.name)
    for node in lab.nodes:
        places.node(node.name).folder.mkdir(parents=True)
    places.nodes.chmod(0o700)
    write(places.spec, to_json(lab, indent=True).decode())
    with _timed("disks", tell):
        make_key(places.key, f"picluster-lab-{lab.name}")
        if lab.own_files:
            make_image(places, bases, environment.mounts() if environment else {})
        for node in lab.nodes:
            at = places.node(node.name)
            make_disk(node, at, mount_image(places, at, node.release) if lab.own_files else bases[node.release])
            give_identity(lab, node)
            if environment:
                environment.install(at)
    with _timed("network", tell):
        run_all(bridge_commands(lab))
        for node in lab.nodes:
            run_all(node_commands(lab, node))
    with _timed("boot", tell):
        for node in lab.nodes:
            start(lab, node)
        wait_for_ssh(lab)
    _hand_over(lab)
    write(places.stamp, boot_id())
    return lab


def _hand_over(lab: LabSpec) -> None:
    """Write the files that reach the nodes, and give them to the person who typed sudo."""
    places, owner = LabPlaces(lab.name), invoker(os.environ)
    write(places.inventory, inventory_text(lab))
    write(places.known_hosts, known_hosts(lab))
    for file in (places.inventory, places.known_hosts, places.key, places.public_key):
        os.chown(file, *owner)


def inventory_text(lab: LabSpec) -> str:
    """Inventory of a lab for Ansible and picluster, in YAML, without quotes: names and paths need none."""
    places = LabPlaces(lab.name)
    # nftables speaks a netlink that qemu does not pass on to the kernel.
    firewall = "    firewall_enabled: false\n" if lab.emulated else ""
    hosts = "".join(
        f"    {node.name}:\n      ansible_host: {node.address}\n"
        f"      picluster_memory_mb: {max(1, node.memory_bytes >> 20)}\n      picluster_cores: {ceil(node.cpus)}\n"
        for node in lab.nodes
    )
    return (
        f"---\n# The lab {lab.name}; taken away by: picluster lab down\n"
        f"picluster:\n  hosts:\n{hosts}"
        f"  vars:\n    ansible_user: {USER}\n"
        f"    ansible_ssh_private_key_file: {places.key}\n"
        f"    ansible_ssh_common_args: -o UserKnownHostsFile={places.known_hosts}\n"
        f"{firewall}"
    )


@contextmanager
def _timed(what: str, tell: Tell) -> Iterator[None]:
    began = time.monotonic()
    yield
    tell(f"{what:<9} {time.monotonic() - began:.1f} s")


def sweep(name: str) -> list[str]:
    """Remove every trace of a lab, as the kernel lists it, not as it was written down; returns in words what it was."""
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
