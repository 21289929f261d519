"""Records of `picluster report --json` and `runs --json`. Other programs read it: fields are added, never changed."""

from typing import Literal

import msgspec

from picluster.schema.events import Hardware, Status
from picluster.schema.plan import EngineName, Plan, Strategy
from picluster.schema.record import Record
from picluster.schema.run import Environment, Failure
from picluster.schema.spec import Evaluation, Monitor, Precision
from picluster.schema.state import Position

REPORT_SCHEMA_VERSION = 1


class Percentiles(Record, frozen=True, kw_only=True):
    """Percentiles of a measure over all training steps of a node but the first (unless it is the only one)."""

    p50: float
    p95: float
    p99: float


class NodeMemory(Record, frozen=True, kw_only=True):
    """High-water marks of a node's worker."""

    peak_rss_bytes: int | None
    """Resident memory, mapped files included."""
    peak_anonymous_bytes: int | None
    """The part that cannot be dropped."""
    peak_engine_bytes: int | None = None
    """That part of the engine's own processes, beside the worker's; None where it has none."""
    limit_bytes: int | None
    """Memory limit that applies to it, of the control group or the machine."""
    peak_swapped_bytes: int | None = None
    """Most that the kernel had put into swap at a reading; None where nobody tells, and in older runs."""
    expected_anonymous_bytes: int | None = None
    """Expectation of the plan for the part that cannot be dropped, engine's own processes left out; None in older
    runs."""
    expected_mapped_bytes: int | None = None
    """Likewise for pages of files: its part of the graph, and programs."""

    @property
    def expected_resident_bytes(self) -> int | None:
        """Both expectations together."""
        if self.expected_anonymous_bytes is None or self.expected_mapped_bytes is None:
            return None
        return self.expected_anonymous_bytes + self.expected_mapped_bytes


class NodeReport(Record, frozen=True, kw_only=True):
    """One node of the run."""

    name: str
    role: str
    """Work of the node, such as `sampler` or `stage 1`."""
    layers: tuple[int, ...]
    """Layers that it held, counted from 1."""
    cores: int | None = None
    """Cores on which it computed; None where it only sampled."""
    hardware: Hardware | None
    """Its machine; None where it never got ready."""
    memory: NodeMemory
    throttled_share: float | None = None
    """Share of the run's readings at which its firmware held the processor back; None where nobody tells."""
    joules: float | None = None
    """Energy that it took from its first reading to its last, by its meter; None without one."""
    meter: str = ""
    """Meter: `own`, `pmic`, or `rapl` and which machine's, whose processes share it; empty without one."""
    step_ms: Percentiles | None
    """Wall time of a step; None before the first has ended. The next three are its parts."""
    compute_ms: Percentiles | None
    """Time at work."""
    wait_ms: Percentiles | None
    """Time waiting for messages."""
    send_ms: Percentiles | None
    """Time packing messages, and waiting for room to send."""
    sent_bytes_per_step: float | None
    """Mean, as the sockets count them; the bytes of tensors where the platform does not tell. The next likewise."""
    received_bytes_per_step: float | None
    sent_payload_bytes_per_step: float | None
    """Mean of the bytes of tensors; the next likewise."""
    received_payload_bytes_per_step: float | None
    sent_payload_to_per_step: dict[str, float] = msgspec.field(default_factory=dict)
    """Mean of the bytes of tensors for each of the other nodes; empty in older runs."""
    sending_ms_to_per_step: dict[str, float] = msgspec.field(default_factory=dict)
    """Mean time with something on its way to each node on another machine; empty where the kernel does not tell."""
    disk_reads_per_step: float | None = None
    """Mean of the reads from disk or swap that it waited for, in a step after the first epoch; None in older runs.

    Each is a page fault for which the kernel had to read. With one epoch only, the mean of its steps but the first.
    """

    def mbit_per_second_to(self, other: str) -> float | None:
        """Speed of tensors, in Mbit/s, while something was on its way to that node; None where nothing tells.

        It nears the link's own speed where messages are large: small ones wait for an acknowledgement, up to 40 ms.
        """
        ms, size = self.sending_ms_to_per_step.get(other), self.sent_payload_to_per_step.get(other)
        return size * 8 / ms / 1e3 if ms and size else None


class EpochReport(Record, frozen=True, kw_only=True):
    """One epoch."""

    epoch: int
    loss: float
    train_accuracy: float | None
    """Accuracy in training; None where values are learnt."""
    validation_accuracy: float | None
    validation_loss: float | None
    """Mean loss; None in runs of version 0.1 and where the graph has no validation nodes."""
    seconds: float
    joules: float | None = None
    """Energy that all nodes took meanwhile; None unless each has a meter."""


class AttemptReport(Record, frozen=True, kw_only=True):
    """A further attempt at the run, after a fault or after somebody had stopped it."""

    attempt: int
    """Number of the attempt; the first is none of these."""
    started: float
    """Seconds since 1970."""
    after: Failure | None
    """Failure that ended the attempt before; None where somebody stopped it, or its controller was killed."""
    position: Position
    """Place at which it was taken up: the next thing to do."""
    plan: Plan
    first_step: float | None = None
    """Time of its first step, in seconds since 1970; None where it made none."""


class Report(Record, frozen=True, kw_only=True):
    """One run."""

    schema_version: int = REPORT_SCHEMA_VERSION
    run: str
    tag: str
    """The person's own word for it; may be empty."""
    status: Status
    stopped_by: str = ""
    """The person or the cause that stopped it, such as `Ctrl-C`; empty unless stopped, and of older runs."""
    failure: Failure | None
    attempts: tuple[AttemptReport, ...] = ()
    """Attempts after the first, in order."""
    dataset: str
    class_names: tuple[str, ...] = ()
    """Name of each class; empty where the graph's labels are numbers."""
    model: str
    strategy: Strategy
    engine: EngineName
    wire: Precision
    """Number format of the rows that pass from layer to layer."""
    sampler: Literal["uniform", "all"]
    """Choice of neighbours: a uniform sample without replacement, or all of them."""
    validation: Evaluation
    """Neighbours that validation saw: sampled ones or all."""
    evaluation: Evaluation
    """Neighbours that the test saw."""
    seed: int
    plan: Plan
    """The plan; the newest, where the run went on under others."""
    environment: Environment
    epochs: tuple[EpochReport, ...]
    epochs_planned: int
    """Number of epochs asked for: more than `epochs` has where the run stopped early or did not finish."""
    monitor: Monitor
    """Measure by which one epoch's validation is better than another's."""
    patience: int | None
    """Epochs without a better validation after which a run stops; None = never."""
    stopped_early: bool
    """True where it finished because its patience ran out."""
    best_epoch: int | None
    """Last epoch whose validation was better than all before; its weights are tested and kept."""
    test_accuracy: float | None
    """Accuracy with the weights of that epoch."""
    joules: float | None = None
    """Energy of all nodes from their first readings to their last, each meter once; None unless each has one."""
    joules_to_best: float | None = None
    """Likewise until the end of the best epoch."""
    steps_per_second: float | None
    """Training steps over the time spent training, evaluation left out."""
    nodes: tuple[NodeReport, ...]


class RunSummary(Record, frozen=True, kw_only=True):
    """One run among others. Of a folder that cannot be read only the name is known, and what is wrong with it."""

    run: str
    status: Status | Literal["unreadable"]
    problem: str = ""
    """Reason why it cannot be read or failed, or the person or cause that stopped it."""
    tag: str = ""
    started: float
    """Seconds since 1970; of an unreadable folder when it was last changed."""
    seconds: float | None = None
    """Time from start to end, or until now; None where the end is not known."""
    model: str | None = None
    dataset: str | None = None
    strategy: Strategy | None = None
    engine: EngineName | None = None
    nodes: int | None = None
    epochs: int | None = None
    epochs_planned: int | None = None
    best_epoch: int | None = None
    best_validation_accuracy: float | None = None
    test_accuracy: float | None = None


class History(Record, frozen=True, kw_only=True):
    """Several runs, the newest first."""

    schema_version: int = REPORT_SCHEMA_VERSION
    runs: tuple[RunSummary, ...]
