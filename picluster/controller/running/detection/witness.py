"""Signs that one worker gives: what it says, how it ends, its silence, and what its node tells of that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.schema.events import Done, Ended, Examined, Failed, Ready, Resources, WorkerState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from picluster.schema.events import AnyEvent

QUIET_SECONDS = 6.0
"""Silence after which a worker's node is asked about it, and asked again: it tells of its memory twice a second.

A link that was down for three seconds may take as long until it carries again what TCP has held back.
"""
SILENCE_SECONDS = 60.0
"""Silence beyond the grace after which a worker is given up, though its process lives."""
READY_SECONDS = 300.0
"""Time that a worker may take from its job until it is ready."""
LATE_SECONDS, LATE_FACTOR = 120.0, 4.0
"""The same for a worker whose fellows are all ready: at least so long, or so many times as long as the slowest took."""


@dataclass
class Witness:
    """Signs of failure that one worker gave."""

    grace_seconds: float = 0.0
    """Time for which its connection may be cut."""
    heard: float = 0.0
    """When it spoke last. All times are those of one clock."""
    failed: Failed | None = None
    ended: Ended | None = None
    done: bool = False
    given_job: float | None = None
    got_ready: float | None = None
    resources: Resources | None = None
    """Its last word on its memory."""
    asked: float | None = None
    """When its node was asked about it."""
    state: WorkerState | None = None
    """The node's answer to that."""
    silent_seconds: float | None = None
    """Set when it was given up on for saying nothing."""
    late_seconds: float | None = None
    """Set when it was given up on for not getting ready."""
    order: int = 0
    """When it first gave a sign of failing, counted over all workers."""

    def hear(self, event: AnyEvent, order: int, now: float = 0.0) -> None:
        """Take an event into account."""
        if isinstance(event, Examined):
            self._examine(event, now)
        else:
            self.heard = now
        if isinstance(event, Failed):
            self.failed = event
        elif isinstance(event, Ended):
            self.ended = event
        elif isinstance(event, Done):
            self.done = True
        elif isinstance(event, Ready):
            self.got_ready = now
        elif isinstance(event, Resources):
            self.resources = event
        if self.is_failing and not self.order:
            self.order = order

    def _examine(self, told: Examined, now: float) -> None:
        """Take the node's answer into account: of a worker that spoke meanwhile it says nothing."""
        self.state = told.state
        has_spoken = self.asked is not None and self.heard >= self.asked
        silent_seconds = now - self.heard
        is_cut_off = told.state == "unknown" and silent_seconds > self.grace_seconds + QUIET_SECONDS
        if (told.state == "stopped" or is_cut_off) and not has_spoken and not self.ended:
            self.silent_seconds = silent_seconds

    def is_to_be_asked(self, now: float) -> bool:
        """True where its node should be asked what it is doing; it counts as asked from then on."""
        quiet_since = max(self.heard, self.asked or 0.0)
        if self.is_failing or self.ended or now - quiet_since <= QUIET_SECONDS or self.is_asked:
            return False
        self.asked, self.state = now, None
        return True

    @property
    def is_asked(self) -> bool:
        """True while an answer is awaited."""
        return self.asked is not None and self.state is None

    def judge(self, now: float, ready_seconds: float) -> None:
        """Give it up where it has been silent for too long, or has not got ready in time."""
        if self.is_failing or self.ended:
            return
        if self.got_ready is not None and now - self.heard > SILENCE_SECONDS + self.grace_seconds:
            self.silent_seconds = now - self.heard
        if self.got_ready is None and self.given_job is not None and now - self.given_job > ready_seconds:
            self.late_seconds = now - self.given_job

    @property
    def is_failing(self) -> bool:
        """True where it failed, was given up, or ended before it was done."""
        return bool(self.failed or self.silent_seconds or self.late_seconds or (self.ended and not self.done))

    @property
    def is_cause(self) -> bool:
        """True where it failed by itself, rather than for the loss of another worker."""
        return self.is_failing and not (self.failed and self.failed.lost_peer)


def ready_seconds(witnesses: Mapping[str, Witness]) -> float:
    """Time that a worker may take from its job until it is ready, as its fellows did."""
    took = [each.got_ready - (each.given_job or each.got_ready) for each in witnesses.values() if each.got_ready]
    if not took or len(took) < len(witnesses) - 1:
        return READY_SECONDS
    return max(LATE_SECONDS, LATE_FACTOR * max(took))
