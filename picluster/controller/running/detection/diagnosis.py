"""Which node failed first, and why: from what every worker said and how it ended. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from picluster.controller.planning.planner import better_order, machine_of, memory_words
from picluster.errors import PiclusterError
from picluster.refusals import is_of_the_disk
from picluster.schema.job import LONGEST_GRACE_SECONDS, ORPHANED_EXIT_CODE
from picluster.schema.run import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from picluster.controller.running.detection.witness import Witness
    from picluster.errors import Fault
    from picluster.schema.events import Ended
    from picluster.schema.facts import NodeFacts
    from picluster.schema.plan import Plan

_MEBIBYTE = 1 << 20
_NO_MEMORY = "if nobody killed it, the kernel did for want of memory (dmesg tells): use more nodes or smaller batches"
_SIGNAL_FIXES = {
    "SIGKILL": _NO_MEMORY,
    "SIGILL": "this torch uses instructions that the processor lacks: install the version that picluster pins",
    "SIGBUS": "a memory-mapped file was cut short or the disk is full: prepare the graph again",
}
_READ_LOG = "read the log"
_STATES = {
    "stopped": (
        ": its process is stopped, by SIGSTOP or a frozen control group",
        "see who stops processes on that node; launch again",
    ),
    "unknown": (
        ", and its node does not answer either",
        "see whether the node still answers: it may be frozen, swapping or cut off",
    ),
    "waits": (": its process waits for the disk", "see whether its card or disk is well: dmesg on it tells"),
    "lives": (", though its process lives", "see what it is busy with, with top on it: it may be swapping"),
    "gone": (", and its process is gone", _READ_LOG),
}
"""Words for what a node says of a worker that says nothing, and a fix."""
_REPORT_BUG = "the log has the traceback: mend the model file if it is named there, else report a bug in picluster"


def diagnose(
    witnesses: Mapping[str, Witness],
    plan: Plan,
    logs: Mapping[str, str],
    facts: Mapping[str, NodeFacts] | None = None,
) -> Failure | None:
    """The first worker that failed by itself; else the first that lost another; None where nobody failed.

    A worker killed by a signal comes first: the others' words may arrive sooner than the news of its end. `facts` of
    nodes of the inventory serve the advice to one that had too little memory.
    """

    def rank(item: tuple[str, Witness]) -> tuple[bool, bool, int]:
        witness = item[1]
        killed = witness.ended is not None and witness.ended.signal is not None
        return (not witness.is_cause, not killed, witness.order)

    failing = sorted(((node, w) for node, w in witnesses.items() if w.is_failing), key=rank)
    if not failing:
        return None
    node, witness = failing[0]
    cause, fix = _words(witness, _limit_bytes(node, witness, facts or {}))
    if witness.ended and (witness.ended.out_of_memory or witness.ended.signal == "SIGKILL"):
        stronger = _stronger(node, plan, facts or {})
        fix = "; or ".join(filter(None, [stronger, fix] if witness.ended.out_of_memory else [fix, stronger]))
    return Failure(
        node=node,
        layers=plan.layers_of(node),
        role=plan.role_of(node),
        cause=cause,
        fix=fix,
        log=logs.get(node),
        kind=_kind(witness),
    )


def asleep(failure: Failure, witnesses: Mapping[str, Witness], pause_seconds: float, grace_seconds: float) -> Failure:
    """The same failure; or the controller's own pause, where that is why the workers ended.

    `pause_seconds`: the longest time between two of its heartbeats.
    """
    witness = witnesses.get(failure.node or "")
    if witness is None or pause_seconds <= grace_seconds or not _waited_in_vain(witness):
        return failure
    cause = (
        f"the controller slept for {pause_seconds:.0f} s (Ctrl-Z, SIGSTOP, or its machine was suspended), "
        f"and its workers wait for {grace_seconds:g} s"
    )
    enough = 10 * math.ceil(pause_seconds / 10 + 1)
    fix = f"launch again; with --grace {enough} the workers outlast such a pause"
    if enough > LONGEST_GRACE_SECONDS:
        fix = "launch again, and keep this machine awake meanwhile, with systemd-inhibit"
    return Failure(node=None, layers=(), cause=cause, fix=fix, log=None, kind="paused")


def own_failure(error: BaseException) -> Failure:
    """The failure of the controller itself, which an error ended."""
    known = error if isinstance(error, PiclusterError) else PiclusterError(one_line(error))
    kind: Fault = "disk" if is_of_the_disk(error) else known.fault
    code = known.exit_code
    return Failure(node=None, layers=(), cause=known.what, fix=known.fix, log=None, kind=kind, exit_code=code)


def one_line(error: BaseException) -> str:
    """First line of an unexpected error, with its kind."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _waited_in_vain(witness: Witness) -> bool:
    """True where it ended for want of its controller, of its connection, or of another worker."""
    ended, failed = witness.ended, witness.failed
    if failed is not None:
        return failed.lost_peer
    return ended is not None and not ended.signal and ended.exit_code in (None, ORPHANED_EXIT_CODE)


def _words(witness: Witness, limit_bytes: int | None) -> tuple[str, str]:
    """Cause and fix."""
    failed, ended = witness.failed, witness.ended
    if ended and ended.out_of_memory:
        cause = f"the kernel killed it for want of memory{_memory_words(witness, limit_bytes)}"
        return cause, "use more nodes, a smaller batch or more micro-batches"
    if ended and ended.signal:
        return f"killed by {ended.signal}", _SIGNAL_FIXES.get(ended.signal, _READ_LOG)
    if failed:
        return failed.cause, failed.fix or (_READ_LOG if failed.expected else _REPORT_BUG)
    if witness.silent_seconds or witness.late_seconds:
        return _words_of_the_silence(witness)
    return _words_of_the_end(ended)


def _limit_bytes(node: str, witness: Witness, facts: Mapping[str, NodeFacts]) -> int | None:
    """The limit of memory on a node, as its worker told it, or else the node."""
    seen = facts.get(machine_of(node, facts) or node)
    told = witness.resources.limit_bytes if witness.resources else None
    return told or (seen.usable_bytes if seen else None)


def _memory_words(witness: Witness, limit_bytes: int | None) -> str:
    """Memory that a worker held when it told of it last, and the limit there."""
    held = witness.resources and witness.resources.anonymous_bytes + witness.resources.engine_bytes
    words = [f"it held {held / _MEBIBYTE:,.0f} MiB"] if held else []
    words += [f"the limit there is {limit_bytes / _MEBIBYTE:,.0f} MiB"] if limit_bytes else []
    return f": {', '.join(words)}" if words else ""


def _words_of_the_silence(witness: Witness) -> tuple[str, str]:
    """Cause and fix where it lives, and tells nothing."""
    if witness.late_seconds:
        said = f"it was not ready {witness.late_seconds:.0f} s after it had its job"
    else:
        said = f"it said nothing for {witness.silent_seconds:.0f} s"
    why, fix = _STATES.get(witness.state or "", ("", "see whether the node still answers: it may be swapping"))
    return f"{said}{why}", fix


def _kind(witness: Witness) -> Fault:
    """Kind of the failure, see `Failure.kind`."""
    failed, ended = witness.failed, witness.ended
    if ended and ended.out_of_memory:
        return "out-of-memory"
    if ended and ended.signal:
        return "killed"
    if failed:
        return failed.fault
    if witness.silent_seconds or witness.late_seconds:
        return "frozen" if witness.state == "stopped" else "silent"
    is_cut_off = ended is None or ended.exit_code in (None, ORPHANED_EXIT_CODE)
    return "unreachable" if is_cut_off else "ended"


def _words_of_the_end(ended: Ended | None) -> tuple[str, str]:
    """Cause and fix where it ended without a word."""
    if ended and ended.exit_code == ORPHANED_EXIT_CODE:
        fix = "see whether its network is cut off at times; a longer --grace outlasts short cuts"
        return "it heard nothing from the controller for longer than --grace, and ended", fix
    if ended is None or ended.exit_code is None:
        fix = "see whether it still answers: it may have lost power or its network: picluster doctor"
        return "the connection to it was lost before its work was done", fix
    fix = f"{_READ_LOG}: a file that is damaged there is mended by picluster provision, on this machine by make setup"
    return f"ended with exit code {ended.exit_code} before its work was done", fix


def _stronger(node: str, plan: Plan, facts: Mapping[str, NodeFacts]) -> str:
    """Which node has more memory than one that had too little, and what to type; nothing where there is none."""
    machine = machine_of(node, facts) or node
    order = list(dict.fromkeys(machine_of(name, facts) or name for name in plan.nodes))
    found = better_order(machine, order, facts)
    if found is None or plan.strategy == "data-parallel":
        return ""
    best, names = found
    does = f"does {plan.role_of(best)}" if best in plan.nodes else "idles"
    has = f"{best} has {memory_words(facts[best])} and {does}, {machine} has {memory_words(facts[machine])}"
    return f"{has}: --nodes {','.join(names)}"
