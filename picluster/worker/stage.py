"""A stage: a slice of the layers, forward and backward for one micro-batch at a time. Knows nothing of the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy

from picluster.nn import Rows
from picluster.randomness import Purpose, key
from picluster.worker.adam import AdamOptimizer
from picluster.worker.model import trace
from picluster.worker.reduction import summand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from picluster.nn import Layer
    from picluster.randomness import Key
    from picluster.schema.spec import Spec
    from picluster.worker.blocks import MicroBatch


@dataclass(frozen=True)
class StageData:
    """The arrays of the graph folder that a stage reads; memory-mapped."""

    graph_degrees: Tensor
    """(N,) int32."""
    features: Tensor | None
    """(N, width) at the first stage, None elsewhere."""
    labels: Tensor | None
    """(N,) at the last stage, None elsewhere."""


@dataclass(frozen=True)
class Moment:
    """When in the training a micro-batch is computed: dropout and the weighting of the loss depend on it."""

    epoch: int
    step: int
    step_seeds: int
    """Seeds of the whole step."""


class Stage:
    """Some successive layers of a model.

    Gradients of micro-batches are accumulated in fp64 as exact sums, so the result does not depend on who computed
    which part of a step.
    """

    def __init__(
        self, model: Sequence[Layer], numbers: Sequence[int], *, spec: Spec, width: int, data: StageData
    ) -> None:
        """`model`: all layers; `numbers`: those of this stage, from 1; `width` of the features."""
        self.numbers = numbers
        self.is_last = numbers[-1] == len(model)
        self._spec = spec
        self._data = data
        self._layers = {number: model[number - 1] for number in numbers}
        # And the next one, whose `aggregate` runs here; further layers' parameters are not kept.
        self._next = None if self.is_last else model[numbers[-1]]
        self._received_names = list(trace(model, width)[numbers[0] - 1][0])
        self._in_flight: dict[int, tuple[list[Tensor], list[Tensor]]] = {}
        named = [(number, name, p) for number, layer in self._layers.items() for name, p in layer.named_parameters()]
        self.parameters = {f"layers.{number}.{name}": parameter for number, name, parameter in named}
        decays = [spec.optimizer.weight_decay[number - 1] for number, _, _ in named]
        self._optimizer = AdamOptimizer([parameter for _, _, parameter in named], decays, spec.optimizer)
        self._sizes = [parameter.numel() for _, _, parameter in named]
        self.sums = torch.zeros(sum(self._sizes) + 2, dtype=torch.float64)
        """Of the step so far: gradients one behind the other; at the last stage also loss and right predictions."""

    def forward(self, micro_batch: int, batch: MicroBatch, received: Sequence[Tensor], moment: Moment) -> list[Tensor]:
        """Run one micro-batch through the stage and keep what its way back needs.

        Args:
            micro_batch: its number in the step.
            batch: ids and blocks.
            received: aggregated rows of the stage before; none at the first stage.
            moment: epoch and step.

        Returns:
            Aggregated rows for the next stage; none at the last, where loss and right predictions are added to `sums`.
        """
        inputs = [tensor.requires_grad_() for tensor in received]
        rows = self._run(batch, inputs, moment)
        outputs = list(rows.tensors.values())
        if self.is_last:
            labels = self._labels(rows)
            loss = cross_entropy(rows["h"], labels, reduction="sum") / moment.step_seeds
            self.sums[-2] += summand(loss.detach())
            self.sums[-1] += _right(rows["h"], labels)
            outputs = [loss]
        self._in_flight[micro_batch] = (inputs, outputs)
        return [] if self.is_last else outputs

    def backward(self, micro_batch: int, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Bring one micro-batch back and add its parameters' gradients to `sums`.

        Args:
            micro_batch: its number in the step.
            gradients: of what `forward` returned; none at the last stage.

        Returns:
            Gradients of what `forward` received.
        """
        inputs, outputs = self._in_flight.pop(micro_batch)
        wanted = [*self.parameters.values(), *inputs]
        # What a model only carries along, such as features, has no way back.
        back = [(output, gradient) for output, gradient in zip_longest(outputs, gradients) if output.requires_grad]
        found: Sequence[Tensor | None] = torch.autograd.grad(
            [output for output, _ in back], wanted, [gradient for _, gradient in back], allow_unused=True
        )
        count, at = len(self.parameters), 0
        for size, gradient in zip(self._sizes, found, strict=False):
            if gradient is not None:
                self.sums[at : at + size] += summand(gradient.view(-1))
            at += size
        pairs = zip(inputs, found[count:], strict=True)
        return [torch.zeros_like(tensor) if gradient is None else gradient for tensor, gradient in pairs]

    def update(self) -> tuple[float, int]:
        """Take the optimiser's step with `sums` and clear them; returns loss and right predictions of the step."""
        parts = torch.split(self.sums[:-2].float(), self._sizes)
        shapes = [parameter.shape for parameter in self.parameters.values()]
        self._optimizer.step([part.view(shape) for part, shape in zip(parts, shapes, strict=True)])
        loss, right = self.sums[-2:].tolist()
        self.sums.zero_()
        return loss, int(right)

    @torch.no_grad()
    def evaluate(self, batch: MicroBatch, received: Sequence[Tensor]) -> tuple[list[Tensor], int]:
        """Run one micro-batch without dropout: rows for the next stage, and right predictions at the last."""
        rows = self._run(batch, received, None)
        if self.is_last:
            return [], _right(rows["h"], self._labels(rows))
        return list(rows.tensors.values()), 0

    def _run(self, batch: MicroBatch, received: Sequence[Tensor], moment: Moment | None) -> Rows:
        if self._data.features is not None:
            rows = self._layers[1].aggregate(batch.blocks[1], Rows({"h": self._data.features}, batch.ids))
        else:
            rows = Rows(dict(zip(self._received_names, received, strict=True)), batch.ids)
        for number, layer in self._layers.items():
            rows = layer.transform(replace(rows, dropout_key=self._dropout_key(moment, number)))
            following = self._layers.get(number + 1, self._next)
            if following is not None:
                rows = following.aggregate(batch.blocks[number + 1], rows)
        return rows

    def _dropout_key(self, moment: Moment | None, number: int) -> Key | None:
        if moment is None:
            return None
        return key(self._spec.seed, Purpose.DROPOUT, moment.epoch, moment.step, number)

    def _labels(self, rows: Rows) -> Tensor:
        assert self._data.labels is not None
        return self._data.labels.index_select(0, rows.ids).long()


def _right(scores: Tensor, labels: Tensor) -> int:
    return int((scores.argmax(dim=1) == labels).sum())
