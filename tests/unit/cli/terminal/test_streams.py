"""Standard output that is closed, full, left by its reader, or poor in letters: never a traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.run import Failure, Result
from tests.unit.controller.made import copy_of_run_v1

CODE = "import sys; sys.argv[0] = 'picluster'; from picluster.cli.main import main; main()"
READERS = (["report"], ["runs", "--json"], ["compare"], ["--help"], ["--version"])
POOR = ({"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"})


def run(here: Path, words: list[str], redirection: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Under a shell, with that redirection."""
    shell = shutil.which("bash")
    assert shell
    return subprocess.run(
        [shell, "-o", "pipefail", "-c", f'"$@" {redirection}', "shell", sys.executable, "-c", CODE, *words],
        cwd=here,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
        timeout=240,
    )


@pytest.fixture
def place(here: Path) -> Path:
    """One run that has failed, in letters that ASCII lacks."""
    folder = copy_of_run_v1(here / "runs" / "run")
    failure = Failure(node="local2", layers=(1,), cause="Gerät – weg", fix="", log=None)
    RunFolder(folder).end(Result(status="failed", failure=failure, test_accuracy=None, ended=0.0))
    return here


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_full_disk_behind_standard_output_is_one_clear_line(place: Path, words: list[str]) -> None:
    done = run(place, words, "> /dev/full")
    assert done.returncode == 3
    first, second = done.stderr.decode().splitlines()
    assert first == "error: cannot write to standard output: No space left on device"
    assert second.startswith("  fix: make room there")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&-", "2>/dev/full", "| head -c0"])
@pytest.mark.parametrize("words", [["report"], pytest.param(["runs", "--json"], marks=pytest.mark.slow)], ids=" ".join)
def test_closed_streams_and_readers_that_leave_are_no_error(place: Path, words: list[str], redirection: str) -> None:
    done = run(place, words, redirection)
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) == (">&- " not in f"{redirection} ".replace("2>&-", "") and "head" not in redirection)


@pytest.mark.parametrize("variables", POOR, ids=["io", "locale"])
@pytest.mark.parametrize("words", [["report"], ["report", "--json"], ["--help"]], ids=" ".join)
def test_a_terminal_of_ascii_letters_gets_plainer_ones(
    place: Path, words: list[str], variables: dict[str, str]
) -> None:
    done = run(place, words, **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    if "--json" in words:
        assert "Gerät – weg" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    else:
        assert done.stdout.isascii()
    if words == ["report"]:
        assert b"Ger?t - weg" in done.stdout


@pytest.mark.parametrize("columns", ["0", "1"])
@pytest.mark.parametrize("words", [["report"], ["compare"], ["launch", "--help"]], ids=" ".join)
def test_a_narrow_terminal_gets_something(place: Path, words: list[str], columns: str) -> None:
    done = run(place, words, COLUMNS=columns, NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout


def test_following_logs_ends_when_nobody_reads(place: Path) -> None:
    log = RunFolder(place / "runs" / "run").log_file("local1")
    log.write_text("a line\n" * 100_000)
    done = run(place, ["logs", "run", "local1", "--follow"], "| head -1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"a line\n")
