"""The launcher with workers that follow a script; real processes are the integration tests' business."""

import hashlib
import io
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pytest

from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.machine import Exit, Parcel
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.launch import Launch
from picluster.controller.running.launcher import Launcher
from picluster.errors import DataError, RunFailed, Stopped
from picluster.schema.events import (
    AnyEvent,
    CheckpointWritten,
    Done,
    Ended,
    EpochDone,
    Failed,
    Hardware,
    Logged,
    Ready,
    StateWritten,
)
from picluster.schema.events import Tested as Accuracy  # pytest would take it for a test
from picluster.schema.job import Claim, Job, Start
from picluster.schema.plan import Plan
from picluster.schema.record import from_json, to_json
from picluster.schema.run import Result
from picluster.schema.state import Position
from picluster.system import SYSTEM, System
from tests.unit.controller.made import a_plan, a_spec

HARDWARE = Hardware(model="m", kernel="k", torch="t", cores=1, threads=1)
EPOCH = EpochDone(epoch=1, loss=1.0, train_accuracy=0.5, validation_accuracy=0.5, best=True, seconds=1.0)
HUNG_UP = b""
ECHO = Failed(cause="the connection broke", expected=True, lost_peer=True)


class Impatient(queue.Queue[Any]):
    """Nobody waits at it for long."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, min(0.01, timeout) if timeout else timeout)


class FakeWorker:
    """Reads its job, gets ready, waits for the start, then says what its script says; ends when hung up on."""

    def __init__(self, script: Callable[[Job], Iterator[bytes]], end: Exit) -> None:
        self.told: queue.Queue[bytes] = queue.Queue()
        self.starts = 0
        self.token = ""
        self.hardware = HARDWARE
        self.output = cast("BinaryIO", self._lines())
        self.log: BinaryIO = io.BytesIO(b"a line of the log\n")
        self.killed = False
        self._script, self._exit = script, end
        self._gone = threading.Event()

    def _lines(self) -> Iterator[bytes]:
        from_json(Claim, self.told.get(timeout=30), source="claim")
        if (line := self._next_line()) == HUNG_UP:
            self._gone.set()
            return
        job = from_json(Job, line, source="job")
        port = 4242 if job.plan.rank(job.node) == 0 else None
        yield to_json(Ready(hardware=self.hardware, rendezvous_port=port, seconds=0.0)) + b"\n"
        if (line := self._next_line()) != HUNG_UP:
            self.token = from_json(Start, line, source="start").token
            yield from self._script(job)
        self._gone.set()

    def _next_line(self) -> bytes:
        """But heartbeats."""
        while (line := self.told.get(timeout=30)) == b"\n":
            continue
        return line

    def tell(self, line: bytes) -> None:
        self.starts += line.startswith(b'{"endpoints"')
        self.told.put(line)

    def hang_up(self) -> None:
        self.told.put(HUNG_UP)
        self._gone.set()

    def wait(self, timeout_seconds: float) -> Exit | None:
        return self._exit if self._gone.wait(timeout_seconds) else None

    def kill(self) -> None:
        self.killed = True


class FakeTransport(LocalMachine):
    """Gives out the one worker."""

    def __init__(self, worker: FakeWorker) -> None:
        super().__init__()
        self.worker = worker
        self.environment: Mapping[str, str] = {}

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> FakeWorker:  # noqa: ARG002
        self.environment = environment
        return self.worker


def says(*events: AnyEvent | bytes) -> Callable[[Job], Iterator[bytes]]:
    return lambda _job: (each if isinstance(each, bytes) else to_json(each) + b"\n" for each in events)


def writes_weights(*after: AnyEvent) -> Callable[[Job], Iterator[bytes]]:
    """As the last stage does: epoch, test, weights."""

    def script(job: Job) -> Iterator[bytes]:
        file = Path(job.output_folder) / f"{job.node}.safetensors"
        file.write_text(job.node)
        sha256 = hashlib.sha256(job.node.encode()).hexdigest()
        checkpoint = CheckpointWritten(epoch=1, path=str(file), sha256=sha256)
        yield from says(*after, checkpoint, Done())(job)

    return script


class Shelf:
    """Four fake nodes of `a_plan`, and a run on them."""

    def __init__(self, folder: Path) -> None:
        self.plan: Plan = a_plan()
        self.folder = RunFolder(folder)
        folder.mkdir()
        self.folder.model_file.write_text("")
        self.heard: list[tuple[str, AnyEvent]] = []
        self.transports: dict[str, FakeTransport] = {}
        self.put("b", writes_weights())
        self.put("d", writes_weights(EPOCH, Accuracy(test_accuracy=0.75)))
        for node in ("a", "c"):
            self.put(node, says(Done()))

    def put(self, node: str, script: Callable[[Job], Iterator[bytes]], end: Exit | None = None) -> None:
        self.transports[node] = FakeTransport(FakeWorker(script, end or Exit(0, None)))

    def run(self, watch: Callable[[str, AnyEvent], None] | None = None, system: System = SYSTEM) -> Result:
        launch = Launch(
            spec=a_spec(),
            plan=self.plan,
            model_file=self.folder.model_file,
            graph_folder=Path("/graphs/cora"),
            transports=self.transports,
            grace_seconds=5.0,
            folder=self.folder,
        )
        return Launcher(launch, watch or (lambda node, event: self.heard.append((node, event))), system).run()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "run")


def test_a_run_whose_workers_are_all_done_has_finished(shelf: Shelf) -> None:
    result = shelf.run()
    assert (result.status, result.failure, result.test_accuracy) == ("finished", None, 0.75)
    assert shelf.folder.result() == result


def test_a_worker_is_told_of_its_nodes_meter(shelf: Shelf) -> None:
    heard = []

    def script(job: Job) -> Iterator[bytes]:
        heard.append(job.meter)
        yield to_json(Done()) + b"\n"

    shelf.put("a", script)
    shelf.transports["a"].meter = "cat /run/watts"
    shelf.run()
    assert heard == ["cat /run/watts"]


def test_what_was_watched_is_what_the_run_folder_tells(shelf: Shelf) -> None:
    shelf.run()
    told = [(node, event) for node, event in shelf.heard if not isinstance(event, Logged)]
    assert [(each.node, each.event) for each in shelf.folder.events()] == told
    assert {(node, event.line) for node, event in shelf.heard if isinstance(event, Logged)} == {
        (node, "a line of the log") for node in "abcd"
    }
    assert {node for node, event in shelf.heard if isinstance(event, Ended)} == set("abcd")


def test_the_start_is_given_once_and_not_before_everybody_is_ready(shelf: Shelf) -> None:
    starts: list[list[int]] = []

    def watch(_node: str, event: AnyEvent) -> None:
        if isinstance(event, Ready):
            starts.append([transport.worker.starts for transport in shelf.transports.values()])

    shelf.run(watch)
    assert starts == [[0] * 4, [0] * 4, [0] * 4, [1] * 4]


def test_workers_alone_are_told_a_secret_which_is_new_for_each_start(shelf: Shelf) -> None:
    shelf.run()
    [first] = {transport.worker.token for transport in shelf.transports.values()}
    assert len(bytes.fromhex(first)) == 32
    written = b"".join(file.read_bytes() for file in shelf.folder.path.rglob("*") if file.is_file())
    passed = [transport.environment for transport in shelf.transports.values()]
    assert first not in f"{written!r}{passed}{shelf.heard}"
    other = Shelf(shelf.folder.path.parent / "another")
    other.run()
    assert first not in {transport.worker.token for transport in other.transports.values()}


def test_nodes_whose_numerics_differ_are_told_as_the_run_starts(shelf: Shelf) -> None:
    for node, transport in shelf.transports.items():
        transport.worker.hardware = msgspec.structs.replace(HARDWARE, numerics="72a0" if node == "c" else "53a0")
    shelf.run()
    [line] = [event.line for _, event in shelf.heard if isinstance(event, Logged) and event.line.startswith("note: ")]
    assert line.startswith("note: numerics differ between a, b, d (53a0); c (72a0): ")


def test_a_checkpoint_that_lacks_a_stage_does_not_exist(shelf: Shelf) -> None:
    shelf.put("d", says(EPOCH, Done()))
    shelf.run()
    assert [file.name for file in shelf.folder.checkpoint_folder(1).iterdir()] == ["b.safetensors"]


def test_the_best_weights_of_every_stage_arrive_with_a_manifest(shelf: Shelf) -> None:
    shelf.run()
    folder = shelf.folder.checkpoint_folder(1)
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {"b.safetensors", "d.safetensors"}
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256


def test_a_file_that_takes_long_to_fetch_holds_up_no_decision(shelf: Shelf) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    class SlowTransport(FakeTransport):
        def fetch(self, path: str, destination: Path) -> None:
            has_begun.set()
            assert may_end.wait(5), "the thread that decides waits for the file"
            super().fetch(path, destination)

    def epoch_during_the_fetch(job: Job) -> Iterator[bytes]:
        assert has_begun.wait(5)
        yield from writes_weights(EPOCH)(job)

    def watch(_node: str, event: AnyEvent) -> None:
        if isinstance(event, EpochDone):
            may_end.set()

    shelf.transports["b"] = SlowTransport(FakeWorker(writes_weights(), Exit(0, None)))
    shelf.put("d", epoch_during_the_fetch)
    assert shelf.run(watch).status == "finished"
    assert (shelf.folder.checkpoint_folder(1) / "manifest.json").exists()


def test_a_node_that_is_lost_during_a_fetch_is_named_rather_than_its_file(shelf: Shelf) -> None:
    has_begun, is_echoed, has_failed = threading.Event(), threading.Event(), threading.Event()

    class LostTransport(FakeTransport):
        def fetch(self, path: str, destination: Path) -> None:  # noqa: ARG002
            has_begun.set()
            assert is_echoed.wait(5)
            has_failed.set()
            raise RunFailed("copying a file failed")

    def killed(job: Job) -> Iterator[bytes]:
        yield next(writes_weights()(job))
        assert has_failed.wait(5)

    def echoing(_job: Job) -> Iterator[bytes]:
        assert has_begun.wait(5)
        yield to_json(ECHO) + b"\n"

    def watch(_node: str, event: AnyEvent) -> None:
        if event == ECHO:
            is_echoed.set()

    shelf.transports["b"] = LostTransport(FakeWorker(killed, Exit(None, "SIGKILL")))
    shelf.put("d", echoing, Exit(5, None))
    failure = shelf.run(watch).failure
    assert failure is not None
    assert (failure.node, failure.cause) == ("b", "killed by SIGKILL")


def test_a_worker_that_says_nothing_for_a_minute_is_given_up(shelf: Shelf) -> None:
    """By a clock that the test turns."""
    seconds, ended = [0.0], set[str]()

    def silent(_job: Job) -> Iterator[bytes]:
        while shelf.transports["c"].worker.told.get(timeout=30) != HUNG_UP:
            continue
        yield from ()

    def now() -> float:
        seconds[0] += 0.9 if ended == set("abd") else 0.0
        return seconds[0]

    def watch(node: str, event: AnyEvent) -> None:
        if isinstance(event, Ended):
            ended.add(node)

    shelf.put("c", silent)
    failure = shelf.run(watch, System(now=now, queue=lambda _: Impatient())).failure
    assert failure is not None
    assert (failure.node, failure.kind) == ("c", "silent")
    assert failure.cause.startswith("it said nothing for 6")
    assert failure.cause.endswith(", and its process is gone")


def test_the_log_of_every_worker_is_kept(shelf: Shelf) -> None:
    shelf.run()
    assert {shelf.folder.log_file(node).read_text() for node in "abcd"} == {"a line of the log\n"}


def test_every_worker_gets_the_same_job_but_for_its_place(shelf: Shelf) -> None:
    jobs: dict[str, Job] = {}

    def noting(job: Job) -> Iterator[bytes]:
        jobs[job.node] = job
        yield to_json(Done()) + b"\n"

    for node in "abcd":
        shelf.put(node, noting)
    shelf.run()
    assert set(jobs) == set("abcd")
    same = {msgspec.json.encode(msgspec.structs.replace(job, node="", output_folder="")) for job in jobs.values()}
    assert len(same) == 1
    assert len({job.output_folder for job in jobs.values()}) == 4
    assert {transport.environment["OMP_NUM_THREADS"] for transport in shelf.transports.values()} == {"1"}
    assert {transport.environment["PYTHONHASHSEED"] for transport in shelf.transports.values()} == {"0"}


@pytest.mark.parametrize("first", ["echo", "end"])
def test_a_killed_worker_is_named_although_another_one_s_echo_may_come_first(shelf: Shelf, first: str) -> None:
    def killed(_job: Job) -> Iterator[bytes]:
        if first == "echo":
            echoed.wait(5)
        died.set()
        yield from ()

    def echoing(_job: Job) -> Iterator[bytes]:
        if first == "end":
            died.wait(5)
        yield to_json(ECHO) + b"\n"
        echoed.set()

    echoed, died = threading.Event(), threading.Event()
    shelf.put("c", killed, Exit(None, "SIGKILL"))
    shelf.put("d", echoing, Exit(5, None))
    result = shelf.run()
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.node, result.failure.layers) == ("c", (1,))
    assert result.failure.cause == "killed by SIGKILL"
    assert (shelf.folder.path / (result.failure.log or "")).read_text() == "a line of the log\n"


def test_a_worker_that_prints_is_told_off(shelf: Shelf) -> None:
    shelf.put("c", says(b"debugging 1 2 3\n"))
    failure = shelf.run().failure
    assert failure is not None
    assert failure.node == "c"
    assert "debugging 1 2 3" in failure.cause
    assert failure.fix == "read the log: what else prints on the node?"


def test_a_file_that_arrives_damaged_from_another_machine_is_fetched_again(shelf: Shelf) -> None:
    class NoisyTransport(FakeTransport):
        is_exclusive = True
        fetches = 0

        def fetch(self, path: str, destination: Path) -> None:
            self.fetches += 1
            destination.write_bytes(Path(path).read_bytes() + b"?" * (self.fetches < 3))

    shelf.transports["b"] = NoisyTransport(FakeWorker(writes_weights(), Exit(0, None)))
    assert shelf.run().status == "finished"
    assert (shelf.folder.checkpoint_folder(1) / "manifest.json").exists()


def test_a_state_that_the_node_has_removed_already_is_left_out(shelf: Shelf, tmp_path: Path) -> None:
    class ForgetfulTransport(FakeTransport):
        def fetch(self, path: str, destination: Path) -> None:
            if path.endswith("state"):
                raise RunFailed("copying a file failed: there is none")
            super().fetch(path, destination)

    state = StateWritten(position=Position(epoch=1, step=2), layer=1, path=str(tmp_path / "state"), sha256="00")
    shelf.transports["b"] = ForgetfulTransport(FakeWorker(writes_weights(state), Exit(0, None)))
    assert shelf.run().status == "finished"
    line = "note: the state at epoch 1, step 2 is left out: copying a file failed: there is none"
    assert ("b", Logged(line=line)) in shelf.heard


def test_weights_that_arrive_damaged_are_not_kept_as_a_checkpoint(shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_text("damaged")
    shelf.put("b", says(CheckpointWritten(epoch=1, path=str(file), sha256="00"), Done()))
    with pytest.raises(DataError, match=f"did not arrive as {file} was written"):
        shelf.run()
    assert not (shelf.folder.checkpoint_folder(1) / "manifest.json").exists()
    result = shelf.folder.result()
    assert result is not None
    assert result.status == "failed"


@pytest.mark.parametrize(
    ("reason", "by"), [(KeyboardInterrupt(), "Ctrl-C"), (Stopped("SIGTERM came", by="SIGTERM"), "SIGTERM")]
)
def test_a_run_that_somebody_stops_has_a_result_that_says_so(shelf: Shelf, reason: BaseException, by: str) -> None:
    def watch(_node: str, event: AnyEvent) -> None:
        if isinstance(event, EpochDone):
            raise reason

    with pytest.raises(Stopped):
        shelf.run(watch)
    result = shelf.folder.result()
    assert result is not None
    assert (result.status, result.failure) == ("stopped", None)
    assert result.stopped_by == by


def test_a_bug_in_the_controller_leaves_a_result_too(shelf: Shelf) -> None:
    def watch(_node: str, _event: AnyEvent) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        shelf.run(watch)
    result = shelf.folder.result()
    assert result is not None
    assert result.failure is not None
    assert result.failure.cause == "ZeroDivisionError: a bug"


def test_a_full_disk_ends_the_run_and_is_told_in_its_result(shelf: Shelf) -> None:
    shelf.folder.events_file.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"No space left on device; .* MB are free on the file system at /") as caught:
        shelf.run()
    assert caught.value.fix == "make room on the disk"
    result = shelf.folder.result()
    assert result is not None
    assert result.failure is not None
    assert (result.failure.cause, result.failure.fix) == (caught.value.what, caught.value.fix)
    assert all(transport.worker.wait(5) for transport in shelf.transports.values())


def test_a_run_folder_that_has_gone_is_told(shelf: Shelf) -> None:
    def watch(_node: str, event: AnyEvent) -> None:
        if isinstance(event, EpochDone):
            shutil.rmtree(shelf.folder.path)

    shelf.put("b", says(Done()))
    shelf.put("d", says(EPOCH, Done()))
    with pytest.raises(DataError, match=f"the run folder {shelf.folder.path} has gone while the run was under way"):
        shelf.run(watch)


def test_all_workers_are_hung_up_on_when_one_fails(shelf: Shelf) -> None:
    def waiting(_job: Job) -> Iterator[bytes]:
        while shelf.transports["a"].worker.told.get(timeout=30) != HUNG_UP:
            continue
        yield to_json(Failed(cause="hung up", expected=True)) + b"\n"

    shelf.put("a", waiting)
    shelf.put("c", says(Failed(cause="its own", expected=True)))
    failure = shelf.run().failure
    assert failure is not None
    assert (failure.node, failure.cause) == ("c", "its own")
    assert not any(transport.worker.killed for transport in shelf.transports.values())


def test_no_thread_stays_behind(shelf: Shelf) -> None:
    before = set(threading.enumerate())
    shelf.run()
    late = [thread for thread in threading.enumerate() if thread not in before]
    for thread in late:
        thread.join(5)
    assert not any(thread.is_alive() for thread in late)
