"""Lines that workers write, in any order and with any values: the run ends with a result, or in an error of ours."""

from __future__ import annotations

import hashlib
import io
import queue
import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from picluster.cli.show.live_view import view
from picluster.cli.show.progress import Lines
from picluster.cli.show.run_state import RunState
from picluster.cli.show.run_tables import show_report
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.machine import Exit, Parcel
from picluster.controller.record.following import follow_run
from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.launch import Launch
from picluster.controller.running.launcher import Launcher
from picluster.schema import events
from picluster.schema.events import AnyEvent
from picluster.schema.record import to_json
from picluster.schema.run import Result
from picluster.schema.state import JudgeState, Position
from picluster.system import System
from tests.fuzz.inputs import FUZZ, altered, as_text, damaged, refusal
from tests.unit.cli.show.test_live_view import READY, epoch_done, memory, step
from tests.unit.controller.made import RUN_V1, a_graph, a_plan, a_spec

WRITTEN = b"weights"
SHA = hashlib.sha256(WRITTEN).hexdigest()
STATE = events.StateWritten(position=Position(), layer=1, path="/x/layer-1.safetensors", sha256=SHA)
WEIGHTS = events.CheckpointWritten(epoch=1, path="/x/b.safetensors", sha256=SHA)
SCRIPTS: dict[str, list[events.Event]] = {
    "a": [msgspec.structs.replace(READY, rendezvous_port=4242), memory(100, 200), step(1), events.Done()],
    "b": [READY, step(1), step(2), STATE, WEIGHTS, events.Done()],
    "c": [READY, step(1), memory(100, None), step(2), events.Done()],
    "d": [
        READY,
        step(1, loss=1.0),
        epoch_done(1),
        msgspec.structs.replace(STATE, layer=2, judge=JudgeState()),
        events.Tested(test_accuracy=0.5),
        msgspec.structs.replace(WEIGHTS, path="/x/d.safetensors"),
        events.Done(),
    ],
}
OTHERS = [
    events.Failed(cause="it broke", expected=True),
    events.Failed(cause="a bug", expected=False),
    events.Failed(cause="the connection broke", expected=True, lost_peer=True),
    events.Predicted(path="/x/probabilities.npy"),
]
TREES = [msgspec.to_builtins(event) for event in [*OTHERS, *(each for script in SCRIPTS.values() for each in script)]]
EXITS = [
    Exit(0, None),
    Exit(0, None),
    Exit(0, None),
    Exit(1, None),
    Exit(6, None),
    Exit(None, "SIGKILL"),
    Exit(None, None),
]


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, list[bytes]]:
    """The lines of each node, nearly those of a run that succeeds."""
    lines = {node: [to_json(event) for event in script] for node, script in SCRIPTS.items()}
    for _ in range(draw(st.integers(0, 4))):
        script = lines[draw(st.sampled_from("abcd"))]
        place = draw(st.integers(0, len(script)))
        one = script[place : place + 1]
        script[place : place + draw(st.integers(0, 1))] = draw(
            st.one_of(
                altered(TREES).map(as_text).map(lambda line: [line]),
                damaged([as_text(tree) for tree in TREES]).map(lambda line: [line]),
                st.sampled_from(OTHERS).map(lambda event: [to_json(event)]),
                st.just(one * 3),
                st.just([]),
            )
        )
    return lines


_TICK_SECONDS = 0.002


class Heard(queue.Queue[Any]):
    """What was heard, in a drawn order: that of each node stays."""

    dice = random.Random(0)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, timeout and min(timeout, _TICK_SECONDS))

    def _get(self) -> Any:
        firsts = {each[0]: place for place, each in reversed(list(enumerate(self.queue))) if each is not None}
        place = self.dice.choice(sorted(firsts.values())) if firsts else 0
        self.queue.rotate(-place)
        found = self.queue.popleft()
        self.queue.rotate(place)
        return found


class Writer:
    """A worker that has written everything already."""

    def __init__(self, lines: list[bytes], end: Exit) -> None:
        self.output: BinaryIO = io.BytesIO(b"".join(line + b"\n" for line in lines))
        self.log: BinaryIO = io.BytesIO(b"a line \xff\nand its end")
        self._end = end

    def tell(self, line: bytes) -> None: ...

    def hang_up(self) -> None: ...

    def kill(self) -> None: ...

    def wait(self, timeout_seconds: float) -> Exit | None:  # noqa: ARG002
        return self._end


class Node(LocalMachine):
    """A node with that worker."""

    def __init__(self, worker: Writer) -> None:
        super().__init__()
        self._worker = worker

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> Any:  # noqa: ARG002
        return self._worker

    def fetch(self, path: str, destination: Path) -> None:  # noqa: ARG002
        destination.write_bytes(WRITTEN)


class _Ended:
    def join(self, _timeout: float) -> None: ...


FETCHING: list[threading.Thread] = []
"""Threads that fetch files of the run under way, or do so still after its end."""


def at_once(work: Callable[..., None], *arguments: object, name: str) -> Any:
    """No threads but for the one that fetches, so that a run goes the same way again."""
    if name == "fetch":
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        FETCHING.append(thread)
        return thread
    if name != "heartbeat":
        work(*arguments)
    return _Ended()


QUICK = System(now=lambda: time.perf_counter() * 1000, start_thread=at_once, queue=Heard)


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that has begun."""
    folder, before = RunFolder(tmp_path_factory.mktemp("beginning")), RunFolder(RUN_V1)
    run = msgspec.structs.replace(before.run(), spec=a_spec(), graph=a_graph(train=100))
    folder.begin(run, a_plan(), before.environment())
    return folder


@FUZZ
@given(lines=scripts(), ends=st.lists(st.sampled_from(EXITS), min_size=4, max_size=4), dice=st.integers(0, 1 << 32))
def test_whatever_workers_write_a_run_has_a_result_and_can_be_read(
    beginning: RunFolder, tmp_path: Path, lines: dict[str, list[bytes]], ends: list[Exit], dice: int
) -> None:
    Heard.dice = random.Random(dice)
    shutil.rmtree(tmp_path)
    folder = RunFolder(Path(shutil.copytree(beginning.path, tmp_path)))
    nodes = {node: Node(Writer(lines[node], end)) for node, end in zip("abcd", ends, strict=True)}
    state, told = RunState(a_spec(), a_plan(), 100), list[str]()
    line = Lines(a_spec(), a_plan(), told.append)

    def watch(node: str, event: AnyEvent) -> None:
        state.hear(node, event)
        line(node, event)

    launch = Launch(
        spec=a_spec(),
        plan=a_plan(),
        model_file=Path("/models/sage.py"),
        graph_folder=Path("/graphs/cora"),
        transports=nodes,
        grace_seconds=5.0,
        folder=folder,
    )
    results: list[Result] = []
    error = refusal(lambda: results.append(Launcher(launch, watch, QUICK).run()))
    while FETCHING:  # else it would write into the folder of the next run
        FETCHING.pop().join(10)
    if results and not folder.result():  # a node failed, and nobody goes on
        assert results[0].failure
        assert results[0].failure.cause
        folder.end(results[0])
    assert bool(results) != bool(error)
    assert folder.result()
    state.end()
    Console(file=io.StringIO(), width=80).print(view(state, 80))
    assert refusal(lambda: show_report(make_report(folder))) is None
    assert refusal(lambda: list(follow_run(folder))) is None
