"""Ways to make batches: PyG's loaders, which need torch-sparse, DGL's, and blocks of picluster's own sampler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from picluster.randomness import Purpose
from picluster.worker.sampling.sampler import NeighbourSampler
from scripts.bench_reddit.records import FANOUT, SEED, Kind
from scripts.bench_reddit.rivals.held_graph import HeldGraph, Ids
from scripts.bench_reddit.rivals.model import Batch, Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BatchSource(Protocol):
    """Source of batches."""

    def batches(self, ids: Ids, epoch: int, purpose: Purpose) -> Iterator[Batch]:
        """Batches around the nodes `ids`, in this order."""


def source_of(kind: Kind, graph: HeldGraph, batch_size: int, workers: int) -> BatchSource:
    """Make the source; `workers` are further processes of PyG's loaders."""
    match kind:
        case "loader":
            return _Subgraphs(graph, batch_size, workers)
        case "bipartite":
            return _SparseTensors(graph, batch_size, workers)
        case "dgl":
            return _DglBlocks(graph, batch_size, workers)
        case "csr" | "edges":
            return _OwnBlocks(graph, batch_size, kind)
    raise ValueError(f"{kind} is no kind of batches")


class _Order(Sampler[int]):
    """Order in which a loader visits nodes; set before each pass."""

    ids: Ids = np.empty(0, np.int32)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids.tolist())

    def __len__(self) -> int:
        return len(self.ids)


class _Subgraphs:
    """PyG's NeighborLoader, as in its `examples/reddit.py`: both layers compute all nodes of a subgraph."""

    def __init__(self, graph: HeldGraph, batch_size: int, workers: int) -> None:
        from torch_geometric.data import Data  # type: ignore[import-untyped]
        from torch_geometric.loader import NeighborLoader  # type: ignore[import-untyped]

        targets = torch.from_numpy(np.repeat(np.arange(len(graph.labels)), np.diff(graph.indptr)))
        data = Data(x=graph.features, edge_index=torch.stack((graph.neighbours(), targets)), y=graph.labels)
        self._order = _Order()
        self._loader: Any = NeighborLoader(
            data,
            num_neighbors=list(FANOUT),
            batch_size=batch_size,
            sampler=self._order,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def batches(self, ids: Ids, epoch: int, purpose: Purpose) -> Iterator[Batch]:
        """See `BatchSource.batches`. The loader draws as it likes."""
        del epoch, purpose
        self._order.ids = ids
        for batch in self._loader:
            yield Batch(batch.x, [Graph(batch.edge_index, None)] * 2, batch.y[: batch.batch_size])


class _SparseTensors:
    """PyG's older NeighborSampler on a SparseTensor, as in its `examples/ogbn_train.py` of then: bipartite blocks."""

    def __init__(self, graph: HeldGraph, batch_size: int, workers: int) -> None:
        from torch_geometric.loader import NeighborSampler
        from torch_sparse import SparseTensor

        nodes = len(graph.labels)
        adjacency = SparseTensor(
            rowptr=torch.from_numpy(graph.indptr), col=graph.neighbours(), sparse_sizes=(nodes, nodes), is_sorted=True
        )
        self._graph, self._order = graph, _Order()
        self._loader: Any = NeighborSampler(
            adjacency,
            sizes=list(FANOUT),
            return_e_id=False,
            batch_size=batch_size,
            sampler=self._order,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def batches(self, ids: Ids, epoch: int, purpose: Purpose) -> Iterator[Batch]:
        """See `BatchSource.batches`. The loader draws as it likes."""
        del epoch, purpose
        self._order.ids = ids
        for count, nodes, layers in self._loader:
            graphs = [Graph(layer.adj_t, layer.size[1]) for layer in layers]
            yield Batch(self._graph.features[nodes], graphs, self._graph.labels[nodes[:count]])


class _DglBlocks:
    """DGL's NeighborSampler, as in its `examples/pytorch/graphsage/node_classification.py`."""

    def __init__(self, graph: HeldGraph, batch_size: int, workers: int) -> None:
        import dgl

        self._graph, self._batch_size, self._workers = graph, batch_size, workers
        columns = (torch.from_numpy(graph.indptr), graph.neighbours(), torch.empty(0, dtype=torch.int64))
        self._dgl_graph = dgl.graph(("csc", columns), num_nodes=len(graph.labels))
        self._sampler = dgl.dataloading.NeighborSampler(list(reversed(FANOUT)))

    def batches(self, ids: Ids, epoch: int, purpose: Purpose) -> Iterator[Batch]:
        """See `BatchSource.batches`. The loader draws as it likes."""
        import dgl

        del epoch, purpose
        nodes = torch.from_numpy(ids).long()
        loader: Any = dgl.dataloading.DataLoader(
            self._dgl_graph, nodes, self._sampler, batch_size=self._batch_size, num_workers=self._workers
        )
        for sources, seeds, blocks in loader:
            graphs = [Graph(block, block.num_dst_nodes()) for block in blocks]
            yield Batch(self._graph.features[sources], graphs, self._graph.labels[seeds])


class _OwnBlocks:
    """Blocks of picluster's sampler in the form that PyG's layers take; features are gathered for all sources."""

    def __init__(self, graph: HeldGraph, batch_size: int, form: Literal["csr", "edges"]) -> None:
        self._graph, self._batch_size, self._form = graph, batch_size, form
        self._sampler = NeighbourSampler(graph.indptr, graph.packed_ids, fanout=FANOUT, depth=len(FANOUT), seed=SEED)
        self._position = np.empty(len(graph.labels), np.int64)

    def batches(self, ids: Ids, epoch: int, purpose: Purpose) -> Iterator[Batch]:
        """See `BatchSource.batches`."""
        for step, begin in enumerate(range(0, len(ids), self._batch_size), start=1):
            seeds = ids[begin : begin + self._batch_size]
            sample = self._sampler.sample(seeds, purpose=purpose, epoch=epoch, step=step)
            first, *later = sample.hops
            sources, neighbours = self._extended(sample.ids, first.neighbours)
            graphs = [self._layer(first.counts, neighbours, len(sources))]
            for hop, size in zip(later, sample.frontiers, strict=False):
                graphs.append(self._layer(hop.counts, hop.neighbours, size))
            rows = self._graph.features.index_select(0, torch.from_numpy(sources))
            yield Batch(rows, graphs, self._graph.labels[torch.from_numpy(seeds).long()])

    def _extended(self, ids: Ids, neighbours: Ids) -> tuple[Ids, NDArray[np.int64]]:
        """The nodes `ids` with their new neighbours behind them, and the neighbours as positions in that."""
        self._position[neighbours] = -1
        self._position[ids] = np.arange(len(ids))
        new = np.unique(neighbours[self._position[neighbours] < 0])
        self._position[new] = np.arange(len(ids), len(ids) + len(new))
        return np.concatenate((ids, new)), self._position[neighbours]

    def _layer(self, counts: NDArray[Any], neighbours: NDArray[Any], sources: int) -> Graph:
        positions = torch.from_numpy(neighbours.astype(np.int64))
        sizes = torch.from_numpy(counts.astype(np.int64))
        if self._form == "edges":
            adjacency = torch.stack((positions, torch.repeat_interleave(torch.arange(len(sizes)), sizes)))
        else:
            adjacency = sparse_matrix(
                torch.cat((torch.zeros(1, dtype=torch.int64), sizes.cumsum(0))), positions, sources
            )
        return Graph(adjacency, len(sizes))


def sparse_matrix(row_ends: Tensor, columns: Tensor, sources: int) -> Tensor:
    """Matrix (T, sources) of ones in torch's compressed rows: `row_ends` (T + 1,), `columns` (E,)."""
    ones = torch.ones(len(columns))
    return torch.sparse_csr_tensor(row_ends, columns, ones, size=(len(row_ends) - 1, sources), check_invariants=False)
