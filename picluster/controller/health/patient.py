"""What is known of one node when the doctor has been there; what follows from it is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from picluster.errors import PiclusterError
from picluster.schema.facts import NodeFacts
from picluster.schema.health import Facts, TorchTrial


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One node. What could not be found out is None."""

    name: str
    """As in the inventory."""
    local: bool = False
    """Whether it is a process on this machine."""
    errors: Mapping[str, PiclusterError] = field(default_factory=dict)
    """What failed or makes it unfit, by check."""
    seen: NodeFacts | None = None
    """What its steward says."""
    facts: Facts | None = None
    """What its examiner says."""
    torch: TorchTrial | None = None
    """How torch did."""
    clock_seconds: float | None = None
    """How far its clock is ahead of this machine's."""
    address: str | None = None
    """Of its data plane."""
    interface: str | None = None
    """That has this address."""
    data_bytes: int = 0
    """Of the arrays that it reads, by the plan."""
