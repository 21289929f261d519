"""A model tried out before anything starts: does each of its layers give what every plan would give?

Each half of a layer runs forward and backward on a small random graph: twice, with other random numbers about; with
other rows beside; as a whole and in two divisions; and once more in a model built anew. What differs is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from picluster.errors import InputError
from picluster.worker.describing.findings import Findings
from picluster.worker.describing.toy_graph import ToyGraph, large_graph, toy_graphs
from picluster.worker.describing.trial import Trial, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from picluster.worker.compute.graph_layer import GraphLayer, Part
    from picluster.worker.compute.tracing import Half
    from picluster.worker.describing.building import Built

_SEED = 12
_FEW = 5
"""Targets of the smaller division."""


def probe(built: Built, again: Built, features: int) -> None:
    """Try all layers.

    Args:
        built: the model.
        again: the same, built anew and not used so far.
        features: width of the features.

    Raises:
        InputError: plans would differ, with line and layer.
    """
    refused: InputError | None = None
    dice = torch.Generator().manual_seed(_SEED)
    for graph in toy_graphs(dice):
        try:
            _try_on(graph, built, again, torch.randn(graph.nodes, features, generator=dice))
        except _Unfit as unfit:
            raise unfit.reason from None
        except InputError as error:
            refused = refused or error  # a kinder graph may do: a model with a row for each node of its own graph
        else:
            _try_many(built, features, dice)
            return
    assert refused is not None
    raise refused


class _Unfit(Exception):
    """Plans would differ."""

    def __init__(self, reason: InputError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class _Step:
    """A half of a layer, in both builds."""

    part: Part
    twin: Part
    half: Half
    in_place: bool


def _steps(layer: GraphLayer, twin: GraphLayer) -> Iterator[_Step]:
    pairs = dict(zip(layer.parts, twin.parts, strict=True))
    for part in layer.before:
        yield _Step(part, pairs[part], "transform", in_place=False)
    yield _Step(layer.main, twin.main, "aggregate", in_place=layer.number == 1 and not layer.before)
    for part in (layer.main, *layer.after):
        yield _Step(part, pairs[part], "transform", in_place=False)


def _try_on(graph: ToyGraph, built: Built, again: Built, features: torch.Tensor) -> None:
    order = torch.randperm(graph.nodes, generator=torch.Generator().manual_seed(_SEED))
    values: Values = {"h": features}
    for layer, twin in zip(built.layers, again.layers, strict=True):
        for step in _steps(layer, twin):
            trial = Trial(step.part, step.half, graph, step.in_place)
            findings = Findings(trial, built, values, order, few=min(_FEW, graph.nodes // 3))
            if (
                reason := findings.of_calls()
                or findings.of_rows()
                or findings.of_divisions()
                or findings.of_twin(step.twin)
                or _outside_training(findings, replace(trial, training=False))
            ):
                raise _Unfit(reason)
            values = findings.values_of_all()


def _outside_training(findings: Findings, trial: Trial) -> InputError | None:
    """Of what shows only where an accuracy is computed."""
    outside = findings.of(trial)
    return outside.of_calls() or outside.of_rows() or outside.of_divisions()


def _try_many(built: Built, features: int, dice: torch.Generator) -> None:
    """Run the layers on many rows; each kind of layer once, since a model may have many of them."""
    graph = large_graph(dice)
    order = torch.randperm(graph.nodes, generator=dice)
    tried: set[object] = set()
    values: Values = {"h": torch.randn(graph.nodes, features, generator=dice)}
    for layer in built.layers:
        for step in _steps(layer, layer):
            widths = tuple((name, tensor.shape[1]) for name, tensor in values.items())
            kind = (step.half, step.in_place, widths, _kind_of(step.part.layer))
            if kind in tried:
                continue
            tried.add(kind)
            findings = Findings(Trial(step.part, step.half, graph, step.in_place), built, values, order, few=_FEW)
            try:
                reason = findings.of_many()
                values = findings.values_of_all()
            except InputError:
                return  # it has a row for each node of its own graph
            if reason:
                raise reason


def _kind_of(layer: torch.nn.Module) -> object:
    """Comparable: classes, settings and shapes of weights of a layer's modules."""
    plain = bool | int | float | str | None
    return tuple(
        (
            type(module),
            tuple((name, value) for name, value in vars(module).items() if isinstance(value, plain)),
            tuple((name, weight.shape) for name, weight in module.named_parameters(recurse=False)),
        )
        for module in layer.modules()
    )
