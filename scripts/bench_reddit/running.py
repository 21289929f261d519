"""Runs one row once, as its users would, and measures it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from picluster.controller.record.record_files import read_lines, write_record
from picluster.controller.record.run_folder import RunFolder
from picluster.graph.folder import GraphFolder
from picluster.graph.public.prepare import default_input_folder, prepare
from picluster.schema.events import Recorded, StepDone
from scripts.bench_reddit.environment import pinned, with_threads
from scripts.bench_reddit.load import LoadReader
from scripts.bench_reddit.records import (
    BATCH_SIZE,
    DROPOUT,
    FANOUT,
    HIDDEN,
    LEARNING_RATE,
    MICRO_BATCHES,
    SEED,
    Measure,
    RivalTask,
    Settings,
)
from scripts.bench_reddit.rows import Row
from scripts.bench_reddit.story import measure_of

CHECKOUT = Path(__file__).parents[2]
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
"""For a run to end that was asked to."""
_LEADER = "process0"
_MANY_EPOCHS = 1000


def graph_of(row: Row, settings: Settings, folder: Path) -> GraphFolder:
    """Graph folder that a row trains on, made where it is missing."""
    return prepare(
        settings.dataset,
        graphs_folder=folder / "graphs",
        input_folder=default_input_folder(),
        feature_dtype=row.feature_dtype,
        scale=settings.scale,
    )


def run(row: Row, repeat: int, settings: Settings, folder: Path, python: str) -> Measure:
    """Measure a row; `folder` holds graphs and runs, `python` runs rivals. A failure is told in the measurement."""
    work = _launch if row.launch else _rival
    reader, begun = LoadReader(), time.monotonic()
    reader.start()
    try:
        told, leader = work(row, settings, folder, python)
    except (OSError, RuntimeError) as error:
        reader.finish()
        return Measure(row=row.name, repeat=repeat, problem=str(error), seconds=time.monotonic() - begun)
    try:
        return measure_of(row.name, repeat, told, reader.finish(), leader, time.monotonic() - begun)
    except ValueError as error:
        return Measure(row=row.name, repeat=repeat, problem=str(error), seconds=time.monotonic() - begun)


def _launch(row: Row, settings: Settings, folder: Path, _python: str) -> tuple[list[Recorded], str]:
    """Launch picluster; returns what its workers told, and the one that tells the losses."""
    runs = folder / "runs"
    before = set(runs.glob("*"))
    words = [sys.executable, "-m", "picluster", "launch", *_task_words(settings), *row.launch]
    words += ["--inventory", str(CHECKOUT / "inventory" / "local.yml")]
    log = folder / "terminal.txt"
    with pinned(settings.cores), log.open("wb") as terminal:
        process = subprocess.Popen(words, cwd=folder, env=with_threads(1), stdout=terminal, stderr=terminal)
    try:
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            if settings.steps and _trained(set(runs.glob("*")) - before) >= settings.steps:
                process.send_signal(signal.SIGINT)
                process.wait(_PATIENCE_SECONDS)
    finally:
        _end(process)
    new = set(runs.glob("*")) - before
    if process.returncode and not (settings.steps and _trained(new) >= settings.steps):
        raise RuntimeError(f"picluster ended with {process.returncode}: {_last_line(log)}")
    (path,) = new
    run_folder = RunFolder(path)
    plan = run_folder.plan()
    told = [*run_folder.events(), *(each for node in plan.nodes for each in run_folder.metrics(node))]
    return told, plan.stages[-1].nodes[0]


def _task_words(settings: Settings) -> list[str]:
    words: dict[str, object] = {
        "--dataset": settings.dataset,
        "--model": "sage",
        "--hidden": HIDDEN,
        "--dropout": DROPOUT,
        "--fanout": ",".join(map(str, FANOUT)),
        "--batch-size": BATCH_SIZE,
        "--micro-batches": MICRO_BATCHES,
        "--lr": LEARNING_RATE,
        "--seed": SEED,
        "--epochs": settings.epochs or _MANY_EPOCHS,
        "--test": "sampled",
        "--cores": settings.cores,
    }
    if settings.dataset == "reddit-like":
        words["--scale"] = settings.scale
    return [str(word) for pair in words.items() for word in pair]


def _trained(new: Iterable[Path]) -> int:
    """Steps that a run has made so far."""
    steps = 0
    for path in new:
        if (path / "run.json").exists():
            run_folder = RunFolder(path)
            judge = run_folder.plan().stages[-1].nodes[0]
            steps = sum(isinstance(each.event, StepDone) for each in run_folder.metrics(judge))
    return steps


def _rival(row: Row, settings: Settings, folder: Path, python: str) -> tuple[list[Recorded], str]:
    """Train as a rival; returns what its processes told, and the one that tells the losses."""
    place = folder / "rival"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    events, task_file, log = place / "events.jsonl", place / "task.json", place / "log.txt"
    threads = max(1, settings.cores // row.processes)
    task = RivalTask(
        settings=settings,
        kind=row.kind,
        processes=row.processes,
        threads=threads,
        mapped=row.mapped,
        graph=str(graph_of(row, settings, folder).path.absolute()),
        events=str(events),
    )
    write_record(task_file, task)
    environment = {**with_threads(threads), "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}
    words = [python, "-m", "scripts.bench_reddit.rivals", str(task_file)]
    with pinned(settings.cores), log.open("wb") as terminal:
        process = subprocess.Popen(words, cwd=CHECKOUT, env=environment, stdout=terminal, stderr=terminal)
    try:
        process.wait()
    finally:
        _end(process)
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}: {_last_line(log)}")
    return list(read_lines(events)), _LEADER


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, as Ctrl-C would."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
