"""Files of workers on their way to the run folder: those that are not there any more when they are fetched."""

import queue
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.checkpoints import Arrived, Fetcher
from picluster.controller.running.launch import Launch
from picluster.errors import DataError, RunFailed
from picluster.schema.events import CheckpointWritten, StateWritten
from picluster.schema.state import Position
from tests.unit.controller.made import copy_of_run_v1

POSITION = Position(epoch=11, step=1)
STATE = StateWritten(position=POSITION, layer=1, path="/gone/epoch-11-step-1-layer-1.safetensors", sha256="0")
CHECKPOINT = CheckpointWritten(epoch=3, path="/gone/epoch-3-layers-1.safetensors", sha256="0")


def fetched(folder: RunFolder, event: StateWritten | CheckpointWritten, fetch: Callable[[str, Path], None]) -> Any:
    """What came of a file; its errors are raised."""
    transport = SimpleNamespace(is_exclusive=False, fetch=fetch)
    launch = SimpleNamespace(folder=folder, transports={"pi1": transport}, prediction=None)
    heard: queue.Queue[Any] = queue.Queue()
    fetcher = Fetcher(cast("Launch", launch), heard)
    fetcher.begin("pi1", event)
    node, arrived = heard.get(timeout=20)
    fetcher.close()
    assert node == "pi1"
    assert isinstance(arrived, Arrived)
    found = fetcher.finish(arrived)
    assert not fetcher.is_busy
    return found


def move(path: str, destination: Path) -> None:
    Path(path).replace(destination)


def test_a_state_that_its_node_has_removed_is_none_and_the_run_goes_on(tmp_path: Path) -> None:
    """A controller that slept asks for it before it has read of the newer ones."""
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    assert fetched(folder, STATE, move) is None
    assert not [file for file in folder.states.path.rglob("*") if file.is_file()]


def test_weights_that_are_not_there_are_missed(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="copying a file failed: /gone/epoch-3"):
        fetched(RunFolder(copy_of_run_v1(tmp_path / "run")), CHECKPOINT, move)


def test_a_run_folder_that_has_gone_is_told(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))

    def fetch(path: str, destination: Path) -> None:
        shutil.rmtree(folder.path)
        move(path, destination)

    with pytest.raises(DataError, match="cannot write"):
        fetched(folder, STATE, fetch)
