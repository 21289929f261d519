"""Which node failed first, and why: from what every worker said and how it ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from picluster.schema.events import Done, Ended, Failed
from picluster.schema.run import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from picluster.schema.events import AnyEvent
    from picluster.schema.plan import Plan

_NO_MEMORY = "if nobody killed it, the kernel did for want of memory (dmesg tells): use more nodes or smaller batches"
_SIGNAL_FIXES = {
    "SIGKILL": _NO_MEMORY,
    "SIGILL": "this torch uses instructions that the processor lacks: install the version that picluster pins",
    "SIGBUS": "a memory-mapped file was cut short or the disk is full: prepare the graph again",
}
_READ_LOG = "read the log"
_REPORT_BUG = "the log has the traceback: mend the model file if it is named there, else report a bug in picluster"


@dataclass
class Witness:
    """What one worker said that bears on a failure."""

    failed: Failed | None = None
    ended: Ended | None = None
    done: bool = False
    silent_seconds: float | None = None
    """Set when it was given up on for saying nothing."""
    order: int = field(default=0)
    """When it first gave a sign of failing, counted over all workers."""

    def hear(self, event: AnyEvent, order: int) -> None:
        """Take an event into account."""
        if isinstance(event, Failed):
            self.failed = event
        elif isinstance(event, Ended):
            self.ended = event
        elif isinstance(event, Done):
            self.done = True
        if self.is_failing and not self.order:
            self.order = order

    @property
    def is_failing(self) -> bool:
        """Whether it failed, or ended before it was done."""
        return bool(self.failed or self.silent_seconds or (self.ended and not self.done))

    @property
    def is_cause(self) -> bool:
        """Whether it failed by itself, rather than for the loss of another worker."""
        return self.is_failing and not (self.failed and self.failed.lost_peer)


def diagnose(witnesses: Mapping[str, Witness], plan: Plan, logs: Mapping[str, str]) -> Failure | None:
    """The first worker that failed by itself; else the first that lost another; None where nobody failed.

    A worker killed by a signal comes first: the others' words may arrive sooner than the news of its end.
    """

    def rank(item: tuple[str, Witness]) -> tuple[bool, bool, int]:
        witness = item[1]
        killed = witness.ended is not None and witness.ended.signal is not None
        return (not witness.is_cause, not killed, witness.order)

    failing = sorted(((node, w) for node, w in witnesses.items() if w.is_failing), key=rank)
    if not failing:
        return None
    node, witness = failing[0]
    cause, fix = _words(witness)
    return Failure(node=node, layers=plan.layers_of(node), cause=cause, fix=fix, log=logs.get(node))


def _words(witness: Witness) -> tuple[str, str]:
    """Cause and fix."""
    failed, ended = witness.failed, witness.ended
    if ended and ended.out_of_memory:
        return "the kernel killed it for want of memory", "use more nodes, a smaller batch or more micro-batches"
    if ended and ended.signal:
        return f"killed by {ended.signal}", _SIGNAL_FIXES.get(ended.signal, _READ_LOG)
    if failed:
        return failed.cause, failed.fix or (_READ_LOG if failed.expected else _REPORT_BUG)
    if witness.silent_seconds:
        fix = "see whether the node still answers: it may be swapping, frozen or cut off"
        return f"said nothing for {witness.silent_seconds:.0f} s", fix
    if ended is None or ended.exit_code is None:
        fix = "see whether it still answers: it may have lost power or its network; picluster doctor tells"
        return "the connection to it was lost before its work was done", fix
    return f"ended with exit code {ended.exit_code} before its work was done", _READ_LOG
