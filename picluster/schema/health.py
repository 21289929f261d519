"""Record of `picluster doctor --json`. Other programs read it: fields are added, never changed."""

from typing import Literal

from picluster.schema.record import Record

Severity = Literal["note", "warning", "problem"]
"""Good to know; works, yet should be mended; the node cannot be used."""


class TorchTrial(Record, frozen=True, kw_only=True):
    """Outcome of a trial in a node's own environment: computing with torch, importing the worker."""

    step: str
    """The last that was begun, such as `importing torch`, `multiplying`; `done` after all of them."""
    signal: str | None
    """Name of the signal that ended it, such as SIGILL."""
    error: str
    """Its last words; empty where it did all, or a signal ended it."""
    versions: dict[str, str]
    """Versions of Python and packages, where it did all."""
    numerics: str | None = None
    """Fingerprint of the numerics, where it did all: nodes that share it compute the same bits."""


class Interface(Record, frozen=True, kw_only=True):
    """A network interface."""

    speed_mbit: int | None
    """Speed of its link; None where it is no device that knows."""
    wireless: bool
    """True where it is radio."""
    half_duplex: bool
    """True where the link carries one direction at a time."""


class Facts(Record, frozen=True, kw_only=True):
    """Facts of a node, told by the examiner. None is what the machine does not have or tell."""

    board: str | None
    """Name of the board, such as `Raspberry Pi 4 Model B Rev 1.4`."""
    machine: str
    """Architecture, such as aarch64."""
    bits: Literal[32, 64]
    """Word size of its programs."""
    system: str
    """Name of the system, such as `Debian GNU/Linux 12 (bookworm)`."""
    python: str
    """Version of the system's own python3."""
    atomics: bool | None
    """True where an ARM processor has these instructions; None of other processors."""
    memory_bytes: int | None
    """Memory of the machine."""
    available_bytes: int | None
    """Part of the memory that is not in use."""
    swap_free_bytes: int | None
    """Room for what is swapped out."""
    limit_bytes: int | None
    """Memory that the kernel grants to the control group."""
    memory_controller: bool | None
    """True where the kernel can bound and count the memory of control groups."""
    swaps_on_card: tuple[str, ...]
    """Swap devices and files on an SD card."""
    free_bytes: int | None
    """Free space of the disk where data are kept."""
    read_only: bool
    """True where that disk takes nothing."""
    sudo: bool
    """True where it asks for no password."""
    name_addresses: tuple[str, ...] | None
    """Addresses that the node's own host name resolves to on the node; None where that took too long."""
    interfaces: dict[str, Interface]
    governor: str | None
    """Governor of the processor's speed."""
    celsius: float | None
    """Temperature of the processor."""
    throttled: int | None
    """Bits of `vcgencmd get_throttled`."""
    package_locks: tuple[str, ...]
    """Programs that hold locks of apt and dpkg."""
    kernel: str = ""
    """Release of the kernel; empty in older records."""
    page_bytes: int | None = None
    """Size of a page of memory: 16 KiB on a Pi 5 with its own kernel; None in older records, as the next ones."""
    most_mhz: int | None = None
    """Highest clock of the processor that its system allows."""
    firmware: str | None = None
    """Date of a Pi's firmware."""
    bootloader: str | None = None
    """Date of a Pi's bootloader."""
    disk: str | None = None
    """Device that holds the data, such as `mmcblk0 SD64G`."""


class Link(Record, frozen=True, kw_only=True):
    """The way from one node to another, over TCP."""

    source: str
    """Name of the node that connected and sent."""
    target: str
    """Name of the node that listened."""
    problem: str = ""
    """Reason why it was not measured."""
    round_trip_ms: float | None = None
    """Median of small messages."""
    mbit_per_second: float | None = None
    """Rate of up to 8 MiB."""


class Finding(Record, frozen=True, kw_only=True):
    """Something that a person should know, and what to do."""

    check: str
    """Name of the check, in a word that stays the same."""
    severity: Severity
    nodes: tuple[str, ...]
    """Nodes that it concerns, in the order of the inventory."""
    what: str
    fix: str


class NodeHealth(Record, frozen=True, kw_only=True):
    """Health of one node. Facts that could not be found out are None."""

    name: str
    """Name in the inventory."""
    local: bool
    """True where it is a process on this machine."""
    ready: bool
    """True where no finding about it is a problem."""
    address: str | None = None
    """Address of its data plane."""
    interface: str | None = None
    """Interface that has this address."""
    clock_seconds: float | None = None
    """Seconds by which its clock is ahead of this machine's."""
    facts: Facts | None = None
    torch: TorchTrial | None = None
    """Trial of torch; None where it was not made: a run is under way there, or nothing is installed."""


class Health(Record, frozen=True, kw_only=True):
    """All nodes side by side."""

    schema_version: int = 1
    ready: bool
    nodes: tuple[NodeHealth, ...]
    links: tuple[Link, ...]
    """Every pair of machines, in both directions."""
    findings: tuple[Finding, ...]
    """Findings, the worst first."""
