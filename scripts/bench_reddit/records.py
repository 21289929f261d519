"""Records of the benchmark: what is asked for, what one measurement found, and the table that comes of them."""

from __future__ import annotations

from typing import Literal

from picluster.schema.record import Record

FANOUT = (25, 10)
BATCH_SIZE = 1024
HIDDEN = 256
DROPOUT = 0.5
LEARNING_RATE = 0.01
MICRO_BATCHES = 4
SEED = 0
GOAL = 0.94
"""Accuracy to which the time is told."""

Kind = Literal["loader", "bipartite", "csr", "edges", "dgl", "predecessor", "products"]
"""Way in which a rival trains."""


class Settings(Record, frozen=True, kw_only=True):
    """Task that all rows of a table share."""

    dataset: str
    scale: float
    epochs: int
    """Whole epochs, with validation and a test; 0 where `steps` are measured alone."""
    steps: int
    """Training steps after which a run is ended; 0 where whole epochs are trained."""
    cores: int
    """Cores that all processes of a row share."""

    @property
    def name(self) -> str:
        """Name of the folder of its measurements."""
        size = f"-{self.scale:g}" if self.dataset == "reddit-like" else ""
        length = f"{self.epochs}-epochs" if self.epochs else f"{self.steps}-steps"
        return f"{self.dataset}{size}-{length}-{self.cores}-cores"


class RivalTask(Record, frozen=True, kw_only=True):
    """Training of a rival."""

    settings: Settings
    kind: Kind
    processes: int
    threads: int
    """Threads on which each process computes."""
    mapped: bool
    """True where features stay in their file."""
    graph: str
    """Path of the graph folder."""
    events: str
    """Path of the file that it appends its events to."""


class Peak(Record, frozen=True, kw_only=True):
    """Most memory that a process needed."""

    process: str
    anonymous_bytes: int
    """Part that cannot be dropped."""
    resident_bytes: int
    """With mapped files."""


class EpochScore(Record, frozen=True, kw_only=True):
    """One epoch."""

    epoch: int
    validation_accuracy: float | None
    training_seconds: float
    """Training of this epoch and of those before, evaluations left out."""


class Measure(Record, frozen=True, kw_only=True):
    """One run of one row."""

    row: str
    repeat: int
    problem: str = ""
    """Reason why it failed; then the others are not known."""
    steps: int = 0
    """Steps that the next two are means of."""
    cpu_seconds: float | None = None
    """Processor time of a training step, over all processes."""
    wall_seconds: float | None = None
    """Time of a training step."""
    sent_bytes: float | None = None
    """Bytes that all processes send in a training step."""
    elsewhere_cores: float | None = None
    """Cores that other work of the machine kept busy meanwhile."""
    peaks: tuple[Peak, ...] = ()
    epochs: tuple[EpochScore, ...] = ()
    test_accuracy: float | None = None
    seconds: float = 0.0
    """Time of the whole run, with start and evaluations."""


class Range(Record, frozen=True, kw_only=True):
    """Spread of a measure over the repetitions."""

    median: float
    least: float
    most: float


class RowSummary(Record, frozen=True, kw_only=True):
    """One row of the table."""

    row: str
    title: str
    runs: int
    """Number of measurements that succeeded."""
    problem: str = ""
    """Reason why the last one failed, where none succeeded, or why it cannot be measured here."""
    cpu_seconds: Range | None = None
    wall_seconds: Range | None = None
    times_single: Range | None = None
    """Processor time of a step as a multiple of that of `single` in the same repetition."""
    sent_bytes: Range | None = None
    peaks: tuple[Peak, ...] = ()
    """Peaks of each process over all repetitions."""
    test_accuracy: Range | None = None
    seconds_to_goal: Range | None = None
    """Time of training until validation first reached the goal at an epoch's end; None where one repetition did not."""


class Machine(Record, frozen=True, kw_only=True):
    """The machine, and the versions of what was measured."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str
    picluster: str
    rivals: dict[str, str]
    """Versions in the rivals' environment, by package."""


class Results(Record, frozen=True, kw_only=True):
    """The whole table."""

    schema_version: int = 1
    settings: Settings
    machine: Machine
    nodes: int
    edges: int
    source: str
    """Origin of the graph, in words."""
    repeats: int
    rows: tuple[RowSummary, ...]
    measures: tuple[Measure, ...]
