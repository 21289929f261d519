"""What a controller writes to a worker's standard input: a job, a start, then heartbeats (empty lines)."""

from picluster.schema.plan import Plan
from picluster.schema.record import Record
from picluster.schema.spec import Spec

JOB_SCHEMA_VERSION = 1

HEARTBEAT_SECONDS = 1.0


class Job(Record, frozen=True, kw_only=True):
    """Everything that one worker needs to get ready."""

    schema_version: int = JOB_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    run: str
    """Name of the run."""
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
    grace_seconds: float
    """A worker that hears nothing from its controller for so long ends itself."""


class Start(Record, frozen=True, kw_only=True):
    """Sent when every worker is ready."""

    rendezvous_address: str
    """IP address of rank 0."""
    rendezvous_port: int
    """Port of the store there, through which the peers find each other."""
