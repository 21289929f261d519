"""Tasks: what is learnt of which graph, by a request or an earlier run; where a model wants it, after pre-training."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.planning.graphs import prepared
from picluster.controller.planning.models import describe_model, model_file
from picluster.controller.planning.recipe import make_spec, model_options, notes_on
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.all_runs import training_after
from picluster.controller.record.leader import is_alive
from picluster.controller.record.record_files import read_record
from picluster.controller.running.course import train
from picluster.controller.running.pretraining import SEED, Embedding
from picluster.errors import DataError, InputError
from picluster.graph.folder import GraphFolder
from picluster.project import GRAPHS
from picluster.schema.events import Ready

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.controller.record.run_folder import RunFolder
    from picluster.controller.running.observer import Observer
    from picluster.controller.running.placement import Placement
    from picluster.schema.events import Hardware
    from picluster.schema.model import ModelDescription
    from picluster.schema.spec import OptionValue, Spec


@dataclass(frozen=True)
class Task:
    """A spec, with the files that it is about."""

    spec: Spec
    model_file: Path
    graph: GraphFolder
    description: ModelDescription
    pretraining: str = ""
    """Name of the run that learnt the embedding which the graph holds."""
    prepares: LaunchRequest | None = None
    """Request of the training that a pre-training goes before."""


class EarlierRun:
    """An earlier run that is to be made again; only what was written before anything started must be whole."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.run = folder.run()
        self.spec = self.run.spec

    def check_unfinished(self) -> None:
        """Raise InputError where nothing is left to do, or somebody leads the run."""
        result, name = self.folder.result(), self.folder.name
        after = training_after(self.folder)
        if result and result.status == "finished" and (after or not self.training):
            fix = f"learn the same again: picluster launch --rerun {name}"
            if after:
                fix = f"go on with the training after it: picluster launch --resume {after.name}"
            raise InputError(f"run {name} has finished", fix=fix)
        if result is None and is_alive(self.folder.controller()):
            raise InputError(f"run {name} is under way", fix=f"see it: picluster logs --follow {name}")

    @property
    def training(self) -> LaunchRequest | None:
        """Request of the training that a pre-training goes before."""
        file = self.folder.training_file
        return read_record(file, LaunchRequest) if file.exists() else None

    def threads_note(self) -> str:
        """Remark on workers of an earlier version that computed a micro-batch with several threads; else empty."""
        threads = next((hardware.threads for hardware in self._hardware()), 1)
        told = f"run {self.run.run} computed each micro-batch with {threads} threads, as --threads said then"
        return "" if threads == 1 else f"{told}: now it is one, and last bits may differ"

    def numerics(self) -> str:
        """Fingerprints of its workers' numerics; empty where none of them told any."""
        return " + ".join(sorted({hardware.numerics for hardware in self._hardware()} - {""}))

    def _hardware(self) -> list[Hardware]:
        """Machines of the workers that got ready."""
        return [each.event.hardware for each in self.folder.events() if isinstance(each.event, Ready)]

    def model(self) -> tuple[Path, str]:
        """The model's file as it was then, and a word about it."""
        kept, name = self.folder.model_file, self.spec.model.name
        if not kept.exists():
            file = model_file(name)
            return file, f"{file}, as it is now: the run kept no copy"
        try:
            has_changed = model_file(name).read_bytes() != kept.read_bytes()
        except InputError:  # there is none of that name, or it was given by a path
            has_changed = False
        return kept.absolute(), f"{kept}{f', as it was then: {name} has changed since' if has_changed else ''}"

    def graph(self) -> GraphFolder:
        """Its graph folder, every byte as it was. DataError where it is missing or another one."""
        path, command = GRAPHS / self.spec.dataset, shlex.join(self.folder.environment().command)
        if not path.is_dir():
            fix = f"prepare or import it again; the run began with: {command}"
            raise DataError(f"{self.run.run} was trained on {path}, which is not here", fix=fix)
        graph = GraphFolder.open(path)
        then, now = self.run.graph.files, graph.meta.files
        changed = [name for name in then if name not in now or then[name].sha256 != now[name].sha256]
        if changed:
            what = f"{path} is not the graph that {self.run.run} was trained on: {', '.join(changed)} changed since"
            raise DataError(what, fix=f"bring that graph back, or start afresh: {command}")
        graph.verify()
        return graph


def same_task(earlier: EarlierRun, observer: Observer) -> Task:
    """The task of an earlier run. Says which file its model is taken from."""
    spec, graph = earlier.spec, earlier.graph()
    file, word = earlier.model()
    observer.note("model", word)
    description = _describe(file, graph, {**spec.model.options, "depth": spec.model.depth}, observer)
    return Task(spec, file, graph, description, earlier.run.pretraining)


def new_task(placement: Placement, observer: Observer, *, only_plan: bool, begun: EarlierRun | None = None) -> Task:
    """The task of a request.

    A model that has a pre-training is given the graph that this one leaves behind; it is run where that was not done
    before, or where it is asked for, on the same nodes; one that has `begun` is gone on with. With `only_plan` nothing
    is run.
    """
    asked = placement.request
    file = model_file(asked.model)
    options = model_options(asked.hidden, asked.depth, asked.dropout, asked.fanout, asked.option)
    graph = prepared(asked.dataset, asked.scale, asked.features, observer.note, split_seed=asked.split_seed)
    description, pretraining = _describe(file, graph, options, observer), ""
    if asked.pretrain and not description.pretraining:
        raise InputError(f"--pretrain: {description.name} is a model without pre-training", fix="leave it out")
    if description.pretraining and graph.meta.files["features"].dtype == "int8":
        what = f"{description.name} is pre-trained, which leaves behind a graph whose features are not in int8"
        raise InputError(what, fix="--features fp16")
    spec = make_spec(asked, graph.meta, description, file)  # what does not fit is found before the pre-training
    if description.pretraining and not only_plan:
        beside = file.with_name(f"{description.pretraining.model}.py")
        learner = beside if beside.exists() else model_file(description.pretraining.model)
        embedding = Embedding(graph, description.pretraining, learner)
        pretraining = _go_on(embedding, placement, observer, begun) if begun else _learn(embedding, placement, observer)
        graph, width = embedding.graph_with_it()
        options["embedding"] = width
        description = _describe(file, graph, options, observer)
        spec = make_spec(asked, graph.meta, description, file)
    for note in notes_on(asked, spec, graph.meta):
        observer.note("note", note)
    return Task(spec, file, graph, description, pretraining)


def _learn(embedding: Embedding, placement: Placement, observer: Observer) -> str:
    """See that the embedding is there; returns the name of the run that learnt it."""
    if embedding.run and not placement.request.pretrain:
        observer.note("embedding", f"learnt before, by {embedding.run}; --pretrain learns it anew")
        return embedding.run
    graph, file = embedding.pairs(), embedding.model_file
    description = _describe(file, graph, embedding.options, observer)
    spec = make_spec(LaunchRequest(fanout="2", seed=SEED), graph.meta, description, file)
    prepares = msgspec.structs.replace(placement.request, plan=placement.given_plan)
    task = Task(spec, file, graph, description, prepares=prepares)
    observer.note("embedding", f"{embedding.pretraining.model} learns it from {graph.meta.source}")
    plan = placement.plan(task)
    observer.planned(plan)
    folder = train(task, plan, placement, observer)
    embedding.take(folder)
    return folder.name


def _go_on(embedding: Embedding, placement: Placement, observer: Observer, begun: EarlierRun) -> str:
    """Go on with the run that was to learn the embedding. InputError where it would be another one by now."""
    folder, pairs, file = begun.folder, embedding.pairs(), embedding.model_file
    if pairs.path.name != begun.spec.dataset or folder.model_file.read_bytes() != file.read_bytes():
        what = f"run {folder.name} does not learn what is wanted now: the graph or {file} has changed since"
        raise InputError(what, fix=f"start afresh: {shlex.join(folder.environment().command)}")
    result = folder.result()
    if result is None or result.status != "finished":
        task = same_task(begun, observer)
        there = placement.of_earlier(begun).with_given_plan()
        plan = there.plan(task)
        observer.planned(plan)
        train(task, plan, there, observer, folder)
    embedding.take(folder)
    return folder.name


def _describe(file: Path, graph: GraphFolder, options: dict[str, OptionValue], observer: Observer) -> ModelDescription:
    return describe_model(file, graph.meta.features, graph.meta.classes, options, partial(observer.note, "model"))
