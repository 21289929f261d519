"""Layers that come with picluster: GraphSAGE, GCN, GCNII, nearest nodes, and a dense layer."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import torch
from torch import Tensor
from torch.nn import Linear, Parameter
from torch.nn.functional import linear, relu

from picluster.nn.block import Block, Rows
from picluster.nn.dropout import Dropout
from picluster.nn.layer import Layer, RowLayer


class SageLayer(Layer):
    """GraphSAGE with the mean aggregator (Hamilton, Ying and Leskovec, 2017, algorithm 1).

    h' = W₁ · mean of the neighbours' h + W₂ · own h + b; parameters as in PyG's `SAGEConv`, by the same names.
    """

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.lin_l = Linear(inputs, outputs)
        self.lin_r = Linear(inputs, outputs, bias=False)
        self.last = last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `mean` and `self`, each (T, inputs)."""
        return block.rows(mean=block.mean(rows["h"]), self=block.targets(rows["h"]))

    def transform(self, rows: Rows) -> Rows:
        """`mean` and `self` (T, inputs) → `h` (T, outputs)."""
        rows = self.dropout(rows)
        h = self.lin_l(rows["mean"]).add_(self.lin_r(rows["self"]))
        return rows.having(h=h if self.last else h.relu_())


def normalised_sum(block: Block, source: Tensor) -> Tensor:
    """The targets' rows of D^-½ (A + I) D^-½ · `source` (S, width), in fp32: (T, width).

    With sampled neighbours the degrees stay those of the whole graph, the self-loop is always kept, and the
    neighbours' sum is scaled by degree / sampled: the sum's expectation is the exact one.
    """
    degrees = block.target_degrees()
    own = (degrees + 1).float().rsqrt()[:, None]
    sampled = (degrees / block.counts.clamp(min=1))[:, None]
    neighbours = block.weighted_sum(source, (block.neighbour_degrees() + 1).float().rsqrt())
    return own * (sampled * neighbours + own * block.targets(source))


class GcnLayer(Layer):
    """Graph convolution (Kipf and Welling, 2017, equation 2).

    h' = D^-½ (A + I) D^-½ h · W + b; the same parameters as PyG's `GCNConv`, by the same names.
    """

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.lin = Linear(inputs, outputs, bias=False)
        torch.nn.init.xavier_uniform_(self.lin.weight)
        self.bias = Parameter(torch.zeros(outputs))
        self.last = last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs) → `h` (T, inputs)."""
        return block.rows(h=normalised_sum(block, rows["h"]))

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, inputs) → `h` (T, outputs)."""
        h = linear(self.dropout(rows)["h"], self.lin.weight, self.bias)
        return rows.having(h=h if self.last else h.relu())


class Gcn2Layer(Layer):
    """GCNII: deep graph convolution (Chen, Wei, Huang, Ding and Li, ICML 2020, equation 5).

    h' = ReLU(((1 - beta) I + beta W) · ((1 - alpha) D^-½ (A + I) D^-½ h + alpha h0)), beta = ln(theta / number + 1);
    the same parameter as PyG's `GCN2Conv`. `h0`, the rows before the first of these layers, is carried along; the last
    layer mixes it in before its rows cross a cut, and carries it no further. Dropout acts before rows are added up.
    """

    def __init__(
        self,
        width: int,
        number: int,
        *,
        alpha: float = 0.1,
        theta: float = 0.5,
        dropout: float = 0.0,
        last: bool = False,
    ) -> None:
        """`number`: place among these layers, from 1; `last`: the last of them."""
        super().__init__()
        if not 0 <= alpha <= 1 or theta <= 0:
            message = f"alpha must lie in [0, 1] and theta above 0, not {alpha} and {theta}"
            raise ValueError(message)
        self.dropout = Dropout(dropout)
        self.weight1 = Parameter(torch.empty(width, width))
        torch.nn.init.xavier_uniform_(self.weight1)
        self.alpha, self.beta, self.last = alpha, log(theta / number + 1), last

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` and `h0` (S, width) → the same (T, width), mixed."""
        h0 = block.targets(rows.tensors.get("h0", rows["h"]))
        h = self.dropout(rows.having(h=rows["h"]))["h"]
        mixed = (1 - self.alpha) * normalised_sum(block, h) + self.alpha * h0
        return block.rows(h=mixed) if self.last else block.rows(h=mixed, h0=h0)

    def transform(self, rows: Rows) -> Rows:
        """`h` (T, width) → `h` (T, width)."""
        h = torch.addmm(rows["h"], rows["h"], self.weight1, beta=1 - self.beta, alpha=self.beta)
        return rows.having(**{**rows.tensors, "h": h.relu()})


def glorot_linear(inputs: int, outputs: int) -> Linear:
    """A linear map that keeps the variance of what passes (Glorot and Bengio, AISTATS 2010, equation 16); b = 0.

    torch's own initial weights are too small for many sparse inputs: with L1 regularisation half of the outputs die.
    """
    dense = Linear(inputs, outputs)
    torch.nn.init.xavier_uniform_(dense.weight)
    torch.nn.init.zeros_(dense.bias)
    return dense


class NearestLayer(Layer):
    """h' = [ReLU(W x + b), ReLU(W m + b), z]: own features x, mean features m of the neighbours, own embedding z.

    For the graph that pre-training writes: edges lead to the nearest nodes, and each row of the features is x, then z.
    Dropout acts on x and m alone.
    """

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0) -> None:
        """`inputs`: width of x; the rest of a row is z."""
        super().__init__()
        self.inputs = inputs
        self.dropout = Dropout(dropout)
        self.linear = glorot_linear(inputs, outputs)

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, inputs + width) → `self` and `mean` (T, inputs), `embedding` (T, width)."""
        own, mean = block.targets(rows["h"]), block.mean(rows["h"])
        return block.rows(
            self=own[:, : self.inputs], mean=mean[:, : self.inputs], embedding=own[:, self.inputs :].contiguous()
        )

    def transform(self, rows: Rows) -> Rows:
        """`self` and `mean` (T, inputs), `embedding` (T, width) → `h` (T, 2 · outputs + width)."""
        seen = self.dropout(rows.having(self=rows["self"], mean=rows["mean"]))
        own, mean = relu(self.linear(seen["self"])), relu(self.linear(seen["mean"]))
        return rows.having(h=torch.cat([own, mean, rows["embedding"]], dim=1))


class DenseLayer(RowLayer):
    """A layer without neighbours: h' = W · dropout(h) + b, then ReLU unless it is the last; as torch's `Linear`."""

    def __init__(
        self, inputs: int, outputs: int, *, dropout: float = 0.0, last: bool = False, glorot: bool = False
    ) -> None:
        """`glorot`: begin with the weights of `glorot_linear` instead of torch's."""
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = glorot_linear(inputs, outputs) if glorot else Linear(inputs, outputs)
        self.last = last

    def transform(self, rows: Rows) -> Rows:
        """`h` (N, inputs) → `h` (N, outputs); other tensors pass as they are."""
        h = self.linear(self.dropout(rows.having(h=rows["h"]))["h"])
        return rows.having(**{**rows.tensors, "h": h if self.last else h.relu()})

    def weights(self) -> Mapping[str, Parameter]:
        """`weight` (outputs, inputs) and `bias` (outputs,)."""
        return dict(self.linear.named_parameters())
