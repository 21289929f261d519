"""Questions to the programs of picluster/agent/, and their answers: a line of JSON for each, with a version.

A program checks a question by the parameters of its function of that name; an answer is checked here.
"""

from typing import Generic, TypeVar, get_args

import msgspec

from picluster.agent.answering import VERSION
from picluster.errors import RunFailed
from picluster.schema.bundle import Bench, Names
from picluster.schema.events import WorkerState
from picluster.schema.facts import Claimed, NodeFacts
from picluster.schema.gauges import Gauges
from picluster.schema.health import Facts, TorchTrial
from picluster.schema.record import Record, Timestamp, decode
from picluster.wording import in_words

AnswerType = TypeVar("AnswerType", bound=msgspec.Struct)

_FIX = "start picluster again: its files were replaced while it ran"


class Routes(Record, frozen=True, kw_only=True):
    """Ways of a node to others."""

    routes: dict[str, tuple[str, str]]
    """Peer's address → own address and interface towards it."""


class Started(Record, frozen=True, kw_only=True):
    """Last answer of a steward before it becomes a worker."""

    error: str
    """Reason why it does not become one; empty where it does."""


class Claims(Record, frozen=True, kw_only=True):
    """Workers on a node."""

    claims: tuple[Claimed, ...]


class State(Record, frozen=True, kw_only=True):
    """State of a worker's process."""

    state: WorkerState


class OomKills(Record, frozen=True, kw_only=True):
    """Kills for want of memory."""

    oom_kills: int | None
    """Processes that the kernel has killed since the node was started; None where it does not tell."""


class GroupsEnded(Record, frozen=True, kw_only=True):
    """Outcome of killing."""

    gone: tuple[int, ...]
    """Groups of processes that are gone."""


class Verified(Record, frozen=True, kw_only=True):
    """Outcome of verifying."""

    damaged: tuple[str, ...]
    """Names of the files that are not there as they should be."""


class Removed(Record, frozen=True):
    """Confirmation that a folder is removed."""


class Time(Record, frozen=True, kw_only=True):
    """A node's clock."""

    time: Timestamp
    """Seconds since 1970."""


class Listening(Record, frozen=True, kw_only=True):
    """A listener for the trials of links."""

    port: int | None
    """None where it cannot listen."""
    error: str
    """Reason why not; empty where it can."""


class LinkTrial(Record, frozen=True, kw_only=True):
    """Measurement of a link, or the reason why there is none."""

    error: str
    """Reason why it was not measured; empty where it was."""
    round_trip_ms: float | None
    mbit_per_second: float | None


class Question(Record, Generic[AnswerType], frozen=True, kw_only=True, tag_field="do"):
    """A question, sent as JSON with its tag as `do`."""

    version: int = VERSION

    def read_answer(self, line: bytes) -> AnswerType:
        """The answer in a line that a program wrote.

        Raises:
            msgspec.DecodeError: it is no JSON, and so no program's.
            RunFailed: the program refuses the question, or answers in another version or otherwise than is expected.
        """
        do = self.__struct_config__.tag
        try:
            reply: _Reply = decode(line, _Reply)
            if reply.version != VERSION:
                what = f"its agent answers {do!r} in version {reply.version}; this picluster reads {VERSION}"
                raise RunFailed(what, fix=_FIX)
            if reply.refusal:
                raise RunFailed(f"its agent refuses the question {do!r}: {reply.refusal}", fix=_FIX)
            given: dict[str, msgspec.Raw] = decode(reply.answer, dict[str, msgspec.Raw])
            answer: AnswerType = decode(reply.answer, self.answer_type())
        except msgspec.ValidationError as error:
            what = f"its agent's answer to {do!r} is not understood: {in_words(error)}"
            raise RunFailed(what, fix=_FIX) from error
        # A record may have defaults for what is not known; an agent says everything.
        for field in msgspec.structs.fields(self.answer_type()):
            if field.name not in given:
                raise RunFailed(f"its agent's answer to {do!r} is not understood: {field.name!r} is missing", fix=_FIX)
        return answer

    @classmethod
    def answer_type(cls) -> type[AnswerType]:
        """Record of the answer."""
        kind: type[AnswerType] = get_args(cls.__orig_bases__[0])[0]  # type: ignore[attr-defined]
        return kind


class _Reply(msgspec.Struct, kw_only=True):
    version: int
    refusal: str = ""
    answer: msgspec.Raw = msgspec.Raw(b"null")


class Look(Question[NodeFacts], frozen=True, kw_only=True, tag="look"):
    """Question for the facts of a node. Steward."""

    name: str
    """Name in the inventory."""
    home: str
    """Folder where picluster is installed there."""
    cache: str
    """Folder where data are kept there."""
    graph: str
    """Name of a graph folder there."""
    wanted: dict[str, list[int]]
    """Files that the node shall have in it, with bytes and time of change in whole seconds."""


class FindRoutes(Question[Routes], frozen=True, kw_only=True, tag="routes"):
    """Question for the ways to other nodes. Steward."""

    peers: list[str]
    """Their addresses."""


class BecomeWorker(Question[Started], frozen=True, kw_only=True, tag="work"):
    """Order to make folders, write small files into them, and become a worker. Steward."""

    folders: list[str]
    """Folders to make; the first is the working folder."""
    files: dict[str, str]
    """Path → text."""
    environment: dict[str, str]
    """Variables besides the node's own."""
    command: list[str]
    unit: str
    """Name of the transient unit that it shall run in, where there is systemd."""


class TellClaims(Question[Claims], frozen=True, kw_only=True, tag="claimed"):
    """Question for the workers there. Steward."""


class TellState(Question[State], frozen=True, kw_only=True, tag="state"):
    """Question for what a worker's process is doing. Steward."""

    run: str
    node: str


class CountOomKills(Question[OomKills], frozen=True, kw_only=True, tag="oom"):
    """Question for kills for want of memory. Steward."""


class EndGroups(Question[GroupsEnded], frozen=True, kw_only=True, tag="end"):
    """Order to kill groups of processes. Steward."""

    groups: list[int]


class VerifyFiles(Question[Verified], frozen=True, kw_only=True, tag="verify"):
    """Question for the files in a folder that have other checksums. Steward."""

    folder: str
    checksums: dict[str, str]
    """SHA-256 by name."""


class RemoveFolder(Question[Removed], frozen=True, kw_only=True, tag="remove"):
    """Order to remove a run's folder from the cache. Steward."""

    folder: str


class ReadGauges(Question[Gauges], frozen=True, kw_only=True, tag="gauge"):
    """Question for what is in use now. Gauge."""

    folder: str
    """Folder where data are kept."""


class TellTime(Question[Time], frozen=True, kw_only=True, tag="clock"):
    """Question for the time. Examiner."""


class Examine(Question[Facts], frozen=True, kw_only=True, tag="examine"):
    """Question for all facts. Examiner."""

    folder: str
    """Folder where data are kept."""


class TellNames(Question[Names], frozen=True, kw_only=True, tag="names"):
    """Question for names by which the node and its people can be recognised. Examiner."""


class TryTorch(Question[TorchTrial], frozen=True, kw_only=True, tag="torch"):
    """Order to run a trial. Prober."""

    python: str
    """Interpreter of the node's environment."""
    trial: str
    """Text of the program."""


class RunBench(Question[Bench], frozen=True, kw_only=True, tag="bench"):
    """Order to run a bench. Prober."""

    python: str
    """Interpreter of the node's environment."""
    trial: str
    """Text of the program."""


class Listen(Question[Listening], frozen=True, kw_only=True, tag="listen"):
    """Order to let peers measure their way to the node. Prober."""

    address: str
    greeting: str
    """Words by which peers know the node."""


class MeasureLink(Question[LinkTrial], frozen=True, kw_only=True, tag="measure"):
    """Order to measure the way to a listener. Prober."""

    address: str
    port: int
    greeting: str
    """Words that the listener says."""
