"""The rows of the benchmark, ours and those of others."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.bench_reddit.records import Kind


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to train."""

    name: str
    title: str
    expected_seconds: float
    """Seconds of a step at scale 1 on one core, roughly: for telling how long the benchmark will take."""
    launch: tuple[str, ...] = ()
    """Options of `picluster launch`; none for a rival."""
    feature_dtype: str = "float32"
    kind: Kind = "csr"
    processes: int = 1
    mapped: bool = False
    needs: str = ""
    """Package that it needs and that does not come with picluster."""


_LAYER_SPLIT = ("--strategy", "layer-split", "--layers-per-node", "1")
_PRECISE = ("--features", "fp32", "--wire", "fp32")
ROWS = (
    Row(
        name="single",
        title="picluster, one node",
        expected_seconds=0.55,
        launch=(*_PRECISE, "--strategy", "single"),
    ),
    Row(
        name="data-parallel",
        title="picluster, data-parallel on two nodes",
        expected_seconds=0.6,
        launch=(*_PRECISE, "--strategy", "data-parallel", "--nodes", "2"),
    ),
    Row(
        name="layer-split",
        title="picluster, a node each for sampler, layer 1 and layer 2",
        expected_seconds=0.6,
        launch=(*_PRECISE, *_LAYER_SPLIT, "--nodes", "3"),
    ),
    Row(
        name="hybrid",
        title="picluster, the same with two nodes for layer 1",
        expected_seconds=0.65,
        launch=(*_PRECISE, *_LAYER_SPLIT, "--nodes", "4"),
    ),
    Row(
        name="int8",
        title="picluster, layer-split, features and wire in int8",
        expected_seconds=0.6,
        launch=("--features", "int8", "--wire", "int8", *_LAYER_SPLIT, "--nodes", "3"),
        feature_dtype="int8",
    ),
    Row(
        name="products",
        title="the products of layer 1 alone, nothing else",
        expected_seconds=0.35,
        kind="products",
    ),
    Row(
        name="predecessor",
        title="the predecessor's scheme: a trainer ships features to a node for each layer by torch RPC",
        expected_seconds=3.0,
        kind="predecessor",
        processes=3,
    ),
    Row(
        name="pyg-loader",
        title="PyG, NeighborLoader and SAGEConv as in its example",
        expected_seconds=5.6,
        kind="loader",
        needs="torch-sparse",
    ),
    Row(
        name="pyg-bipartite",
        title="PyG, the older NeighborSampler, SAGEConv on SparseTensor blocks",
        expected_seconds=1.4,
        kind="bipartite",
        needs="torch-sparse",
    ),
    Row(
        name="pyg-ddp",
        title="PyG, NeighborLoader in two processes, DistributedDataParallel",
        expected_seconds=6.5,
        kind="loader",
        processes=2,
        needs="torch-sparse",
    ),
    Row(
        name="dgl",
        title="DGL, NeighborSampler and SAGEConv as in its example",
        expected_seconds=2.0,
        kind="dgl",
        needs="dgl",
    ),
    Row(
        name="pyg-csr",
        title="PyG's SAGEConv on blocks of picluster's sampler, as sparse matrices of torch",
        expected_seconds=1.2,
    ),
    Row(
        name="pyg-edges",
        title="PyG's SAGEConv on the same blocks, as lists of edges",
        expected_seconds=3.0,
        kind="edges",
    ),
    Row(
        name="pyg-csr-ddp",
        title="the same as sparse matrices, two processes, DistributedDataParallel",
        expected_seconds=1.4,
        processes=2,
    ),
    Row(
        name="pyg-csr-disk",
        title="the same as sparse matrices, one process, features read from their file",
        expected_seconds=1.3,
        mapped=True,
    ),
)


def chosen(names: str) -> list[Row]:
    """Rows of these names, separated by commas; all where there is none. ValueError names one that does not exist."""
    by_name = {row.name: row for row in ROWS}
    if unknown := [name for name in names.split(",") if name and name not in by_name]:
        raise ValueError(f"there is no row {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names.split(",") if name] or list(ROWS)
