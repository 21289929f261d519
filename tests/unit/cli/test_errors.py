"""What goes wrong around the command line is one clear line, without a traceback."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.controller.planning.graphs import prepared
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.made import RUN_V1, copy_of_run_v1

CODE = "import sys; sys.argv[0] = 'picluster'; from picluster.cli.main import main; main()"
NOBODY = 65534


@pytest.fixture
def powerless(picluster: Picluster) -> Iterator[None]:
    """Root may do everything: then the rights of nobody are taken on for a while."""
    for command in ("report", "runs"):  # nobody may not even be allowed to import what these need
        picluster(command, "--json"), picluster(command)
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder that nobody can reach: pytest's own is for its owner alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.chdir(folder)
        yield folder
        monkeypatch.undo()
        for run in folder.glob("runs/*"):
            run.chmod(0o755)


def lock(path: Path) -> None:
    """Nobody may touch it; only its owner can do that."""
    rights, owner = os.geteuid(), path.stat().st_uid
    os.seteuid(owner)
    path.chmod(0)
    os.seteuid(rights)


@pytest.mark.parametrize(
    ("words", "told", "fix"),
    [
        (["lunch"], "picluster has no command 'lunch'", "did you mean: picluster launch"),
        (["lunch", "--seed", "3"], "picluster has no command 'lunch'", "did you mean: picluster launch --seed 3"),
        (["dataset", "impot"], "picluster dataset has no command 'impot'", "did you mean: picluster dataset import"),
        (["zzz"], "picluster has no command 'zzz'", "see picluster --help"),
        (["--loud"], "picluster has no option --loud", "see picluster --help"),
        (
            ["launch", "--lauers-per-node", "1"],
            "picluster launch has no option --lauers-per-node",
            "did you mean: picluster launch --layers-per-node 1",
        ),
        (
            ["launch", "--epoch=3"],
            "picluster launch has no option --epoch",
            "did you mean: picluster launch --epochs=3",
        ),
        (["launch", "-z"], "picluster launch has no option -z", "see picluster launch --help"),
        (["launch", "--strategy", "best"], "--strategy 'best': it must be one of single, data-parallel,", "see "),
        (["report", "a", "b"], "picluster report takes RUN and nothing else, but was given b", "see "),
        (["runs", "x"], "picluster runs takes options only, but was given x", "see picluster runs --help"),
        (["launch", "--rerun"], "--rerun needs a value: a text", "see picluster launch --help"),
        (["launch", "--wait=3"], "--wait is a switch and takes no value, but was given '3'", "see "),
        (["dataset", "prepare"], "picluster dataset prepare needs NAME", "see picluster dataset prepare --help"),
        (["launch", "--grace", "1"], "--grace '1': it must be a number from 2 to 3600", "see "),
        (["launch", "--cores", "0"], "--cores '0': it must be a whole number of at least 1", "see "),
        (["launch", "--threads", "2"], "picluster launch has no option --threads", "--cores says on how many"),
        (["launch", "--epochs", ""], "--epochs '': it must be a whole number", "see picluster launch --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_parsed_is_told_in_one_line_with_the_way_on(
    picluster: Picluster, words: list[str], told: str, fix: str
) -> None:
    answer = picluster(*words)
    assert (answer.code, answer.out) == (2, "")
    first, second = answer.err.splitlines()
    assert first.startswith(f"error: {told}")
    assert second.startswith(f"  fix: {fix}")


def test_a_run_that_must_not_be_read_is_named_and_hides_no_other(
    picluster: Picluster, open_folder: Path, request: pytest.FixtureRequest
) -> None:
    closed = copy_of_run_v1(open_folder / "runs" / "2026-closed-abcd")
    copy_of_run_v1(open_folder / "runs" / "2026-open-efgh")
    request.getfixturevalue("powerless")
    lock(closed)
    for word in ("2026-closed-abcd", "abcd"):
        answer = picluster("report", word)
        assert (answer.code, answer.out) == (3, "")
        assert answer.err.startswith(f"error: cannot read {closed}/attempts: Permission denied\n  fix: ")
    assert picluster("report", "efgh").code == 0
    assert picluster("report").code == 0
    answer = picluster("runs")
    assert answer.code == 0
    assert "2026-closed-abcd\n  unreadable  cannot read " in answer.out


@pytest.mark.parametrize("name", ["events.jsonl", "nodes/local1/metrics.jsonl"])
def test_a_file_of_a_run_that_must_not_be_read_is_named(
    picluster: Picluster, open_folder: Path, request: pytest.FixtureRequest, name: str
) -> None:
    run = copy_of_run_v1(open_folder / "runs" / "run")
    request.getfixturevalue("powerless")
    lock(run / name)
    answer = picluster("report")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith(f"error: cannot read {run / name}: Permission denied\n")


@pytest.fixture
def tiny_disk(here: Path) -> Iterator[Path]:
    """A file system of one page, where this machine lets us mount one."""
    runs = here / "runs"
    runs.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    mounted = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(runs)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode or not unmount:
        pytest.skip("only root may mount a disk to fill it")
    yield runs
    subprocess.run([unmount, str(runs)], check=True)


def test_a_full_disk_is_told_before_anything_starts(launch: Picluster, tiny_disk: Path) -> None:
    answer = launch("--tag", "full")
    assert answer.code == 3
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"cannot write {tiny_disk}/" in errors[0]
    assert "No space left on device" in errors[0]
    assert answer.err.endswith("\n  fix: make room on the disk\n")
    assert "Traceback" not in answer.err


def test_a_folder_that_cannot_be_written_to_is_told(
    launch: Picluster, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared("reddit-like", 0.001, "fp16")

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    launch("--dry-run")
    monkeypatch.setattr(Path, "mkdir", refuse)
    answer = launch()
    assert answer.code == 3
    assert f"error: cannot make the run folder {here}/runs/" in answer.err
    assert answer.err.endswith(": Permission denied\n  fix: work in a folder that you may write to\n")


@pytest.mark.parametrize("words", [["report"], ["report", "--json"], ["runs"], ["runs", "--json"], ["--help"]])
def test_a_reader_that_goes_away_early_causes_no_traceback(here: Path, words: list[str]) -> None:
    copy_of_run_v1(here / "runs" / "run")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *words], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_the_committed_run_stays_as_it_is() -> None:
    assert not (RUN_V1 / "model.py").exists()
