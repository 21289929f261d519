"""What Tab offers, through the protocol that the shell's own script uses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.controller.made import copy_of_run_v1

CODE = "import sys; sys.argv = ['picluster']; from picluster.cli.main import main; main()"


def offered(here: Path, *words: str) -> set[str]:
    """After these words, of which the last is begun."""
    line = " ".join(["picluster", *words])
    environment = {
        **os.environ,
        "_PICLUSTER_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=here, capture_output=True, text=True, check=True, timeout=240
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.fixture(autouse=True)
def places(here: Path) -> None:
    copy_of_run_v1(here / "runs" / "2026-sage-ymbu")
    for file in ("models/mine.py", "graphs/my-graph/meta.json", "inventory/garden.yml"):
        (here / file).parent.mkdir(parents=True)
        (here / file).touch()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["l"], {"launch"}),
        (["launch", "--model", ""], {"mine", "sage", "gcn"}),
        (["launch", "--model", "mi"], {"mine"}),
        (["launch", "--dataset", ""], {"my-graph", "cora", "reddit-like"}),
        (["dataset", "rm", ""], {"my-graph"}),
        (["launch", "--strategy", "s"], {"single"}),
        (["launch", "--engine", ""], {"sockets", "gloo", "rpc"}),
        (["launch", "--inventory", "inventory/g"], {"inventory/garden.yml"}),
        (["launch", "--rerun", "2026"], {"2026-sage-ymbu"}),
        (["report", "2"], {"2026-sage-ymbu"}),
        (["trust", "local"], {"local1", "local2", "local3", "local4"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_shell_is_offered_what_fits(here: Path, words: list[str], names: set[str]) -> None:
    found = offered(here, *words)
    assert names <= found
    assert all(name.startswith(words[-1]) for name in found)


def test_where_nothing_is_known_nothing_is_offered_and_nothing_printed(here: Path) -> None:
    assert offered(here, "launch", "--model", "./") == set()
    assert offered(here, "report", "none") == set()
