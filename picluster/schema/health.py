"""What `picluster doctor --json` prints. Other programs read it: fields are added, never changed."""

from typing import Literal

from picluster.schema.record import Record

HEALTH_SCHEMA_VERSION = 1

Severity = Literal["note", "warning", "problem"]
"""Good to know; works, yet should be mended; the node cannot be used."""


class TorchTrial(Record, frozen=True, kw_only=True):
    """How it went when a node's own environment computed with torch and imported the worker."""

    step: str
    """The last that was begun: `importing torch`, `multiplying`, `importing the worker`; `done` after all of them."""
    signal: str | None
    """Name of the signal that ended it, such as SIGILL."""
    error: str
    """Its last words; empty where it did all, or a signal ended it."""
    versions: dict[str, str]
    """Of Python and packages, where it did all."""


class Interface(Record, frozen=True, kw_only=True):
    """A network interface."""

    speed_mbit: int | None
    """Of its link; None where it is no device that knows."""
    wireless: bool
    """Whether it is radio."""
    half_duplex: bool
    """Whether the link carries one direction at a time."""


class Facts(Record, frozen=True, kw_only=True):
    """What an examiner says of a node. None is what the machine does not have or tell."""

    board: str | None
    """Such as `Raspberry Pi 4 Model B Rev 1.4`."""
    machine: str
    """Such as aarch64."""
    bits: Literal[32, 64]
    """Of its programs."""
    system: str
    """Such as `Debian GNU/Linux 12 (bookworm)`."""
    python: str
    """Version of the system's own python3."""
    atomics: bool | None
    """Whether an ARM processor has these instructions."""
    memory_bytes: int | None
    """Of the machine."""
    available_bytes: int | None
    """Of that, not in use."""
    swap_free_bytes: int | None
    """Room for what is swapped out."""
    limit_bytes: int | None
    """Memory that the kernel grants to the control group."""
    memory_controller: bool | None
    """Whether the kernel can bound and count the memory of control groups."""
    swaps_on_card: tuple[str, ...]
    """Swap devices and files on an SD card."""
    free_bytes: int | None
    """Of the disk where data are kept."""
    read_only: bool
    """Whether that disk takes nothing."""
    sudo: bool
    """Whether it asks for no password."""
    name_addresses: tuple[str, ...] | None
    """What the node's own host name resolves to on the node; None where that took too long."""
    interfaces: dict[str, Interface]
    """By name."""
    governor: str | None
    """Of the processor's speed."""
    celsius: float | None
    """Temperature of the processor."""
    throttled: int | None
    """Bits of `vcgencmd get_throttled`."""
    package_locks: tuple[str, ...]
    """Programs that hold locks of apt and dpkg."""


class Link(Record, frozen=True, kw_only=True):
    """The way from one node to another, over TCP."""

    source: str
    """Name of the node that connected and sent."""
    target: str
    """Name of the node that listened."""
    problem: str = ""
    """Why it was not measured."""
    round_trip_ms: float | None = None
    """Median of small messages."""
    mbit_per_second: float | None = None
    """Rate of up to 8 MiB."""


class Finding(Record, frozen=True, kw_only=True):
    """Something that a person should know, and what to do."""

    check: str
    """What was checked, in a word that stays the same."""
    severity: Severity
    nodes: tuple[str, ...]
    """Whom it concerns, in the order of the inventory."""
    what: str
    fix: str


class NodeHealth(Record, frozen=True, kw_only=True):
    """One node. What could not be found out is None."""

    name: str
    """As in the inventory."""
    local: bool
    """Whether it is a process on this machine."""
    ready: bool
    """Whether no finding about it is a problem."""
    address: str | None = None
    """Of its data plane."""
    interface: str | None = None
    """That has this address."""
    clock_seconds: float | None = None
    """How far its clock is ahead of this machine's."""
    facts: Facts | None = None
    torch: TorchTrial | None = None
    """None where it was not tried: a run is under way there, or nothing is installed."""


class Health(Record, frozen=True, kw_only=True):
    """All nodes side by side."""

    schema_version: int = HEALTH_SCHEMA_VERSION
    ready: bool
    """Whether all nodes are."""
    nodes: tuple[NodeHealth, ...]
    links: tuple[Link, ...]
    """Every pair of machines, in both directions."""
    findings: tuple[Finding, ...]
    """The worst first."""
