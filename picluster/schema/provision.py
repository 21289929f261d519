"""What became of nodes that were made ready, as `picluster provision --json` prints it."""

from __future__ import annotations

from typing import Literal

from picluster.schema.health import Health
from picluster.schema.record import Record

PROVISION_SCHEMA_VERSION = 1

NodeState = Literal["ready", "done", "failed", "unreachable", "untouched"]
"""Untouched: it was only looked at, as a rule because another one was refused before anything was changed anywhere.
Done: the playbook came through, and what it did makes no node ready (a reset, a check)."""


class NodeOutcome(Record, frozen=True, kw_only=True):
    """What became of one node. The counts are Ansible's."""

    name: str
    """As the inventory calls it."""
    state: NodeState
    """Where it is now."""
    ok: int
    """Tasks that went well, changed ones included."""
    changed: int
    """Tasks that changed something."""
    failed: int
    """Tasks that failed."""
    unreachable: int
    """Times that it could not be reached."""
    skipped: int
    """Tasks that it did not need."""
    seconds: float
    """From its first task to its last."""
    role: str
    """Of the task that failed, where one did."""
    task: str
    """Its name."""
    reason: str
    """What it said."""


class Provisioned(Record, frozen=True, kw_only=True):
    """All of it."""

    schema_version: int = PROVISION_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    nodes: tuple[NodeOutcome, ...]
    """In the inventory's order."""
    notes: tuple[str, ...]
    """What the playbook said that people should know."""
    seconds: float
    """From the start of Ansible to its end."""
    health: Health | None
    """What the doctor found afterwards; None where it was not asked."""
    is_good: bool
    """Whether all went well with every node."""
