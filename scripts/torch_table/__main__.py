"""Prints which torch runs on which processor of a Pi: `make torch-table`, as root, on x86.

Every try is kept (/var/cache/picluster-lab/torch-table): a second call goes on where the first one was interrupted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from picluster.controller.record.record_files import read_record, write_record
from picluster.lab.kernel.commands import check_programs, check_root
from scripts.torch_table.root import EMULATOR, FOLDER, RELEASES, ensure_root
from scripts.torch_table.table import TRIAL_TITLES, WHEEL_TITLES, Trial, Wheel, ending, markdown, outcomes
from scripts.torch_table.wheels import cuda_packages, ensure_packages, read_wheel, requirements

TRIAL = Path(__file__).with_name("trial.py")
TRY_SECONDS = 3600
"""A minute or two of processor time is needed, and many more where a machine is busy."""
PROCESSORS = {"cortex-a53": "Pi 3, Zero 2 W", "cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}


def main() -> None:
    """Try each torch, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m scripts.torch_table", description=__doc__)
    parser.add_argument("torch", nargs="+", help="versions, such as 2.9.1")
    parser.add_argument("--python", nargs="+", choices=RELEASES, default=[*RELEASES])
    parser.add_argument("--processor", nargs="+", choices=PROCESSORS, default=[*PROCESSORS])
    chosen = parser.parse_args()
    check_root("torch-table")
    check_programs(emulated=True)
    wheels, trials = [], []
    for torch in chosen.torch:
        for python in chosen.python:
            wheel, place = look(torch, python)
            wheels.append(wheel.cells)
            trials += [trial.cells for trial in tried(wheel, place, chosen.processor)]
    print(markdown(WHEEL_TITLES, wheels))
    print(markdown(TRIAL_TITLES, trials))


def look(torch: str, python: str) -> tuple[Wheel, Path | None]:
    """Look at a wheel; returns also where it was unpacked, unless it requires CUDA."""
    wanted = requirements(torch, python)
    if cuda := cuda_packages(wanted):
        return Wheel(torch=torch, python=python, cuda=cuda), None
    place = ensure_packages(ensure_root(python) / "opt", torch, python, wanted)
    return read_wheel(place, torch, python), place


def tried(wheel: Wheel, place: Path | None, processors: Sequence[str]) -> Iterator[Trial]:
    """Try a wheel on each processor, where that was not done yet."""
    for processor in processors if place else []:
        kept = FOLDER / f"torch-{wheel.torch}-python{wheel.python}-{processor}.json"
        if not kept.exists():
            steps = attempt(ensure_root(wheel.python), f"torch-{wheel.torch}", processor)
            trial = Trial(torch=wheel.torch, python=wheel.python, processor=processor, steps=steps)
            write_record(kept, trial)
            print(f"tried: {' · '.join(trial.cells)}", file=sys.stderr)
        yield read_record(kept, Trial)


def attempt(root: Path, package: str, processor: str) -> Sequence[str]:
    """Run the trial in a root folder on an emulated processor; returns what came of each step."""
    shutil.copy(TRIAL, root / "opt" / TRIAL.name)
    variables = {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": f"/opt/{package}:/opt/{package}/others",
    }
    words = ["prlimit", "--core=0", "chroot", str(root), EMULATOR, "-cpu", processor]
    with subprocess.Popen(
        [*words, "/usr/bin/python3", f"/opt/{TRIAL.name}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables},
        start_new_session=True,
    ) as process:
        try:
            said, complaint = process.communicate(timeout=TRY_SECONDS)
            end = ending(process.returncode, complaint)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            end = f"not ended in {TRY_SECONDS} s"
    return outcomes(said, end)


if __name__ == "__main__":
    main()
