"""Readings of what nodes have in use. Other programs read `picluster top --json`: fields are added, never changed."""

from typing import Literal

from picluster.schema.facts import Claimed
from picluster.schema.record import Record, Timestamp

HeldBack = Literal["no", "now", "before"]
"""Answer to whether a Pi's firmware slows its processor down for heat or low voltage; before: since it was started."""
_NOW, _BEFORE = 0xF, 0xF0000
"""Bits of `vcgencmd get_throttled`."""


class Gauges(Record, frozen=True, kw_only=True):
    """Gauges of one node at one moment, told by the node. None is what the machine does not have or tell."""

    used_bytes: int | None
    """Memory in use that cannot be dropped, as pages of files can."""
    limit_bytes: int | None
    """Memory of the machine, or the smaller limit of a control group."""
    busy_ticks: int | None
    """Time that all cores together have worked since the machine was started."""
    ticks: int | None
    """Time of all cores since then."""
    cores: int | None
    celsius: float | None
    """Temperature of the processor."""
    throttled: int | None
    """Bits of `vcgencmd get_throttled`."""
    free_bytes: int | None
    """Free space of the disk where data are kept."""
    claims: tuple[Claimed, ...]
    """Workers that are there, of whichever user."""

    @property
    def held_back(self) -> HeldBack | None:
        """Word for the firmware's bits; None on what is no Pi."""
        if self.throttled is None:
            return None
        return "now" if self.throttled & _NOW else "before" if self.throttled & _BEFORE else "no"

    def cpu_share_since(self, before: "Gauges | None") -> float | None:
        """Share of all cores' time that was spent at work since another reading, from 0 to 1."""
        if before is None or None in (self.ticks, self.busy_ticks, before.ticks, before.busy_ticks):
            return None
        assert self.ticks is not None
        assert self.busy_ticks is not None
        passed, busy = self.ticks - (before.ticks or 0), self.busy_ticks - (before.busy_ticks or 0)
        return min(1.0, max(0.0, busy / passed)) if passed > 0 else None


class Occupant(Record, frozen=True, kw_only=True):
    """A worker at work on a node."""

    run: str
    """Name of its run."""
    role: str
    """Its work, such as `sampler + stage 1`; empty where its claim does not tell."""
    user: str
    """User who leads the run."""
    since: Timestamp
    """Time when it came, in seconds since 1970."""


class NodeReading(Record, frozen=True, kw_only=True):
    """Last reading of one node. None is what is not known."""

    name: str
    """Name in the inventory."""
    local: bool
    """True where it is a process on this machine, whose gauges are the machine's."""
    problem: str = ""
    """Reason why it does not answer; empty where it does."""
    fix: str = ""
    """Remedy for that."""
    seconds_ago: float | None = None
    """Age of the reading; None before the first."""
    memory_used_bytes: int | None = None
    """Memory in use that cannot be dropped, as pages of files can."""
    memory_limit_bytes: int | None = None
    """Memory of the machine, or the smaller limit of a control group."""
    cpu_share: float | None = None
    """Share of all cores' time that was spent at work since the reading before, from 0 to 1."""
    cores: int | None = None
    celsius: float | None = None
    """Temperature of the processor."""
    throttled: int | None = None
    """Bits of `vcgencmd get_throttled`; None on what is no Pi."""
    held_back: HeldBack | None = None
    """The same in a word."""
    free_bytes: int | None = None
    """Free space of the disk where data are kept."""
    workers: tuple[Occupant, ...] = ()


class Readings(Record, frozen=True, kw_only=True):
    """All nodes side by side."""

    schema_version: int = 1
    time: Timestamp
    """Time of the record, in seconds since 1970."""
    nodes: tuple[NodeReading, ...]
    """Nodes in the order of the inventory."""

    @property
    def answer(self) -> bool:
        """True where all of them answer."""
        return not any(node.problem for node in self.nodes)
