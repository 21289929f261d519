"""Boot of a node: systemd-nspawn inside the node's control groups and network namespace."""

import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.kernel.commands import run
from picluster.lab.kernel.control_groups import Hierarchies, joining
from picluster.lab.places import NAMESPACES, LabPlaces, NodePlaces
from picluster.lab.spec import LabSpec, NodeSpec

BOOT_TIMEOUT_SECONDS = 300
_CONNECT_TIMEOUT_SECONDS = 2
_POLL_SECONDS = 0.05
_REBOOT = 133
_ENVIRONMENT = {
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # /tmp is on the disk, as on a Pi
    "SYSTEMD_NSPAWN_LOCK": "0",  # whose file would outlive the machine
}

# Both take: the files that make a process a member, then `--`, then the command; they join and start it, again after
# each reboot. A group that is gone (the lab was taken down meanwhile) ends them.
_JOIN = """
set -u
while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done
shift
"""
KEEP_V1 = f"""{_JOIN}
while :; do
    "$@"
    [ $? -eq {_REBOOT} ] || exit
done
"""
# $1 and $2 before them: the machine's group and its memory limit in bytes. Every boot gets a group of its own, since a
# group that has handed controllers down takes no process any more. Inside the machine only the groups below that are
# seen: the limit is repeated there, once nspawn has made them.
KEEP_V2 = f"""
group=$1 limit=$2 boot=0
shift 2
{_JOIN}
while :; do
    boot=$((boot + 1))
    mkdir "$group/boot$boot" || exit 1
    (echo 0 > "$group/boot$boot/cgroup.procs" && exec "$@") &
    while kill -0 $! 2>/dev/null && [ ! -e "$group/boot$boot/payload/memory.max" ]; do sleep 0.05; done
    echo "$limit" > "$group/boot$boot/payload/memory.max"
    wait $!
    [ $? -eq {_REBOOT} ] || exit
done
"""


def machine_words(places: NodePlaces, mounts: Mapping[Path, Path], variables: Mapping[str, str]) -> list[str]:
    """Command line that boots a node.

    `mounts` says what of the host is seen where, read-only; `variables` are the environment of its first process.
    """
    return [
        "systemd-nspawn",
        *("--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no", "--link-journal=no"),
        *("--resolv-conf=off", "--timezone=off", "--console=pipe"),
        f"--machine={places.namespace}",
        f"--hostname={places.name}",
        f"--directory={places.root}",
        f"--network-namespace-path={NAMESPACES / places.namespace}",
        "--capability=CAP_NET_ADMIN",  # the network is the node's own, and so is its firewall
        "--system-call-filter=pidfd_getfd",  # as on a Pi, a worker may bind its children's sockets
        *(f"--bind-ro={_escaped(source)}:{_escaped(target)}" for source, target in mounts.items()),
        *(f"--setenv={name}={value}" for name, value in variables.items()),
    ]


def _escaped(path: Path) -> str:
    """Escape a path for nspawn, for which a colon separates."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def keeper_words(found: Hierarchies, group: str, memory_bytes: int, machine: list[str]) -> list[str]:
    """Command line of the shell that joins the node's groups and boots the machine; no word is read as shell code."""
    members = [str(file) for file in joining(found, group)]
    if found.version == 1:
        return ["sh", "-c", KEEP_V1, "picluster-lab", *members, "--", *machine]
    folder = str(found.roots["unified"] / group)
    return ["sh", "-c", KEEP_V2, "picluster-lab", folder, str(memory_bytes), *members, "--", *machine]


def boot(
    found: Hierarchies,
    node: NodeSpec,
    places: NodePlaces,
    mounts: Mapping[Path, Path],
    variables: Mapping[str, str],
) -> None:
    """Start the machine and return at once."""
    words = keeper_words(found, places.group, node.memory_bytes, machine_words(places, mounts, variables))
    run(["setsid", "--fork", *words], log=places.console, environment=_ENVIRONMENT)


def wait_for_ssh(lab: LabSpec, nodes: Iterable[NodeSpec] | None = None) -> None:
    """Wait until the sshd of each of these nodes (by default of all) greets; MissingError names those that do not."""
    waiting = list(lab.nodes if nodes is None else nodes)
    deadline = time.monotonic() + BOOT_TIMEOUT_SECONDS
    while waiting := [node for node in waiting if not _greets(node.address)]:
        if time.monotonic() > deadline:
            names = ", ".join(node.name for node in waiting)
            logs = ", ".join(str(LabPlaces(lab.name).node(node.name).console) for node in waiting)
            raise MissingError(
                f"{names}: sshd has not answered within {BOOT_TIMEOUT_SECONDS} s",
                fix=f"see what the machine says: {logs}",
            )
        time.sleep(_POLL_SECONDS)


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=_CONNECT_TIMEOUT_SECONDS) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
