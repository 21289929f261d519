"""Three sentences on a run: what was learnt, what held it back, what to try. Pure: from a report and what befell it.

The node that computes for the largest share of its steps holds the others back, as docs/report.md explains; before that
come what a share cannot show: a node that was lost, a moment in which all stood still, memory that runs out, pages that
are read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from picluster.schema.record import Record
from picluster.schema.report import NodeReport, Percentiles, Report
from picluster.wording import counted

Cause = Literal[
    "nothing", "lost", "alone", "frozen", "memory", "reads", "slow", "compute", "sampler", "last stage", "link"
]

_WITHOUT = 0.1
"""Share of the epochs, made without a node, from which its loss held the run back."""
_FULL = 0.9
"""Share of its limit from which a node's own memory leaves no room for files."""
_SLOWER = 1.5
"""Ratio of the times at work of two nodes with the same work from which one of them is slow."""
_BUSY = 0.5
"""Share of a step at work below which a node is not what the others wait for."""
_PACKING = 0.25
"""Share of a step at which a sampler that all wait for is what holds them up: packing is its processor's work, too."""
_READS_A_SECOND = 100.0
"""Reads at which a node waits for its disk whose processor is not busy: cards make 1,000 to 4,000 in a second."""
_IDLE_CORES = 0.6
"""Cores kept busy below which a node at work is in truth reading, or is not given the time."""
_TELLING_BYTES = 4096.0
"""Bytes a step from which the time that a link takes tells of its speed."""
_FASTER = 3.0
"""Ratio of two links' speeds from which one of them is slow."""
_MEBIBYTE = 1 << 20
_LESS_MEMORY = "Smaller micro-batches need less: a higher --micro-batches."


class Stall(Record, frozen=True, kw_only=True):
    """A step that took far longer than others: the node at which the time went, and how long it took."""

    node: str
    epoch: int
    step: int
    seconds: float
    usual_seconds: float
    """Median of the node's steps."""
    share: float
    """Part of the whole time in training that it took."""


class Load(Record, frozen=True, kw_only=True):
    """The work of a node's processor and its memory of files, while it trained."""

    node: str
    cores: float
    """Median of the cores kept busy."""
    resident_share: float
    """Peak of resident memory, files included, over the limit; 0 where one of them is not known."""


class HeldBack(Record, frozen=True, kw_only=True):
    """Finding on what held a run back."""

    cause: Cause
    node: str
    """Name of the node to blame; empty where none is."""
    held_back: str
    """Sentence that names it with figures."""
    to_try: str
    """Sentence on a remedy."""


def what_was_learnt(report: Report) -> str:
    """Sentence on the result, or on how far a run came that did not finish."""
    done = f"{counted(len(report.epochs), 'epoch')} of {report.epochs_planned}"
    learnt = f"{report.model} on {report.dataset}"
    if report.test_accuracy is not None:
        best = f", with the weights of epoch {report.best_epoch}" if report.best_epoch else ""
        return f"{learnt} reached a test accuracy of {report.test_accuracy:.4f} after {done}{best}."
    last = f"; the loss was {report.epochs[-1].loss:.4f} by then" if report.epochs else ""
    how = {"finished": "finished", "failed": "failed", "stopped": "was stopped", "running": "is under way"}[
        report.status
    ]
    return f"{learnt} {how} after {done}{last}."


def judge(report: Report, loads: Sequence[Load] = (), stall: Stall | None = None) -> HeldBack:
    """Find what held a run back; the first of the causes that its figures show."""
    timed = [node for node in report.nodes if _ms(node, "step") > 0]
    if not timed:
        return _verdict("nothing", "", "No step was made, so no node can be compared with others.", _advice(report))
    return (
        _lost(report)
        or _frozen(stall)
        or _out_of_memory(timed)
        or _alone(timed)
        or _slow(timed, loads)
        or _busy(timed, loads)
        or _link(timed)
    )


def _verdict(cause: Cause, node: str, held_back: str, to_try: str) -> HeldBack:
    return HeldBack(cause=cause, node=node, held_back=held_back, to_try=to_try)


def _advice(report: Report) -> str:
    fix = report.failure.fix if report.failure else ""
    return f"{fix[:1].upper()}{fix[1:]}." if fix else "Launch again, and read picluster logs."


def _lost(report: Report) -> HeldBack | None:
    """The node whose work others have done for the longest time, since it failed."""
    for attempt in report.attempts:
        failure = attempt.after
        if failure is None or failure.node is None or failure.node in report.plan.nodes:
            continue
        without = len(report.epochs) + 1 - attempt.position.epoch
        if without < _WITHOUT * len(report.epochs):
            return None
        work = f" ({failure.role})" if failure.role else ""
        words = (
            f"{failure.node}{work} was lost in epoch {attempt.position.epoch}: {failure.cause}. "
            f"Others have done its work since."
        )
        is_full = failure.kind == "out-of-memory"
        remedy = _LESS_MEMORY if is_full else f"See to {failure.node} before the next run: picluster doctor."
        return _verdict("memory" if is_full else "lost", failure.node, words, remedy)
    return None


def _frozen(stall: Stall | None) -> HeldBack | None:
    if stall is None:
        return None
    words = (
        f"{stall.node} stood still: step {stall.step} of epoch {stall.epoch} took {stall.seconds:.1f} s where others "
        f"take {stall.usual_seconds:.3g} s, which is {stall.share:.0%} of all time in training."
    )
    remedy = (
        f"Look on {stall.node} for what ran at that moment, and for its power supply and its disk: picluster doctor."
    )
    return _verdict("frozen", stall.node, words, remedy)


def _out_of_memory(nodes: Sequence[NodeReport]) -> HeldBack | None:
    """The node whose own memory comes nearest to its limit, where that is near."""
    node = max(nodes, key=_fullness)
    if (share := _fullness(node)) < _FULL:
        return None
    used, limit = ((size or 0) / _MEBIBYTE for size in (node.memory.peak_anonymous_bytes, node.memory.limit_bytes))
    words = f"{node.name} ({node.role}) used {used:,.0f} of its {limit:,.0f} MiB of memory ({share:.0%})."
    return _verdict("memory", node.name, words, _LESS_MEMORY)


def _fullness(node: NodeReport) -> float:
    used, limit = node.memory.peak_anonymous_bytes, node.memory.limit_bytes
    return used / limit if used and limit else 0.0


def _alone(nodes: Sequence[NodeReport]) -> HeldBack | None:
    if len(nodes) > 1:
        return None
    [node] = nodes
    words = f"{node.name} did all the work by itself, {_ms(node, 'step'):.0f} ms a step: there was nobody to wait for."
    return _verdict("alone", "", words, "With more nodes, --layers-per-node 1 divides the model among them.")


def _slow(nodes: Sequence[NodeReport], loads: Sequence[Load]) -> HeldBack | None:
    """The node that is slower at the same work as another, where others wait for it."""
    for node in sorted(nodes, key=_share, reverse=True):
        same = [_ms(other, "compute") for other in nodes if other.role == node.role and other.name != node.name]
        if not same or _share(node) < _BUSY or _ms(node, "compute") < _SLOWER * min(same):
            continue
        if reads := _reads(node, loads):
            return reads
        words = (
            f"{node.name} ({node.role}) computes for {_ms(node, 'compute'):.0f} ms of a step of "
            f"{_ms(node, 'step'):.0f}, where another needs {min(same):.0f} for the same work; the others wait for it."
        )
        remedy = f"See whether {node.name} is throttled or busy with other work, or leave it out: picluster doctor."
        if node.throttled_share:
            words += f" Its firmware held it back for {node.throttled_share:.0%} of the time: heat, or low voltage."
            remedy = f"Cool {node.name}, and see to its power supply: picluster doctor."
        return _verdict("slow", node.name, words, remedy)
    return None


def _busy(nodes: Sequence[NodeReport], loads: Sequence[Load]) -> HeldBack | None:
    """The node that is at work for the largest share of its steps."""
    node = max(nodes, key=_share)
    packs = node.role == "sampler" and _is_behind(node, nodes)
    if _share(node) < (_PACKING if packs else _BUSY):
        return None
    if reads := _reads(node, loads):
        return reads
    sends = f", and packs and sends for {_ms(node, 'send'):.0f}" if packs else ""
    words = (
        f"{node.name} ({node.role}) computes for {_ms(node, 'compute'):.0f} ms of a step of "
        f"{_ms(node, 'step'):.0f} ({_share(node):.0%}){sends}; the others wait for it."
    )
    if node.role == "sampler":
        return _verdict("sampler", node.name, words, "A smaller --fanout, or a plan file with two samplers.")
    if "stage 1" in node.role:
        return _verdict("compute", node.name, words, "One more node, which will replicate stage 1 by itself.")
    return _verdict(
        "last stage", node.name, words, "A narrower --hidden, or a plan file that gives this stage two nodes."
    )


def _is_behind(sampler: NodeReport, nodes: Sequence[NodeReport]) -> bool:
    """True where all stages wait for most of a step, and the sampler never does.

    A cable that is slow looks like it, but the sampler's processor then has little to do.
    """
    stages = [node for node in nodes if node.role != "sampler"]
    waiting = all(_ms(node, "wait") > _BUSY * _ms(node, "step") for node in stages)
    return waiting and _ms(sampler, "wait") < (1 - _FULL) * _ms(sampler, "step")


def _reads(node: NodeReport, loads: Sequence[Load]) -> HeldBack | None:
    """The same node, where it is at work but its processor is not, and it waits for its disk.

    Older runs do not tell of reads: there files must fill its memory.
    """
    load = next((each for each in loads if each.node == node.name), None)
    if load is None or load.cores >= _IDLE_CORES * _share(node):
        return None
    reads, least = node.disk_reads_per_step, _READS_A_SECOND * _ms(node, "step") / 1e3
    waits = load.resident_share >= _FULL if reads is None else reads >= least
    if not waits:
        return None
    times = "" if reads is None else f", {reads:,.0f} times a step"
    words = (
        f"{node.name} ({node.role}) reads from its disk again and again{times}: its steps keep only {load.cores:.1f} "
        f"cores busy, and its memory is {load.resident_share:.0%} full with files."
    )
    return _verdict("reads", node.name, words, "A node with more memory for this work, or features in fewer bits.")


def _link(nodes: Sequence[NodeReport]) -> HeldBack:
    """The node with a slow cable, where all wait or send."""
    return _slow_cable(nodes) or _most_held_up(nodes)


def _slow_cable(nodes: Sequence[NodeReport]) -> HeldBack | None:
    """The end at which the link is slow that takes most of a step; None where links are not timed, or none stands out.

    A cable slows all links of its node. So an end that has a far faster one to somebody else is not to blame, and an
    end whose other links are as slow is.
    """
    speeds = {
        (node.name, other): speed
        for node in nodes
        for other, size in node.sent_payload_to_per_step.items()
        if size >= _TELLING_BYTES and (speed := node.mbit_per_second_to(other))
    }
    times = {(node.name, other): ms for node in nodes for other, ms in node.sending_ms_to_per_step.items()}

    def both_ways(ends: tuple[str, str]) -> float:
        return times[ends] + times.get(ends[::-1], 0.0)

    if not speeds or both_ways(pair := max(speeds, key=both_ways)) < _BUSY * max(_ms(node, "step") for node in nodes):
        return None
    speed = min(speeds[pair], speeds.get(pair[::-1], speeds[pair]))
    others = {end: [speeds[each] for each in speeds if end in each and {*each} != {*pair}] for end in pair}
    node, other = sorted(pair, key=lambda end: max(others[end], default=_FASTER * speed))
    best = max(others[other], default=0.0)
    if best < _FASTER * speed:
        return None
    words = (
        f"No node computes for half of a step: messages are what takes the time. Between {node} and {other} they go "
        f"at {speed:.3g} Mbit/s, where {other} reaches {best:.3g} with another node."
    )
    return _verdict("link", node, words, f"See to the cable, port or Wi-Fi of {node}: picluster doctor.")


def _most_held_up(nodes: Sequence[NodeReport]) -> HeldBack:
    """The node that is held up most by sending: it, or its receiver, has a slow cable."""
    stages = [node for node in nodes if node.role != "sampler"] or list(nodes)
    node = max(stages, key=lambda each: _ms(each, "send") / _ms(each, "step"))
    step = _ms(node, "step")
    carried = (node.sent_bytes_per_step or 0) + (node.received_bytes_per_step or 0)
    words = (
        f"No node computes for half of a step: messages are what takes the time. {node.name} ({node.role}) waits "
        f"{_ms(node, 'wait'):.0f} and sends {_ms(node, 'send'):.0f} ms of a step of {step:.0f}, and carries "
        f"{carried / step * 1e3 / _MEBIBYTE:,.1f} MiB/s."
    )
    remedy = (
        f"Measure the links of {node.name} and of the nodes beside it: picluster doctor. A larger --batch-size sends "
        f"gradients less often."
    )
    return _verdict("link", node.name, words, remedy)


def _share(node: NodeReport) -> float:
    return _ms(node, "compute") / _ms(node, "step")


def _ms(node: NodeReport, part: Literal["step", "compute", "wait", "send"]) -> float:
    return median_of(
        {"step": node.step_ms, "compute": node.compute_ms, "wait": node.wait_ms, "send": node.send_ms}[part]
    )


def median_of(measured: Percentiles | None) -> float:
    """Median of a measure; 0 where no step was made."""
    return measured.p50 if measured else 0.0
