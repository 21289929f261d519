"""What `picluster compare --json` prints. Other programs read it: fields are added, never changed."""

from picluster.schema.events import Status
from picluster.schema.plan import EngineName, Strategy
from picluster.schema.record import Record

COMPARISON_SCHEMA_VERSION = 1


class Spread(Record, frozen=True, kw_only=True):
    """One measure over the finished runs of a row."""

    count: int
    """Runs that have it."""
    mean: float
    standard_deviation: float | None
    """Of a sample (divided by count - 1); None where there is one run."""
    standard_error: float | None
    """Of the mean: two rows are told apart by it."""


class NodePeak(Record, frozen=True, kw_only=True):
    """How much memory a node needed."""

    node: str
    anonymous_bytes: int
    """Peak of what cannot be dropped, with that of the engine's own processes."""


class ComparedRun(Record, frozen=True, kw_only=True):
    """One run of a row. What it did not come to is None."""

    run: str | None
    """Its name; None where a launch failed before there was a run."""
    seed: int
    split: int
    """Seed of the split, of cora-linqs; 0 elsewhere."""
    status: Status
    problem: str = ""
    """Why it failed."""
    started: float
    """Seconds since 1970."""
    seconds: float | None = None
    """From its start to its end, without pre-training."""
    epochs: int = 0
    """Done."""
    best_epoch: int | None = None
    """The last one whose validation was better than all before."""
    test_accuracy: float | None = None
    """With the weights of the best epoch."""
    validation_accuracy: float | None = None
    """At the best epoch."""
    train_accuracy: float | None = None
    """Likewise, while training: with dropout."""
    loss: float | None = None
    """Of the last epoch, in training."""
    step_ms: float | None = None
    """Median time of a step."""
    sent_bytes_per_step: float | None = None
    """By all nodes, as their sockets count it."""
    sent_payload_bytes_per_step: float | None = None
    """Of that, the tensors' own bytes."""
    memory: tuple[NodePeak, ...] = ()
    """Of every node, in the order of the plan."""
    learnt: str | None = None
    """Fingerprint of all training losses, to their last bits, and of the test accuracy."""
    pretraining: str = ""
    """Name of the run that learnt the embedding which this one took."""


class ComparedPretraining(Record, frozen=True, kw_only=True):
    """What came once before the runs of a row: it sees no labels, so all splits share it."""

    run: str
    seconds: float | None
    """None where that run is not here."""


class ComparedRow(Record, frozen=True, kw_only=True):
    """Runs that learnt the same, but for seed and split, on nodes that shared the work in the same way."""

    number: int
    """From 1."""
    model: str
    dataset: str
    """Without its split."""
    strategy: Strategy
    engine: EngineName
    nodes: int
    """How many took part."""
    threads: int | None
    """Of each worker; None where none got ready."""
    difference: str
    """What tells it from rows that look the same, such as `hidden=64`; empty where nothing need be said."""
    finished: int
    """How many of its runs have finished: the measures are theirs."""
    runs: tuple[ComparedRun, ...]
    """In the order of their starts."""
    test_accuracy: Spread | None
    validation_accuracy: Spread | None
    train_accuracy: Spread | None
    loss: Spread | None
    seconds: Spread | None
    step_ms: Spread | None
    sent_bytes_per_step: Spread | None
    sent_payload_bytes_per_step: Spread | None
    memory: tuple[NodePeak, ...]
    """The most that any of its runs needed, under the names of the first run's nodes."""
    pretraining: ComparedPretraining | None
    """None where there was none."""


class Unlike(Record, frozen=True, kw_only=True):
    """A setting in which rows differ that has no column of its own."""

    setting: str
    """Such as `epochs`, `learning-rate` or `seeds`."""
    values: tuple[str, ...]
    """That of each row; empty where a row does not know it."""


class Comparison(Record, frozen=True, kw_only=True):
    """Several runs, side by side."""

    schema_version: int = COMPARISON_SCHEMA_VERSION
    tag: str
    """That the runs were chosen by; may be empty."""
    rows: tuple[ComparedRow, ...]
    """In the order of their first runs."""
    same_bits: tuple[tuple[int, ...], ...]
    """Numbers of rows that learnt the same, bit for bit, with every seed that they share."""
    unlike: tuple[Unlike, ...] = ()
    """Settings that differ between rows."""
    tested_alike: tuple[tuple[int, ...], ...] = ()
    """Numbers of rows that were tested on the same labels of the same nodes: accuracies compare only among these."""
    notes: tuple[str, ...]
    """What a person should know, in words."""
