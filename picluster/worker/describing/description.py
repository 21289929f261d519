"""A model file described: layers, widths, parameters; refused where plans would differ, or nothing holds it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from picluster.errors import InputError
from picluster.schema.model import LayerDescription, ModelDescription, Pretraining, TrainingDefaults
from picluster.schema.spec import OptionValue
from picluster.worker.compute.graph_layer import GraphLayer, Part
from picluster.worker.compute.model_fault import TooLong
from picluster.worker.compute.tracing import trace
from picluster.worker.describing import generators
from picluster.worker.describing.building import ANOTHER_SEED, Built, ModelBuilder, refuse_other_weights
from picluster.worker.describing.isolation import muted, on_another_node
from picluster.worker.describing.layer_check import LayerCheck
from picluster.worker.describing.trial import ToyGraph, Trial, Values, drawn_graph
from picluster.worker.measuring.memory import memory_limit

MOST_LAYERS = 1000
TRAINING_BYTES = 4 + 4 + 8 + 4 + 4 + 4
"""Bytes of one parameter: weight, gradient, its exact sum in fp64, two moments of Adam, best weight."""
_WEIGHT_BYTES = 4
_SEED = 12
_FEW = 5
"""Targets of the smaller division."""
_MANY = 1500
"""Nodes of a micro-batch of a real run: some layers treat many rows in another way."""


def describe(file: Path, features: int, classes: int, options: dict[str, OptionValue]) -> ModelDescription:
    """Describe each layer's widths and parameters, found by running small graphs through the model.

    InputError where the file is broken, does not fit the graph, is too large, or would learn something else under
    another plan.
    """
    builder = ModelBuilder(file, features, classes, options)
    _refuse_what_no_node_holds(builder)
    built = builder.build()
    widths = trace(built.layers, features)
    if widths[-1][1] != {"h": classes}:
        message = f"the last layer of {file.stem} gives {widths[-1][1]}, but the graph has {classes} classes"
        raise InputError(message, fix="its transform must give one tensor `h` with a column for each class")
    layers = tuple(
        LayerDescription(
            name=layer.main.layer.title,
            parameters=sum(parameter.numel() for parameter in layer.weights().values()),
            wide=layer.main.layer.wide,
            aggregated=aggregated,
            output=output,
        )
        for layer, (aggregated, output) in zip(built.layers, widths, strict=True)
    )
    # As another node builds it: whatever was drawn there before, and without a second print.
    with muted(), generators.seeded(ANOTHER_SEED), on_another_node():
        again = builder.build()
    refuse_other_weights(built, again)
    _probe(built, again, features)
    training = getattr(built.module, "TRAINING", TrainingDefaults())
    if not isinstance(training, TrainingDefaults):
        raise InputError(f"TRAINING of {file} is not a picluster.nn.TrainingDefaults", fix="see models/gcnii.py")
    pretraining = getattr(built.module, "PRETRAINING", None)
    if not isinstance(pretraining, Pretraining | None):
        what = f"PRETRAINING of {file} is not a picluster.nn.Pretraining"
        raise InputError(what, fix="see models/graph_embedding.py")
    return ModelDescription(
        name=file.stem,
        options=built.options,
        layers=layers,
        dense_layers=sum(len(layer.parts) - 1 for layer in built.layers),
        imports_pyg="torch_geometric" in sys.modules,
        training=training,
        pretraining=pretraining,
    )


def _refuse_what_no_node_holds(builder: ModelBuilder) -> None:
    """InputError with the sizes, where memory is short: every node makes all layers, and trains at least one.

    A model whose `layers` wants real memory is not measured.
    """
    depth = builder.options.get("depth")
    if isinstance(depth, int) and depth > MOST_LAYERS:
        raise InputError(f"a depth of {depth:,} is more than {MOST_LAYERS:,} layers", fix="give a smaller --depth")
    try:
        with muted():
            built = builder.build(on_meta=True)
    except InputError as error:
        if isinstance(error.__cause__, TooLong):
            raise
        return  # it comes again where the model is made, with its reason
    memory = memory_limit()
    sizes = [sum(weight.numel() for weight in layer.weights().values()) for layer in built.layers]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    all_weights, training = sum(sizes) * _WEIGHT_BYTES, sizes[largest] * TRAINING_BYTES
    if max(2 * all_weights, training) <= memory:
        return
    name = built.layers[largest].main.layer.title
    message = (
        f"model {builder.file.stem} has {sum(sizes):,} parameters: {_gigabytes(all_weights)} of weights, and "
        f"{_gigabytes(training)} to train graph layer {largest + 1} ({name}) alone; here are {_gigabytes(memory)}"
    )
    raise InputError(message, fix="give smaller numbers, such as --hidden 256")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


def _probe(built: Built, again: Built, features: int) -> None:
    """Try all layers of a model, and the same model built anew; InputError with line and layer where plans differ.

    Each half of a layer runs forward and backward on a small random graph: twice, with other random numbers about; with
    other rows beside; as a whole and in two divisions; and once more in a model built anew.
    """
    refused: InputError | None = None
    dice = torch.Generator().manual_seed(_SEED)
    # From the most general graph to the kindest: some models have an option for the number of nodes.
    for nodes, fewest, most in ((24, 0, 4), (24, 1, 4), (24, 2, 2), (3, 2, 2)):
        graph = drawn_graph(nodes, fewest, most, dice)
        try:
            reason = _try_on(graph, built, again, torch.randn(graph.nodes, features, generator=dice))
        except InputError as error:
            refused = refused or error  # a kinder graph may do: a model with a row for each node of its own graph
            continue
        if reason:
            raise reason
        _try_many(built, features, dice)
        return
    assert refused is not None
    raise refused


def _trials(layer: GraphLayer, twin: GraphLayer, graph: ToyGraph) -> Iterator[tuple[Trial, Part]]:
    """Yield the halves of a layer in their order, and the same part of the other build."""
    pairs = dict(zip(layer.parts, twin.parts, strict=True))
    for part in layer.before:
        yield Trial(part, "transform", graph, in_place=False), pairs[part]
    yield Trial(layer.main, "aggregate", graph, in_place=layer.number == 1 and not layer.before), twin.main
    for part in (layer.main, *layer.after):
        yield Trial(part, "transform", graph, in_place=False), pairs[part]


def _try_on(graph: ToyGraph, built: Built, again: Built, features: torch.Tensor) -> InputError | None:
    """The first reason to refuse the model; InputError is raised where the model fails on this graph."""
    order = torch.randperm(graph.nodes, generator=torch.Generator().manual_seed(_SEED))
    values: Values = {"h": features}
    for layer, layer_of_twin in zip(built.layers, again.layers, strict=True):
        for trial, twin in _trials(layer, layer_of_twin, graph):
            few = min(_FEW, graph.nodes // 3)
            check = LayerCheck(trial, built, values, order, few)
            outside = LayerCheck(replace(trial, training=False), built, values, order, few)
            if reason := _plain_checks(check) or check.check_rebuilt(twin) or _plain_checks(outside):
                return reason
            values = check.values_of_all()
    return None


def _plain_checks(check: LayerCheck) -> InputError | None:
    return check.check_calls() or check.check_rows() or check.check_divisions()


def _try_many(built: Built, features: int, dice: torch.Generator) -> None:
    """Run the layers on many rows; each kind of layer once, since a model may have many of them."""
    graph = drawn_graph(_MANY, 0, 4, dice)
    order = torch.randperm(graph.nodes, generator=dice)
    tried: set[object] = set()
    values: Values = {"h": torch.randn(graph.nodes, features, generator=dice)}
    for layer in built.layers:
        for trial, _ in _trials(layer, layer, graph):
            widths = tuple((name, tensor.shape[1]) for name, tensor in values.items())
            kind = (trial.half, trial.in_place, widths, _kind_of(trial.part.layer))
            if kind in tried:
                continue
            tried.add(kind)
            check = LayerCheck(trial, built, values, order, few=_FEW)
            try:
                reason = check.check_large()
                values = check.values_of_all()
            except InputError:
                return  # it has a row for each node of its own graph
            if reason:
                raise reason


def _kind_of(layer: torch.nn.Module) -> object:
    """Classes, settings and shapes of weights of a layer's modules, comparable."""
    plain = bool | int | float | str | None
    return tuple(
        (
            type(module),
            tuple((name, value) for name, value in vars(module).items() if isinstance(value, plain)),
            tuple((name, weight.shape) for name, weight in module.named_parameters(recurse=False)),
        )
        for module in layer.modules()
    )
