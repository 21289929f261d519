"""Facts of the nodes: what each tells of itself before anything is planned, and again before a worker is started."""

from collections.abc import Mapping

import msgspec

from picluster.schema.record import Record, Timestamp
from picluster.schema.run import Controller


class Claimed(msgspec.Struct, frozen=True):
    """A worker on a node, as its claim says: that of a later version may say more."""

    run: str
    """Name of its run."""
    node: str
    """Name of the node in that run."""
    is_exclusive: bool
    """True where the node is a machine that works for one run at a time."""
    controller: Controller
    """Process that leads the run."""
    pid: int
    """The worker's process."""
    group: int
    """Group of processes to end with it."""
    since: Timestamp
    """Time when it came, in seconds since 1970."""
    role: str = ""
    """Its work, such as `sampler + stage 1`."""


class NodeFacts(Record, frozen=True, kw_only=True):
    """Facts of one node. None is what is not known: of a node that was not asked, all but its name."""

    name: str
    """Name in the inventory."""
    memory_bytes: int | None = None
    """Memory of the machine."""
    limit_bytes: int | None = None
    """Memory that the kernel grants to the control group of its user."""
    cores: int | None = None
    """Number of cores that a process may use."""
    machine: str | None = None
    """Architecture, such as aarch64."""
    processor: str | None = None
    """Board of a Pi, processor of a PC."""
    numerics: str | None = None
    """Fingerprint of the numerics that a worker has left there: nodes that share it compute the same bits."""
    worker: str | None = None
    """Path of `picluster-worker`; None where it is not installed."""
    version: str | None = None
    """Version of picluster, as that program tells it."""
    trouble: str = ""
    """Words of that program where it does not start."""
    python: str | None = None
    """Version of the Python that the worker runs in, such as 3.11."""
    torch: str | None = None
    """Version of torch."""
    packages: dict[str, str | None] = msgspec.field(default_factory=dict)
    """Versions of packages that engines need, None where one is not installed."""
    rsync: bool = False
    """True where it is installed."""
    ssh_address: str = ""
    """The node's own address on the SSH connection."""
    interfaces: dict[str, str] = msgspec.field(default_factory=dict)
    """Name of the interface by IPv4 address."""
    claims: tuple[Claimed, ...] = ()
    """Workers that are there."""
    cache: str = ""
    """Folder where data are kept."""
    lacking: tuple[str, ...] = ()
    """Files of the graph folder that have to be shipped, of those that were asked about."""
    verified: dict[str, str] = msgspec.field(default_factory=dict)
    """Checksums (SHA-256) that are known of the others of these files, since they were verified there."""
    free_bytes: int | None = None
    """Free space of the disk with the cache."""
    oom_kills: int | None = None
    """Number of processes killed for want of memory since it was started."""

    @property
    def usable_bytes(self) -> int | None:
        """Memory that a process can have at most."""
        return min((size for size in (self.memory_bytes, self.limit_bytes) if size), default=None)


def mixed_numerics(fingerprints: Mapping[str, str | None]) -> str:
    """Remark on nodes, given by name, whose numerics are known and differ; empty where none do."""
    groups: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        if fingerprint:
            groups.setdefault(fingerprint, []).append(name)
    if len(groups) < 2:  # noqa: PLR2004  all compute alike
        return ""
    told = "; ".join(sorted(f"{', '.join(sorted(names))} ({fingerprint})" for fingerprint, names in groups.items()))
    return f"numerics differ between {told}: another plan over them may learn other last bits"
