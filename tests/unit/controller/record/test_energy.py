"""Energy of a run from the readings of its nodes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from picluster.controller.record.energy import Energy, energy_words, read_energy
from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone, Recorded, Resources
from tests.unit.controller.made import RUN_V1, copy_of_run_v1

READING = next(line.event for line in RunFolder(RUN_V1).metrics("local1") if isinstance(line.event, Resources))


def told(*readings: tuple[float, float | None], meter: str = "own", attempt: int = 1) -> list[Recorded]:
    """Lines of a node with these times and joules."""
    events = [(time, msgspec.structs.replace(READING, joules=joules, meter=meter)) for time, joules in readings]
    return [Recorded(time=time, node="a", attempt=attempt, event=event) for time, event in events]


def energy(**nodes: list[Recorded]) -> Energy:
    return read_energy(nodes)


def test_energy_between_two_moments_grows_evenly_from_reading_to_reading() -> None:
    found = energy(a=told((10, 0), (12, 8), (13, None), (14, 12)), b=told((9, 0), (15, 60)))
    assert found.between(11, 13) == pytest.approx((10 - 4) + 20)
    assert (found.of("a"), found.of("b"), found.between(0, 99)) == (12, 60, 72)


def test_a_further_attempt_counts_anew_and_adds() -> None:
    found = energy(a=[*told((10, 0), (12, 8)), *told((20, 0), (21, 5), attempt=2)])
    assert (found.of("a"), found.between(12, 20)) == (13, 0)


def test_a_machine_whose_processes_share_its_counter_counts_once() -> None:
    one, other = told((10, 0), (11, 3), (12, 6), meter="rapl x"), told((10, 0), (12, 6), meter="rapl x")
    assert energy(a=one, b=other).between(0, 99) == 6
    assert energy(a=one, b=told((10, 0), (12, 6), meter="rapl y")).between(0, 99) == 12


def test_a_shared_counter_counts_once_in_each_attempt_whoever_took_part() -> None:
    first, second = told((0, 0), (10, 100), meter="rapl x"), told((20, 0), (25, 50), attempt=2, meter="rapl x")
    assert energy(a=first, b=second).between(-1, 99) == 150
    assert energy(a=[*first, *second], b=second).between(-1, 99) == 150


def test_where_a_node_has_no_meter_all_together_have_no_figure() -> None:
    found = energy(a=told((10, 0), (12, 8)), b=told((10, 0), (12, None)))  # one reading measures nothing
    assert (found.of("a"), found.of("b"), found.between(0, 99)) == (8, None, None)
    assert energy().between(0, 99) is None


def test_a_report_has_the_joules_of_each_epoch_and_to_the_best_one(tmp_path: Path) -> None:
    run = RunFolder(copy_of_run_v1(tmp_path / "run"))
    ends = [(line.time, line.event) for line in run.events() if isinstance(line.event, EpochDone)]
    for node in run.plan().nodes:
        path = run.metrics_file(node)
        lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        for line in lines:
            if line["event"]["kind"] == "metrics":  # ten watts from a moment before the first epoch on
                line["event"] |= {"joules": 10 * (line["time"] - ends[0][0] + 60), "meter": "own"}
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        begin, end = (msgspec.structs.replace(READING, joules=joules, meter="own") for joules in (0.0, 1200.0))
        stored = path.read_bytes()
        first, last = (
            msgspec.json.encode(Recorded(time=time, node=node, event=event)) + b"\n"
            for time, event in ((ends[0][0] - 60, begin), (ends[0][0] + 60, end))
        )
        path.write_bytes(first + stored + last)
    report = make_report(run)
    nodes = len(report.nodes)
    assert [epoch.joules for epoch in report.epochs] == [
        pytest.approx(10 * nodes * done.seconds, rel=1e-3) for _, done in ends
    ]
    best = next(time for time, done in ends if done.epoch == report.best_epoch)
    assert report.joules_to_best == pytest.approx(10 * nodes * (best - ends[0][0] + 60), rel=1e-3)
    assert report.joules == pytest.approx(1200 * nodes)
    assert energy_words(report).startswith(f"{1200 * nodes:,} J, ")
    lacking = [msgspec.structs.replace(node, joules=None) for node in report.nodes[1:]]
    partly = msgspec.structs.replace(report, joules=None, nodes=(report.nodes[0], *lacking))
    assert energy_words(partly) == "local1 1,200 J; without a meter: local2, local3, local4"
