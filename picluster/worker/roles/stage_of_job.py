"""The stage of a job, built from its model file, its graph and its state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from picluster.graph.folder import GraphFolder
from picluster.nn import source_of
from picluster.schema.job import Job
from picluster.worker.compute.checkpoint import check_file, read_state
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import Stage, StageData
from picluster.worker.measuring.memory import fits_easily


def build_stage(job: Job, graph: GraphFolder) -> Stage:
    """Build the stage that a job's node holds, in its state where the job begins."""
    torch.set_num_threads(1)  # products of few rows differ in their last bits between one thread and two
    meta, index = graph.meta, job.plan.stage_of(job.node)
    assert index is not None
    numbers, receives = job.plan.stages[index].layers, job.plan.stages[index].receives
    options = {**job.spec.model.options, "depth": job.spec.model.depth}
    check_file(Path(job.model_file), job.model_sha256)
    model = build(Path(job.model_file), meta.features, meta.classes, options, job.spec.seed)
    data = StageData(
        graph_degrees=torch.from_numpy(np.diff(graph.array("indptr")).astype(np.int32)),
        features=_features(graph) if numbers[0] == 1 else None,
        labels=torch.from_numpy(graph.array("labels")) if numbers[-1] == len(model) else None,
    )
    cores = job.plan.cores_of(job.node)
    stage = Stage(model, numbers, receives=receives, spec=job.spec, width=meta.features, data=data, cores=cores)
    if job.begin.layer_files:
        checksums = job.begin.checksums or [""] * len(numbers)
        files = zip(numbers, job.begin.layer_files, checksums, strict=True)
        stage.take_state({number: read_state(Path(file), sha256) for number, file, sha256 in files})
    return stage


def _features(graph: GraphFolder) -> Tensor:
    """Features of all nodes, as layers read them."""
    stored = graph.array("features", read_ahead=fits_easily(graph.meta.files["features"].bytes))
    return source_of(torch.from_numpy(stored))
