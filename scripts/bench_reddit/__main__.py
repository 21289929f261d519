"""Measures picluster beside its rivals: `make bench-reddit`, or `python -m scripts.bench_reddit`.

All rows run once, then all again, so that they share the moods of the machine. A measurement that is there already is
not made again: what was interrupted goes on where it was.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer

from picluster.controller.record.record_files import read_record, write_record
from picluster.errors import PiclusterError
from picluster.graph.folder import GraphFolder
from picluster.schema.record import to_json
from scripts.bench_reddit.environment import WITHOUT, default_python, machine
from scripts.bench_reddit.picture import draw
from scripts.bench_reddit.records import Machine, Measure, Results, Settings
from scripts.bench_reddit.rows import ROWS, Row, chosen
from scripts.bench_reddit.running import CHECKOUT, graph_of, run
from scripts.bench_reddit.summary import summarised
from scripts.bench_reddit.tables import shown, written_into

_PAGE = CHECKOUT / "docs" / "benchmarks.md"
_PICTURE = "pictures/bench-reddit.png"
_STEPS_OF_AN_EPOCH = 150
_EVALUATION_STEPS = 30
"""What the evaluations of an epoch take, in training steps, roughly."""
_READING_SECONDS = 30
"""For reading the graph at scale 1, roughly."""


def main(
    dataset: Annotated[str, typer.Option(help="reddit-like or reddit.")] = "reddit-like",
    scale: Annotated[float, typer.Option(help="Size of reddit-like; 1 is Reddit's own.")] = 1.0,
    epochs: Annotated[int, typer.Option(help="Whole epochs, with accuracies.")] = 2,
    steps: Annotated[int, typer.Option(help="Training steps instead of whole epochs.")] = 0,
    repeats: Annotated[int, typer.Option(help="Runs of each row.")] = 3,
    cores: Annotated[int, typer.Option(help="Cores that all processes of a row share.")] = 1,
    rows: Annotated[str, typer.Option(help="Names of rows, separated by commas; all where there is none.")] = "",
    folder: Annotated[Path, typer.Option(help="Place of graphs, runs and measurements.")] = Path("bench-reddit"),
    python: Annotated[str, typer.Option(help="Interpreter with what rivals need.")] = "",
    docs: Annotated[bool, typer.Option("--docs", help="Write table and picture into docs/.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure, and print the table."""
    try:
        wanted = chosen(rows)
    except ValueError as error:
        sys.exit(f"error: {error}")
    cores = min(cores, len(os.sched_getaffinity(0)))
    settings = Settings(dataset=dataset, scale=scale, epochs=0 if steps else epochs, steps=steps, cores=cores)
    folder, python = folder.absolute(), python or default_python(sys.executable)
    measures = folder / settings.name
    measures.mkdir(parents=True, exist_ok=True)
    try:
        here = machine(python)
    except (OSError, CalledProcessError) as error:
        sys.exit(f"error: rivals cannot run with {python}: {error}")
    missing = {row.name: WITHOUT.format(row.needs) for row in wanted if row.needs and row.needs not in here.rivals}
    for row, why in missing.items():
        print(f"missing    {row}: {why}", file=sys.stderr)
    try:
        graph = _prepared(wanted, settings, folder)
        _measure_all([row for row in wanted if row.name not in missing], repeats, settings, folder, python)
    except PiclusterError as error:
        sys.exit(f"error: {error.what}\n  fix: {error.fix}")
    results = _results(settings, graph, repeats, missing, measures, here)
    write_record(measures / "results.json", results)
    picture = CHECKOUT / "docs" / _PICTURE if docs else measures / "bench-reddit.png"
    if any(row.runs for row in results.rows):
        draw(results, frozenset(row.name for row in ROWS if row.launch), picture)
    if docs:
        written_into(_PAGE, results, _PICTURE)
    print(to_json(results, indent=True).decode() if as_json else shown(results), end="")
    print(f"results    {measures / 'results.json'}; picture {picture}", file=sys.stderr)


def _prepared(wanted: Sequence[Row], settings: Settings, folder: Path) -> GraphFolder:
    """Make the graphs that rows need before any is measured; returns one of them."""
    (folder / "graphs").mkdir(exist_ok=True)
    by_dtype = {row.feature_dtype: row for row in wanted}
    graphs = [graph_of(row, settings, folder) for row in by_dtype.values()]
    return graphs[0]


def _measure_all(wanted: Sequence[Row], repeats: int, settings: Settings, folder: Path, python: str) -> None:
    """Measure what is not there yet, and tell how long the rest may take."""
    todo = [(row, repeat) for repeat in range(1, repeats + 1) for row in wanted]
    todo = [(row, repeat) for row, repeat in todo if not _is_measured(_file(folder, settings, row, repeat))]
    took: dict[str, float] = {}
    for done, (row, repeat) in enumerate(todo):
        left = sum(took.get(each.name, _expected(each, settings)) for each, _ in todo[done:])
        print(f"measuring  {row.name}, run {repeat}; about {left / 60:.0f} min are left", file=sys.stderr, flush=True)
        begun = time.monotonic()
        found = run(row, repeat, settings, folder, python)
        took[row.name] = time.monotonic() - begun
        if found.problem:
            print(f"failed     {row.name}: {found.problem}", file=sys.stderr, flush=True)
        write_record(_file(folder, settings, row, repeat), found)


def _is_measured(file: Path) -> bool:
    """Whether the measurement is there; one that failed is made again."""
    return file.exists() and not read_record(file, Measure).problem


def _file(folder: Path, settings: Settings, row: Row, repeat: int) -> Path:
    return folder / settings.name / f"{row.name}-{repeat}.json"


def _expected(row: Row, settings: Settings) -> float:
    """Seconds of a run, roughly."""
    whole = settings.epochs * (_STEPS_OF_AN_EPOCH + _EVALUATION_STEPS) * settings.scale
    return (
        10
        + _READING_SECONDS * settings.scale
        + row.expected_seconds * min(1.0, 4 * settings.scale) * (settings.steps or whole)
    )


def _results(
    settings: Settings, graph: GraphFolder, repeats: int, missing: Mapping[str, str], folder: Path, here: Machine
) -> Results:
    """Sum up all measurements of these settings, also those of earlier calls."""
    measures = [
        read_record(file, Measure)
        for row in ROWS
        for repeat in range(1, repeats + 1)
        if (file := folder / f"{row.name}-{repeat}.json").exists()
    ]
    known = {each.row for each in measures} | missing.keys()
    return Results(
        settings=settings,
        machine=here,
        nodes=graph.meta.nodes,
        edges=graph.meta.edges,
        source=graph.meta.source,
        repeats=repeats,
        rows=summarised([row for row in ROWS if row.name in known], measures, missing),
        measures=tuple(measures),
    )


if __name__ == "__main__":
    typer.run(main)
