"""Records that a controller writes to a worker's input: claim, job, start, questions; heartbeats are empty lines."""

from picluster.schema.plan import Plan
from picluster.schema.record import Record
from picluster.schema.run import Controller
from picluster.schema.spec import Spec
from picluster.schema.state import Beginning, Position

JOB_SCHEMA_VERSION = 8

HEARTBEAT_SECONDS = 0.5
"""Pause so short that a worker outlasts 3 s without a link, under the usual grace: TCP carries what it held back."""
LONGEST_GRACE_SECONDS = 3600.0
ORPHANED_EXIT_CODE = 6
"""Exit code of a worker that heard nothing from its controller for the grace, or whose input was closed."""


class Claim(Record, frozen=True, kw_only=True):
    """Takes a node for a run. The worker then loads what every job needs, while data may still be on their way."""

    schema_version: int = JOB_SCHEMA_VERSION
    run: str
    node: str
    """Name of the node that the worker runs on."""
    controller: Controller
    """Process that leads the run."""
    is_exclusive: bool
    """True where the node is a machine of its own, which works for one run at a time."""
    grace_seconds: float
    """A worker that hears nothing from its controller for so long ends itself."""
    role: str = ""
    """Work of the worker in words, for whoever looks at the node."""


class Job(Record, frozen=True, kw_only=True):
    """Everything that one worker needs to get ready."""

    schema_version: int = JOB_SCHEMA_VERSION
    node: str
    spec: Spec
    plan: Plan
    model_file: str
    """Path of the model file on the node."""
    graph_folder: str
    """Path of the graph folder on the node."""
    output_folder: str
    """Folder for files that the worker writes and the controller fetches."""
    address: str
    """IP address of the data plane on this node."""
    interface: str
    """Network interface that has this address."""
    weights_file: str | None = None
    """Path of a trained model on the node: predict all nodes with it instead of training."""
    model_sha256: str = ""
    """Checksum of the model file; a file that has another is not used."""
    begin: Beginning = Beginning()
    """The position and state at which training is taken up."""
    stop: Position | None = None
    """Give the layers' states before this and be done; None: train to the end, and test."""
    state_steps: int | None = None
    """Give the layers' states each time that so many steps have been made, counted over all epochs; None: never."""
    trace: bool = False
    """Tell every slice of work and every message."""
    meter: str = ""
    """Command that prints the watts that the node takes, or a file that holds them; empty: the node's own meter."""


class Endpoint(Record, frozen=True, kw_only=True):
    """Address at which the others of its run call a worker."""

    node: str
    address: str
    """IP address of the data plane there."""
    port: int | None
    """Port on which it listens; None where nobody is to call it."""


class Start(Record, frozen=True, kw_only=True):
    """Go-ahead, sent when every worker is ready."""

    endpoints: tuple[Endpoint, ...]
    """The workers' endpoints, by rank."""
    token: str
    """Secret of this start, in hexadecimal digits, by which workers know each other. It is written down nowhere."""
    silence_seconds: float
    """A connection between workers on which so long nothing is acknowledged is broken."""


class GiveState(Record, frozen=True, kw_only=True):
    """Asks for the layers' states at a position that is still to come; a worker that has passed it does nothing."""

    position: Position
