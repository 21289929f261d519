"""Events that a worker writes to its standard output, one JSON line each, and the lines that the controller stores."""

from typing import Literal

import msgspec

from picluster.errors import Fault
from picluster.schema.record import Record, Timestamp
from picluster.schema.state import JudgeState, Position


class Event(Record, frozen=True, kw_only=True, tag_field="kind"):
    """Base of the events, which `kind` tells apart."""


class Hardware(Record, frozen=True, kw_only=True):
    """The machine under a worker."""

    model: str
    """Board or processor."""
    kernel: str
    """Release of the kernel."""
    torch: str
    cores: int
    """Number of cores that the worker may use."""
    threads: int
    """Compute threads of a micro-batch, on which last bits depend: 1, but for earlier versions with `--threads`."""
    numerics: str = ""
    """Fingerprint of the numerics: workers that share it compute the same bits; empty in older runs."""


class Ready(Event, frozen=True, kw_only=True, tag="ready"):
    """Model and data are loaded; the worker waits for the start."""

    hardware: Hardware
    rendezvous_port: int | None
    """Port on which it listens for other workers; None where none of them calls it."""
    seconds: float
    """Time since the process began."""


class StepDone(Event, frozen=True, kw_only=True, tag="step"):
    """One optimiser step, as one worker saw it."""

    epoch: int
    """Counted from 1."""
    step: int
    """Counted from 1 within the epoch."""
    loss: float | None = None
    """Mean over the step's seeds, from the first replica of the last stage; None from others."""
    step_ms: float
    """Wall time; the sum of the three below."""
    compute_ms: float
    """Time at work."""
    wait_ms: float
    """Time waiting for messages."""
    send_ms: float
    """Time packing messages and waiting for room to send."""
    sent_bytes: int | None
    """Bytes that the sockets sent; these two are None where the platform does not tell."""
    received_bytes: int | None
    sent_payload_bytes: int
    """Bytes of tensors handed to the engine for other workers; the next are those that came from them."""
    received_payload_bytes: int
    sent_payload_to: dict[str, int] = msgspec.field(default_factory=dict)
    """Bytes of tensors for each of the other nodes; empty in older runs."""
    sending_ms_to: dict[str, float] = msgspec.field(default_factory=dict)
    """Time in ms with something on its way to each node on another machine; empty where the kernel does not tell."""
    disk_reads: int | None = None
    """Page faults of the worker for which the kernel read from disk or swap; None in older runs."""


Doing = Literal["sample", "forward", "backward", "there and back", "evaluate", "update", "send", "receive"]


class Slice(Record, frozen=True, kw_only=True, array_like=True):
    """Something that one thread of a worker did, as a trace shows it."""

    doing: Doing
    begin: float
    """Time in seconds by the worker's clock; likewise the end."""
    end: float
    thread: int
    """Number of the thread within its role, from 0."""
    place: tuple[int, int, int]
    """Epoch, step and micro-batch."""
    peer: str = ""
    """Node on the other side of a message."""
    channel: str = ""
    """Kind of the message."""
    payload_bytes: int = 0
    """Bytes of its tensors."""


class Traced(Event, frozen=True, kw_only=True, tag="trace"):
    """Slices of a role since it told the last ones, where a trace is asked for."""

    role: Literal["sampler", "stage"]
    """Role: `sampler` or `stage`."""
    now: float
    """Time by the worker's clock, from which follows that of the slices by the controller's."""
    slices: tuple[Slice, ...]


class Resources(Event, frozen=True, kw_only=True, tag="metrics"):
    """Memory and load at one moment, and the peaks so far."""

    rss_bytes: int
    anonymous_bytes: int
    """The part that is anonymous or shared, and cannot be dropped."""
    file_bytes: int
    """The part that maps files: page cache."""
    swapped_bytes: int | None = None
    """Memory that the kernel has put into swap; None where it does not tell and in older runs."""
    peak_rss_bytes: int
    """The kernel's high-water mark of resident memory."""
    peak_anonymous_bytes: int
    """High-water mark of the anonymous part, derived from the kernel's."""
    engine_bytes: int = 0
    """Anonymous and shared memory of the processes that the engine runs below the worker: of Ray, of mpirun."""
    peak_engine_bytes: int = 0
    """Largest reading of those so far."""
    limit_bytes: int | None
    """The memory limit that applies, of the control group or the machine."""
    cpu_share: float
    """Cores kept busy since the last reading."""
    temperature_celsius: float | None
    """Temperature of the processor, where there is a sensor."""
    clock_mhz: float | None = None
    """Clock of the processor as a Pi's firmware measures it; None elsewhere and in older runs."""
    throttled: int | None = None
    """Reasons why a Pi's firmware holds the processor back, likewise: the sum of these.

    1 the voltage is too low; 2 the clock is capped; 4 it is throttled; 8 it nears the limit of heat.
    """
    joules: float | None = None
    """Energy that the node took since its worker began to measure; None without a meter and in older runs."""
    meter: str = ""
    """Meter: `own` (the person's), `pmic` (a Pi 5's), or `rapl` and which machine's; empty where there is none."""


class EpochDone(Event, frozen=True, kw_only=True, tag="epoch"):
    """One epoch, reported by the first replica of the last stage at the barrier."""

    epoch: int
    """Counted from 1."""
    loss: float
    """Mean over the epoch's seeds, as they were seen in training."""
    train_accuracy: float | None
    """Accuracy of the same predictions (dropout on, sampled neighbours); None where values are learnt."""
    validation_accuracy: float | None
    """Accuracy after the epoch; None where the graph has no validation nodes."""
    validation_loss: float | None = None
    """Mean over the validation nodes, without dropout."""
    best: bool
    """True where validation is better than ever before, by what the spec monitors."""
    seconds: float
    """Wall time of the epoch, validation included."""


class Tested(Event, frozen=True, kw_only=True, tag="tested"):
    """The test with the best epoch's weights."""

    test_accuracy: float | None
    """Accuracy; None where the graph has no test nodes."""


class CheckpointWritten(Event, frozen=True, kw_only=True, tag="checkpoint"):
    """A file of weights is ready to be fetched."""

    epoch: int
    """The weights are those after this epoch."""
    path: str
    """Path on the node."""
    sha256: str


class StateWritten(Event, frozen=True, kw_only=True, tag="state"):
    """The training state of one layer is ready to be fetched."""

    position: Position
    """The next thing to do."""
    layer: int
    """Number of the layer, from 1."""
    path: str
    sha256: str
    judge: JudgeState | None = None
    """Findings of the judge; None from other workers."""


class Predicted(Event, frozen=True, kw_only=True, tag="predicted"):
    """A file of class probabilities is ready to be fetched."""

    path: str
    """Path on the node of an npy array (N, classes) in fp32."""


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The worker ends because something went wrong."""

    cause: str
    fix: str = ""
    """Remedy, where one is known."""
    expected: bool
    """True where picluster knows this kind of failure; otherwise the log has the traceback."""
    fault: Fault = "other"
    """Kind of the failure, see `Failure.kind`."""
    lost_peer: bool = False
    """True where it is only the echo of another worker's end."""


class Done(Event, frozen=True, kw_only=True, tag="done"):
    """The worker did its whole job."""


class Ended(Event, frozen=True, kw_only=True, tag="ended"):
    """End of a worker's process, added by the controller."""

    exit_code: int | None
    """Exit code; None where it is not known."""
    signal: str | None
    """Name of the signal that killed it."""
    out_of_memory: bool = False
    """True where the kernel killed it for want of memory, as far as the node tells."""


WorkerState = Literal["gone", "stopped", "waits", "lives", "unknown"]
"""State of a worker's process.

It is `stopped` by a signal or by its control group; it `waits` for a disk, where no signal reaches it; it is `unknown`
where its node does not answer.
"""


class Examined(Event, frozen=True, kw_only=True, tag="examined"):
    """State of a worker that says nothing, as its node tells it; added by the controller."""

    state: WorkerState


class Logged(Event, frozen=True, kw_only=True, tag="logged"):
    """Line of a worker's log, passed on by the controller."""

    line: str
    """The line without its end."""


WorkerEvent = (
    Ready
    | StepDone
    | Traced
    | Resources
    | EpochDone
    | Tested
    | CheckpointWritten
    | StateWritten
    | Predicted
    | Failed
    | Done
)
AnyEvent = WorkerEvent | Ended | Examined | Logged


class Recorded(Record, frozen=True, kw_only=True):
    """A line of `events.jsonl` or `metrics.jsonl`."""

    time: Timestamp
    """Time in seconds since 1970, by the controller's clock."""
    node: str
    attempt: int = 1
    """Number of the attempt: counts up when the run is taken up again."""
    event: AnyEvent


Status = Literal["finished", "failed", "stopped", "running"]
