"""History of the runs in a folder, one line each. A damaged run folder is listed as such and hides nothing."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from picluster.controller.record.report import best_epoch, result_of
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import InputError, PiclusterError
from picluster.project import RUNS
from picluster.schema.events import EpochDone
from picluster.schema.report import History, RunSummary


def history(tag: str | None = None, root: Path = RUNS) -> History:
    """Summaries of the runs below `root`, or of those with this tag; newest first. InputError where there is none."""
    found = [summary(folder) for folder in RunFolder.every(root)]
    if not found:
        raise InputError(f"there are no runs in {root.absolute()}", fix="make one: picluster launch")
    chosen = [run for run in found if tag is None or run.tag == tag]
    if not chosen:
        tags = ", ".join(sorted({run.tag for run in found if run.tag})) or "none"
        raise InputError(f"no run has the tag {tag}", fix=f"the tags are: {tags}")
    return History(runs=tuple(sorted(chosen, key=lambda run: run.started, reverse=True)))


def training_on(dataset: str, root: Path = RUNS) -> list[str]:
    """Names of the runs under way that read this graph."""
    names = []
    for folder in RunFolder.every(root):
        with suppress(PiclusterError):  # a damaged run folder
            if folder.run().spec.dataset == dataset and result_of(folder).status == "running":
                names.append(folder.name)
    return names


def summary(folder: RunFolder) -> RunSummary:
    """Summary of one run; it says what is wrong with the run's folder, if anything is."""
    try:
        run, plan, result = folder.run(), folder.plan(), result_of(folder)
        epochs = [each.event for each in folder.events() if isinstance(each.event, EpochDone)]
    except PiclusterError as error:
        changed = 0.0
        with suppress(OSError):
            changed = folder.path.stat().st_mtime
        return RunSummary(
            run=folder.name,
            status="unreadable",
            problem=os.fsencode(error.what).decode(errors="replace"),
            started=changed,
        )
    best = best_epoch(epochs)
    ended = result.ended or (time.time() if result.status == "running" else None)
    accuracies = {done.epoch: done.validation_accuracy for done in epochs}
    return RunSummary(
        run=folder.name,
        status=result.status,
        problem=result.failure.cause if result.failure else result.stopped_by and f"stopped by {result.stopped_by}",
        tag=run.tag,
        started=run.started,
        seconds=None if ended is None else max(0.0, ended - run.started),
        model=run.spec.model.name,
        dataset=run.spec.dataset,
        strategy=plan.strategy,
        engine=plan.engine,
        nodes=len(plan.nodes),
        epochs=len(epochs),
        epochs_planned=run.spec.epochs,
        best_epoch=best,
        best_validation_accuracy=None if best is None else accuracies[best],
        test_accuracy=result.test_accuracy,
    )
