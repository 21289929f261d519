"""What held a run back, in words: made-up reports, in each of which one thing is wrong in a known way."""

from typing import Any

import msgspec
import pytest

from picluster.controller.page.course import find_stall
from picluster.controller.page.sentences import Load, judge, what_was_learnt
from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.report import AttemptReport, NodeMemory, NodeReport, Percentiles, Report
from picluster.schema.run import Failure
from picluster.schema.state import Position
from tests.unit.controller.made import RUN_V1, a_step

REPORT = make_report(RunFolder(RUN_V1))
MEBIBYTE = 1 << 20
BALANCED = {"local1": (20, 0, 180), "local2": (150, 40, 10), "local3": (140, 50, 10), "local4": (30, 165, 5)}
"""Node: ms at work, waiting and sending, of a step of 200 ms."""


def at(milliseconds: float) -> Percentiles:
    return Percentiles(p50=milliseconds, p95=milliseconds, p99=milliseconds)


def timed(node: NodeReport, compute: float, wait: float, send: float, **memory: Any) -> NodeReport:
    own: dict[str, Any] = {"peak_rss_bytes": 300 * MEBIBYTE, "peak_anonymous_bytes": 200 * MEBIBYTE}
    return msgspec.structs.replace(
        node,
        step_ms=at(compute + wait + send),
        compute_ms=at(compute),
        wait_ms=at(wait),
        send_ms=at(send),
        sent_bytes_per_step=2.0 * MEBIBYTE,
        received_bytes_per_step=2.0 * MEBIBYTE,
        memory=NodeMemory(**{**own, "limit_bytes": 1000 * MEBIBYTE, **memory}),
    )


def a_report(
    parts: dict[str, tuple[float, float, float]] | None = None, memory: dict[str, dict[str, Any]] | None = None
) -> Report:
    """The committed run's four nodes; `parts` replaces the times of some, `memory` what they used."""
    times = {**BALANCED, **(parts or {})}
    nodes = [timed(node, *times[node.name], **(memory or {}).get(node.name, {})) for node in REPORT.nodes]
    return msgspec.structs.replace(REPORT, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("parts", "cause", "node", "figure"),
    [
        ({"local3": (300, 10, 10), "local2": (150, 160, 10)}, "slow", "local3", "300 ms"),
        ({}, "compute", "local2", "150 ms of a step of 200 (75%)"),
        ({"local1": (190, 0, 10), "local2": (90, 100, 10), "local3": (90, 100, 10)}, "sampler", "local1", "190 ms"),
        ({"local4": (170, 20, 10), "local2": (80, 110, 10), "local3": (80, 110, 10)}, "last stage", "local4", "170 ms"),
        (
            {"local1": (610, 0, 800), "local2": (40, 1360, 10), "local3": (40, 1360, 10), "local4": (20, 1380, 10)},
            "sampler",
            "local1",
            "packs and sends for 800",
        ),
        ({"local2": (40, 100, 60), "local3": (40, 20, 140)}, "link", "local3", "20.0 MiB/s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sentence_names_the_node_the_cause_and_a_figure(
    parts: dict[str, tuple[float, float, float]], cause: str, node: str, figure: str
) -> None:
    verdict = judge(a_report(parts))
    assert (verdict.cause, verdict.node) == (cause, node)
    assert node in verdict.held_back
    assert figure in verdict.held_back
    assert verdict.to_try


IN_A_CHAIN = {("local1", "local2"): 20.0, ("local2", "local3"): 17.0, ("local3", "local2"): 17.0}
"""KiB of tensors a step by link; and messages are what takes the time."""
WAITING: dict[str, tuple[float, float, float]] = {
    "local1": (5, 100, 95),
    "local2": (40, 100, 60),
    "local3": (40, 60, 100),
    "local4": (5, 190, 5),
}


def over_links(speeds: dict[tuple[str, str], float], sizes: dict[tuple[str, str], float] = IN_A_CHAIN) -> Report:
    """A report of links with these speeds in Mbit/s."""
    nodes = []
    for node in a_report(WAITING).nodes:
        to = {other: size * 1024 for (one, other), size in sizes.items() if one == node.name}
        ms = {other: size * 8 / speeds[node.name, other] / 1e3 for other, size in to.items()}
        nodes.append(msgspec.structs.replace(node, sent_payload_to_per_step=to, sending_ms_to_per_step=ms))
    return msgspec.structs.replace(REPORT, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("ways", "node"),
    [
        # The link between 2 and 3 is slow, and 2 has a fast one to 1: it is the cable of 3.
        ({("local1", "local2"): 90.0, ("local2", "local3"): 0.5, ("local3", "local2"): 0.5}, "local3"),
        # Both links of 2 are slow: who is held up most by sending is named, as ever.
        ({("local1", "local2"): 0.5, ("local2", "local3"): 0.5, ("local3", "local2"): 0.5}, "local3"),
    ],
    ids=["one end is known to be fast", "nothing stands out"],
)
def test_a_slow_link_is_blamed_on_the_end_that_has_no_faster_one(ways: dict[tuple[str, str], float], node: str) -> None:
    verdict = judge(over_links(ways))
    assert (verdict.cause, verdict.node) == ("link", node)
    stands_out = "go at 0.5 Mbit/s, where local2 reaches 90 with another node" in verdict.held_back
    assert stands_out == (ways["local1", "local2"] == 90.0)


def test_a_node_whose_links_are_all_slow_is_blamed_and_not_those_it_speaks_with() -> None:
    names = ("local1", "local2", "local3")
    sizes = {(one, other): 50.0 for one in names for other in names if one != other}
    verdict = judge(over_links({ends: 2.0 if "local2" in ends else 200.0 for ends in sizes}, sizes))
    assert verdict.node == "local2"
    assert "Between local2 and local" in verdict.held_back


def test_a_link_that_takes_little_of_a_step_is_not_to_blame_however_much_faster_another_is() -> None:
    ways = {("local1", "local2"): 900.0, ("local2", "local3"): 9.0, ("local3", "local2"): 9.0}
    assert "MiB/s" in judge(over_links(ways)).held_back


def test_small_messages_tell_nothing_of_a_link() -> None:
    sizes = {**IN_A_CHAIN, ("local4", "local3"): 0.1}
    speeds = {
        ("local1", "local2"): 90.0,
        ("local2", "local3"): 0.5,
        ("local3", "local2"): 0.5,
        ("local4", "local3"): 90.0,
    }
    assert judge(over_links(speeds, sizes)).node == "local3"


def test_a_slow_node_that_was_throttled_is_told_as_such() -> None:
    nodes = [msgspec.structs.replace(node, throttled_share=0.4) for node in a_report({"local3": (300, 10, 10)}).nodes]
    verdict = judge(msgspec.structs.replace(REPORT, nodes=tuple(nodes)))
    assert verdict.cause == "slow"
    assert "Its firmware held it back for 40% of the time" in verdict.held_back
    assert "Cool local3" in verdict.to_try


def test_a_single_node_waits_for_nobody() -> None:
    verdict = judge(msgspec.structs.replace(REPORT, nodes=(timed(REPORT.nodes[0], 100, 0, 0),)))
    assert (verdict.cause, verdict.node) == ("alone", "")


def test_memory_near_its_limit_comes_before_who_waits_for_whom() -> None:
    verdict = judge(a_report(memory={"local4": {"peak_anonymous_bytes": 950 * MEBIBYTE}}))
    assert (verdict.cause, verdict.node) == ("memory", "local4")
    assert "950 of its 1,000 MiB of memory (95%)" in verdict.held_back


@pytest.mark.parametrize(
    ("cores", "resident", "cause"), [(0.2, 0.97, "reads"), (0.7, 0.97, "compute"), (0.2, 0.5, "compute")]
)
def test_a_node_at_work_whose_processor_is_not_reads_where_files_fill_its_memory(
    cores: float, resident: float, cause: str
) -> None:
    verdict = judge(a_report(), [Load(node="local2", cores=cores, resident_share=resident)])
    assert (verdict.cause, verdict.node) == (cause, "local2")


@pytest.mark.parametrize(("reads", "cause"), [(21.0, "reads"), (19.0, "compute")])
def test_a_node_whose_processor_is_not_at_work_waits_for_its_disk_from_100_reads_a_second(
    reads: float, cause: str
) -> None:
    """Steps take 0.2 s. However full its memory is: others may have the rest of it."""
    report = a_report()
    nodes = tuple(msgspec.structs.replace(node, disk_reads_per_step=reads) for node in report.nodes)
    verdict = judge(msgspec.structs.replace(report, nodes=nodes), [Load(node="local2", cores=0.2, resident_share=0.7)])
    assert (verdict.cause, verdict.node) == (cause, "local2")
    assert ("again and again, 21 times a step" in verdict.held_back) == (cause == "reads")


def without(node: str, epoch: int, epochs: int, **failure: Any) -> Report:
    """A report of so many epochs; from the given one on it went on without a node."""
    fault = Failure(node=node, layers=(1,), cause="it broke", fix="", log=None, role="stage 1", **failure)
    position = Position(epoch=epoch)
    attempt = AttemptReport(attempt=2, started=0.0, after=fault, position=position, plan=REPORT.plan)
    return msgspec.structs.replace(a_report(), attempts=(attempt,), epochs=REPORT.epochs[:1] * epochs)


@pytest.mark.parametrize(("kind", "cause"), [("unreachable", "lost"), ("out-of-memory", "memory")])
def test_a_node_that_was_lost_is_told_with_its_work_and_the_epoch(kind: str, cause: str) -> None:
    verdict = judge(without("pi9", 3, 10, kind=kind))
    assert (verdict.cause, verdict.node) == (cause, "pi9")
    assert verdict.held_back == "pi9 (stage 1) was lost in epoch 3: it broke. Others have done its work since."


def test_a_node_that_came_back_or_was_lost_at_the_end_is_not_to_blame() -> None:
    assert judge(without("local2", 3, 10)).cause == "compute"
    assert judge(without("pi9", 31, 40)).cause == "lost"
    assert judge(without("pi9", 40, 40)).cause == "compute"


def test_a_frozen_moment_is_told_with_the_step_and_its_share() -> None:
    usual = [a_step(step, step_ms=100.0, compute_ms=90.0) for step in range(2, 52)]
    frozen = a_step(52, step_ms=8_000.0, compute_ms=7_990.0)
    waits = a_step(52, step_ms=8_010.0, compute_ms=90.0)
    stall = find_stall({"local2": [*usual, waits], "local3": [*usual, frozen], "local4": [*usual, waits]})
    verdict = judge(a_report(), stall=stall)
    assert (verdict.cause, verdict.node) == ("frozen", "local3")
    assert "step 52 of epoch 1 took 8.0 s where others take 0.1 s, which is 62% of all time" in verdict.held_back


@pytest.mark.parametrize("slowest_ms", [900.0, 400.0])
def test_a_step_that_is_somewhat_slower_is_no_frozen_moment(slowest_ms: float) -> None:
    steps = [*(a_step(step, step_ms=100.0, compute_ms=90.0) for step in range(2, 52)), a_step(52, step_ms=slowest_ms)]
    assert find_stall({"local2": steps}) is None


def test_a_run_without_a_step_blames_nobody_and_repeats_the_fix() -> None:
    nodes = tuple(msgspec.structs.replace(node, step_ms=None) for node in REPORT.nodes)
    assert judge(msgspec.structs.replace(REPORT, nodes=nodes)).cause == "nothing"


def test_what_was_learnt_has_accuracy_and_epoch_or_how_far_it_came() -> None:
    assert f"a test accuracy of {REPORT.test_accuracy:.4f} after 2 epochs of 2" in what_was_learnt(REPORT)
    stopped = msgspec.structs.replace(REPORT, status="stopped", test_accuracy=None, epochs_planned=9)
    assert "was stopped after 2 epochs of 9; the loss was" in what_was_learnt(stopped)
