"""Names of a lab's files, namespaces, interfaces and control groups: no other place knows them."""

from pathlib import Path

STATE = Path("/var/lib/picluster-lab")
CACHE = Path("/var/cache/picluster-lab")
LOCK = Path("/run/picluster-lab.lock")
NAMESPACES = Path("/run/netns")
BINFMT = Path("/run/picluster-lab-binfmt")
"""Mount point of binfmt_misc while a lab is emulated: many machines have it nowhere."""
PROJECT = Path("/opt/picluster")
"""Folder of picluster's environment on a node; provisioned Pis have it there too."""


class LabPlaces:
    """Names of what belongs to one lab."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = STATE / name
        """Folder of the lab's files."""
        self.nodes = self.folder / "nodes"
        """Folder of the nodes' files. Only root may enter: programs in it include those that give root's rights."""
        self.spec = self.folder / "lab.json"
        """Specification of the lab, written before anything is made."""
        self.stamp = self.folder / "made"
        """Mark of a whole lab, written last, with the host's boot id: a lab does not survive the host's restart."""
        self.inventory = self.folder / "inventory.yml"
        """Inventory for Ansible and picluster."""
        self.known_hosts = self.folder / "known_hosts"
        """Host keys of the nodes."""
        self.key = self.folder / "key"
        """Private key that opens all nodes."""
        self.public_key = self.folder / "key.pub"
        """Public half of that key."""
        self.image = self.folder / "files.img"
        """Image of system and packages, where nodes have files of their own."""
        self.image_mount = self.folder / "image"
        """Mount point of that image while it is written."""
        self.namespace = f"plab-{name}"
        """Network namespace of the bridge, and the beginning of the nodes' namespaces."""
        self.interface = f"plab-{name}"
        """Network interface by which the host reaches the bridge."""
        self.group = f"picluster-lab-{name}"
        """Control group that holds those of the nodes."""

    def node(self, name: str) -> "NodePlaces":
        """Names of what belongs to one node."""
        return NodePlaces(self.name, name)


class NodePlaces:
    """Names of what belongs to one node."""

    def __init__(self, lab: str, name: str) -> None:
        whole = LabPlaces(lab)
        self.name = name
        self.folder = whole.nodes / name
        """Folder of the node's files."""
        self.image = self.folder / "disk.img"
        """Image of the node's disk."""
        self.disk = self.folder / "disk"
        """Mount point of the disk."""
        self.files = self.folder / "files"
        """Mount point of the lab's image of system and packages, where nodes have files of their own."""
        self.root = self.folder / "root"
        """Root of the node's file system: its disk over the base."""
        self.host_key = self.folder / "host_key"
        """Key of its sshd."""
        self.console = self.folder / "console.log"
        """Output of the machine while it boots."""
        self.filler = self.root / "var" / "tmp" / "picluster-lab-filler"
        """File that fills the disk."""
        self.namespace = f"{whole.namespace}-{name}"
        """Network namespace of the node; nspawn's name for the machine too."""
        self.group = f"{whole.group}/{name}"
        """Control group of the node, below the mount point of each hierarchy."""


def boot_id() -> str:
    """Read the id of this machine's boot: another one after every start."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text)
    beside.replace(path)
