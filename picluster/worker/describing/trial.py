"""One half of one layer, forward and backward on a small random graph, for any targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from picluster.nn import Block, Rows
from picluster.worker.compute.graph_layer import Part
from picluster.worker.compute.tracing import Half, run_half

Values = Mapping[str, Tensor]
"""Tensors (N, width) by the name of the rows; a row for each node."""
_TOLERANCE = 2e-4
"""Share of a tensor's largest value: products of other shapes round otherwise."""
_NOISE = 1e-5
"""Share of the largest value of all: rounding leaves this of a sum that ought to be zero, as in attention."""


def same(one: Tensor, other: Tensor) -> bool:
    """True where both are equal to the last bit, also where both are no numbers."""
    return torch.equal(one.nan_to_num(nan=1e30), other.nan_to_num(nan=1e30))


def near(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], around: float) -> bool:
    """True where tensors are equal but for rounding; `around`: the size of values that may have cancelled out."""
    floor = _NOISE * max([around, *map(largest, expected.values())])
    return all(
        torch.allclose(
            found[name].expand_as(tensor), tensor, rtol=0, atol=floor + _TOLERANCE * largest(tensor), equal_nan=True
        )
        for name, tensor in expected.items()
    )


def largest(tensor: Tensor) -> float:
    """The largest size of a finite value; 0 where there is none."""
    return float(tensor.detach().nan_to_num(posinf=0, neginf=0).abs().max()) if tensor.numel() else 0.0


@dataclass(frozen=True)
class ToyGraph:
    """Neighbours of each of N nodes."""

    neighbours: list[Tensor]
    degrees: Tensor
    """(N,) int32: degrees in the whole graph, of which these neighbours are a sample."""

    @property
    def nodes(self) -> int:
        """Number of nodes, N."""
        return len(self.neighbours)

    def block(self, targets: Tensor) -> Block:
        """The block of these targets, over a table of all nodes."""
        lists = [self.neighbours[target] for target in targets.tolist()]
        return Block(
            ids=targets.to(torch.int32),
            counts=torch.tensor([len(each) for each in lists], dtype=torch.int32),
            neighbours=torch.cat(lists).to(torch.int32),
            source_ids=None,
            graph_degrees=self.degrees,
        )

    def around(self, targets: Tensor) -> Tensor:
        """(N,) bool: the targets and their neighbours."""
        mask = torch.zeros(self.nodes, dtype=torch.bool)
        mask[targets] = True
        mask[torch.cat([self.neighbours[target] for target in targets.tolist()]).long()] = True
        return mask


def drawn_graph(nodes: int, fewest: int, most: int, dice: torch.Generator) -> ToyGraph:
    """A random graph in which each node has from `fewest` to `most` neighbours."""
    lists = []
    for node in range(nodes):
        count = int(torch.randint(fewest, most + 1, (), generator=dice))
        others = torch.randperm(nodes - 1, generator=dice)[:count]
        lists.append((others + (others >= node)).sort().values)
    counts = torch.tensor([len(each) for each in lists])
    further = torch.randint(0, 3, (nodes,), generator=dice) * (counts > 0)
    return ToyGraph(lists, (counts + further).to(torch.int32))


@dataclass(frozen=True)
class Answer:
    """Rows and gradients that a half gave."""

    rows: dict[str, Tensor]
    """Rows of the targets by name."""
    gradients: dict[str, Tensor]
    """Gradients of the rows by name (N, width), and of each weight."""
    outputs: list[Tensor]
    """The rows, still with their graph of autograd."""
    inputs: list[Tensor]
    versions: list[int]
    """Number of changes in place, for each input."""

    def same_as(self, other: Answer) -> bool:
        """True where rows and gradients are equal to the last bit."""
        return all(
            one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
            for one, two in ((self.rows, other.rows), (self.gradients, other.gradients))
        )


@dataclass(frozen=True)
class Trial:
    """A half of a layer, and the graph that it is tried on."""

    part: Part
    half: Half
    graph: ToyGraph
    in_place: bool
    """It reads a table of all nodes, as the first layer reads the features."""
    training: bool = True
    """Without, it runs as for an accuracy: no dropout, no gradients."""
    _cotangents: dict[str, Tensor] = field(default_factory=dict)

    def run(self, values: Values, targets: Tensor) -> Answer:
        """Compute the targets' rows, and gradients of a random weighting of them; InputError where the half fails."""
        given, block = self._given(values, targets)
        before = [tensor._version for tensor in given.tensors.values()]  # noqa: SLF001
        with torch.set_grad_enabled(self.training):
            found = run_half(self.part, self.half, given, block, training=self.training)
        changed = [tensor._version - old for tensor, old in zip(given.tensors.values(), before, strict=True)]  # noqa: SLF001
        return Answer(
            rows={name: tensor.detach() for name, tensor in found.tensors.items()},
            gradients=self._backward(given, found, targets),
            outputs=list(found.tensors.values()),
            inputs=list(given.tensors.values()),
            versions=changed,
        )

    def _given(self, values: Values, targets: Tensor) -> tuple[Rows, Block | None]:
        ids = targets.to(torch.int32)
        if self.half == "transform":
            return Rows(self._leaves(values, targets), ids), None
        block = self.graph.block(targets)
        if self.in_place:
            return Rows({name: tensor.clone() for name, tensor in values.items()}, ids), block
        block = block.gathered()
        assert block.source_ids is not None
        return Rows(self._leaves(values, block.source_ids), block.source_ids), block

    def _leaves(self, values: Values, nodes: Tensor) -> dict[str, Tensor]:
        return {name: tensor.index_select(0, nodes).requires_grad_(self.training) for name, tensor in values.items()}

    def _backward(self, given: Rows, found: Rows, targets: Tensor) -> dict[str, Tensor]:
        weights = self.part.weights()
        leaves = {f"rows {name}": tensor for name, tensor in given.tensors.items() if tensor.requires_grad}
        outputs = {name: tensor for name, tensor in found.tensors.items() if tensor.requires_grad}
        if not outputs:
            return {}
        weighted = [(tensor * self._cotangent(name, tensor)[targets]).sum() for name, tensor in outputs.items()]
        wanted = [*leaves.values(), *weights.values()]
        gradients: Sequence[Tensor | None] = torch.autograd.grad(torch.stack(weighted).sum(), wanted, allow_unused=True)
        back = zip([*leaves, *weights], gradients, strict=True)
        return {
            name: torch.zeros(self.graph.nodes, gradient.shape[1]).index_copy(0, given.ids.long(), gradient)
            if name in leaves
            else gradient
            for name, gradient in back
            if gradient is not None
        }

    def _cotangent(self, name: str, like: Tensor) -> Tensor:
        if name not in self._cotangents:
            dice = torch.Generator().manual_seed(len(self._cotangents))
            self._cotangents[name] = torch.randn(self.graph.nodes, like.shape[1], generator=dice)
        return self._cotangents[name]
