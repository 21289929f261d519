"""A model tried out before anything starts: does each of its layers give what every plan would give?

Each half of a layer runs forward and backward on a small random graph: twice, with other random numbers about; with
other rows beside; as a whole and in two divisions; and once more in a model built anew. What differs is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from picluster.errors import InputError
from picluster.worker.compute.graph_layer import GraphLayer, Part
from picluster.worker.describing.building import Built
from picluster.worker.describing.layer_check import LayerCheck
from picluster.worker.describing.trial import ToyGraph, Trial, Values, drawn_graph, toy_graphs

_SEED = 12
_FEW = 5
"""Targets of the smaller division."""
_MANY = 1500
"""Nodes of a micro-batch of a real run: some layers treat many rows in another way."""


def probe(built: Built, again: Built, features: int) -> None:
    """Try all layers of a model, and the same model built anew; InputError with line and layer where plans differ."""
    refused: InputError | None = None
    dice = torch.Generator().manual_seed(_SEED)
    for graph in toy_graphs(dice):
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
