"""The report of a committed run folder, of copies, and of runs that did not end well."""

import os
from math import ceil
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.controller.record.leader import this_controller
from picluster.controller.record.report import led_seconds, make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import Done, EpochDone, StepDone
from picluster.schema.plan import Plan
from picluster.schema.record import to_json
from picluster.schema.report import Percentiles, Report
from picluster.schema.run import Failure, Result, Resumption
from picluster.schema.state import Position
from tests.unit.controller.made import RUN_V1, a_step, copy_of_run_v1

NODES = ["local1", "local2", "local3", "local4"]
SENT = {"sent_bytes": 100, "received_bytes": 200, "sent_payload_bytes": 10, "received_payload_bytes": 20}
STEP = a_step(step_ms=3.0, wait_ms=1.0, send_ms=1.0, **SENT)

# What other programs read: keys are added, never taken away or renamed.
PERCENTILES: dict[str, Any] = {"p50": "", "p95": "", "p99": ""}
NODE = {
    "name": "",
    "role": "",
    "layers": [],
    "hardware": {"model": "", "kernel": "", "torch": "", "cores": "", "threads": "", "numerics": ""},
    "cores": "",
    "memory": {
        "peak_rss_bytes": "",
        "peak_anonymous_bytes": "",
        "peak_engine_bytes": "",
        "peak_swapped_bytes": "",
        "limit_bytes": "",
        "expected_anonymous_bytes": "",
        "expected_mapped_bytes": "",
    },
    "throttled_share": "",
    "joules": "",
    "meter": "",
    "step_ms": PERCENTILES,
    "compute_ms": PERCENTILES,
    "wait_ms": PERCENTILES,
    "send_ms": PERCENTILES,
    "sent_bytes_per_step": "",
    "received_bytes_per_step": "",
    "sent_payload_bytes_per_step": "",
    "received_payload_bytes_per_step": "",
    "sent_payload_to_per_step": {},
    "sending_ms_to_per_step": {},
    "disk_reads_per_step": "",
}
REPORT = {
    "schema_version": "",
    "run": "",
    "tag": "",
    "status": "",
    "stopped_by": "",
    "attempts": [],
    "failure": {
        "node": "",
        "layers": [""],
        "cause": "",
        "fix": "",
        "log": "",
        "kind": "",
        "role": "",
        "last_lines": [""],
        "found": "",
        "exit_code": "",
    },
    "dataset": "",
    "model": "",
    "strategy": "",
    "engine": "",
    "wire": "",
    "sampler": "",
    "evaluation": "",
    "validation": "",
    "seed": "",
    "plan": {
        "schema_version": "",
        "strategy": "",
        "engine": "",
        "sampler": [""],
        "stages": [{"layers": [""], "nodes": [""], "receives": ""}],
        "cores": {},
        "memory": {},
        "idle": [],
        "notes": [],
    },
    "environment": {
        "schema_version": "",
        "picluster": "",
        "python": "",
        "system": "",
        "machine": "",
        "cores": "",
        "memory_bytes": "",
        "command": [""],
    },
    "epochs": [
        {
            "epoch": "",
            "loss": "",
            "train_accuracy": "",
            "validation_accuracy": "",
            "validation_loss": "",
            "seconds": "",
            "joules": "",
        }
    ],
    "epochs_planned": "",
    "monitor": "",
    "patience": "",
    "stopped_early": "",
    "best_epoch": "",
    "test_accuracy": "",
    "joules": "",
    "joules_to_best": "",
    "class_names": [],
    "steps_per_second": "",
    "nodes": [NODE],
}


def shape(value: Any) -> Any:
    """Keys alone; of a list, those of its first element."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return ""


def as_read(report: Report) -> dict[str, Any]:
    """By another program."""
    return msgspec.json.decode(to_json(report), type=dict[str, Any])


@pytest.fixture
def copy(tmp_path: Path) -> RunFolder:
    return RunFolder(copy_of_run_v1(tmp_path / "copied run"))


def without_result(copy: RunFolder, **controller: Any) -> RunFolder:
    """As if it had never ended; `controller` changes what is recorded of this very process."""
    copy.result_file.unlink()
    run, leader = copy.run(), msgspec.structs.replace(this_controller(), **controller)
    copy.begin(msgspec.structs.replace(run, controller=leader), copy.plan(), copy.environment())
    return copy


def with_steps(copy: RunFolder, steps: list[StepDone]) -> RunFolder:
    """All nodes took these steps."""
    for node in NODES:
        copy.metrics_file(node).unlink(missing_ok=True)
        for step in steps:
            copy.record(node, step)
    return copy


def test_the_keys_are_those_that_other_programs_read(copy: RunFolder) -> None:
    cause = Failure(
        node="local2",
        layers=(1,),
        cause="killed by SIGKILL",
        fix="more memory",
        log="nodes/local2/log.txt",
        last_lines=("epoch 2",),
    )
    copy.end(Result(status="failed", failure=cause, test_accuracy=None, ended=0.0))
    assert shape(as_read(make_report(copy))) == REPORT


def test_a_run_that_finished_has_no_failure() -> None:
    report = make_report(RunFolder(RUN_V1))
    assert (report.status, report.failure) == ("finished", None)


def test_the_report_of_the_committed_run_says_what_was_done() -> None:
    report = make_report(RunFolder(RUN_V1))
    assert (report.dataset, report.model, report.seed) == ("reddit-like-0.003", "sage", 0)
    assert (report.strategy, report.engine, report.wire) == ("layer-split", "gloo", "fp32")
    assert (report.sampler, report.evaluation) == ("uniform", "sampled")
    assert [epoch.epoch for epoch in report.epochs] == [1, 2]
    assert report.test_accuracy is not None


def test_every_node_has_its_role_layers_memory_and_times() -> None:
    report = make_report(RunFolder(RUN_V1))
    assert [(node.name, node.role, node.layers) for node in report.nodes] == [
        ("local1", "sampler", ()),
        ("local2", "stage 1", (1,)),
        ("local3", "stage 1", (1,)),
        ("local4", "stage 2", (2,)),
    ]
    for node in report.nodes:
        assert node.hardware is not None
        assert node.memory.peak_rss_bytes > node.memory.peak_anonymous_bytes > 0  # type: ignore[operator]
        assert node.step_ms is not None
        assert node.step_ms.p50 <= node.step_ms.p95 <= node.step_ms.p99


def test_what_one_node_sends_others_receive() -> None:
    nodes = make_report(RunFolder(RUN_V1)).nodes
    sent, received = (
        sum(getattr(node, f"{way}_payload_bytes_per_step") for node in nodes) for way in ("sent", "received")
    )
    assert sent == pytest.approx(received)
    assert sent > 0


def test_bytes_to_each_other_node_are_means_of_all_steps(copy: RunFolder) -> None:
    steps = [msgspec.structs.replace(STEP, sent_payload_to=to) for to in ({"b": 100, "c": 50}, {"b": 300})]
    assert make_report(with_steps(copy, steps)).nodes[0].sent_payload_to_per_step == {"b": 200, "c": 25}


@pytest.mark.parametrize(
    ("told", "mean"),
    [
        ({(1, 1): 900, (1, 2): 500, (2, 1): 30, (2, 2): 10}, 20.0),
        ({(1, 1): 900, (1, 2): 500, (1, 3): 400}, 450.0),
        ({(1, 1): None, (1, 2): None}, None),
    ],
    ids=["after the first epoch", "of one epoch but the first step", "an older run"],
)
def test_reads_from_a_disk_are_those_of_steps_that_read_no_file_for_the_first_time(
    copy: RunFolder, told: dict[tuple[int, int], int | None], mean: float | None
) -> None:
    steps = [msgspec.structs.replace(STEP, epoch=e, step=s, disk_reads=reads) for (e, s), reads in told.items()]
    assert make_report(with_steps(copy, steps)).nodes[0].disk_reads_per_step == mean


def test_a_link_s_speed_is_that_of_the_time_on_the_way(copy: RunFolder) -> None:
    to, ms = ({"b": 100_000, "c": 50}, {"b": 300_000}), ({"b": 10.0}, {"b": 30.0})
    steps = [
        msgspec.structs.replace(STEP, sent_payload_to=size, sending_ms_to=time)
        for size, time in zip(to, ms, strict=True)
    ]
    node = make_report(with_steps(copy, steps)).nodes[0]
    assert node.sending_ms_to_per_step == {"b": 20}
    assert [node.mbit_per_second_to(other) for other in "bcd"] == [80, None, None]


def test_a_copy_elsewhere_gives_the_same_report(copy: RunFolder) -> None:
    assert make_report(copy) == make_report(RunFolder(RUN_V1))


def test_a_report_is_read_from_a_folder_that_cannot_be_written_to(copy: RunFolder) -> None:
    before = {file: file.stat().st_mtime_ns for file in sorted(copy.path.rglob("*"))}
    make_report(copy)
    assert {file: file.stat().st_mtime_ns for file in sorted(copy.path.rglob("*"))} == before


@pytest.mark.parametrize(
    "dead", [{"started": 1.0}, {"pid": 2**22 + 1}], ids=["number used again", "no process of this number"]
)
def test_a_run_whose_controller_died_has_failed_with_the_cause(copy: RunFolder, dead: dict[str, Any]) -> None:
    report = make_report(without_result(copy, **dead))
    assert report.status == "failed"
    assert report.failure is not None
    assert "was killed, or its machine went down" in report.failure.cause
    assert report.failure.fix


def planned(copy: RunFolder, *, epochs: int, patience: int | None = None) -> RunFolder:
    """As if so many epochs had been asked for."""
    run = copy.run()
    spec = msgspec.structs.replace(run.spec, epochs=epochs, patience=patience)
    copy.begin(msgspec.structs.replace(run, spec=spec), copy.plan(), copy.environment())
    return copy


@pytest.mark.parametrize(("epochs", "early"), [(2, False), (9, True)])
def test_a_finished_run_with_fewer_epochs_than_planned_stopped_early(
    copy: RunFolder, *, epochs: int, early: bool
) -> None:
    report = make_report(planned(copy, epochs=epochs, patience=3))
    assert (report.epochs_planned, report.patience, report.stopped_early) == (epochs, 3, early)


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_a_run_that_did_not_finish_did_not_lose_its_patience(
    copy: RunFolder, status: Literal["failed", "stopped"]
) -> None:
    copy.end(Result(status=status, failure=None, test_accuracy=None, ended=1.0))
    assert not make_report(planned(copy, epochs=9, patience=3)).stopped_early


def test_the_best_epoch_is_the_last_that_was_better_than_all_before(copy: RunFolder) -> None:
    assert make_report(copy).best_epoch == 2
    [done] = [each.event for each in copy.events() if isinstance(each.event, EpochDone) and each.event.epoch == 2]
    copy.record("local4", msgspec.structs.replace(done, epoch=3, best=False))
    assert make_report(copy).best_epoch == 2
    copy.events_file.unlink()
    assert make_report(copy).best_epoch is None


def test_a_run_whose_controller_lives_is_running(copy: RunFolder) -> None:
    report = make_report(without_result(copy))
    assert (report.status, report.failure, report.test_accuracy) == ("running", None, None)


def test_a_run_of_another_machine_without_a_result_is_not_taken_for_running(copy: RunFolder) -> None:
    assert make_report(without_result(copy, machine="elsewhere", pid=os.getpid())).status == "failed"


def test_a_run_that_never_got_ready_still_has_a_report_of_every_node(copy: RunFolder) -> None:
    copy.events_file.unlink()
    for node in NODES:
        copy.metrics_file(node).unlink()
    report = make_report(copy)
    assert [node.name for node in report.nodes] == NODES
    assert {(node.hardware, node.step_ms, node.sent_bytes_per_step) for node in report.nodes} == {(None, None, None)}
    assert (report.epochs, report.steps_per_second) == ((), None)


def test_one_step_alone_is_measured_by_itself(copy: RunFolder) -> None:
    report = make_report(with_steps(copy, [STEP]))
    assert report.nodes[0].step_ms is not None
    assert report.nodes[0].step_ms.p50 == STEP.step_ms
    assert report.steps_per_second == pytest.approx(1e3 / STEP.step_ms)
    assert report.nodes[0].sent_bytes_per_step == 100


def times(values: list[float]) -> list[StepDone]:
    return [msgspec.structs.replace(STEP, step_ms=value) for value in values]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], (7.0, 7.0, 7.0)),
        ([2.0, 1.0], (1.0, 2.0, 2.0)),
        ([float(value) for value in range(100, 0, -1)], (50.0, 95.0, 99.0)),
        ([float(value) for value in range(1, 21)], (10.0, 19.0, 20.0)),
    ],
)
def test_percentiles_are_those_of_the_nearest_rank(
    copy: RunFolder, values: list[float], expected: tuple[float, float, float]
) -> None:
    p50, p95, p99 = expected
    report = make_report(with_steps(copy, times([1e6, *values])))
    assert report.nodes[0].step_ms == Percentiles(p50=p50, p95=p95, p99=p99)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    copy = RunFolder(copy_of_run_v1(tmp_path_factory.mktemp("runs") / "run"))
    found = make_report(with_steps(copy, times([0.0, *values]))).nodes[0].step_ms
    assert found is not None
    for share, percentile in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert percentile == sorted(values)[ceil(round(share * len(values), 9)) - 1]


def test_the_first_step_counts_neither_for_times_nor_for_speed(copy: RunFolder) -> None:
    report = make_report(with_steps(copy, times([60_000.0, 100.0, 100.0, 100.0])))
    assert report.nodes[0].step_ms == Percentiles(p50=100, p95=100, p99=100)
    assert report.steps_per_second == pytest.approx(10)


def test_where_sockets_do_not_tell_the_tensors_bytes_are_counted(copy: RunFolder) -> None:
    silent = msgspec.structs.replace(STEP, sent_bytes=None, received_bytes=None)
    node = make_report(with_steps(copy, [silent, silent])).nodes[0]
    assert (node.sent_bytes_per_step, node.received_bytes_per_step) == (10, 20)


def test_an_attempt_has_its_first_step_also_where_a_later_one_made_all_of_its_steps_again(copy: RunFolder) -> None:
    plan = copy.plan()
    for attempt in (2, 3):
        copy.keep_attempt(
            Resumption(
                attempt=attempt,
                started=1.0,
                after=None,
                position=Position(epoch=9),
                plan=plan,
                controller=copy.controller(),
            )
        )
        copy.record("local1", a_step(epoch=9), attempt)
    first_steps = [each.first_step for each in make_report(copy).attempts]
    assert len(first_steps) == len(list(filter(None, first_steps))) == 2


def resumed(copy: RunFolder, attempt: int, plan: Plan, *, started: float, by: int | None = None) -> None:
    """Take the copy up from its third epoch; by another controller, where its process is named."""
    leader = copy.controller()
    copy.keep_attempt(
        Resumption(
            attempt=attempt,
            started=started,
            after=None,
            position=Position(epoch=3),
            plan=plan,
            controller=leader if by is None else msgspec.structs.replace(leader, pid=by),
        )
    )


def test_figures_of_nodes_are_those_of_the_newest_plan(copy: RunFolder) -> None:
    """A node that was one of several, and then alone, sends nothing any more; first steps of attempts are left out."""
    with_steps(copy, [a_step(epoch=1, step_ms=5.0), a_step(epoch=2, step_ms=5.0)])
    stage = msgspec.structs.replace(copy.plan().stages[0], nodes=("local2",), layers=(1, 2))
    alone = msgspec.structs.replace(copy.plan(), stages=(stage,), sampler=("local2",), strategy="single")
    resumed(copy, 2, alone, started=1.0)
    for attempt in (2, 3):
        if attempt == 3:
            resumed(copy, 3, msgspec.structs.replace(alone, memory={}), started=2.0)
        for step, ms in enumerate((90.0, 20.0, 30.0, 40.0), start=1):
            quiet = a_step(epoch=attempt + 1, step=step, step_ms=ms, sent_payload_bytes=0, sent_bytes=0)
            copy.record("local2", quiet, attempt)
    (node,) = make_report(copy).nodes
    assert node.sent_bytes_per_step == 0
    assert node.step_ms
    assert (node.step_ms.p50, node.step_ms.p99) == (30.0, 40.0)


def test_pauses_in_which_nobody_led_a_run_are_no_part_of_its_time(copy: RunFolder) -> None:
    began, plan = copy.run().started, copy.plan()
    last = max(each.time for each in copy.events())
    resumed(copy, 2, plan, started=last + 3600, by=1)
    assert led_seconds(copy, copy.run(), last + 3605) == pytest.approx(last - began + 5)
    copy.record("local1", Done(), 2)
    again = max(each.time for each in copy.events())
    resumed(copy, 3, plan, started=again + 4, by=1)  # by the same controller, after a fault
    assert led_seconds(copy, copy.run(), again + 10) == pytest.approx(
        (last - began) + (again + 10 - last - 3600), abs=1e-3
    )


def test_the_log_of_a_failed_node_is_named_where_the_folder_lies_now(copy: RunFolder) -> None:
    failure = Failure(node="local2", layers=(1,), cause="killed", fix="", log="nodes/local2/log.txt")
    copy.end(Result(status="failed", failure=failure, test_accuracy=None, ended=1.0))
    told = make_report(copy).failure
    assert told is not None
    assert told.log == str(copy.path / "nodes" / "local2" / "log.txt")
