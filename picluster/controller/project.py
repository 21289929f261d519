"""Where the project's own files and programs lie."""

import os
import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
GRAPHS = Path("graphs")


def find(relative: str) -> Path:
    """The file of the working folder where it exists, else that of the checkout (whether it exists or not)."""
    here = Path(relative)
    return here if here.exists() else CHECKOUT / relative


def worker_command() -> list[str]:
    """`picluster-worker` of this Python's environment, by that name where it is installed so: `pgrep -f` finds it."""
    program = Path(sys.executable).with_name("picluster-worker")
    return [sys.executable, *([str(program)] if program.exists() else ["-m", "picluster.worker.main"])]


def program(name: str) -> str | None:
    """A program of this Python's environment, or of the path; None where there is none."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def user_cache() -> Path:
    """Where this machine's user keeps what can be had again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picluster"
