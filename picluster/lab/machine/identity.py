"""Identity of a node: its name, its keys, and the files that hold them."""

import os
import uuid
from dataclasses import dataclass

from picluster.lab.kernel.commands import run
from picluster.lab.machine.base import USER, USER_ID
from picluster.lab.places import LabPlaces, NodePlaces
from picluster.lab.spec import LabSpec, NodeSpec


@dataclass(frozen=True, kw_only=True)
class NodeFile:
    """A file that is written into a node."""

    path: str
    """Path below the node's root."""
    text: str
    mode: int = 0o644
    owner: int = 0
    """Owner of the file, and of folders that are made for it."""


def identity_files(node: NodeSpec, *, machine_id: str, public_key: str, host_key: str) -> list[NodeFile]:
    """Files that give a node its identity."""
    # The own name leads to the loopback, as on a Pi: what advertises its name to others must notice here.
    hosts = f"127.0.0.1\tlocalhost\n127.0.1.1\t{node.name}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    return [
        NodeFile(path="etc/hostname", text=f"{node.name}\n"),
        NodeFile(path="etc/hosts", text=hosts),
        NodeFile(path="etc/machine-id", text=f"{machine_id}\n", mode=0o444),
        NodeFile(path="etc/ssh/ssh_host_ed25519_key", text=host_key, mode=0o600),
        NodeFile(path=f"home/{USER}/.ssh/authorized_keys", text=public_key, mode=0o600, owner=USER_ID),
    ]


def make_key(path: os.PathLike[str], comment: str) -> None:
    """Make an ed25519 key without a passphrase, and its public half beside it."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", os.fspath(path)])


def give_identity(lab: LabSpec, node: NodeSpec) -> None:
    """Write a node's files. Its file system must be mounted, the lab's key made."""
    lab_places = LabPlaces(lab.name)
    places = lab_places.node(node.name)
    make_key(places.host_key, node.name)
    files = identity_files(
        node,
        machine_id=uuid.uuid4().hex,
        public_key=lab_places.public_key.read_text(),
        host_key=places.host_key.read_text(),
    )
    write_files(places, files)


def write_files(places: NodePlaces, files: list[NodeFile]) -> None:
    """Write files into a node that does not run yet."""
    for file in files:
        path = places.root / file.path
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700 if file.owner else 0o755)
                os.chown(folder, file.owner, file.owner)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "w") as opened:
            opened.write(file.text)
        path.chmod(file.mode)
        os.chown(path, file.owner, file.owner)


def known_hosts(lab: LabSpec) -> str:
    """Write a line of known_hosts for each node: the host keys were made here, so nobody needs to be asked for them."""
    keys = {node: LabPlaces(lab.name).node(node.name).host_key.with_suffix(".pub").read_text() for node in lab.nodes}
    return "".join(f"{node.address} {' '.join(key.split()[:2])}\n" for node, key in keys.items())
