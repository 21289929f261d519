"""A run as one page of HTML that needs nothing else: no script, no request, light and dark, for phones and paper."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from picluster.controller.page.course import Course, read_course
from picluster.controller.page.over_time import (
    draw_clock,
    draw_memory,
    draw_step_times,
    draw_temperature,
    draw_time_use,
)
from picluster.controller.page.pictures import draw_accuracy, draw_loss, draw_steps
from picluster.controller.page.sentences import judge, what_was_learnt
from picluster.controller.page.tables import tables_of
from picluster.controller.record.energy import energy_words
from picluster.controller.record.metrics import read_metrics
from picluster.controller.record.report import report_of
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.plan import Plan
from picluster.schema.record import Record
from picluster.schema.report import NodeReport, Report
from picluster.wording import counted, duration, printable

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_KIBIBYTE = 1024
_LETTERS = 200


class Picture(Record, frozen=True, kw_only=True):
    """A drawing with its title and what it shows in words."""

    title: str
    words: str
    svg: str


class NodeBox(Record, frozen=True, kw_only=True):
    """A node in the picture of the plan."""

    name: str
    lines: tuple[str, ...]
    holds_back: bool


class Group(Record, frozen=True, kw_only=True):
    """The nodes of one stage, or the samplers; `flows` says what passes on to the next group."""

    title: str
    boxes: tuple[NodeBox, ...]
    flows: str = ""


def make_page(folder: RunFolder) -> str:
    """The page of a run, as HTML."""
    metrics = read_metrics(folder)
    report = report_of(folder, metrics)
    course = read_course(folder, report, metrics)
    verdict = judge(report, course.loads, course.stall)
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(_TEMPLATE.name).render(
        run=folder.name,
        tag=report.tag,
        status=report.status,
        facts=_facts(report, folder.run().started),
        sentences=(("Learnt", what_was_learnt(report)), ("Held back by", verdict.held_back), ("Try", verdict.to_try)),
        failure=report.failure,
        groups=_groups(report.plan, report.nodes, verdict.node),
        pictures=_pictures(report, course),
        moments=[(each.mark, duration(each.seconds), each.words) for each in course.moments],
        tables=tables_of(report),
        environment=_environment(report),
        command=[shlex.quote(word) for word in report.environment.command],
        rerun=f"picluster launch --rerun {shlex.quote(folder.letters)}",
    )


def _facts(report: Report, started: float) -> list[tuple[str, str]]:
    speed = f"{report.steps_per_second:.2f} steps/s" if report.steps_per_second else ""
    found = (
        ("model", report.model),
        ("data", report.dataset),
        ("seed", str(report.seed)),
        ("plan", f"{report.strategy} over {counted(len(report.plan.nodes), 'node')}, engine {report.engine}"),
        ("speed", speed),
        ("energy", energy_words(report)),
        ("began", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(started))),
    )
    return [(head, words) for head, words in found if words]


def _environment(report: Report) -> list[tuple[str, str]]:
    """The controller's machine, and the kinds of nodes."""
    own = report.environment
    kinds: dict[str, list[str]] = {}
    for node in report.nodes:
        if hardware := node.hardware:
            cores = f"{counted(hardware.cores, 'core')}, {counted(hardware.threads, 'thread')}"
            words = f"{hardware.model}, {cores}, Linux {hardware.kernel}, torch {hardware.torch}"
            kinds.setdefault(words, []).append(node.name)
    size = f"{own.memory_bytes / (1 << 30):.1f} GiB"
    machine = f"{own.system}, {own.machine}, {counted(own.cores, 'core')}, {size}, Python {own.python}"
    found = [("picluster", own.picluster), ("this machine", machine)]
    found += [(", ".join(names), words) for words, names in kinds.items()]
    return [(printable(head, _LETTERS), printable(words, _LETTERS)) for head, words in found]


def _groups(plan: Plan, nodes: Sequence[NodeReport], holds_back: str) -> list[Group]:
    """The plan from above: samplers, then stage by stage; nodes that sample and hold a stage stand with the stage."""
    told = {node.name: node for node in nodes}

    def boxes(names: Sequence[str]) -> tuple[NodeBox, ...]:
        return tuple(
            NodeBox(name=printable(name, _LETTERS), lines=_traffic(told[name]), holds_back=name == holds_back)
            for name in names
        )

    last = len(plan.stages) - 1
    samplers = [name for name in plan.sampler if plan.stage_of(name) is None]
    first = plan.stages[0].nodes
    ids = f"ids of sampled neighbours{_carried(nodes, samplers, first)}"
    groups = [Group(title="sampler", boxes=boxes(samplers), flows=ids)] if samplers else []
    for index, stage in enumerate(plan.stages):
        numbers = ", ".join(map(str, stage.layers))
        title = f"stage {index + 1}: {'layers' if len(stage.layers) > 1 else 'layer'} {numbers}"
        title += f", {len(stage.nodes)} nodes share the work" if len(stage.nodes) > 1 else ""
        title += "" if samplers else ", and sampling"
        flows = _flows(plan, index, nodes) if index < last else ""
        groups.append(Group(title=title, boxes=boxes(stage.nodes), flows=flows))
    return groups


def _flows(plan: Plan, index: int, nodes: Sequence[NodeReport]) -> str:
    """Rows that a stage hands to the next, and gradients that come back."""
    one, other = plan.stages[index].nodes, plan.stages[index + 1].nodes
    rows = "aggregated rows" if plan.stages[index + 1].receives == "aggregated" else "rows of all sources"
    return f"{rows} down{_carried(nodes, one, other)}, their gradients up{_carried(nodes, other, one)}"


def _carried(nodes: Sequence[NodeReport], ones: Sequence[str], others: Sequence[str]) -> str:
    """Bytes from some nodes to others in a step, in brackets; empty where they are not known."""
    to = [node.sent_payload_to_per_step for node in nodes if node.name in ones]
    size = sum(sent.get(other, 0.0) for sent in to for other in others)
    return f" ({size / _KIBIBYTE:,.0f} KiB a step)" if size else ""


def _traffic(node: NodeReport) -> tuple[str, ...]:
    """Lines on what passes through a node's link in a step, and on how much of the step it is at work."""
    ways = (("sends", node.sent_bytes_per_step), ("receives", node.received_bytes_per_step))
    lines = [f"{way} {size / _KIBIBYTE:,.0f} KiB a step" for way, size in ways if size is not None]
    if node.step_ms and node.compute_ms and node.step_ms.p50:
        lines.append(f"at work {node.compute_ms.p50 / node.step_ms.p50:.0%} of a step")
    return tuple(lines)


def _pictures(report: Report, course: Course) -> list[Picture]:
    """The drawings that this run has figures for."""
    parts = "Plain: at work; hatched: waiting for messages; crossed: sending"
    band = "Line: median of a stretch; band: lowest to highest."
    marks = " Dotted lines with letters: see “What befell it”." if course.moments else ""
    held_back = " Hatched: the firmware held the processor back, for heat or for want of voltage."
    held_back = held_back if any(node.throttled for node in course.nodes) else ""
    memory = (
        "Solid: memory of its own, which cannot be dropped; dashed: with mapped files, which can. "
        "A limit is drawn as dashes and dots where it is near."
    )
    found = [
        ("A step", f"{parts}.", draw_steps(report.nodes)),
        ("Time over the run", f"{parts}; blank: outside of steps, as in validation.{marks}", draw_time_use(course)),
        (
            "Steps over time",
            f"{band} Steps of more than four times the usual leave the picture.{marks}",
            draw_step_times(course),
        ),
        ("Memory over time", memory + marks, draw_memory(course)),
        ("Temperature over time", band + held_back + marks, draw_temperature(course)),
        ("Clock over time", band + held_back + marks, draw_clock(course)),
    ]
    if report.epochs:
        above = "Above: time since the run began."
        curves = [("Loss", above, draw_loss(report, course)), ("Accuracy", above, draw_accuracy(report, course))]
        found = [*curves, *found]
    return [Picture(title=title, words=words, svg=svg) for title, words, svg in found if svg]
