"""The protocol of a machine: how it is entered, asked what it is, and lets a worker run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from picluster.errors import PiclusterError
    from picluster.schema.agent import AnswerType, Question
    from picluster.schema.events import WorkerState
    from picluster.schema.facts import NodeFacts

ANSWER_SECONDS = 20.0
STATE_SECONDS = 14.0
"""Time for a machine to tell what its worker is doing: one that swaps needs long, one that is frozen never answers."""
LONGEST_LINE_BYTES = 16 << 20
"""More in one line is no event, no answer, and no line of a log."""


@dataclass(frozen=True)
class Exit:
    """End of a worker's process."""

    code: int | None
    """None where a signal killed it."""
    signal: str | None
    """Name of the signal."""


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of a stream. One that does not end comes in pieces: it must not fill this machine's memory."""
    return iter(partial(stream.readline, LONGEST_LINE_BYTES), b"")


class Agent(Protocol):
    """A program of `picluster/agent/` at work on a machine. Not for several threads at once."""

    def ask(self, question: Question[AnswerType]) -> AnswerType:
        """The answer. RunFailed where none comes within the time, or another than is expected."""

    def close(self) -> None:
        """End it."""


class WorkerProcess(Protocol):
    """A worker on some node."""

    @property
    def output(self) -> Iterable[bytes]:
        """Lines of its standard output: events."""

    @property
    def log(self) -> Iterable[bytes]:
        """Lines of its standard error."""

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; says nothing when the worker is gone."""

    def hang_up(self) -> None:
        """Close its standard input: the worker ends itself."""

    def wait(self, timeout_seconds: float) -> Exit | None:
        """Its end; None when it has not ended within that time."""

    def kill(self) -> None:
        """End it and its children at once."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Everything that one node needs for a run, as it lies on this machine."""

    run: str
    node: str
    model_file: Path
    graph_folder: Path
    arrays: tuple[str, ...]
    """Arrays of the graph that the node reads."""
    output_folder: Path
    """Folder of the node in the run folder."""
    weights_file: Path | None = None
    """A trained model to predict with."""
    layer_files: tuple[Path, ...] = ()
    """States of the node's layers, where it takes a run up."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files of graph and layers, by name."""

    @property
    def words(self) -> list[str]:
        """Arguments of the worker's program."""
        return ["work", f"--run={self.run}", f"--node={self.node}"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Paths of a parcel's contents on the node."""

    model_file: str
    graph_folder: str
    output_folder: str
    weights_file: str | None
    layer_files: tuple[str, ...]


class Machine(Protocol):
    """The machine of one node. It is entered first; nodes that are processes of this machine have one each."""

    address: str
    """IP address of the node's data plane."""
    interface: str
    """The network interface that has it."""
    owned_address: str | None
    """The address that the person wants there, where the inventory says one."""
    meter: str
    """Command that prints the watts that the node takes, or a file there; empty where the inventory says none."""
    is_exclusive: bool
    """True where it works for one run at a time; this machine serves several runs, and the person."""
    python: str
    """Interpreter of the environment that the worker runs in."""
    data_folder: str
    """Folder where it keeps data."""

    def enter(self, *, silence_seconds: float | None = None) -> None:
        """Connect; the connection breaks when nothing is acknowledged for so long. RunFailed where that fails."""

    def agent(self, program: str = "steward", *, timeout_seconds: float = ANSWER_SECONDS) -> Agent:
        """Start one of the programs of `picluster/agent/`; it ends with the machine's `close` at the latest."""

    def look(self, graph: str, wanted: Mapping[str, Sequence[int]]) -> NodeFacts:
        """Facts of the machine, remembered for the run; `wanted`: see `shipping.state_of`."""

    def unfit(self, seen: NodeFacts, sizes: Mapping[str, int]) -> PiclusterError | None:
        """Reason why it cannot take part, see `fitness.unfit`."""

    def routes(self, peers: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Own address and interface towards each of these addresses."""

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> WorkerProcess:
        """Start `picluster-worker` with these variables besides its own."""

    def deliver(self, parcel: Parcel) -> Places:
        """Bring the parcel to the node; returns when all of it is there."""

    def fetch(self, path: str, destination: Path) -> None:
        """Bring a file that the worker wrote into the run folder; another machine keeps it as well.

        FileNotFoundError where the worker has removed it.
        """

    def worker_state(self) -> WorkerState:
        """State of the worker's process, as the machine sees it. RunFailed where no answer comes in time."""

    def ran_out_of_memory(self) -> bool:
        """True where the kernel has killed something there for want of memory since the run began."""

    def close(self, *, for_good: bool = True) -> None:
        """Let go of the node; `for_good`: remove what the run left there, since it does not go on."""
