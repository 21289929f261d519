"""Records of a run folder, besides spec, plan and events."""

from picluster.errors import Fault, RunFailed
from picluster.schema.events import Status
from picluster.schema.graph import GraphMeta
from picluster.schema.plan import Plan
from picluster.schema.record import Record, Timestamp
from picluster.schema.spec import Spec
from picluster.schema.state import Position

RUN_SCHEMA_VERSION = 1


class Controller(Record, frozen=True, kw_only=True):
    """The process that leads a run: whether it still lives tells whether the run does."""

    host: str
    """Name of the person's machine."""
    pid: int
    """Process id there."""
    started: Timestamp
    """Start of that process in seconds since 1970: process ids are used again."""
    user: str = ""
    """Name of the process's user."""
    machine: str = ""
    """Fingerprint of the machine: other machines may have the same name."""
    boot: str = ""
    """Identity of the machine's start, where the system tells: after the next one no process of before lives."""
    booted: Timestamp = 0.0
    """Time of that start, by the clock of that moment: setting a clock later, as on a Pi, moves `started` too."""


class Run(Record, frozen=True, kw_only=True):
    """`run.json`: the task."""

    schema_version: int = RUN_SCHEMA_VERSION
    run: str
    started: Timestamp
    """Seconds since 1970."""
    spec: Spec
    graph: GraphMeta
    controller: Controller
    tag: str = ""
    """A word of the person's own, to find the run by."""
    pretraining: str = ""
    """Name of the run that learnt the embedding which this one's graph holds."""


class Environment(Record, frozen=True, kw_only=True):
    """`environment.json`: the machine of the controller. The nodes' hardware is in their `ready` events."""

    schema_version: int = RUN_SCHEMA_VERSION
    picluster: str
    python: str
    system: str
    """Operating system and release."""
    machine: str
    cores: int
    memory_bytes: int
    command: tuple[str, ...]
    """Command as it was typed."""


class Failure(Record, frozen=True, kw_only=True):
    """Cause of a failed run."""

    node: str | None
    """The first node that failed; None where it was none of them."""
    layers: tuple[int, ...]
    cause: str
    fix: str
    """Remedy, where one is known."""
    log: str | None
    """Path of the node's log: in `result.json` within the run folder, in a report from where one stands."""
    kind: Fault = "other"
    """Meaning for those who go on, with the node or without.

    The worker was `killed` by a signal, or for want of memory (`out-of-memory`: with less work it may do). The node is
    `unreachable`: no word comes from it or gets there. The worker is `frozen`: it was stopped, and does nothing; or
    `silent`: it lives and tells nothing; or it `ended` without a word, as where a file that it needs is damaged there.
    The node's `disk` is full, broken, or can only be read. The
    controller, or its machine, was `paused` for longer than the workers wait. The node `refused` to
    start the worker: it is busy, or lacks something. The `model`, its options or data are to blame: it would fail
    anywhere. All else is `other`, also in older runs. Of the controller, where there is no node.
    """
    role: str = ""
    """Work of the node, such as `sampler` or `stage 2`."""
    last_lines: tuple[str, ...] = ()
    """The end of the node's log."""
    found: Timestamp = 0.0
    """Time in seconds since 1970 at which it was known; 0 in older runs."""

    exit_code: int = RunFailed.exit_code
    """Exit code of the launch, which that of an error of the controller itself changes; 5 in older runs."""

    @property
    def who(self) -> str:
        """The node, with its work, as the beginning of a sentence."""
        if self.node is None:
            return "the run"
        numbers = ", ".join(map(str, self.layers))
        layers = f"layer{'s' if len(self.layers) > 1 else ''} {numbers}" if self.layers else ""
        held = ", ".join(filter(None, [self.role, layers]))
        return f"node {self.node}{f' ({held})' if held else ''}"


class Result(Record, frozen=True, kw_only=True):
    """`result.json`: written last."""

    schema_version: int = RUN_SCHEMA_VERSION
    status: Status
    failure: Failure | None
    test_accuracy: float | None
    """Accuracy with the weights of the epoch with the best validation accuracy."""
    ended: Timestamp
    """Seconds since 1970."""
    stopped_by: str = ""
    """The person or the cause that stopped it, such as `Ctrl-C`; empty unless stopped, and in older runs."""


class Resumption(Record, frozen=True, kw_only=True):
    """`attempts/2.json` and so on: the beginning of a further attempt at a run."""

    schema_version: int = RUN_SCHEMA_VERSION
    attempt: int
    """Number of the attempt; `plan.json` and `run.json` are of the first."""
    started: Timestamp
    """Seconds since 1970."""
    after: Failure | None
    """Failure that ended the attempt before; None where somebody stopped it."""
    position: Position
    """Place in the run at which it was taken up."""
    plan: Plan
    controller: Controller
    """Process that leads this attempt."""

    @property
    def words(self) -> str:
        """The reason for this attempt, where it begins, and on which nodes."""
        why = f"{self.after.node or 'the run'}: {self.after.cause}; " if self.after else ""
        where = "the beginning" if self.position == Position() else self.position.words
        return f"{why}attempt {self.attempt}, from {where}, on {', '.join(self.plan.nodes)}"


class Manifest(Record, frozen=True, kw_only=True):
    """`manifest.json`: a checkpoint exists when its manifest does."""

    schema_version: int = RUN_SCHEMA_VERSION
    epoch: int
    """The weights are those after this epoch."""
    files: dict[str, str]
    """Checksum (sha256) by name of the file."""
