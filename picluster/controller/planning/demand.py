"""Memory of its own that a node of a plan is expected to take: worker, structure that is looked up, rows. Pure.

Above what real runs take, and near it: docs/LOG.md has the figures (2026-11-29, "Memory is a contract").
"""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from picluster.controller.planning.planner import expected_frontiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import LayerDescription, ModelDescription
    from picluster.schema.plan import EngineName, Plan
    from picluster.schema.spec import Spec

WORKER_BYTES = 122 << 20
"""A worker that has imported all its code and begun nothing: nearly all of it is torch."""
_WITHOUT_TORCH_BYTES = 21 << 20
"""Likewise one that only samples, over sockets: it never imports torch."""
_MARGIN_BYTES = 12 << 20
"""Room for kernels, processors and builds of torch that take more than those that were measured."""
_PYG_BYTES = 24 << 20
"""PyG, where a model's file imports it."""
_ENGINE_BYTES: Mapping[EngineName, int] = {"mpi": 4 << 20, "ray": 40 << 20}
"""Code of an engine in the worker; its own processes come on top."""
_STAGE_BYTES = 10 << 20
"""Buffers of the libraries that compute."""
_PEER_BYTES = 5 << 20
"""Threads for another worker, and bytes that it may send ahead."""
_BYTES_OF_WEIGHT = 4
"""Bytes of a weight; every node with a stage makes all layers first."""
_BYTES_OF_PARAMETER = 40
"""Further bytes of a weight that is trained: two moments, its best value, its gradients' sum in fp64 and in fp32; and
copies of weight, moments and best value, which are written while training goes on."""
_BYTES_OF_WRITTEN = 48
"""Bytes of a weight of one layer after the other, while these copies are made a file."""
_DEGREE_BYTES = 12
"""Bytes of a node's degree, while degrees are read."""
_BYTES_OF_GRADIENT = 16
"""Bytes of one core's gradient of a weight: in fp32, and of one weight after the other in fp64 while it is added."""
_BYTES_OF_SUM = 8
_VALUE = _ID = 4
"""Bytes of a value of a row as it is computed, and of a node's number."""
_BYTES_OF_DRAW = 40
"""Bytes of one sampled neighbour while its hop is drawn: places, words of packed ids, and what is new of them."""
_BYTES_OF_EDGE = 16
"""Bytes of one edge along which rows are added up: numbers and weights of the sources. They stay until the way back
where rows have one, as all but the features have."""
_GAPS = 2
"""A sampler beside a stage has a heap of its own, and the gaps in it are as large as what it holds."""
_MESSAGES = 4
"""Messages of a sampler that are under way, or wait to be read."""
_COPIES = 3.0
"""Copies of its widest rows that a micro-batch takes beside what it keeps, while a core computes it: terms of a sum, or
what is left of them by dropout, and its mask."""
_COPIES_OF_CHUNK = 3.0
"""Likewise of a chunk of nodes in exact inference, which drops nothing."""
_SCATTERED = 1.3
"""Rows of micro-batches that come and go, among rows of those that wait, leave gaps between them."""
_NODES_AT_ONCE, _EDGES_AT_ONCE, _REMEMBERED_BYTES, _SMALL_BYTES = 1 << 12, 1 << 21, 32 << 20, 16 << 20
"""Bounds of exact inference; they are those of the worker (`tests/unit/controller/planning/test_demand.py`)."""


class Demand(NamedTuple):
    """Memory that one node takes, in bytes."""

    base: float
    """Memory of the worker, its links, the sampler, weights and optimiser."""
    kept: float = 0.0
    """Memory of a micro-batch between its way there and its way back."""
    at_work: float = 0.0
    """Memory of a micro-batch that a core computes."""
    waiting: int = 0
    """Number of micro-batches of this node that are at later stages, and wait to come back."""
    share: int = 1
    """Number of micro-batches of a step that fall to this node."""
    inference: float = 0.0
    """Memory of exact inference."""
    gives_back: bool = True
    """True where the memory of training is given back before exact inference: not on small graphs."""
    mapped: float = 0.0
    """Pages of the files that it reads: its part of the graph, rows of all nodes in exact inference."""

    def bytes(self, cores: int) -> float:
        """Memory with so many cores."""
        training = self.training(cores)
        return self.base + (max(training, self.inference) if self.gives_back else training + self.inference)

    def training(self, cores: int) -> float:
        """Part of the micro-batches that are computed, or wait."""
        if not self.waiting:
            return cores * self.at_work
        return _SCATTERED * (cores * self.at_work + min(self.waiting + cores, self.share) * self.kept)

    def fitting(self, memory: float, most: int) -> int:
        """Number of cores for which there is memory; at least 1."""
        return max(1, bisect_right(range(most + 1), memory, key=self.bytes) - 1)


def demand_of(plan: Plan, node: str, spec: Spec, model: ModelDescription, graph: GraphMeta) -> Demand:
    """Expected demand of a node, whose later stages have the cores that the plan says."""
    work = _Work(plan, spec, model, graph)
    index = plan.stage_of(node)
    worker = WORKER_BYTES if imports_torch(plan, node) else _WITHOUT_TORCH_BYTES
    base: float = worker + _MARGIN_BYTES + _ENGINE_BYTES.get(plan.engine, 0) + (len(plan.nodes) - 1) * _PEER_BYTES
    base += work.of_sampler(is_beside=index is not None) if node in plan.sampler else 0
    if index is None:
        return Demand(base, mapped=work.files(node))
    stage, parameters = plan.stages[index], work.parameters(index)
    kept = work.kept(index)
    later = sum(plan.cores_of(each) for following in plan.stages[index + 1 :] for each in following.nodes)
    base += _STAGE_BYTES + model.imports_pyg * _PYG_BYTES
    base += work.all_parameters() * _BYTES_OF_WEIGHT + parameters * (_BYTES_OF_PARAMETER + 8 * spec.optimizer.amsgrad)
    base += graph.nodes * _DEGREE_BYTES
    base += max(model.layers[layer - 1].parameters for layer in stage.layers) * _BYTES_OF_WRITTEN
    base += 2 * parameters * _BYTES_OF_SUM if len(stage.nodes) > 1 else 0  # parts of it travel among replicas
    base += work.remembered(index)
    return Demand(
        base=base,
        kept=kept,
        at_work=kept + work.at_work(index) + parameters * _BYTES_OF_GRADIENT,
        waiting=ceil(later / len(stage.nodes)),
        share=ceil(spec.micro_batches / len(stage.nodes)),
        inference=work.of_inference(index),
        gives_back=graph.nodes > _NODES_AT_ONCE,
        mapped=work.files(node) + sum(size for size in work.tables(index) if size > _SMALL_BYTES),
    )


def imports_torch(plan: Plan, node: str) -> bool:
    """Tell whether a node's worker imports torch: to compute, or for the engine."""
    return plan.stage_of(node) is not None or plan.engine != "sockets"


class _Work(NamedTuple):
    """Work of a run, and the plan that says where it is done."""

    plan: Plan
    spec: Spec
    model: ModelDescription
    graph: GraphMeta

    def parameters(self, index: int) -> int:
        """Trained values of a stage."""
        return sum(self.model.layers[layer - 1].parameters for layer in self.plan.stages[index].layers)

    def all_parameters(self) -> int:
        """Trained values of all layers."""
        return sum(layer.parameters for layer in self.model.layers)

    def kept(self, index: int) -> float:
        """Bytes of a micro-batch's rows in a stage: aggregated, and transformed."""
        targets, stage = expected_frontiers(self.spec, self.graph), self.plan.stages[index]
        values = sum(targets[each] * _width(self._layer(each).aggregated) for each in self.plan.aggregated_by(index))
        values += sum(targets[each] * _width(self._layer(each).output) for each in stage.layers)
        if index == 0 and self.model.dense_layers:  # they may work on the features of all sources
            values += targets[0] * self.graph.features
        edges = self._edges_of_layers()
        learnt = sum(edges[each - 1] for each in self.plan.aggregated_by(index) if each > 1 or self.model.dense_layers)
        return values * _VALUE + learnt * _BYTES_OF_EDGE

    def at_work(self, index: int) -> float:
        """Bytes that a core takes for a micro-batch beside what is kept of it: copies of rows, and edges."""
        targets, edges = expected_frontiers(self.spec, self.graph), self._edges_of_layers()
        rows = [targets[each] * max(self._layer(each).aggregated.values()) for each in self.plan.aggregated_by(index)]
        rows += [targets[each] * max(self._layer(each).output.values()) for each in self.plan.stages[index].layers]
        added_up = [edges[each - 1] * _BYTES_OF_EDGE for each in self.plan.aggregated_by(index)]
        return max(rows) * _VALUE * _COPIES + max(added_up, default=0)

    def of_sampler(self, *, is_beside: bool) -> float:
        """Bytes of the sampler: a place for each node, an epoch's order, a hop that is drawn, messages on their way.

        `is_beside`: in the worker of a stage.
        """
        edges, sources = self._edges_of_layers(), expected_frontiers(self.spec, self.graph)
        ids = sum(edges) + sum(sources[:-1])
        under_way = min(_MESSAGES, self.spec.micro_batches)
        lasting = self.graph.nodes * _ID + self.graph.splits["train"] * 3 * _ID
        drawn = max(*edges, self.exact_edges()) * _BYTES_OF_DRAW * (_GAPS if is_beside else 1)
        return lasting + drawn + ids * _ID * under_way

    def exact_edges(self) -> float:
        """Edges of a chunk of nodes in exact inference; 0 where there is none."""
        graph = self.graph
        splits = [split for split in ("validation", "test") if graph.splits[split]]
        if all(self.spec.evaluation(split) != "exact" for split in splits):
            return 0.0
        return min(_EDGES_AT_ONCE, graph.edges, _NODES_AT_ONCE * graph.edges / graph.nodes)

    def of_inference(self, index: int) -> float:
        """Bytes of exact inference in a stage: chunks of nodes, and rows of all where these are few."""
        edges = self.exact_edges()
        if not edges:
            return 0.0
        widths = [_width(self._layer(each).aggregated) for each in self.plan.aggregated_by(index)]
        widths += [_width(self._layer(each).output) for each in self.plan.stages[index].layers]
        chunk = min(_NODES_AT_ONCE, self.graph.nodes) * max(widths) * _VALUE
        few = sum(size for size in self.tables(index) if size <= _SMALL_BYTES)
        return few + edges * (_BYTES_OF_EDGE + _MESSAGES * _ID) + chunk * _COPIES_OF_CHUNK

    def remembered(self, index: int) -> float:
        """Bytes of the features' sums that a stage keeps from one exact inference to the next."""
        if index or not self.exact_edges():
            return 0.0
        size = self.graph.nodes * _width(self._layer(1).aggregated) * _VALUE
        return size if size <= _REMEMBERED_BYTES else 0.0

    def tables(self, index: int) -> Sequence[float]:
        """Bytes of the rows of all nodes that a stage keeps in exact inference, one table for each layer."""
        if not self.exact_edges():
            return []
        layers = [self._layer(each - 1) for each in self.plan.aggregated_by(index) if each > 1]
        return [self.graph.nodes * _width(layer.output) * _VALUE for layer in layers]

    def files(self, node: str) -> int:
        """Bytes of the arrays of the graph that a node reads."""
        return sum(self.graph.files[name].bytes for name in self.plan.arrays_of(node) if name in self.graph.files)

    def _edges_of_layers(self) -> Sequence[float]:
        """Expected edges of a micro-batch, the first layer's first."""
        targets, degree = expected_frontiers(self.spec, self.graph)[1:], self.graph.edges / self.graph.nodes
        fanouts = self.spec.fanout or (inf,) * self.spec.model.depth
        return [count * min(fanout, degree) for count, fanout in zip(targets, reversed(fanouts), strict=True)]

    def _layer(self, number: int) -> LayerDescription:
        return self.model.layers[number - 1]


def _width(widths: Mapping[str, int]) -> int:
    return sum(widths.values())
