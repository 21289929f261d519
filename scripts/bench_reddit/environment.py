"""The Python that rivals run with, and the machine under all rows."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from picluster import __version__
from picluster.agent.premises import processor
from scripts.bench_reddit.records import Machine

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picluster" / "bench-reddit"
"""Environment with what rivals need, where one was made (docs/benchmarks.md says how)."""
WITHOUT = "needs {}, which the rivals' Python lacks: docs/benchmarks.md tells how to get it"
_PACKAGES = ("torch", "torch-geometric", "torch-sparse", "dgl", "numpy")
_VERSIONS = f"""
import json
from importlib.metadata import PackageNotFoundError, version
found = {{}}
for name in {_PACKAGES!r}:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def default_python(own: str) -> str:
    """Interpreter of the cached environment, or else `own`."""
    cached = CACHE / "bin" / "python"
    return str(cached) if cached.exists() else own


def versions(python: str) -> dict[str, str]:
    """Versions of what rivals use there. CalledProcessError where that is no Python."""
    told = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True)
    return msgspec.json.decode(told.stdout, type=dict[str, str])


def machine(python: str) -> Machine:
    """Describe the machine and the versions."""
    return Machine(
        processor=processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        python=platform.python_version(),
        picluster=_commit(),
        rivals=versions(python),
    )


def with_threads(count: int) -> dict[str, str]:
    """Environment in which libraries compute on so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(count))}


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """Processes that this thread starts meanwhile keep to the first `cores` of the cores that this process may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _commit() -> str:
    """Version of picluster, with the commit where git tells it."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    told = subprocess.run(words, check=False, capture_output=True, text=True)
    return f"{__version__} ({told.stdout.strip()})" if told.returncode == 0 else __version__
