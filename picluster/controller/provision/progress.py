"""Progress of a playbook, read from its events: the task and the outcome of each node. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from picluster.controller.provision.playbook import Event
from picluster.schema.provision import NodeOutcome, NodeState

_UNKNOWN_KEY = "its host key is not known here, or changed: picluster trust"
_LOOKS = "Look"
"""First word of the names of plays that change nothing; see ansible/site.yml."""


@dataclass
class NodeProgress:
    """Progress of one node."""

    role: str = ""
    """Role of the task below."""
    task: str = ""
    """Task that is running, or that failed."""
    ok: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    unreachable: int = 0
    reason: str = ""
    """Reason of its failure."""
    is_touched: bool = False
    """True once a play has begun that changes something."""
    began: float | None = None
    seconds: float = 0.0
    """Time from its first task to its last."""

    @property
    def has_failed(self) -> bool:
        """True where the playbook has given the node up."""
        return bool(self.failed or self.unreachable)


class Progress:
    """Progress of all nodes."""

    def __init__(self, names: Sequence[str]) -> None:
        self.nodes = {name: NodeProgress() for name in names}
        self.notes: list[str] = []
        """Messages of the playbook that people should know."""

    def update(self, event: Event) -> str | None:
        """Take an event into account; returns the node that it concerns."""
        kind, data = event.get("event", ""), event.get("event_data", {})
        node = self.nodes.get(data.get("host", ""))
        if kind == "playbook_on_stats":
            # Ansible's own counts know of failures that were rescued.
            counts = [data.get(count, {}) for count in ("ok", "changed", "skipped", "failures", "dark")]
            for name, each in self.nodes.items():
                each.ok, each.changed, each.skipped, each.failed, each.unreachable = (of.get(name, 0) for of in counts)
        if node is None and kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            self._note(f"{data.get('host')} was not told of the others: {reason(data.get('res') or {})}")
        if node is None or not kind.startswith("runner_"):
            return None
        now = time.monotonic()
        node.began = node.began or now
        node.seconds = now - node.began
        node.is_touched |= not str(data.get("play", "")).startswith(_LOOKS)
        if kind == "runner_on_ok":
            node.unreachable = 0  # it may be missed for a task, and go on
        if not node.has_failed:
            node.role, node.task = data.get("role") or "", data.get("task") or ""
        self._count(kind, data, node)
        return str(data["host"])

    def _count(self, kind: str, data: Mapping[str, Any], node: NodeProgress) -> None:
        result = data.get("res") or {}
        if kind == "runner_on_ok":
            node.ok, node.changed = node.ok + 1, node.changed + bool(result.get("changed"))
            if data.get("task_action") == "ansible.builtin.debug":
                self._note(_told(result.get("msg", "")))
        elif kind == "runner_on_skipped":
            node.skipped += 1
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            node.failed, node.reason = node.failed + 1, reason(result)
        elif kind == "runner_on_unreachable":
            node.unreachable, node.reason = node.unreachable + 1, reason(result)

    def _note(self, words: str) -> None:
        if words and words not in self.notes:
            self.notes.append(words)

    def outcomes(self, good: NodeState) -> tuple[NodeOutcome, ...]:
        """Outcomes of the nodes; `good` is the state of a node on which no task failed."""
        return tuple(self._outcome(name, node, good) for name, node in self.nodes.items())

    def _outcome(self, name: str, node: NodeProgress, good: NodeState) -> NodeOutcome:
        state: NodeState = "unreachable" if node.unreachable else "failed" if node.failed else good
        if state == good and not node.is_touched:
            state = "untouched"
        return NodeOutcome(
            name=name,
            state=state,
            ok=node.ok,
            changed=node.changed,
            failed=node.failed,
            unreachable=node.unreachable,
            skipped=node.skipped,
            seconds=round(node.seconds, 1),
            role=node.role if node.has_failed else "",
            task=node.task if node.has_failed else "",
            reason=node.reason if node.has_failed else "",
        )


def _told(words: object) -> str:
    """Join a playbook's message: a line, several, or some for each node."""
    if isinstance(words, Mapping):
        return "; ".join(f"{name}: {_told(value)}" for name, value in words.items())
    return " ".join(map(_told, words)) if isinstance(words, list) else str(words)


def reason(result: Mapping[str, Any]) -> str:
    """Find the reason of a failed task in its result, in words for people."""
    for item in result.get("results") or ():
        if item.get("failed"):
            return reason(item)
    said = str(result.get("msg") or "").strip()
    if said in ("", "non-zero return code") or said.startswith("MODULE FAILURE"):
        said = str(result.get("stderr") or result.get("module_stderr") or result.get("stdout") or said).strip()
    said = re.sub(
        r"it cannot be reached: Host key verification failed\.?", f"it cannot be reached: {_UNKNOWN_KEY}", said
    )
    return re.sub(r"\s*\n\s*", "; ", said) or "it gives no reason"
