"""Names of a lab's files, namespaces, interfaces and control groups: no other place knows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/lib/picluster-lab")
CACHE = Path("/var/cache/picluster-lab")
LOCK = Path("/run/picluster-lab.lock")
NAMESPACES = Path("/run/netns")
BINFMT = Path("/run/picluster-lab-binfmt")
"""Mount point of binfmt_misc while a lab is emulated: many machines have it nowhere."""
PROJECT = Path("/opt/picluster")
"""Folder of picluster's environment on a node; provisioned Pis have it there too."""


@dataclass(frozen=True)
class NodePlaces:
    """Names of what belongs to one node."""

    lab: str
    name: str

    @property
    def folder(self) -> Path:
        """Folder of all that follows. Only root may enter: the programs in it include those that give root's rights."""
        return STATE / self.lab / "nodes" / self.name

    @property
    def image(self) -> Path:
        """Image of the node's disk."""
        return self.folder / "disk.img"

    @property
    def disk(self) -> Path:
        """Mount point of the disk."""
        return self.folder / "disk"

    @property
    def root(self) -> Path:
        """Root of the node's file system: its disk over the shared base."""
        return self.folder / "root"

    @property
    def host_key(self) -> Path:
        """Key of its sshd."""
        return self.folder / "host_key"

    @property
    def console(self) -> Path:
        """Output of the machine while it boots."""
        return self.folder / "console.log"

    @property
    def filler(self) -> Path:
        """The file that fills the disk."""
        return self.root / "var" / "tmp" / "picluster-lab-filler"

    @property
    def namespace(self) -> str:
        """Network namespace of the node; nspawn's name for the machine too."""
        return f"{LabPlaces(self.lab).namespace}-{self.name}"

    @property
    def group(self) -> str:
        """Control group of the node, below the mount point of each hierarchy."""
        return f"{LabPlaces(self.lab).group}/{self.name}"


@dataclass(frozen=True)
class LabPlaces:
    """Names of what belongs to one lab."""

    name: str

    @property
    def folder(self) -> Path:
        """Folder of the lab's files."""
        return STATE / self.name

    @property
    def spec(self) -> Path:
        """Specification of the lab, written before anything is made."""
        return self.folder / "lab.json"

    @property
    def stamp(self) -> Path:
        """Mark of a whole lab, written last, with the host's boot id: a lab does not survive the host's restart."""
        return self.folder / "made"

    @property
    def inventory(self) -> Path:
        """Inventory for Ansible and picluster."""
        return self.folder / "inventory.yml"

    @property
    def known_hosts(self) -> Path:
        """Host keys of the nodes."""
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        """Private key that opens all nodes."""
        return self.folder / "key"

    @property
    def public_key(self) -> Path:
        """Public half of that key."""
        return self.folder / "key.pub"

    @property
    def namespace(self) -> str:
        """The network namespace that holds the bridge. In the host's own there is only one end of a cable."""
        return f"plab-{self.name}"

    @property
    def interface(self) -> str:
        """The host's end of that cable."""
        return f"plab-{self.name}"

    @property
    def group(self) -> str:
        """The control group that holds those of the nodes."""
        return f"picluster-lab-{self.name}"

    def node(self, name: str) -> NodePlaces:
        """Names of one node's things."""
        return NodePlaces(self.name, name)


def boot_id() -> str:
    """Read the id of this machine's boot: another one after every start."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text)
    beside.replace(path)
