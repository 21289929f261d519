"""`picluster compare --rows`: real launches, one after the other, and what is made of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.comparison import Comparison
from tests.integration.desk import GRAPH, RUN_TIMEOUT_SECONDS, Desk, losses, make_desk

pytestmark = pytest.mark.slow

SMALL = f"{' '.join(GRAPH)} --hidden 8 --epochs 1"
ROWS = f"""# The second row diverges.
{SMALL} --strategy single
{SMALL} --strategy single --learning-rate 1e30 --epochs 3

{SMALL} --strategy data-parallel --nodes 2
"""
GONE_SECONDS = 10.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("desk with a space"))


@pytest.fixture(scope="module")
def compared(desk: Desk) -> subprocess.CompletedProcess[str]:
    (desk.folder / "my rows.txt").write_text(ROWS)
    return desk.picluster("compare", "--rows", "my rows.txt", "--seeds", "2", "--json", "--chart", "chart.png")


def test_every_row_is_launched_with_every_seed_and_a_failure_does_not_stop_the_others(
    desk: Desk, compared: subprocess.CompletedProcess[str]
) -> None:
    assert compared.returncode == 0, compared.stderr
    found = msgspec.json.decode(compared.stdout, type=Comparison)
    assert re.fullmatch("myrows-[a-z]{4}", found.tag)
    assert [[run.status for run in row.runs] for row in found.rows] == [
        ["finished"] * 2,
        ["failed"] * 2,
        ["finished"] * 2,
    ]
    assert [[run.seed for run in row.runs] for row in found.rows] == [[0, 1]] * 3
    assert [run.run for run in sorted((r for row in found.rows for r in row.runs), key=lambda run: run.started)] == [
        row.runs[seed].run for seed in (0, 1) for row in found.rows
    ]
    assert [note for note in found.notes if note.startswith("Row 2 failed with seeds 0, 1: node pi1: the loss became")]
    assert {RunFolder(desk.folder / "runs" / name).run().tag for name in desk.runs()} == {found.tag}


def test_the_figures_are_those_of_the_runs(desk: Desk, compared: subprocess.CompletedProcess[str]) -> None:
    found = msgspec.json.decode(compared.stdout, type=Comparison)
    single, _, parallel = ([RunFolder(desk.folder / "runs" / str(run.run)) for run in row.runs] for row in found.rows)
    assert [losses(run) for run in single] == [losses(run) for run in parallel]
    assert found.same_bits == ((1, 3),)
    tested = [result.test_accuracy for run in single if (result := run.result())]
    assert [run.test_accuracy for run in found.rows[0].runs] == tested
    assert found.rows[0].sent_bytes_per_step
    assert found.rows[2].sent_payload_bytes_per_step
    assert found.rows[0].sent_bytes_per_step.mean < 10
    assert found.rows[2].sent_payload_bytes_per_step.mean > 1000
    assert [peak.node for peak in found.rows[2].memory] == ["pi1", "pi2"]


def test_each_run_is_told_in_a_line_when_it_has_ended(desk: Desk, compared: subprocess.CompletedProcess[str]) -> None:
    head, *told, chart = compared.stderr.splitlines()
    assert head.startswith("rows       my rows.txt: 3 rows, 2 seeds; tag myrows-")
    assert [line.split("  ")[0] for line in told] == [f"run {number}/6" for number in range(1, 7)]
    assert re.fullmatch(r"run 1/6  sage, single, sockets, seed 0: test 0\.\d{4}, \d+\.\d s", told[0])
    assert told[4].startswith("run 5/6  sage, single, sockets, seed 1: failed: node pi1: the loss became")
    assert chart == "chart      chart.png"
    assert (desk.folder / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_that_cannot_be_launched_stops_all_before_anything_runs(desk: Desk, tmp_path: Path) -> None:
    rows, before = tmp_path / "rows.txt", desk.runs()
    rows.write_text(f"{SMALL}\n\n{SMALL} --strategy layer-split --layers-per-node 1 --nodes 1\n")
    done = desk.picluster("compare", "--rows", str(rows))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {rows}:3: 2 stages need 2 nodes" in done.stderr
    assert "  fix: use --layers-per-node 2" in done.stderr
    assert desk.runs() == before


def test_where_no_run_finishes_the_exit_code_is_that_of_the_last_launch(desk: Desk, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text(f"{SMALL} --strategy single\n")
    done = desk.picluster("compare", "--rows", str(rows), "--with", "--learning-rate 1e30 --epochs 3", "--tag", "mine")
    assert done.returncode == 5
    assert "compared   1 run in 1 row, tag mine" in done.stdout
    assert "Row 1 failed with seed 0: node pi1: the loss became" in done.stdout


@contextmanager
def under_way(desk: Desk, rows: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A comparison whose only run trains on and on, and all processes below it."""
    rows.write_text(f"{SMALL} --strategy single --epochs 100000\n")
    before = desk.runs()
    with desk.start("compare", "--rows", str(rows)) as process:
        try:
            deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
            while not any(_has_trained(desk, name) for name in desk.runs() - before):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield process, psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()


def _has_trained(desk: Desk, name: str) -> bool:
    file = RunFolder(desk.folder / "runs" / name).events_file
    return file.exists() and b'"epoch"' in file.read_bytes()


def test_who_stops_it_is_shown_what_was_run_so_far(desk: Desk, tmp_path: Path) -> None:
    with under_way(desk, tmp_path / "rows.txt") as (process, below):
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=GONE_SECONDS)
        assert not psutil.wait_procs(below, timeout=GONE_SECONDS)[1]
    assert process.returncode == 130
    assert "stopped" in output
    assert "error: SIGINT came" in errors
    assert "Traceback" not in errors


def test_nothing_is_left_running_when_it_is_killed(desk: Desk, tmp_path: Path) -> None:
    with under_way(desk, tmp_path / "rows.txt") as (process, below):
        assert below
        process.kill()
        assert not psutil.wait_procs(below, timeout=GONE_SECONDS)[1]
