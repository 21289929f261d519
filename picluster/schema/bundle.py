"""Record of `picluster probe`: what is found out about a shelf of Pis, with stand-ins for whatever is personal."""

from picluster.schema.facts import NodeFacts
from picluster.schema.health import Health
from picluster.schema.record import Record
from picluster.schema.report import Report

BUNDLE_KIND = "picluster bundle"
"""Tag by which a file is known as a bundle, whatever its version."""


class Names(Record, frozen=True, kw_only=True):
    """Names by which a machine and its people can be recognised. Asked for to keep them out of a bundle."""

    hosts: tuple[str, ...]
    """Names of the machine."""
    users: tuple[str, ...]
    """Accounts of people there, the asking one first."""
    homes: tuple[str, ...]
    """Their home folders."""
    hardware_addresses: tuple[str, ...]
    """MAC addresses of its interfaces."""
    networks: tuple[str, ...]
    """Wi-Fi networks that it is in."""


class Bench(Record, frozen=True, kw_only=True):
    """Measures of a node at rest, by a program in its own environment. None is what was not measured."""

    step: str
    """The last that was begun, such as `reading the disk`; `done` after all of them."""
    signal: str | None
    """Name of the signal that ended it."""
    error: str
    """Its last words; empty where it did all, or a signal ended it."""
    cores: int | None = None
    """Cores that it used at most."""
    product_gflops: float | None = None
    """Products of the first layer's size at Reddit's widths, in fp32, on one core."""
    all_cores_gflops: float | None = None
    """The same, a product on each core at a time, as training does."""
    gather_fp32_rows: float | None = None
    """Rows of 602 values that one core gathers and averages in a second; the next one in fp16."""
    gather_fp16_rows: float | None = None
    read_mb_per_second: float | None = None
    """Rate of reading a file in order from the disk that picluster is on."""
    random_reads: float | None = None
    """Reads of 4 KiB in a second, at random places of it."""
    in_memory: bool | None = None
    """True where the kernel kept that file in memory, so that its disk was not measured."""


class ProbedNode(Record, frozen=True, kw_only=True):
    """One node, beside what `Bundle.health` says of it."""

    name: str
    """Stand-in for its name in the inventory."""
    facts: NodeFacts | None = None
    """Facts that a launch sees; None where it could not be asked."""
    bench: Bench | None = None
    """Measures; None where none were taken."""


class Missing(Record, frozen=True, kw_only=True):
    """Something that could not be gathered."""

    what: str
    """Name of it: `facts`, `bench` or `run`."""
    nodes: tuple[str, ...]
    why: str


class Bundle(Record, frozen=True, kw_only=True, tag_field="kind", tag=BUNDLE_KIND):
    """A file to be sent: it is read first."""

    schema_version: int = 1
    made: str
    """Day, such as 2026-11-30."""
    picluster: str
    """Version of picluster on the person's machine."""
    nodes: tuple[ProbedNode, ...]
    health: Health
    """Findings of the doctor, and what they are drawn from."""
    report: Report | None
    """Report of a run of three epochs; None where none began."""
    missing: tuple[Missing, ...]
