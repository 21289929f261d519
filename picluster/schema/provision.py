"""Record of `picluster provision --json`: the outcome of every node."""

from typing import Literal

from picluster.schema.health import Health
from picluster.schema.record import Record

NodeState = Literal["ready", "done", "failed", "unreachable", "untouched"]
"""Untouched: it was only examined, as a rule because another node was refused before anything was changed anywhere.
Done: the playbook came through, and what it did makes no node ready (a reset, a check)."""


class NodeOutcome(Record, frozen=True, kw_only=True):
    """Outcome of one node. The counts are Ansible's."""

    name: str
    state: NodeState
    ok: int
    """Tasks that went well, changed ones included."""
    changed: int
    failed: int
    unreachable: int
    """Number of times that it could not be reached."""
    skipped: int
    """Tasks that it did not need."""
    seconds: float
    """Time from its first task to its last."""
    role: str
    """Role of the task that failed, where one did."""
    task: str
    reason: str
    """Message of that task."""


class Provisioned(Record, frozen=True, kw_only=True):
    """Outcome of all nodes together."""

    schema_version: int = 1
    nodes: tuple[NodeOutcome, ...]
    notes: tuple[str, ...]
    """Remarks of the playbook for a person."""
    seconds: float
    """Time from the start of Ansible to its end."""
    health: Health | None
    """Findings of the doctor afterwards; None where it was not asked."""
    is_good: bool
    """True where all went well with every node."""
