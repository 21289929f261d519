"""Folders of a project, files that come with picluster, and programs of its environment.

A project is the folder where one stands: it may be the clone, or any other.
"""

import os
import shutil
import sys
from pathlib import Path

MODELS = Path("models")
GRAPHS = Path("graphs")
RUNS = Path("runs")
INVENTORIES = Path("inventory")
HOSTS = INVENTORIES / "hosts.yml"
"""The person's own inventory."""

PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = PACKAGE / "bundled"
BUNDLED = _IN_WHEEL if _IN_WHEEL.is_dir() else PACKAGE.parent
"""Models, playbooks, comparisons, inventories, pages that come with picluster: the clone, or what its wheel holds."""


def find(relative: Path | str) -> Path:
    """A file of the project where it exists, else the bundled one (whether it exists or not)."""
    here = Path(relative)
    return here if here.exists() else BUNDLED / relative


def model_names() -> list[str]:
    """The models of the project and those that come with picluster."""
    return sorted({file.stem for folder in (MODELS, BUNDLED / MODELS) for file in folder.glob("*.py")})


def worker_command() -> list[str]:
    """`picluster-worker` of this Python's environment, by that name where it has one, so that `pgrep -f` finds it."""
    program = Path(sys.executable).with_name("picluster-worker")
    return [sys.executable, *([str(program)] if program.exists() else ["-m", "picluster.worker.main"])]


def program(name: str) -> str | None:
    """A program of this Python's environment, or of the path; None where there is none."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def user_cache() -> Path:
    """The folder of this machine's user for files that can be fetched or made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picluster"
