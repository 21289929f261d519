"""Makes the pages in docs/examples/ anew, by real runs on this machine: of one node, and of four with a fault.

It takes two minutes.
"""

from __future__ import annotations

import platform
import tempfile
import time
from pathlib import Path

from picluster.controller.page.page import make_page
from picluster.controller.record.all_runs import find_run
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone
from tests.integration.desk import CHECKOUT, Desk, make_desk, workers_of

EXAMPLES = CHECKOUT / "docs" / "examples"
TASK = ("--scale", "0.02", "--hidden", "32", "--epochs", "6")
EPOCHS_BEFORE = 3
TIMEOUT_SECONDS = 300


def main() -> None:
    """Make both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "desk"
        folder.mkdir()
        desk = make_desk(folder)
        write("single", desk.launch(*TASK, "--strategy", "single", "--nodes", "pi1", "--tag", "single"))
        write("fault", run_with_a_fault(desk))


def run_with_a_fault(desk: Desk) -> RunFolder:
    """A run by layers, the first on two nodes, whose second worker is killed after some epochs, and which goes on."""
    before = desk.runs()
    words = ("--layers-per-node", "1", "--nodes", "4", "--max-restarts", "1", "--checkpoint-every", "5")
    with desk.start("launch", *TASK, *words, "--tag", "fault") as controller:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(desk.runs() - before) == 0 or epochs_of(find_run(None, desk.folder / "runs")) < EPOCHS_BEFORE:
            if controller.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the run did not come to epoch {EPOCHS_BEFORE}: {controller.communicate()}")
            time.sleep(0.05)
        workers_of(controller.pid)[1].kill()
        controller.communicate(timeout=TIMEOUT_SECONDS)
    return find_run(None, desk.folder / "runs")


def epochs_of(run: RunFolder) -> int:
    """Epochs that are over."""
    return sum(isinstance(each.event, EpochDone) for each in run.events())


def write(name: str, run: RunFolder) -> None:
    """Write the page of a run, with no more of the kernel's name than its version."""
    release = platform.release()
    page = make_page(run).replace(release, release.partition("-")[0])
    file = EXAMPLES / f"{name}.html"
    file.write_text(page)
    print(f"{file.relative_to(CHECKOUT)}: {len(page.encode()) >> 10} KiB")


if __name__ == "__main__":
    main()
