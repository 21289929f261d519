"""The controller's hand on a node, as a program of its own and piece by piece."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.agent import premises, steward
from picluster.agent.answering import VERSION
from picluster.controller.nodes.agent_session import BOOT, program_text
from picluster.schema.facts import NodeFacts

WANTED = {"features.npy": [4, 1000]}


def started(text: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(f"{len(text)}\n".encode() + text)
    return process


@contextmanager
def running() -> Iterator[Any]:
    """Asks the program as it is sent to a node: it runs without anything but the standard library."""
    with started(program_text("steward")) as process:
        assert process.stdin is not None

        def ask(question: str, **details: object) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"do": question, "version": VERSION, **details}).encode() + b"\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())["answer"]

        yield ask
        process.stdin.close()
        assert process.wait(10) == 0


def look(**changes: object) -> Any:
    details: dict[str, object] = {"name": "pi1", "home": "/nowhere", "cache": "~", "graph": "cora", "wanted": WANTED}
    with running() as ask:
        return ask("look", **{**details, **changes})


def test_it_tells_every_fact(tmp_path: Path) -> None:
    told = look(cache=str(tmp_path))
    assert told.keys() == {field.name for field in msgspec.structs.fields(NodeFacts)}
    facts = msgspec.convert(told, NodeFacts)
    assert (facts.cores, facts.processor) == (len(os.sched_getaffinity(0)), premises.processor())
    assert 0 < (facts.usable_bytes or 0) <= (premises.memory("MemTotal") or 0)


def test_numerics_that_a_worker_left_are_told_for_the_same_processor_and_torch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert premises.numerics("Pi 4", "2.9.1") is None
    premises.numerics_file().parent.mkdir()
    premises.numerics_file().write_text('{"numerics": "72a0", "processor": "Pi 4", "torch": "2.9.1"}')
    assert premises.numerics("Pi 4", "2.9.1+cpu") == "72a0"
    assert [
        premises.numerics("Pi 5", "2.9.1"),
        premises.numerics("Pi 4", "2.10.0"),
        premises.numerics("Pi 4", None),
    ] == ([None] * 3)


def test_a_machine_without_picluster_says_so_and_changes_nothing(tmp_path: Path) -> None:
    seen = look(cache=str(tmp_path / "cache"))
    assert (seen["worker"], seen["version"], seen["torch"]) == (None, None, None)
    assert seen["lacking"] == ["features.npy"]
    assert seen["free_bytes"] > 0
    assert not (tmp_path / "cache").exists()


def worker_that(says: str, folder: Path) -> Path:
    program = folder / ".venv" / "bin" / "picluster-worker"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    return program


def test_the_version_is_what_the_program_itself_says(tmp_path: Path) -> None:
    program = worker_that('echo "picluster-worker 0.7.3"', tmp_path)
    seen = look(home=str(tmp_path))
    assert (seen["version"], seen["trouble"], seen["worker"]) == ("0.7.3", "", str(program))


def test_the_version_of_an_ordinary_installation_is_read_without_starting_anything(tmp_path: Path) -> None:
    worker_that("exit 1\nfrom picluster.worker.main import main", tmp_path)
    packages, project = tmp_path / ".venv" / "lib" / "python3.12" / "site-packages", tmp_path / "project"
    for place, version in ((packages, None), (project / "picluster", "0.7.2"), (packages / "picluster", "0.7.3")):
        place.mkdir(parents=True)
        if version is None:
            (packages / "project.pth").write_text(f"{project}\n")
        else:
            (place / "__init__.py").write_text(f'"""Words."""\n\n__version__ = "{version}"\n')
            assert look(home=str(tmp_path))["version"] == version


def test_a_program_that_does_not_start_tells_why(tmp_path: Path) -> None:
    worker_that("echo Traceback >&2; echo 'ImportError: no msgspec' >&2; exit 1", tmp_path)
    seen = look(home=str(tmp_path))
    assert (seen["version"], seen["trouble"]) == (None, "ImportError: no msgspec")


def test_packages_are_found_without_importing_them(tmp_path: Path) -> None:
    packages, elsewhere = tmp_path / ".venv" / "lib" / "python3.12" / "site-packages", tmp_path / "elsewhere"
    packages.mkdir(parents=True)
    assert look(home=str(tmp_path))["torch"] is None
    (elsewhere / "torch-2.9.1+cpu.dist-info").mkdir(parents=True)
    (packages / "more.pth").write_text(f"{elsewhere}\n")
    assert look(home=str(tmp_path))["torch"] == "2.9.1+cpu"


def test_a_file_is_lacking_unless_size_and_time_are_as_wanted(tmp_path: Path) -> None:
    file = tmp_path / "features.npy"
    assert premises.lacking(tmp_path, WANTED) == ["features.npy"]
    file.write_bytes(b"1234")
    os.utime(file, (1000.7, 1000.7))
    assert premises.lacking(tmp_path, WANTED) == []
    os.utime(file, (1001, 1001))
    assert premises.lacking(tmp_path, WANTED) == ["features.npy"]
    file.write_bytes(b"12345")
    os.utime(file, (1000, 1000))
    assert premises.lacking(tmp_path, WANTED) == ["features.npy"]


def test_it_becomes_the_worker_in_the_folders_and_with_the_files_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    hostile = tmp_path / "a'; echo b" / "run" / "pi1"
    shell = tmp_path / "home" / ".venv" / "bin" / "sh"
    shell.parent.mkdir(parents=True)
    shell.symlink_to("/bin/sh")
    (tmp_path / "home" / "environment").write_text("# the node's own\nOWN= of the node\nPICLUSTER_TEST=overruled\n")
    question = {
        "do": "work",
        "version": VERSION,
        "folders": [str(hostile), str(tmp_path / "graph")],
        "files": {str(hostile / "model.py"): "text\n"},
        "environment": {"PICLUSTER_TEST": "a'; echo b"},
        "command": [str(shell), "-c", 'read line; echo "$line $PICLUSTER_TEST$OWN"; cat model.py; kill -KILL $$'],
        "unit": "",
    }
    with started(program_text("steward").replace(b"/run/systemd/system", b"/nowhere")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"version": VERSION, "answer": {"error": ""}}
        process.stdin.write(b"heard\n")
        process.stdin.flush()
        assert process.stdout.read() == b"heard a'; echo b of the node\ntext\n"
        assert process.wait(10) == 128 + signal.SIGKILL
    assert (tmp_path / "graph").is_dir()


def test_what_it_cannot_start_it_tells(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with running() as ask:
        answer = ask(
            "work", folders=[str(tmp_path / "file" / "run")], files={}, environment={}, command=["true"], unit=""
        )
    assert "Not a directory" in answer["error"]


def test_it_ends_whole_groups_even_frozen_ones_and_no_others() -> None:
    with (
        subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True) as frozen,  # noqa: S607
        subprocess.Popen(["sleep", "60"], start_new_session=True) as other,  # noqa: S607
    ):
        os.killpg(frozen.pid, signal.SIGSTOP)
        with running() as ask:
            # This process has yet to hear of the end: until then a process that ended is still in its group.
            ask("end", groups=[frozen.pid])
        assert frozen.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        with running() as ask:
            assert ask("end", groups=[frozen.pid]) == {"gone": [frozen.pid]}
        other.kill()


def test_what_old_runs_left_is_swept_and_what_is_young_or_at_work_stays(tmp_path: Path) -> None:
    own = tmp_path / "runs" / "own" / "pi1"
    for name, age in (("old", 2), ("young", 0)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        then = time.time() - age * steward.STALE_SECONDS
        os.utime(folder, (then, then))
    own.mkdir(parents=True)
    steward.sweep(own.parent)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["own", "young"]


def test_routes_name_the_interface_towards_each_peer() -> None:
    assert steward.routes(peers=["127.0.0.1"]) == {"routes": {"127.0.0.1": ("127.0.0.1", "lo")}}
