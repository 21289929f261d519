"""Prints how long it takes to make three bare virtual Pis ready, as root: caches empty, full, and nothing to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NODES = 3
PICLUSTER = [sys.executable, "-m", "picluster.cli.main"]
WHAT = {
    "cold": "bare nodes, nothing kept on this machine",
    "warm": "bare nodes, wheels and packages kept on this machine",
    "again": "ready nodes: nothing to do",
}


def main() -> None:
    """Print one line for each case."""
    with TemporaryDirectory(prefix="picluster-bench-") as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        with lab() as inventory:
            tell("cold", *provision(inventory, environment))
        with lab() as inventory:
            tell("warm", *provision(inventory, environment))
            tell("again", *provision(inventory, environment))
        sizes = {file.stat().st_ino: file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()}
        print(f"kept on this machine: {sum(sizes.values()) / 1e6:.0f} MB")


@contextmanager
def lab() -> Iterator[Path]:
    """Three nodes as if just flashed, of 1 GiB and half a core."""
    name = f"b{os.getpid()}"
    subprocess.run([*PICLUSTER, "lab", "up", "--name", name, "--nodes", str(NODES), "--fresh"], check=True, stdout=2)
    try:
        told = subprocess.run(
            [*PICLUSTER, "lab", "status", "--name", name, "--json"], check=True, stdout=subprocess.PIPE
        )
        yield Path(json.loads(told.stdout)["inventory"])
    finally:
        subprocess.run([*PICLUSTER, "lab", "down", "--name", name], check=True, stdout=2)


def provision(inventory: Path, environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Seconds as a person waits, and what is told."""
    began = time.monotonic()
    words = [*PICLUSTER, "provision", "--inventory", str(inventory), "--json"]
    told = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE)
    return time.monotonic() - began, json.loads(told.stdout)


def tell(case: str, seconds: float, told: dict[str, Any]) -> None:
    """A line."""
    changed = sum(node["changed"] for node in told["nodes"])
    doctor = seconds - told["seconds"]
    print(
        f"{case:<6} {seconds:6.0f} s, {doctor:3.0f} of them the doctor; {changed:3} changes  ({WHAT[case]})", flush=True
    )


if __name__ == "__main__":
    main()
