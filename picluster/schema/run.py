"""The records of a run folder, besides spec, plan and events."""

from picluster.schema.events import Status
from picluster.schema.graph import GraphMeta
from picluster.schema.record import Record
from picluster.schema.spec import Spec

RUN_SCHEMA_VERSION = 1


class Controller(Record, frozen=True, kw_only=True):
    """The process that leads a run: whether it still lives tells whether the run does."""

    host: str
    """Name of the person's machine."""
    pid: int
    """Process id there."""
    started: float
    """When that process began, in seconds since 1970: process ids are used again."""
    user: str = ""
    """Whose process it is."""
    machine: str = ""
    """Fingerprint of the machine: other machines may have the same name."""
    boot: str = ""
    """Which time the machine was started, where the system tells: after the next no process of before lives."""
    booted: float = 0.0
    """When that was, by the clock of that moment: a clock that is set later, as on a Pi, moves `started` as well."""


class Run(Record, frozen=True, kw_only=True):
    """`run.json`: what was to be done."""

    schema_version: int = RUN_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    run: str
    """Name of the run and of its folder."""
    started: float
    """Seconds since 1970."""
    spec: Spec
    """What is learnt."""
    graph: GraphMeta
    """Sizes and checksums of the data."""
    controller: Controller
    """Who leads."""
    tag: str = ""
    """A word of the person's own, to find the run by."""
    pretraining: str = ""
    """Name of the run that learnt the embedding which this one's graph holds."""


class Environment(Record, frozen=True, kw_only=True):
    """`environment.json`: where the controller ran. The nodes' hardware is in their `ready` events."""

    schema_version: int = RUN_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    picluster: str
    """Version."""
    python: str
    """Version."""
    system: str
    """Operating system and release."""
    machine: str
    """Architecture."""
    cores: int
    """Of the controller."""
    memory_bytes: int
    """Of the controller."""
    command: tuple[str, ...]
    """What was typed."""


class Failure(Record, frozen=True, kw_only=True):
    """Why a run failed."""

    node: str | None
    """The first node that failed; None where it was none of them."""
    layers: tuple[int, ...]
    """What the node held."""
    cause: str
    """One line."""
    fix: str
    """What to do about it."""
    log: str | None
    """Path of the node's log: in `result.json` within the run folder, in a report from where one stands."""


class Result(Record, frozen=True, kw_only=True):
    """`result.json`: written last."""

    schema_version: int = RUN_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    status: Status
    """How it ended."""
    failure: Failure | None
    """None unless it failed."""
    test_accuracy: float | None
    """With the weights of the epoch with the best validation accuracy."""
    ended: float
    """Seconds since 1970."""
    stopped_by: str = ""
    """Who or what stopped it, such as `Ctrl-C`; empty unless it was stopped, and in older runs."""


class Manifest(Record, frozen=True, kw_only=True):
    """`manifest.json`: a checkpoint exists when its manifest does."""

    schema_version: int = RUN_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    epoch: int
    """The weights are those after this epoch."""
    files: dict[str, str]
    """Name → sha256."""
