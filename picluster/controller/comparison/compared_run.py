"""One run as an entry of a comparison: its measures, and the traits by which it belongs to a row."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.record.metrics import Metrics, read_metrics
from picluster.controller.record.report import led_seconds, report_of
from picluster.graph.names import CORA_LINQS
from picluster.schema.comparison import ComparedRun, NodePeak
from picluster.schema.events import StepDone

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.plan import EngineName, Plan, Strategy
    from picluster.schema.report import NodeReport, Report
    from picluster.schema.run import Run

Traits = tuple[tuple[str, str], ...]
"""Traits of runs: names and values, such as (("hidden", "64"), …), by name."""

_SPLIT = re.compile(rf"({re.escape(CORA_LINQS)})-split([0-9]+)(.*)")
_HAS_SPLITS = re.compile(rf"{re.escape(CORA_LINQS)}(-fp32|-int8)?")
_EMBEDDED = re.compile(r"(.+)-embedded-([0-9a-f]+)")
_NOT_LEARNT = {"schema_version", "dataset", "seed", "model", "optimizer", "boundaries"}
"""Fields of a spec that do not become traits as they are."""
_OF_ALL_SPLITS = ("indptr", "indices", "features", "labels")
_OF_A_SPLIT = ("train", "validation", "test")
_NONE = {"fanout": "all", "batch-size": "all", "patience": "never"}
"""Words for a value that is None."""
_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Traits that the runs of a row share: all but seed, split and names of nodes."""

    model: str
    dataset: str
    strategy: Strategy
    engine: EngineName
    nodes: int
    learnt: Traits
    """Traits of the recipe: runs that agree in them are expected to have the same losses."""
    placed: Traits
    """Traits of the plan: the way in which nodes share the work."""
    machines: Traits
    """Traits of the machines that last bits depend on; empty where not all workers got ready."""

    @property
    def has_splits(self) -> bool:
        """True where a seed draws the split of each run."""
        return _HAS_SPLITS.fullmatch(self.dataset) is not None

    @property
    def traits(self) -> dict[str, str]:
        """Traits that do not have a column of their own."""
        return dict((*self.learnt, *self.placed, *self.machines))


@dataclass(frozen=True)
class Entry:
    """A run of a comparison."""

    kind: Kind
    run: ComparedRun
    place: Path | None = None
    """Folder that its run folder lies in."""
    tested: str = ""
    """Fingerprint of the labels and the nodes that it was tested on; empty where there is no run."""
    version: str = ""
    """Version of picluster."""


def read_entry(folder: RunFolder) -> Entry:
    """Read a run folder as an entry. PiclusterError where it cannot be read."""
    run, result, metrics = folder.run(), folder.result(), read_metrics(folder)
    report = report_of(folder, metrics)
    _, split, _ = _named(run.spec.dataset)
    best = next((epoch for epoch in report.epochs if epoch.epoch == report.best_epoch), None)
    judge = report.plan.stages[-1].nodes[0]  # it tells the losses, and waits for all others
    step_ms = next(node.step_ms for node in report.nodes if node.name == judge)
    compared = ComparedRun(
        run=folder.name,
        seed=run.spec.seed,
        split=split,
        status=report.status,
        problem=_problem(report),
        started=run.started,
        seconds=led_seconds(folder, run, result.ended) if result else None,
        epochs=len(report.epochs),
        best_epoch=report.best_epoch,
        test_accuracy=report.test_accuracy,
        validation_accuracy=best.validation_accuracy if best else None,
        train_accuracy=best.train_accuracy if best else None,
        loss=report.epochs[-1].loss if report.epochs else None,
        step_ms=step_ms.p50 if step_ms else None,
        sent_bytes_per_step=_sum([node.sent_bytes_per_step for node in report.nodes]),
        sent_payload_bytes_per_step=_sum([node.sent_payload_bytes_per_step for node in report.nodes]),
        joules_to_best=report.joules_to_best,
        memory=tuple(
            NodePeak(node=node.name, anonymous_bytes=peak + (node.memory.peak_engine_bytes or 0))
            for node in report.nodes
            if (peak := node.memory.peak_anonymous_bytes) is not None
        ),
        throttled=tuple(node.name for node in report.nodes if node.throttled_share),
        swapped=tuple(node.name for node in report.nodes if node.memory.peak_swapped_bytes),
        learnt=_fingerprint(report, metrics),
        pretraining=run.pretraining,
    )
    kind = _kind(folder, run, report)
    tested = _digest_of(run, ("labels",) if kind.has_splits else ("labels", "test"))
    return Entry(kind, compared, folder.path.parent, tested, report.environment.picluster)


def kind_of_plan(plan: Plan, *, model: str, dataset: str, learnt: Traits) -> Kind:
    """Kind of runs on this plan, before any of them has begun.

    Layers and roles stand by position: in `stages=1@2+3|2@4` the second and the third node hold layer 1.
    """
    stages = (f"{_words(stage.layers)}@{_places(plan, stage.nodes)}" for stage in plan.stages)
    return Kind(
        model=model,
        dataset=dataset,
        strategy=plan.strategy,
        engine=plan.engine,
        nodes=len(plan.nodes),
        learnt=learnt,
        placed=(
            ("cuts", "|".join(stage.receives for stage in plan.stages[1:])),
            ("samplers", _places(plan, plan.sampler)),
            ("stages", "|".join(stages)),
        ),
        machines=(),
    )


def _kind(folder: RunFolder, run: Run, report: Report) -> Kind:
    dataset, _, embedded = _named(run.spec.dataset)
    traits = _learnt(run)
    traits["graph"] = _digest_of(run, _OF_ALL_SPLITS)
    if not _HAS_SPLITS.fullmatch(dataset):
        traits["split"] = _digest_of(run, _OF_A_SPLIT)
    if stored := run.graph.files.get("features"):
        traits["features"] = stored.dtype
    traits["model-file"] = _digest(folder.model_file.read_bytes()) if folder.model_file.exists() else "unknown"
    if embedded:
        traits["embedding-of"] = embedded
    learnt = tuple(sorted(traits.items()))
    kind = kind_of_plan(report.plan, model=run.spec.model.name, dataset=dataset, learnt=learnt)
    return replace(kind, machines=_machines(report.nodes, report.plan))


def _named(dataset: str) -> tuple[str, int, str]:
    """Parts of a graph folder's name: the data set, the seed of its split, and which embedding it holds."""
    split = 0
    if found := _SPLIT.fullmatch(dataset):
        dataset, split = found[1] + found[3], int(found[2])
    if found := _EMBEDDED.fullmatch(dataset):
        return found[1], split, found[2]
    return dataset, split, ""


def _learnt(run: Run) -> dict[str, str]:
    """Fields of the spec but the seed, named as the options are."""
    spec = run.spec
    fields = {name: value for name, value in msgspec.structs.asdict(spec).items() if name not in _NOT_LEARNT}
    fields = {"depth": spec.model.depth, **fields, **msgspec.structs.asdict(spec.optimizer)}
    fields |= {split: spec.evaluation(split) for split in ("validation", "test")}
    options = {name if name not in fields else f"option {name}": value for name, value in spec.model.options.items()}
    named = {name.replace("_", "-"): value for name, value in {**options, **fields}.items()}
    return {name: _NONE.get(name, "none") if value is None else _words(value) for name, value in named.items()}


def _places(plan: Plan, nodes: tuple[str, ...]) -> str:
    return "+".join(str(rank + 1) for rank in plan.ranks(nodes))


def _machines(nodes: tuple[NodeReport, ...], plan: Plan) -> Traits:
    found = [node.hardware for node in nodes if node.hardware]
    if len(found) < len(nodes):
        return ()
    kinds = {
        "numerics": {each.numerics for each in found if each.numerics},
        "processor": {each.model for each in found},
        "threads": {str(each.threads) for each in found},
        "cores": {str(plan.cores_of(node)) for node in plan.nodes if plan.layers_of(node)},
        "torch": {each.torch for each in found},
    }
    return tuple((name, " + ".join(sorted(values))) for name, values in kinds.items() if values)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _digest_of(run: Run, arrays: tuple[str, ...]) -> str:
    files = run.graph.files
    return _digest("".join(files[name].sha256 for name in arrays if name in files))


def _digest(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:_DIGITS]


def _problem(report: Report) -> str:
    failure = report.failure
    if failure is None:
        return ""
    return f"node {failure.node}: {failure.cause}" if failure.node else failure.cause


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _fingerprint(report: Report, metrics: Metrics) -> str | None:
    """Fingerprint of losses and test accuracy of a run that has finished; None of any other.

    Losses are told by another node where a run went on under another plan.
    """
    if report.status != "finished":
        return None
    steps = [each.event for lines in metrics.counted.values() for each in lines if isinstance(each.event, StepDone)]
    losses = {(step.epoch, step.step): step.loss for step in steps if step.loss is not None}
    told = [
        *(losses[place] for place in sorted(losses)),
        *([] if report.test_accuracy is None else [report.test_accuracy]),
    ]
    return hashlib.sha256(struct.pack(f"<{len(told)}d", *told)).hexdigest()[: 2 * _DIGITS]
