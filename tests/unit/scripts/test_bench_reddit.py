from __future__ import annotations

import pytest

from picluster.schema import events
from picluster.schema.events import EpochDone, Recorded, Resources, StepDone
from scripts.bench_reddit.load import Load
from scripts.bench_reddit.records import Measure, Peak, Range
from scripts.bench_reddit.rows import ROWS, chosen
from scripts.bench_reddit.story import measure_of, seconds_to
from scripts.bench_reddit.summary import range_of, summarised

TIMES = [float(time) for time in range(100)]
LOAD = Load(TIMES, [time / 2 for time in TIMES], [3 * time / 4 for time in TIMES])
"""Half a core is used by the processes, a quarter by others."""


def step(end: float, epoch: int, number: int, node: str = "leader", sent: int | None = 10) -> Recorded:
    done = StepDone(
        epoch=epoch,
        step=number,
        step_ms=2000.0,
        compute_ms=2000.0,
        wait_ms=0.0,
        send_ms=0.0,
        sent_bytes=sent,
        received_bytes=0,
        sent_payload_bytes=0,
        received_payload_bytes=0,
    )
    return Recorded(time=end, node=node, event=done)


def epoch(end: float, number: int, accuracy: float) -> Recorded:
    done = EpochDone(epoch=number, loss=1.0, train_accuracy=None, validation_accuracy=accuracy, best=True, seconds=30.0)
    return Recorded(time=end, node="leader", event=done)


def two_epochs() -> list[Recorded]:
    """Ten steps of two seconds, then a validation of ten seconds; the same again, and a test."""
    first = [step(2.0 * number, 1, number) for number in range(1, 11)]
    second = [step(30 + 2.0 * number, 2, number) for number in range(1, 11)]
    return [
        *first,
        epoch(30.0, 1, 0.93),
        *second,
        epoch(60.0, 2, 0.95),
        Recorded(time=70.0, node="leader", event=events.Tested(test_accuracy=0.94)),
    ]


def test_evaluations_are_no_part_of_a_step() -> None:
    found = measure_of("single", 1, two_epochs(), LOAD, "leader", 80.0)
    assert found.steps == 10
    assert found.wall_seconds == pytest.approx(2.0)
    assert found.cpu_seconds == pytest.approx(1.0)
    assert found.elsewhere_cores == pytest.approx(0.25)
    assert found.test_accuracy == 0.94


def test_the_time_to_a_goal_is_that_of_training_alone() -> None:
    found = measure_of("single", 1, two_epochs(), LOAD, "leader", 80.0)
    assert [each.training_seconds for each in found.epochs] == [20.0, 40.0]
    assert seconds_to(0.93, found.epochs) == 20.0
    assert seconds_to(0.94, found.epochs) == 40.0
    assert seconds_to(0.96, found.epochs) is None


def test_bytes_are_those_of_all_processes_in_a_step_of_the_run() -> None:
    told = [*two_epochs(), *(step(2.0 * number, 1, number, "other", 30) for number in range(1, 11))]
    assert measure_of("single", 1, told, LOAD, "leader", 80.0).sent_bytes == pytest.approx(25.0)
    told.append(step(50.0, 2, 1, "other", None))
    assert measure_of("single", 1, told, LOAD, "leader", 80.0).sent_bytes is None


def test_of_a_few_steps_only_the_first_is_left_out() -> None:
    few = [step(2.0 * number, 1, number) for number in range(1, 5)]
    assert measure_of("single", 1, few, LOAD, "leader", 8.0).steps == 3
    with pytest.raises(ValueError, match="too few"):
        measure_of("single", 1, few[:1], LOAD, "leader", 8.0)


def test_a_peak_counts_the_processes_below() -> None:
    memory = Resources(
        rss_bytes=1,
        anonymous_bytes=1,
        file_bytes=0,
        peak_rss_bytes=500,
        peak_anonymous_bytes=300,
        peak_engine_bytes=40,
        limit_bytes=None,
        cpu_share=0.0,
        temperature_celsius=None,
    )
    told = [*two_epochs(), Recorded(time=1.0, node="leader", event=memory)]
    (peak,) = measure_of("single", 1, told, LOAD, "leader", 80.0).peaks
    assert (peak.anonymous_bytes, peak.resident_bytes) == (340, 540)


def test_a_row_is_compared_with_the_single_node_of_its_own_repetition() -> None:
    measures = [
        Measure(row=row, repeat=repeat, steps=9, cpu_seconds=seconds, wall_seconds=1.0)
        for row, repeat, seconds in (("single", 1, 1.0), ("pyg-csr", 1, 3.0), ("single", 2, 2.0), ("pyg-csr", 2, 4.0))
    ]
    _, found = summarised(chosen("single,pyg-csr"), measures, {})
    assert found.times_single == Range(median=2.5, least=2.0, most=3.0)
    assert found.cpu_seconds == Range(median=3.5, least=3.0, most=4.0)


def test_the_largest_peak_of_each_process_over_all_repetitions_is_told() -> None:
    measures = [
        Measure(row="single", repeat=repeat, peaks=(Peak(process="a", anonymous_bytes=size, resident_bytes=10 - size),))
        for repeat, size in ((1, 3), (2, 4))
    ]
    (found,) = summarised(chosen("single"), measures, {})
    assert found.peaks == (Peak(process="a", anonymous_bytes=4, resident_bytes=7),)


def test_a_row_without_a_measurement_says_why() -> None:
    failed = Measure(row="pyg-csr", repeat=1, problem="out of memory")
    rows = summarised(chosen("single,pyg-csr,dgl"), [failed], {"dgl": "needs dgl"})
    assert [row.problem for row in rows] == ["not measured yet", "out of memory", "needs dgl"]


def test_a_range_is_told_only_where_every_repetition_has_the_measure() -> None:
    assert range_of([3.0, 1.0, 2.0]) == Range(median=2.0, least=1.0, most=3.0)
    assert range_of([3.0, None]) is None
    assert range_of([]) is None


def test_an_unknown_row_is_named() -> None:
    assert chosen("") == list(ROWS)
    with pytest.raises(ValueError, match="no row layersplit"):
        chosen("single,layersplit")
