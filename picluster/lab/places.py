"""Where a lab lies: the one place that knows the names of its files, namespaces, interfaces and control groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/lib/picluster-lab")
CACHE = Path("/var/cache/picluster-lab")
LOCK = Path("/run/picluster-lab.lock")
NAMESPACES = Path("/run/netns")
BINFMT = Path("/run/picluster-lab-binfmt")
"""Where binfmt_misc is mounted while a lab is emulated: many machines have it nowhere."""
PROJECT = Path("/opt/picluster")
"""On a node, where picluster's environment lies; provisioned Pis have it there too."""


@dataclass(frozen=True)
class NodePlaces:
    """One node's."""

    lab: str
    name: str

    @property
    def folder(self) -> Path:
        """Holds all that follows. Only root may enter: the programs in it include those that give root's rights."""
        return STATE / self.lab / "nodes" / self.name

    @property
    def image(self) -> Path:
        """The node's disk."""
        return self.folder / "disk.img"

    @property
    def disk(self) -> Path:
        """Where the disk is mounted."""
        return self.folder / "disk"

    @property
    def root(self) -> Path:
        """The node's file system: what is on its disk over the shared base."""
        return self.folder / "root"

    @property
    def host_key(self) -> Path:
        """Its sshd's key."""
        return self.folder / "host_key"

    @property
    def console(self) -> Path:
        """What the machine says while it boots."""
        return self.folder / "console.log"

    @property
    def filler(self) -> Path:
        """The file that fills the disk."""
        return self.root / "var" / "tmp" / "picluster-lab-filler"

    @property
    def namespace(self) -> str:
        """Its network namespace; nspawn's name for the machine too."""
        return f"{LabPlaces(self.lab).namespace}-{self.name}"

    @property
    def group(self) -> str:
        """Its control group, below the mount point of each hierarchy."""
        return f"{LabPlaces(self.lab).group}/{self.name}"


@dataclass(frozen=True)
class LabPlaces:
    """One lab's."""

    name: str

    @property
    def folder(self) -> Path:
        """Its state."""
        return STATE / self.name

    @property
    def spec(self) -> Path:
        """Written before anything is made."""
        return self.folder / "lab.json"

    @property
    def stamp(self) -> Path:
        """Written last, with the host's boot id: a lab does not survive the host's restart."""
        return self.folder / "made"

    @property
    def inventory(self) -> Path:
        """For Ansible and picluster."""
        return self.folder / "inventory.yml"

    @property
    def known_hosts(self) -> Path:
        """The nodes' host keys."""
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        """The key that opens all nodes."""
        return self.folder / "key"

    @property
    def public_key(self) -> Path:
        """Its other half."""
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
        """Those of one node."""
        return NodePlaces(self.name, name)


def boot_id() -> str:
    """Another one after every start of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write(path: Path, text: str) -> None:
    """Beside, then renamed."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text)
    beside.replace(path)
