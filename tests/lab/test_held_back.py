"""What the page of a run says held it back: virtual Pis, one of which is made slow in a known way once it trains."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import msgspec
import pytest

from picluster.controller.page.course import read_course
from picluster.controller.page.sentences import HeldBack, judge
from picluster.controller.record.metrics import read_metrics
from picluster.controller.record.report import report_of
from picluster.controller.record.run_folder import RunFolder
from picluster.lab.kernel.control_groups import anonymous_bytes, freeze, hierarchies, limiting, memory_files
from picluster.lab.kernel.network import port_names
from picluster.lab.spec import NodeSpec
from picluster.lab.state import read_spec
from picluster.schema.events import StepDone
from tests.lab.running import RunningLab, eventually
from tests.lab.shelf import Shelf, make_shelf

pytestmark = [pytest.mark.lab, pytest.mark.quiet, pytest.mark.thorough]

STEPS = 40
LARGE = ("--nodes", "3", "--scale", "0.3", "--batch-size", "8", "--micro-batches", "2", "--hidden", "256")
"""A run whose features take 84 MB, of which each step reads a few rows."""
SLOW_SECONDS = 300.0
STOOD_STILL_SECONDS = 4.0


@pytest.fixture(scope="module")
def shelf(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return make_shelf(tmp_path_factory.mktemp("desk"), lab)


def spec_of(lab: RunningLab, node: str) -> NodeSpec:
    (spec,) = (each for each in read_spec(lab.name).nodes if each.name == node)
    return spec


@contextmanager
def weak(lab: RunningLab, node: str, cpus: float) -> Iterator[None]:
    """A node whose processor is mostly busy with something else."""
    spec = spec_of(lab, node)

    def change(limits: NodeSpec) -> None:
        for file, value in limiting(hierarchies(), lab.places.node(node).group, limits, ()):
            if "cpu" in file.name:
                file.write_text(value)

    change(msgspec.structs.replace(spec, cpus=cpus))
    try:
        yield
    finally:
        change(spec)


@contextmanager
def short_of_memory(lab: RunningLab, node: str, spare_mebibytes: int) -> Iterator[None]:
    """A node with hardly more memory than what its processes cannot drop."""
    spec, groups, places = spec_of(lab, node), hierarchies(), lab.places.node(node)
    own = anonymous_bytes(groups, memory_files(groups, places.group)[1].read_text())
    weak = msgspec.structs.replace(spec, memory_bytes=own + (spare_mebibytes << 20))
    for file, value in limiting(groups, places.group, weak, ()):
        if file.exists():
            file.write_text(value)
    try:
        yield
    finally:
        for file, value in reversed(limiting(groups, places.group, spec, ())):  # what limits more is raised first
            if file.exists():
                file.write_text(value)


@contextmanager
def bad_cable(lab: RunningLab, node: str, rate: str) -> Iterator[None]:
    """A node whose link is slow in both directions."""
    spec = spec_of(lab, node)
    ends = [(lab.places.namespace, port_names(spec)[0]), (lab.places.node(node).namespace, spec.interfaces[0].name)]

    def change(rate: str) -> None:
        for namespace, interface in ends:
            words = ["tc", "-n", namespace, "qdisc", "change", "dev", interface, "root", "tbf", "rate", rate]
            subprocess.run([*words, "burst", "131072", "latency", "100ms"], check=True)

    change(rate)
    try:
        yield
    finally:
        change(f"{spec.rate_bits}bit")


@contextmanager
def standing_still(lab: RunningLab, node: str) -> Iterator[None]:
    """A node that does nothing for a moment, within the grace."""
    group = lab.places.node(node).group
    freeze(hierarchies(), group, frozen=True)
    time.sleep(STOOD_STILL_SECONDS)
    freeze(hierarchies(), group, frozen=False)
    yield


@dataclass(frozen=True)
class Setting:
    """One thing that is wrong, and what shall be said of it."""

    cause: str
    node: str
    fault: Callable[[RunningLab, str], AbstractContextManager[None]]
    words: tuple[str, ...] = ("--nodes", "3")
    steps: int = STEPS
    """Steps that are made slow, at least."""


SETTINGS = [
    Setting("slow", "pi3", lambda lab, node: weak(lab, node, 0.1), ("--nodes", "4")),
    Setting("slow", "pi2", lambda lab, node: weak(lab, node, 0.1), ("--nodes", "4")),
    Setting("compute", "pi2", lambda lab, node: weak(lab, node, 0.15)),
    Setting("sampler", "pi1", lambda lab, node: weak(lab, node, 0.02)),
    Setting("last stage", "pi3", lambda lab, node: weak(lab, node, 0.02)),
    Setting("link", "pi2", lambda lab, node: bad_cable(lab, node, "2mbit")),
    Setting("link", "pi3", lambda lab, node: bad_cable(lab, node, "500kbit")),
    Setting("frozen", "pi2", standing_still),
    Setting("memory", "pi2", lambda lab, node: short_of_memory(lab, node, 8)),
    Setting("reads", "pi2", lambda lab, node: short_of_memory(lab, node, 60), LARGE, 15),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"{setting.cause} {setting.node}")
def test_the_sentence_names_the_node_and_the_cause(shelf: Shelf, setting: Setting) -> None:
    words = ("--scale", "0.01", "--batch-size", "32", "--hidden", "64", *setting.words)
    with shelf.training(*words) as (_, run):
        last = run.plan().stages[-1].nodes[0]
        with setting.fault(shelf.lab, setting.node):
            done = steps(run, last)
            eventually(lambda: steps(run, last) >= 2 * done + setting.steps, within_seconds=SLOW_SECONDS)
    found = held_back(run)
    assert (found.cause, found.node) == (setting.cause, setting.node), found.held_back


def steps(run: RunFolder, node: str) -> int:
    return sum(isinstance(each.event, StepDone) for each in run.metrics(node))


def held_back(run: RunFolder) -> HeldBack:
    """What the page of a run says of it."""
    metrics = read_metrics(run)
    report = report_of(run, metrics)
    course = read_course(run, report, metrics)
    return judge(report, course.loads, course.stall)
