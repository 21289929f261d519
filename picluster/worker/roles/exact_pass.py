"""Exact inference, layer by layer: every node's rows are computed once, from all of its neighbours.

Seed by seed it would be hopeless: 128 seeds reach 54 M edges of Reddit (Hamilton et al., 2017, section 3.1, computes
embeddings layer by layer too). Nodes go in chunks that depend on the graph alone, so every plan gets the same bits.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from picluster.errors import RunFailed
from picluster.nn import Block, Rows
from picluster.worker.compute.graph_layer import no_dropout
from picluster.worker.compute.stage import Stage
from picluster.worker.measuring.memory import give_back_freed_memory
from picluster.worker.roles.context import RoleContext
from picluster.worker.roles.exact_order import NODES_AT_ONCE, Holders, chunks, nodes_of_layer, place
from picluster.worker.roles.schedule import holder
from picluster.worker.sampling.sampler import Ids
from picluster.worker.wire.links import Channel
from picluster.worker.wire.messages import Message
from picluster.worker.wire.tensors import message_of, tensors_of

_REMEMBERED_BYTES = 32 << 20
_SMALL_BYTES = 16 << 20


class ExactPass:
    """One stage replica's part in exact inference."""

    def __init__(self, context: RoleContext, stage: Stage) -> None:
        self._context, self._links, self._stage = context, context.links, stage
        self._rank = context.links.rank
        self._degrees = stage.data.graph_degrees.numpy()
        self._memory: dict[int, Rows] = {}

    @torch.no_grad()
    def run(
        self, nodes: Ids, epoch: int, take: Callable[[Rows], None] | None, at_the_end: Sequence[int] = ()
    ) -> Mapping[str, Tensor]:
        """Bring the rows of all nodes through the layers, and those of `nodes` through the last.

        `take` gets the class scores of each chunk that this replica of the last stage computes; `at_the_end` are ranks
        that want all scores (then `nodes` must be all nodes): they are returned where this rank is one of them.
        """
        if len(self._degrees) > NODES_AT_ONCE:  # a small graph's pass would be over before the pages are back
            give_back_freed_memory()
        plan = self._context.job.plan
        source = self._first_source()
        for layer in range(1, plan.depth + 1):
            holders = Holders.of_layer(plan, layer, at_the_end)
            if self._rank not in {*holders.aggregating, *holders.transforming, *holders.keeping}:
                continue
            chosen = nodes_of_layer(layer, plan.depth, nodes, len(self._degrees))
            memory = self._memory if self._is_worth_remembering(layer) else None
            at_work = _LayerPass(self._context, self._stage, layer, epoch, holders, source, memory)
            source = at_work.run(chunks(self._degrees[chosen]), take if layer == plan.depth else None)
        return source

    def _is_worth_remembering(self, layer: int) -> bool:
        """Tell whether aggregated rows are few and always the same: those of the features of a small graph."""
        first = self._stage.layers.get(1)
        if layer > 1 or first is None or first.before or first.main.layer.wide or self._context.job.plan.depth == 1:
            return False
        width = sum(self._stage.widths[0][0].values())
        return len(self._degrees) * width * 4 <= _REMEMBERED_BYTES

    def _first_source(self) -> Mapping[str, Tensor]:
        """Return what the first graph layer aggregates: the features, or what layers before it make of them."""
        features = self._stage.data.features
        if features is None:
            return {}
        first = self._stage.layers[1]
        if not first.before:
            return {"h": features}
        table: RowTable | None = None
        ids = torch.arange(len(features), dtype=torch.int32)
        for begin in range(0, len(features), NODES_AT_ONCE):
            part = slice(begin, begin + NODES_AT_ONCE)
            rows = first.project(features[part], ids[part], no_dropout)
            table = table or RowTable(len(features), rows.widths(), self._context.job.output_folder)
            table.write(begin, list(rows.tensors.values()))
        return table.tensors if table else {}


@torch.no_grad()
def write_probabilities(scores: Tensor, path: Path) -> None:
    """Write the softmax of class scores (N, classes) as an npy array in fp32, a part at a time."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, tuple(scores.shape))
    for begin in range(0, len(scores), NODES_AT_ONCE):
        part = slice(begin, begin + NODES_AT_ONCE)
        array[part] = scores[part].softmax(dim=1).numpy()
    array.flush()


class RowTable:
    """Rows of all nodes after one layer, as named fp32 tensors: in memory where they are few, else in a file.

    The file has no name, so nothing can be left behind.
    """

    def __init__(self, nodes: int, widths: Mapping[str, int], folder: str) -> None:
        """`folder`: where a file may be made. RunFailed where there is no room for it."""
        self.tensors = {name: _empty(nodes, width, folder) for name, width in widths.items()}

    def write(self, begin: int, parts: Sequence[Tensor]) -> None:
        """Put down the rows of successive nodes, one part for each of the tensors."""
        for table, part in zip(self.tensors.values(), parts, strict=True):
            table[begin : begin + len(part)] = part


def _empty(nodes: int, width: int, folder: str) -> Tensor:
    size = nodes * width * 4
    if size <= _SMALL_BYTES:
        return torch.empty(nodes, width)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk would otherwise show only as SIGBUS
                os.posix_fallocate(file.fileno(), 0, size)
            mapped = np.memmap(file, np.float32, "w+", shape=(nodes, width))
    except OSError as error:
        text = f"no room for {size / 1e6:,.0f} MB of rows in {folder}: {error.strerror}"
        fix = "make room there, or evaluate with sampled neighbours: --validation sampled --test sampled"
        raise RunFailed(text, fix=fix) from error
    return torch.from_numpy(mapped)


@dataclass
class _LayerPass:
    """The way of all nodes through one layer."""

    context: RoleContext
    stage: Stage
    number: int
    epoch: int
    holders: Holders
    source: Mapping[str, Tensor]
    """Rows of all nodes before the layer, where this rank aggregates them."""
    memory: dict[int, Rows] | None
    """Aggregated rows by chunk, where they are always the same."""
    _table: RowTable | None = None

    def __post_init__(self) -> None:
        self._links, self._rank = self.context.links, self.context.links.rank

    def run(self, parts: Sequence[slice], take: Callable[[Rows], None] | None) -> Mapping[str, Tensor]:
        """Return the rows that come out, where this rank keeps them."""
        holders, rank = self.holders, self._rank
        for chunk in holders.order(rank, len(parts)):
            aggregated = self._aggregate(chunk) if holder(holders.aggregating, chunk) == rank else None
            source = holder(holders.transforming, chunk)
            if source == rank:
                rows = self._transform(chunk, aggregated)
                self._deliver(chunk, parts[chunk], rows)
                if take:
                    take(rows)
            elif rank in holders.keeping:
                self._keep(parts[chunk], tensors_of(self._links.receive(source, Channel.TABLE, self._place(chunk))))
        return self._table.tensors if self._table else {}

    def _aggregate(self, chunk: int) -> Rows | None:
        """This rank's aggregated rows; None when another rank transforms them: they have been sent there."""
        message = self._links.receive(holder(self.holders.samplers, chunk), Channel.BLOCKS, self._place(chunk))
        if self.memory is None:
            rows = self._aggregated(message)
        else:
            if chunk not in self.memory:
                self.memory[chunk] = self._aggregated(message)
            rows = self.memory[chunk].copy()  # a `transform` may work in place
        to = holder(self.holders.transforming, chunk)
        if to == self._rank:
            return self.stage.wire.passed(rows, self.number, "aggregated")
        tensors = self.stage.wire.sent(list(rows.tensors.values()), self.number)
        self._links.send(to, Channel.FORWARD, message_of(self._place(chunk), [rows.ids, *tensors]))
        return None

    def _aggregated(self, blocks: Message) -> Rows:
        ids, counts, neighbours = tensors_of(blocks)
        degrees = self.stage.data.graph_degrees
        block = Block(ids=ids, counts=counts, neighbours=neighbours, source_ids=None, graph_degrees=degrees)
        return self.stage.layers[self.number].main.layer.aggregate(block, Rows(self.source, ids))

    def _transform(self, chunk: int, rows: Rows | None) -> Rows:
        if rows is None:
            source = holder(self.holders.aggregating, chunk)
            ids, *tensors = tensors_of(self._links.receive(source, Channel.FORWARD, self._place(chunk)))
            tensors = self.stage.wire.taken(tensors, self.number)
            rows = Rows(dict(zip(self.stage.widths[self.number - 1][0], tensors, strict=True)), ids)
        return self.stage.layers[self.number].transform(rows, no_dropout)

    def _deliver(self, chunk: int, part: slice, rows: Rows) -> None:
        tensors = self.stage.wire.sent(list(rows.tensors.values()), self.number + 1, "rows")
        for rank in self.holders.keeping:
            if rank == self._rank:
                self._keep(part, tensors)
            else:
                self._links.send(rank, Channel.TABLE, message_of(self._place(chunk), tensors))

    def _keep(self, part: slice, tensors: Sequence[Tensor]) -> None:
        if self._table is None:
            self._table = RowTable(
                self.context.meta.nodes, self.stage.widths[self.number - 1][1], self.context.job.output_folder
            )
        self._table.write(part.start, self.stage.wire.taken(tensors, self.number + 1, "rows"))

    def _place(self, chunk: int) -> tuple[int, int, int]:
        return place(self.epoch, self.number, chunk)
