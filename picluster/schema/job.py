"""What a controller writes to a worker's standard input: a claim, a job, a start; heartbeats (empty lines) between."""

from picluster.schema.plan import Plan
from picluster.schema.record import Record
from picluster.schema.run import Controller
from picluster.schema.spec import Spec

JOB_SCHEMA_VERSION = 2

HEARTBEAT_SECONDS = 1.0
LONGEST_GRACE_SECONDS = 3600.0
ORPHANED_EXIT_CODE = 6
"""Of a worker that heard nothing from its controller for the grace, or whose input was closed."""


class Claim(Record, frozen=True, kw_only=True):
    """Takes a node for a run. The worker then loads what every job needs, while data may still be on their way."""

    schema_version: int = JOB_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    run: str
    """Name of the run."""
    node: str
    """Name of the node that the worker runs on."""
    controller: Controller
    """Who leads the run."""
    is_exclusive: bool
    """Whether the node is a machine of its own, which works for one run at a time."""
    grace_seconds: float
    """A worker that hears nothing from its controller for so long ends itself."""


class Job(Record, frozen=True, kw_only=True):
    """Everything that one worker needs to get ready."""

    schema_version: int = JOB_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    node: str
    """Name of the node that the worker runs on."""
    spec: Spec
    """What is learnt."""
    plan: Plan
    """Who does what."""
    model_file: str
    """Path of the model file on the node."""
    graph_folder: str
    """Path of the graph folder on the node."""
    output_folder: str
    """Where the worker may write files for the controller to fetch."""
    address: str
    """IP address of the data plane on this node."""
    interface: str
    """Network interface that has this address."""
    threads: int
    """Compute threads."""
    weights_file: str | None = None
    """Where a trained model lies on the node: predict all nodes with it instead of training."""


class Start(Record, frozen=True, kw_only=True):
    """Sent when every worker is ready."""

    rendezvous_address: str
    """IP address of rank 0."""
    rendezvous_port: int
    """Port of the store there, through which the peers find each other."""
