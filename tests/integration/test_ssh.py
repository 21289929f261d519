"""Launch over SSH, through a real sshd: the same losses, only what is needed travels, nothing stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import GRAPH, Desk, losses, make_desk
from tests.integration.sshd import NEEDS_SSHD, Sshd, running_sshd
from tests.integration.test_ends import GONE_SECONDS, HEARD_SECONDS, assert_gone, has_trained

if TYPE_CHECKING:
    import psutil

pytestmark = [NEEDS_SSHD, pytest.mark.slow]
NAMES = ("sam", "one", "two", "a'; echo b")
SAME = (*GRAPH, "--hidden", "16", "--layers-per-node", "1", "--nodes", "4", "--micro-batches", "2")
TRAIN_TIMEOUT_SECONDS = 240
WRAPPER = '#!/bin/sh\nprintf "%s\\n" "$*" >> "{log}"\nexec {rsync} "$@"\n'


@dataclass(frozen=True)
class Shelf:
    """Four names for one sshd, and a desk from which to launch on them."""

    sshd: Sshd
    desk: Desk
    inventory: Path

    def words(self, epochs: int) -> tuple[str, ...]:
        return (*SAME, "--epochs", str(epochs), "--inventory", str(self.inventory))

    def shipped(self) -> list[str]:
        """Names of the files that rsync was asked to bring since the last call, over all nodes."""
        log = self.desk.folder / "rsync.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        files = [word.rpartition("/")[2] for line in lines for word in line.split(" -- ")[1].split()]
        return sorted(file for file in files if file.endswith((".npy", ".json")))

    def cached(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Node → file of a graph in its cache → inode and time of change."""
        return {
            name: {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in self._graphs(name)}
            for name in NAMES
        }

    def _graphs(self, name: str) -> list[Path]:
        files = self.sshd.cache(name).glob("graphs/*/*")
        return [file for file in files if file.is_file() and not file.name.startswith(".")]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    desk = make_desk(tmp_path_factory.mktemp("desk of the shelf"))
    programs = desk.folder / "bin"
    programs.mkdir()
    (programs / "rsync").write_text(WRAPPER.format(log=desk.folder / "rsync.log", rsync=shutil.which("rsync")))
    (programs / "rsync").chmod(0o755)
    environment = {**desk.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    environment.pop("SSH_AUTH_SOCK", None)
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a'; echo b") as sshd:
        yield Shelf(sshd, replace(desk, environment=environment), sshd.write_inventory(desk.folder / "pis.yml", NAMES))


@pytest.fixture(scope="module")
def first(shelf: Shelf) -> RunFolder:
    """A run that found empty caches."""
    return shelf.desk.launch(*shelf.words(epochs=3))


def test_losses_are_those_of_the_local_run_to_the_last_bit(shelf: Shelf, first: RunFolder) -> None:
    local = shelf.desk.launch(*SAME, "--epochs", "3")
    assert len(losses(first)) >= 3
    assert losses(first) == losses(local)


def test_each_node_s_cache_holds_only_what_its_role_reads(shelf: Shelf, first: RunFolder) -> None:
    plan, cached = first.plan(), shelf.cached()
    for name in NAMES:
        assert set(cached[name]) == {"meta.json", *(f"{array}.npy" for array in plan.arrays_of(name))}
    roles = {plan.role_of(name): set(cached[name]) for name in NAMES}
    assert "features.npy" not in roles["sampler"] | roles["stage 2"]
    assert "labels.npy" not in roles["sampler"] | roles["stage 1"]
    assert "indices.npy" not in roles["stage 1"] | roles["stage 2"]


def test_weights_come_back_and_nothing_stays_on_the_nodes(shelf: Shelf, first: RunFolder) -> None:
    result = first.result()
    assert result
    assert result.test_accuracy is not None
    assert len(list(first.path.glob("checkpoints/**/*.safetensors"))) >= 2
    assert shelf.sshd.workers() == {}
    assert shelf.sshd.run_folders() == []
    assert shelf.sshd.claims() == []


def test_the_record_of_a_node_is_kept_under_its_name_however_hostile(first: RunFolder) -> None:
    assert {folder.name for folder in (first.path / "nodes").iterdir()} == set(NAMES)


@contextmanager
def training(
    shelf: Shelf, *more: str
) -> Iterator[tuple[subprocess.Popen[str], RunFolder, dict[str, list[psutil.Process]]]]:
    """A run in the middle of its training, and the processes of its workers by node."""
    before = shelf.desk.runs()
    with shelf.desk.start("launch", *shelf.words(epochs=100_000), *more) as controller:
        try:
            deadline = time.monotonic() + TRAIN_TIMEOUT_SECONDS
            while not (new := shelf.desk.runs() - before) or not has_trained(run_of(shelf, new)):
                assert controller.poll() is None, controller.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield controller, run_of(shelf, new), shelf.sshd.workers()
        finally:
            if controller.poll() is None:
                controller.kill()


def run_of(shelf: Shelf, names: set[str]) -> RunFolder:
    (name,) = names
    return RunFolder(shelf.desk.folder / "runs" / name)


def processes(workers: dict[str, list[psutil.Process]]) -> list[psutil.Process]:
    return [process for each in workers.values() for process in each]


@pytest.mark.usefixtures("first")
def test_a_second_run_ships_nothing_and_a_killed_controller_leaves_no_worker(shelf: Shelf) -> None:
    shelf.shipped()
    before = shelf.cached()
    with training(shelf) as (controller, _, workers):
        assert set(workers) == set(NAMES)
        assert shelf.sshd.claims() != []
        began = time.monotonic()
        os.kill(controller.pid, signal.SIGKILL)
        # Its connections close with it: nobody waits until the heartbeat is overdue.
        assert_gone(processes(workers), began, within=HEARD_SECONDS)
    assert shelf.shipped() == []
    assert shelf.cached() == before
    assert shelf.sshd.claims() == []


@pytest.mark.slow
def test_only_a_changed_or_damaged_file_ships_and_a_connection_that_breaks_names_its_node(
    shelf: Shelf, first: RunFolder
) -> None:
    shelf.shipped()
    before = shelf.cached()
    (labels,) = shelf.desk.folder.glob("graphs/*/labels.npy")
    os.utime(labels)
    (sampler,) = first.plan().sampler
    (damaged,) = shelf.sshd.cache(sampler).glob("graphs/*/indices.npy")
    whole, times = damaged.read_bytes(), damaged.stat()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(damaged, ns=(times.st_atime_ns, times.st_mtime_ns))
    for left_by_the_killed in shelf.sshd.run_folders():
        os.utime(left_by_the_killed.parent, (0, 0))
    with training(shelf, "--max-restarts", "0") as (controller, run, workers):
        assert {folder.parent.name for folder in shelf.sshd.run_folders()} == {run.name}
        assert shelf.shipped() == ["indices.npy", "labels.npy"]
        assert damaged.read_bytes() == whole
        others = set(NAMES) - {sampler, *run.plan().stages[-1].nodes}
        after = shelf.cached()
        assert {name: after[name] for name in others} == {name: before[name] for name in others}
        victim = run.plan().stages[0].nodes[0]
        began = time.monotonic()
        for session in shelf.sshd.sessions(workers[victim][-1]):
            session.kill()
        _, errors = controller.communicate(timeout=GONE_SECONDS + 5)
        assert_gone(processes(workers), began)
    assert controller.returncode == 5
    assert f"node {victim} (stage 1, layer 1) failed: " in errors
    assert "Traceback" not in errors
    assert shelf.sshd.claims() == []
    assert {folder.name for folder in shelf.sshd.run_folders()} <= {victim}
