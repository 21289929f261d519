"""Nearness of two nodes, from an embedding of each: trained before models/graph_embedding.py, without labels.

Its graph has pairs for nodes: the two neighbours of a pair are the nodes that it joins, and its label is the inverse
of the length of the shortest path between them.
"""

from collections.abc import Collection

import torch
from torch.nn import Embedding, Linear
from torch.nn.functional import embedding, relu

from picluster.nn import Block, Layer, Rows, TrainingDefaults

TRAINING = TrainingDefaults(
    learning_rate=0.01,
    weight_decay=(0.0,),
    batch_size=131072,
    epochs=12,
    patience=5,
    monitor="loss",
    l1=0.0,
    loss="absolute-error",
)


class PairLayer(Layer):
    """score = w · (z_u ∘ z_v) + b, where z is a node's embedding and, if wanted, a ReLU layer of its features."""

    wide = True

    def __init__(self, features: int, nodes: int, width: int, dense: int) -> None:
        super().__init__()
        self.embedding = Embedding(nodes, width)
        torch.nn.init.uniform_(self.embedding.weight, -1e-3, 1e-3)
        self.dense = Linear(features, dense) if dense else None
        self.score = Linear(width + dense, 1)

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, features) → `pair` (T, width + dense): the product of the rows of each pair's two nodes."""
        first = block.neighbours.index_select(0, block.offsets)
        last = block.neighbours.index_select(0, block.offsets + block.counts - 1)
        table = self.embedding.weight
        product = embedding(first, table) * embedding(last, table)
        if self.dense is not None:
            # There are far fewer nodes than pairs, so each node is computed once.
            nodes, places = torch.unique(torch.cat([first, last]), return_inverse=True)
            seen = relu(self.dense(rows["h"].index_select(0, nodes).float()))
            left, right = embedding(places, seen).chunk(2)
            product = torch.cat([product, left * right], dim=1)
        return block.rows(pair=product)

    def transform(self, rows: Rows) -> Rows:
        """`pair` (T, width + dense) → `h` (T, 1)."""
        return rows.having(h=self.score(rows["pair"]))

    def decayed(self) -> Collection[str]:
        """Names of the weights that decay: those of the dense layer alone."""
        return ("dense.weight",)


def layers(
    *, features: int, classes: int, depth: int = 1, nodes: int = 3, width: int = 100, dense: int = 0
) -> list[Layer]:
    """One layer; `nodes`: those of the pairs' graph; `width` of the embedding; `dense`: values made of the features."""
    if depth != 1 or classes != 1:
        message = "pairs have one layer and one value"
        raise ValueError(message)
    return [PairLayer(features, nodes, width, dense)]
