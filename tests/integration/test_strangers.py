"""Strangers at every port of a training change no bit: the run goes on, or ends clean and named."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import CHECKOUT, GRAPH, RUN_TIMEOUT_SECONDS, Desk, losses, wait_until
from tests.integration.strangers import ports_of, strangers
from tests.integration.test_ends import has_trained

SPEC = (*GRAPH, "--batch-size", "64", "--hidden", "16", "--micro-batches", "4", "--fanout", "5,4", "--epochs", "8")
PLAN = ("--layers-per-node", "1", "--nodes", "4")
LAST_TO_CALL = "pi4"
"""Node of the highest rank, which calls all others: without it the three others go on listening."""
HOLDING = """\
import sys, time
from pathlib import Path

while "--node={node}" in sys.argv and Path("{hold}").exists():
    time.sleep(0.02)

"""
"""Head of a model file that one node is kept from loading. Its node tells of its memory meanwhile."""
ENGINES = ["sockets", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("gloo", "rpc", "mpi", "ray"))]
MAY_END = {"rpc", "mpi"}
"""Engines whose libraries garbage may end: TensorPipe takes it for a length, Open MPI waits for the rest of it."""
PACKAGES = {"mpi": "mpi4py", "ray": "ray"}


@pytest.fixture(scope="module")
def undisturbed(desk: Desk) -> Callable[[], list[float]]:
    return lru_cache(lambda: losses(desk.launch(*SPEC, "--strategy", "single")))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_strangers_at_every_port_change_no_bit(
    desk: Desk, tmp_path: Path, undisturbed: Callable[[], list[float]], engine: str
) -> None:
    if engine in PACKAGES:
        pytest.importorskip(PACKAGES[engine])
    before = desk.runs()
    hold = tmp_path / "hold"
    words = (*SPEC, *PLAN, "--engine", engine, *(("--model", model_held_by(hold)) if engine == "sockets" else ()))
    with desk.start("launch", *words) as controller, strangers(controller.pid) as crowd:
        if engine == "sockets":
            wait_until(lambda: controller.poll() is not None or len(crowd.tried) >= 3)
            hold.unlink()
        wait_until(lambda: controller.poll() is not None or any(map(has_trained, runs_of(desk, before))))
        at_the_start, listening = len(crowd.tried), ports_of(controller.pid) if controller.poll() is None else set()
        crowd.come_again()
        output, errors = controller.communicate(timeout=RUN_TIMEOUT_SECONDS)
    (run,) = runs_of(desk, before)
    assert at_the_start >= 1
    if engine == "sockets":
        assert listening == set(), "when all are there nothing listens any more"
    found = losses(run)
    assert found == undisturbed()[: len(found)]
    assert "Traceback" not in output + errors
    if engine in MAY_END and controller.returncode:
        assert controller.returncode == 5
        assert "node pi" in errors
    else:
        assert (controller.returncode, len(found)) == (0, len(undisturbed())), errors


def model_held_by(hold: Path) -> str:
    """Path of a model like sage; the node of the highest rank does not load it before the file `hold` is gone.

    A worker stopped by a signal instead would be taken for lost after six seconds.
    """
    hold.touch()
    model = hold.with_name("held.py")
    model.write_text(HOLDING.format(node=LAST_TO_CALL, hold=hold) + (CHECKOUT / "models" / "sage.py").read_text())
    return str(model)


def runs_of(desk: Desk, before: set[str]) -> list[RunFolder]:
    return [RunFolder(desk.folder / "runs" / name) for name in desk.runs() - before]
