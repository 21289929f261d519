"""What a person meets first: help, version, and that both come at once. In real processes."""

import resource
import subprocess
import sys

import pytest

import picluster
from tests.slowness import usual_seconds
from tests.unit.cli.conftest import Picluster

HEAVY = ("torch", "numpy", "matplotlib", "fabric", "paramiko", "ansible", "psutil", "jinja2")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "picluster.cli.main", *words], capture_output=True, text=True, check=False, timeout=240
    )


def seconds_of_help() -> float:
    """Processor time: what else runs on the machine does not belong to it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_answers_well_under_half_a_second() -> None:
    assert usual_seconds(seconds_of_help) < 0.5


@pytest.mark.parametrize("words", [["--help"], ["launch", "--help"], ["--version"]])
def test_nothing_heavy_is_imported_to_answer(words: list[str]) -> None:
    code = f"""
import sys
from picluster.cli.main import main
sys.argv[1:] = {words}
try:
    main()
except SystemExit:
    print("imported:", [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.splitlines()[-1] == "imported: []"


def test_help_names_every_command_and_every_exit_code(picluster: Picluster) -> None:
    answer = picluster("--help")
    assert answer.code == 0
    for word in ("launch", "report", "dataset", "0 done", "1 a bug", "2 wrong input", "5 a node failed", "130 stopped"):
        assert word in " ".join(answer.out.split()).replace("│", "")


def test_help_fits_into_80_columns(picluster: Picluster) -> None:
    for words in (["--help"], ["launch", "--help"], ["report", "--help"], ["dataset", "prepare", "--help"]):
        assert max(map(len, picluster(*words).out.splitlines())) <= 80


def test_the_version_is_the_package_s() -> None:
    assert run("--version").stdout == f"picluster {picluster.__version__}\n"


@pytest.mark.parametrize("words", [["lunch"], ["launch", "--strategy", "best"], ["launch", "--seed", "x"]])
def test_a_typing_error_is_wrong_input(picluster: Picluster, words: list[str]) -> None:
    answer = picluster(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err


def test_a_reader_that_goes_away_early_causes_no_traceback() -> None:
    code = "import sys; from picluster.cli.main import main; sys.argv[1:] = ['launch', '--help']; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
