"""What `picluster report --json` prints. Other programs read it: fields are added, never changed."""

from typing import Literal

from picluster.schema.events import Hardware, Status
from picluster.schema.plan import EngineName, Plan, Strategy
from picluster.schema.record import Record
from picluster.schema.run import Environment, Failure
from picluster.schema.spec import Evaluation

REPORT_SCHEMA_VERSION = 1


class Percentiles(Record, frozen=True, kw_only=True):
    """Of one measure over all training steps of a node but the first (unless it is the only one)."""

    p50: float
    p95: float
    p99: float


class NodeMemory(Record, frozen=True, kw_only=True):
    """High-water marks of a node's worker."""

    peak_rss_bytes: int | None
    """Resident memory, mapped files included."""
    peak_anonymous_bytes: int | None
    """The part that cannot be dropped."""
    limit_bytes: int | None
    """What applies to it: of the control group or the machine."""


class NodeReport(Record, frozen=True, kw_only=True):
    """One node of the run."""

    name: str
    """As in the inventory."""
    role: str
    """Such as `sampler` or `stage 1`."""
    layers: tuple[int, ...]
    """That it held, counted from 1."""
    hardware: Hardware | None
    """None where it never got ready."""
    memory: NodeMemory
    """Peaks and limit."""
    step_ms: Percentiles | None
    """Wall time of a step; None before the first has ended. The next three are its parts."""
    compute_ms: Percentiles | None
    """At work."""
    wait_ms: Percentiles | None
    """Waiting for messages."""
    send_ms: Percentiles | None
    """Packing messages, and waiting for room to send."""
    sent_bytes_per_step: float | None
    """Mean, as the sockets count it; the tensors' own bytes where the platform does not tell."""
    received_bytes_per_step: float | None
    """Likewise."""
    sent_payload_bytes_per_step: float | None
    """Mean of the tensors' own bytes."""
    received_payload_bytes_per_step: float | None
    """Likewise."""


class EpochReport(Record, frozen=True, kw_only=True):
    """One epoch."""

    epoch: int
    loss: float
    train_accuracy: float
    validation_accuracy: float | None
    seconds: float


class Report(Record, frozen=True, kw_only=True):
    """One run."""

    schema_version: int = REPORT_SCHEMA_VERSION
    run: str
    status: Status
    failure: Failure | None
    dataset: str
    model: str
    strategy: Strategy
    engine: EngineName
    wire: Literal["fp32"]
    """Type of the rows that cross a cut."""
    sampler: Literal["uniform", "all"]
    """How neighbours are chosen: a uniform sample without replacement, or all of them."""
    validation: Evaluation
    """Whether validation saw sampled neighbours or all of them."""
    evaluation: Evaluation
    """Likewise for the test."""
    seed: int
    plan: Plan
    environment: Environment
    epochs: tuple[EpochReport, ...]
    test_accuracy: float | None
    """At the epoch with the best validation accuracy."""
    steps_per_second: float | None
    """Training steps over the time spent training, evaluation left out."""
    nodes: tuple[NodeReport, ...]
