"""The predecessor's scheme: a trainer holds the data and samples, layers are remote modules on a node each.

The trainer ships features and block of a layer by torch RPC and gets its rows back, which it ships to the next layer;
gradients come by torch's distributed autograd. Written anew from that description. Sampling is picluster's, as that of
PyG would need torch-sparse: to the scheme's favour.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed import autograd, rpc
from torch.nn.functional import cross_entropy, dropout
from torch_geometric.nn import SAGEConv  # type: ignore[import-untyped]

from picluster.graph.folder import GraphFolder
from picluster.randomness import Purpose
from picluster.schema.events import EpochDone, Tested
from picluster.worker.sampling.sampler import shuffled
from scripts.bench_reddit.records import BATCH_SIZE, DROPOUT, HIDDEN, LEARNING_RATE, SEED, RivalTask
from scripts.bench_reddit.rivals.batches import BatchSource, source_of, sparse_matrix
from scripts.bench_reddit.rivals.held_graph import Ids, hold
from scripts.bench_reddit.rivals.model import Batch
from scripts.bench_reddit.rivals.telling import Teller

_LAYERS = 2
_TIMEOUT_SECONDS = 600


class _HeldLayer(NamedTuple):
    """The layer that a process holds."""

    conv: torch.nn.Module
    optimizer: torch.optim.Optimizer
    teller: Teller
    is_last: bool


_held: list[_HeldLayer] = []
"""The layer of this process; none in the trainer."""


def train_remotely(rank: int, task: RivalTask, port: int) -> None:
    """Be the trainer (rank 0), or hold a layer until the trainer has finished."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(SEED + rank)
    os.environ["TP_SOCKET_IFNAME"] = os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    teller = Teller(task.events, f"process{rank}")
    options = rpc.TensorPipeRpcBackendOptions(
        num_worker_threads=2,
        rpc_timeout=_TIMEOUT_SECONDS,
        init_method=f"tcp://127.0.0.1:{port}",
        # TCP also within one machine: it stands for three.
        _transports=["uv"],
        _channels=["basic"],
    )
    if rank:
        _held.append(_layer(rank, task, teller))
    rpc.init_rpc(f"process{rank}", rank=rank, world_size=_LAYERS + 1, rpc_backend_options=options)  # type: ignore[no-untyped-call]
    if rank == 0:
        _Trainer(task, teller).train()
    rpc.shutdown(graceful=True)
    teller.finish()


def _layer(number: int, task: RivalTask, teller: Teller) -> _HeldLayer:
    """Make layer `number`, from 1."""
    meta = GraphFolder.open(task.graph).meta
    widths = (meta.features, HIDDEN, meta.classes)
    conv = SAGEConv(widths[number - 1], widths[number])
    optimizer = torch.optim.Adam(conv.parameters(), lr=LEARNING_RATE)
    return _HeldLayer(conv, optimizer, teller, is_last=number == _LAYERS)


class _Trainer:
    """The process that holds the data."""

    def __init__(self, task: RivalTask, teller: Teller) -> None:
        self._task, self._teller = task, teller
        self._graph = hold(task.graph, mapped=False)
        self._source: BatchSource = source_of("csr", self._graph, BATCH_SIZE, 0)

    def train(self) -> None:
        """Train the epochs or steps of the task."""
        splits, settings = self._graph.splits, self._task.settings
        epoch, trained = 0, 0
        while settings.steps or epoch < settings.epochs:
            epoch += 1
            begun, losses = time.monotonic(), []
            for layer in range(_LAYERS):
                _call(layer, _skip)
            self._teller.skip()
            ids = shuffled(splits["train"], SEED, epoch)
            for step, batch in enumerate(self._source.batches(ids, epoch, Purpose.SAMPLE), start=1):
                losses.append(self._step(batch, epoch, step))
                trained += 1
                if trained == settings.steps:
                    return
            self._teller.tell(
                EpochDone(
                    epoch=epoch,
                    loss=sum(losses) / len(losses),
                    train_accuracy=None,
                    validation_accuracy=self._evaluate(splits["validation"]),
                    best=False,
                    seconds=time.monotonic() - begun,
                )
            )
        self._teller.tell(Tested(test_accuracy=self._evaluate(splits["test"])))

    def _step(self, batch: Batch, epoch: int, step: int) -> float:
        with autograd.context() as context:
            loss = cross_entropy(_scores(batch, training=True), batch.labels)
            autograd.backward(context, [loss])  # type: ignore[attr-defined]
            for layer in range(_LAYERS):
                _call(layer, _update, context, epoch, step)
        self._teller.step(epoch, step, loss.item())
        return loss.item()

    def _evaluate(self, ids: Ids) -> float:
        right = 0
        with torch.no_grad():
            for batch in self._source.batches(ids, 0, Purpose.VALIDATE):
                right += int((_scores(batch, training=False).argmax(1) == batch.labels).sum())
        return right / len(ids)


def _scores(batch: Batch, *, training: bool) -> Tensor:
    """Ship rows to a layer after the other, and get them back each time."""
    h = batch.features
    for layer, graph in enumerate(batch.graphs):
        h = _call(layer, _forward, h, graph.adjacency.crow_indices(), graph.adjacency.col_indices(), training)
    return h


def _call(layer: int, function: object, *words: object) -> Tensor:
    found: Tensor = rpc.rpc_sync(f"process{layer + 1}", function, args=words)
    return found


def _forward(h: Tensor, row_ends: Tensor, columns: Tensor, training: bool) -> Tensor:
    """(S, inputs) → (T, outputs)."""
    layer = _held[0]
    out: Tensor = layer.conv((h, h[: len(row_ends) - 1]), sparse_matrix(row_ends, columns, len(h)))
    return out if layer.is_last else dropout(out.relu(), DROPOUT, training)


def _update(context: int, epoch: int, step: int) -> None:
    """Apply the gradients that the backward pass has left here."""
    layer = _held[0]
    gradients = autograd.get_gradients(context)  # type: ignore[attr-defined]
    for parameter in layer.conv.parameters():
        parameter.grad = gradients[parameter]
    layer.optimizer.step()
    layer.teller.step(epoch, step)


def _skip() -> None:
    """Leave an evaluation out of the next step."""
    _held[0].teller.skip()
