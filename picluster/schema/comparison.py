"""Record of `picluster compare --json`. Other programs read it: fields are added, never changed."""

from picluster.schema.events import Status
from picluster.schema.plan import EngineName, Strategy
from picluster.schema.record import Record


class Spread(Record, frozen=True, kw_only=True):
    """One measure over the finished runs of a row."""

    count: int
    """Runs that have it."""
    mean: float
    standard_deviation: float | None
    """Standard deviation of a sample (divided by count - 1); None where there is one run."""
    standard_error: float | None
    """Standard error of the mean, which decides whether two rows differ."""


class NodePeak(Record, frozen=True, kw_only=True):
    """Peak memory of a node."""

    node: str
    anonymous_bytes: int
    """Peak of memory that cannot be dropped, with that of the engine's own processes."""


class ComparedRun(Record, frozen=True, kw_only=True):
    """One run of a row. Measures that it did not get to are None."""

    run: str | None
    """Name of the run; None where a launch failed before there was one."""
    seed: int
    split: int
    """Seed of the split of cora-linqs; 0 of other data sets."""
    status: Status
    problem: str = ""
    started: float
    """Seconds since 1970."""
    seconds: float | None = None
    """Time from its start to its end, without pre-training."""
    epochs: int = 0
    best_epoch: int | None = None
    """The last one whose validation was better than all before."""
    test_accuracy: float | None = None
    """Accuracy on the test nodes, with the weights of the best epoch."""
    validation_accuracy: float | None = None
    """Accuracy on the validation nodes at the best epoch."""
    train_accuracy: float | None = None
    """Accuracy on the training nodes at the best epoch, while training: with dropout."""
    loss: float | None = None
    """Training loss of the last epoch."""
    step_ms: float | None = None
    """Median time of a step."""
    sent_bytes_per_step: float | None = None
    """Bytes sent by all nodes, as their sockets count them."""
    sent_payload_bytes_per_step: float | None = None
    """Part of those bytes that are the tensors' own."""
    joules_to_best: float | None = None
    """Energy of all nodes until the end of the best epoch; None unless each has a meter."""
    memory: tuple[NodePeak, ...] = ()
    """Peak of every node, in the order of the plan."""
    throttled: tuple[str, ...] = ()
    """Nodes whose firmware held the processor back at times, for heat or for want of voltage."""
    swapped: tuple[str, ...] = ()
    """Nodes whose worker the kernel had put into swap in part."""
    learnt: str | None = None
    """Fingerprint of all training losses, to their last bits, and of the test accuracy."""
    pretraining: str = ""
    """Name of the run that learnt the embedding which this one took."""


class ComparedPretraining(Record, frozen=True, kw_only=True):
    """Pre-training that was done once for all runs of a row: it sees no labels, so all splits share it."""

    run: str
    seconds: float | None
    """Duration; None where that run is not here."""


class ComparedRow(Record, frozen=True, kw_only=True):
    """Runs that learnt the same, but for seed and split, on nodes that shared the work in the same way."""

    number: int
    """Number of the row, from 1."""
    model: str
    dataset: str
    """Name of the data set, without its split."""
    strategy: Strategy
    engine: EngineName
    nodes: int
    cores: int | None
    """Cores on which each worker computes; None where none got ready, or they differ."""
    difference: str
    """Setting that tells it from rows that look the same, such as `hidden=64`; empty where none must."""
    finished: int
    """Number of its runs that have finished: the measures are theirs."""
    runs: tuple[ComparedRun, ...]
    test_accuracy: Spread | None
    validation_accuracy: Spread | None
    train_accuracy: Spread | None
    loss: Spread | None
    seconds: Spread | None
    step_ms: Spread | None
    sent_bytes_per_step: Spread | None
    sent_payload_bytes_per_step: Spread | None
    joules_to_best: Spread | None = None
    memory: tuple[NodePeak, ...]
    """Peak of each node over all of its runs, under the names of the first run's nodes."""
    pretraining: ComparedPretraining | None

    @property
    def finished_runs(self) -> tuple[ComparedRun, ...]:
        """Its runs that have finished."""
        return tuple(run for run in self.runs if run.status == "finished")


class Unlike(Record, frozen=True, kw_only=True):
    """A setting in which rows differ and that has no column of its own."""

    setting: str
    """Name of the setting, such as `epochs`, `learning-rate` or `seeds`."""
    values: tuple[str, ...]
    """Value of each row; empty where a row does not know it."""


class PairedDifference(Record, frozen=True, kw_only=True):
    """Difference in test accuracy between two rows, with the same seeds and splits."""

    row: int
    base: int
    """Number of the row whose accuracies are taken from those of `row`."""
    count: int
    """Number of seeds that both have."""
    mean: float
    low: float
    """Lower end of the 95 % confidence interval of the mean, by Student's t."""
    high: float


class Comparison(Record, frozen=True, kw_only=True):
    """Several runs, side by side."""

    schema_version: int = 1
    tag: str
    """Tag by which the runs were chosen; may be empty."""
    rows: tuple[ComparedRow, ...]
    same_bits: tuple[tuple[int, ...], ...]
    """Numbers of rows that learnt the same, bit for bit, with every seed that they share."""
    unlike: tuple[Unlike, ...] = ()
    tested_alike: tuple[tuple[int, ...], ...] = ()
    """Numbers of rows that were tested on the same labels of the same nodes: accuracies compare only among these."""
    differences: tuple[PairedDifference, ...] = ()
    """Differences of rows to the first of those that were tested alike, where enough seeds tell them apart."""
    incomparable: tuple[str, ...] = ()
    """Reasons why rows cannot be compared: other test nodes or labels, other seeds, processors held back, swap."""
    notes: tuple[str, ...]
