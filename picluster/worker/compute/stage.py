"""A stage: a slice of the layers, forward and backward for one micro-batch at a time. Knows nothing of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from picluster.errors import DataError
from picluster.nn import Block, RowLayer, Rows
from picluster.randomness import Purpose, key
from picluster.schema.plan import Cut
from picluster.schema.spec import Adam, Spec
from picluster.worker.compute.adam import AdamOptimizer
from picluster.worker.compute.checkpoint import LayerState, copy_of, fill
from picluster.worker.compute.graph_layer import DropoutKeys, GraphLayer, Part, given, no_dropout
from picluster.worker.compute.tracing import trace
from picluster.worker.compute.wire_form import Dither, WireForm

# Adding this and taking it away again rounds an fp64 number to a multiple of 2^-46.
_ROUNDER = 1.5 * 2.0 ** (52 - 46)
EXACT_SUMS = 2
"""Sums behind those of the gradients, loss and right predictions: the optimiser takes gradients in fp32, these stay."""


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch as one stage knows it."""

    ids: Tensor
    """(R,) int32: nodes of the rows that the stage begins with; later layers' targets come first among them."""
    blocks: dict[int, Block]
    """Neighbourhoods, by the number of the layer (from 1) that aggregates with them."""


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
    """Moment of the training at which a micro-batch is computed: dropout and the weighting of the loss depend on it."""

    epoch: int
    step: int
    step_seeds: int
    """Seeds of the whole step."""


class _InFlight(NamedTuple):
    """Memory that a micro-batch leaves on its way there for its way back."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    right: int
    """Right predictions, at the last stage."""
    dither: Dither


@dataclass(frozen=True)
class WayBack:
    """Gradients of a micro-batch that went back through a stage."""

    gradients: list[Tensor]
    """Gradients of what the stage received."""
    found: Sequence[Tensor | None]
    """Gradients of the parameters, in fp32; None of those that the micro-batch did not use."""
    loss: Tensor | None
    """At the last stage, and None elsewhere."""
    right: int
    """Right predictions, at the last stage."""


class Stage:
    """Successive layers of a model, forward and backward.

    Gradients of micro-batches are accumulated in fp64 as exact sums, so the result does not depend on who computed
    which part of a step. Several threads may bring micro-batches forward and back at the same time, each by the number
    of its core, since layers may keep things between two lines of theirs; one thread at a time does all else.
    """

    def __init__(
        self,
        model: Sequence[GraphLayer],
        numbers: Sequence[int],
        *,
        receives: Cut = "aggregated",
        spec: Spec,
        width: int,
        data: StageData,
        cores: int = 1,
    ) -> None:
        """`model`: all layers; `numbers`: those of this stage, from 1; `width` of the features."""
        self.numbers = numbers
        self.is_last = numbers[-1] == len(model)
        self.data = data
        self._spec = spec
        # Its own layers, and the next one, whose `aggregate` may run here; further layers' parameters are not kept.
        self.layers = {layer.number: layer for layer in model[numbers[0] - 1 : numbers[-1] + 1]}
        self.widths = trace(model, width, in_int8=data.features is not None and data.features.dtype == torch.int8)
        """Widths of the rows that each layer's `aggregate` and `transform` give, by name."""
        aggregated, _ = self.widths[numbers[0] - 1]
        self._received_names = list(aggregated if receives == "aggregated" else self.widths[numbers[0] - 2][1])
        self.wire = WireForm(spec)
        self._in_flight: dict[int, _InFlight] = {}
        parts = [(number, part) for number in numbers for part in self.layers[number].parts]
        self.parameters = {name: weight for _, part in parts for name, weight in part.weights().items()}
        self.fixed_values = {name: value for _, part in parts for name, value in part.fixed_values().items()}
        """Not trained, but of the model's file: buffers."""
        self._layers_of_cores = [self.layers, *(_copy(self.layers) for _ in range(1, cores))]
        decays = [decay for number, part in parts for decay in _weight_decays(spec.optimizer, number, part)]
        self._optimizer = AdamOptimizer(list(self.parameters.values()), decays, spec.optimizer)
        self._sizes = [parameter.numel() for parameter in self.parameters.values()]
        self.sums = torch.zeros(sum(self._sizes) + EXACT_SUMS, dtype=torch.float64)
        """Sums of the step so far: gradients one after the other; at the last stage also loss and right predictions."""
        self.best_epoch = 0
        """The epoch after which the weights were the best; 0 before the first validation."""
        self.best_weights: dict[str, Tensor] = {}
        """Copies of all parameters as they were then."""

    def forward(
        self, micro_batch: int, batch: MicroBatch, received: Sequence[Tensor], moment: Moment, core: int = 0
    ) -> list[Tensor]:
        """Run one micro-batch of a step through the stage and keep what its way back needs.

        `received` are aggregated rows of the stage before, none at the first stage. Returns aggregated rows for the
        next stage; none at the last, which keeps the loss.
        """
        inputs = [tensor.requires_grad_() for tensor in self.wire.taken(received, self.numbers[0])]
        rows = self._run(batch, inputs, moment, core)
        outputs, right = list(rows.tensors.values()), 0
        if self.is_last:
            labels = self._labels(rows)
            outputs = [self._losses(rows["h"], labels).sum() / moment.step_seeds]
            right = self._right(rows["h"], labels)
        dither = self._dither(self.numbers[0], batch.ids, moment)
        self._in_flight[micro_batch] = _InFlight(inputs, outputs, right, dither)
        return [] if self.is_last else self.outgoing(rows)

    def outgoing(self, rows: Rows) -> list[Tensor]:
        """Give the rows that a stage before the last has computed as they cross to the next one."""
        return self.wire.sent(list(rows.tensors.values()), self.numbers[-1] + 1)

    def backward(self, micro_batch: int, gradients: Sequence[Tensor]) -> WayBack:
        """Bring one micro-batch back; `gradients` are those of what `forward` returned, none at the last stage."""
        inputs, outputs, right, dither = self._in_flight.pop(micro_batch)
        gradients = self.wire.taken(gradients, self.numbers[-1] + 1)
        wanted = [*self.parameters.values(), *inputs]
        # What a model only carries along, such as features, has no way back.
        begin = [output for output in outputs if output.requires_grad]
        if begin and not self.is_last:
            begin = [given([pair for pair in zip(outputs, gradients, strict=True) if pair[0].requires_grad])]
        found: Sequence[Tensor | None] = torch.autograd.grad(begin, wanted, allow_unused=True)
        count = len(self.parameters)
        pairs = zip(inputs, found[count:], strict=True)
        returned = [torch.zeros_like(tensor) if gradient is None else gradient for tensor, gradient in pairs]
        loss = outputs[0].detach() if self.is_last else None
        return WayBack(self.wire.sent(returned, self.numbers[0], dither=dither), found[:count], loss, right)

    def add(self, way_back: WayBack) -> None:
        """Add to `sums` what came of a micro-batch, each gradient in its place: no copy of all of them is made."""
        for place, gradient in zip(torch.split(self.sums[:-2], self._sizes), way_back.found, strict=True):
            if gradient is not None:
                place.add_(summand(gradient.reshape(-1)))
        if way_back.loss is not None:
            self.sums[-2] += summand(way_back.loss)
            self.sums[-1] += way_back.right

    def update(self) -> tuple[float, int]:
        """Take the optimiser's step with `sums` and clear them; returns loss and right predictions of the step."""
        parts = torch.split(self.sums[:-EXACT_SUMS].float(), self._sizes)
        shapes = [parameter.shape for parameter in self.parameters.values()]
        self._optimizer.step([part.view(shape) for part, shape in zip(parts, shapes, strict=True)])
        loss, right = self.sums[-EXACT_SUMS:].tolist()
        self.sums.zero_()
        return loss, int(right)

    @torch.no_grad()
    def evaluate(self, batch: MicroBatch, received: Sequence[Tensor], core: int = 0) -> Rows:
        """Run one micro-batch without dropout: rows for the next stage, or the class scores."""
        return self._run(batch, self.wire.taken(received, self.numbers[0]), None, core)

    def add_score(self, sums: Tensor, rows: Rows, nodes: int) -> None:
        """Add to `sums` (2,) fp64 the number of right predictions, and their part of the mean loss over `nodes`."""
        labels = self._labels(rows)
        sums[0] += self._right(rows["h"], labels)
        sums[1] += summand(self._losses(rows["h"], labels) / nodes).sum()

    def keep_best(self, epoch: int) -> None:
        """Keep a copy of the weights: they are the best so far."""
        self.best_epoch = epoch
        self.best_weights = {name: copy_of(parameter) for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def restore_best(self) -> None:
        """Put the best weights back into the parameters."""
        for name, tensor in self.best_weights.items():
            self.parameters[name].copy_(tensor)

    def give_state(self) -> dict[int, LayerState]:
        """Copy the training state of each layer, between two steps."""
        return {
            number: LayerState(
                self._optimizer.updates,
                self.best_epoch,
                {name: copy_of(tensor) for name, tensor in self._state_of(number).items()},
            )
            for number in self.numbers
        }

    def take_state(self, states: Mapping[int, LayerState]) -> None:
        """Go on from states of the layers, whichever stages gave them; DataError where one is that of another model."""
        any_state = states[self.numbers[0]]
        self._optimizer.updates = any_state.updates
        if any_state.best_epoch:
            self.keep_best(any_state.best_epoch)
        for number in self.numbers:
            given, source = states[number].tensors, f"the state of layer {number}"
            wanted = self._state_of(number)
            if given.keys() != wanted.keys():
                odd = ", ".join(sorted(given.keys() ^ wanted.keys()))
                raise DataError(f"{source} does not fit the model: {odd}", fix="it must be of the same run")
            for name, tensor in wanted.items():
                fill(name, tensor, given[name], source)

    def _state_of(self, layer: int) -> dict[str, Tensor]:
        """All tensors that training changes for a layer, by kind and name of parameter."""
        mine, best = self.layers[layer].weights().keys(), list(self.best_weights.values())
        weights: list[Tensor] = [*self.parameters.values()]
        kinds = {"weights": weights, "best": best, **self._optimizer.moments}
        return {
            f"{kind}/{name}": tensor
            for kind, tensors in kinds.items()
            for name, tensor in zip(self.parameters, tensors, strict=False)  # of some kinds there are none
            if name in mine
        }

    def _run(self, batch: MicroBatch, received: Sequence[Tensor], moment: Moment | None, core: int) -> Rows:
        keys = no_dropout if moment is None else self._dropout_keys(moment)
        if self.data.features is None:
            rows = Rows(dict(zip(self._received_names, received, strict=True)), batch.ids)
        else:
            rows = Rows({"h": self.data.features}, batch.ids)
        for number, layer in self._layers_of_cores[core].items():
            if number in batch.blocks:
                rows = self._passed(layer.aggregate(batch.blocks[number], rows, keys), number, "aggregated", moment)
            if number in self.numbers:
                rows = self._passed(layer.transform(rows, keys), number + 1, "rows", moment)
        return rows

    def _passed(self, rows: Rows, layer: int, form: Cut, moment: Moment | None) -> Rows:
        """Rows behind the boundary before a layer. Those that leave the stage there are rounded when they are sent."""
        if layer > self.numbers[-1]:
            return rows
        dither = None if moment is None else self._dither(layer, rows.ids, moment)
        return self.wire.passed(rows, layer, form, dither)

    def _dither(self, layer: int, ids: Tensor, moment: Moment) -> Dither:
        return Dither(key(self._spec.seed, Purpose.ROUND, moment.epoch, moment.step, layer), ids)

    def _dropout_keys(self, moment: Moment) -> DropoutKeys:
        return lambda place: key(self._spec.seed, Purpose.DROPOUT, moment.epoch, moment.step, place)

    def _losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of each row (N,): cross entropy of the softmax over classes, or absolute error of the only score."""
        if self._spec.loss == "absolute-error":
            return (scores[:, 0] - labels).abs()
        return cross_entropy(scores, labels.long(), reduction="none")

    def _right(self, scores: Tensor, labels: Tensor) -> int:
        """Number of rows whose highest score is that of their class; 0 where values are learnt."""
        return 0 if self._spec.loss == "absolute-error" else int((scores.argmax(dim=1) == labels).sum())

    def _labels(self, rows: Rows) -> Tensor:
        assert self.data.labels is not None
        return self.data.labels.index_select(0, rows.ids)


def _copy(layers: dict[int, GraphLayer]) -> dict[int, GraphLayer]:
    """Copy layers, but for their values, which both then have."""
    modules = [part.layer for layer in layers.values() for part in layer.parts]
    values = [value for module in modules for value in (*module.parameters(), *module.buffers())]
    return deepcopy(layers, {id(value): value for value in values})


def _weight_decays(optimizer: Adam, number: int, part: Part) -> list[float]:
    """Return the decay of each weight of a part."""
    dense = isinstance(part.layer, RowLayer)
    decay, decayed = optimizer.dense_weight_decay if dense else optimizer.weight_decay[number - 1], part.layer.decayed()
    return [decay if name in decayed else 0.0 for name in part.layer.weights()]


def summand(values: Tensor) -> Tensor:
    """`values` in fp64, rounded to multiples of 2⁻⁴⁶ ≈ 1.4e-14, so that sums of them are exact in any order.

    Exact while single values stay below 32 and sums below 128; beyond, sums are ordinary fp64 sums. Pre-rounding is
    the method of reproducible summation (Demmel and Nguyen, "Fast reproducible floating-point summation", 2013).
    """
    return (values.double() + _ROUNDER).sub_(_ROUNDER)
