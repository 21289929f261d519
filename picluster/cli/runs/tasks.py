"""What the options of `picluster launch` say is to be learnt; where a model wants it, after pre-training."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from picluster.cli.data.dataset import prepared
from picluster.cli.runs.training import Placement, Task, say_of_model, train
from picluster.cli.show.run_tables import show_plan
from picluster.controller.planning.models import describe_model, model_file
from picluster.controller.planning.recipe import Wish, make_spec, model_options, notes_on
from picluster.controller.running.pretraining import SEED, Embedding
from picluster.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from picluster.graph.folder import GraphFolder
    from picluster.schema.model import ModelDescription
    from picluster.schema.spec import OptionValue


def new_task(asked: Mapping[str, Any], placement: Placement, *, only_plan: bool) -> Task:
    """The task of the options `asked`.

    A model that has a pre-training is given the graph that this one leaves behind; it is run where that was not done
    before, or where it is asked for, on the same nodes. With `only_plan` nothing is run.
    """
    file = model_file(asked["model"])
    options = model_options(asked["hidden"], asked["depth"], asked["dropout"], asked["fanout"], asked["option"] or ())
    graph = prepared(asked["dataset"], asked["scale"], asked["features"], split_seed=asked["split_seed"])
    description, pretraining = _describe(file, graph, options), ""
    if asked["pretrain"] and not description.pretraining:
        raise InputError(f"--pretrain: {description.name} is a model without pre-training", fix="leave it out")
    wish = Wish(**{each.name: asked[each.name] for each in fields(Wish)})
    spec = make_spec(wish, graph.meta, description, file)  # what does not fit is found before the pre-training
    if description.pretraining and not only_plan:
        embedding = Embedding(graph, description.pretraining, file.with_name(f"{description.pretraining.model}.py"))
        pretraining = _learn(embedding, placement, again=asked["pretrain"])
        graph, width = embedding.graph_with_it()
        options["embedding"] = width
        description = _describe(file, graph, options)
        spec = make_spec(wish, graph.meta, description, file)
    for note in notes_on(wish, spec, graph.meta):
        print(f"note       {note}", file=sys.stderr)
    return Task(spec, file, graph, description, pretraining)


def _learn(embedding: Embedding, placement: Placement, *, again: bool) -> str:
    """See that the embedding is there; returns the name of the run that learnt it."""
    if embedding.run and not again:
        print(f"embedding  learnt before, by {embedding.run}; --pretrain learns it anew", file=sys.stderr)
        return embedding.run
    graph, file = embedding.pairs(), embedding.model_file
    description = describe_model(file, graph.meta.features, graph.meta.classes, embedding.options, say_of_model)
    spec = make_spec(Wish(fanout="2", seed=SEED), graph.meta, description, file)
    task = Task(spec, file, graph, description)
    print(f"embedding  {embedding.pretraining.model} learns it from {graph.meta.source}", file=sys.stderr, flush=True)
    plan = placement.plan(task)
    show_plan(plan, as_json=False)
    folder = train(task, plan, placement)
    embedding.take(folder)
    return folder.name


def _describe(file: Path, graph: GraphFolder, options: dict[str, OptionValue]) -> ModelDescription:
    return describe_model(file, graph.meta.features, graph.meta.classes, options, say_of_model)
