"""The spec: recipe of what is learnt. It names no machines: every plan of one spec learns the same."""

from math import ceil, isfinite
from typing import Literal

import msgspec

from picluster.errors import InputError
from picluster.schema.plan import Cut
from picluster.schema.record import Record
from picluster.wording import counted

OptionValue = bool | int | float | str | None
Evaluation = Literal["sampled", "exact"]
Monitor = Literal["accuracy", "loss"]
Loss = Literal["cross-entropy", "absolute-error"]
Precision = Literal["fp32", "fp16", "int8"]


def read_option(text: str) -> tuple[str, OptionValue]:
    """An option of a model as people type it: NAME=VALUE, the value in JSON or a plain word.

    Raises:
        InputError: it has another form, or names what the graph tells.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"--option {text} is not NAME=VALUE", fix="such as --option alpha=0.1")
    if name in ("features", "classes"):
        raise InputError(f"--option {name}: the graph tells it")
    try:
        return name, msgspec.json.decode(value, type=OptionValue)
    except msgspec.DecodeError:
        return name, value


class ModelChoice(Record, frozen=True, kw_only=True):
    """A model file and the options for its `layers` function."""

    name: str
    """Name of the file without `.py`."""
    depth: int
    options: dict[str, OptionValue]
    """Keyword arguments for `layers`, such as `hidden`."""


class Adam(Record, frozen=True, kw_only=True):
    """The optimiser: Adam (Kingma & Ba, 2015), with L2 regularisation added to the gradient."""

    learning_rate: float
    """Step size."""
    beta1: float = 0.9
    """Decay of the mean of gradients."""
    beta2: float = 0.999
    """Decay of the mean of squared gradients."""
    epsilon: float = 1e-8
    """Added to the root, against division by zero."""
    amsgrad: bool = False
    """Use the largest mean of squares so far (Reddi et al., 2018)."""
    weight_decay: tuple[float, ...]
    """One value for each graph layer."""
    dense_weight_decay: float = 0.0
    """Weight decay of layers without neighbours."""
    l1: float = 0.0
    """L1 regularisation of all weights but biases: this, times the sign of the weight, is added to its gradient."""

    def __post_init__(self) -> None:
        if not (isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"the learning rate must be above 0 and finite, not {self.learning_rate}")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise InputError(f"Adam's betas must lie in [0, 1), not {self.beta1} and {self.beta2}")
        if not (isfinite(self.epsilon) and self.epsilon > 0):
            raise InputError(f"Adam's epsilon must be above 0 and finite, not {self.epsilon}")
        if not (isfinite(self.l1) and self.l1 >= 0):
            raise InputError(f"l1 must not be negative or infinite, but is {self.l1}")
        decays = (*self.weight_decay, self.dense_weight_decay)
        if not all(isfinite(decay) and decay >= 0 for decay in decays):
            raise InputError(f"weight decay must not be negative or infinite: {list(decays)}")


_MOST = 10**9
"""Most of whatever is counted: epochs, seeds, neighbours."""


def _check_count(name: str, value: int, fix: str = "") -> None:
    if value < 1:
        raise InputError(f"{name} must be at least 1, not {value}", fix=fix)
    if value > _MOST:
        raise InputError(f"{name} must be at most {_MOST:,}", fix=fix)


class Spec(Record, frozen=True, kw_only=True):
    """Model, data, sampling, partition of a step, seed, optimiser."""

    schema_version: int = 1
    dataset: str
    """Name of the graph folder."""
    model: ModelChoice
    fanout: tuple[int, ...] | None
    """Neighbours sampled for each node, nearest to the seeds first; None = all neighbours."""
    batch_size: int | None
    """Seeds of a step; None = all training nodes (full batch)."""
    micro_batches: int
    """Parts into which a step's seeds are cut; their gradients are summed before the update."""
    epochs: int
    """Passes over the training nodes."""
    seed: int
    """Seed that all random numbers follow from."""
    optimizer: Adam
    loss: Loss = "cross-entropy"
    """Loss of classes, or of a value: then labels are values, and there is no accuracy."""
    patience: int | None = None
    """Stop after so many epochs without a better validation; None = never."""
    monitor: Monitor = "accuracy"
    """Measure by which one epoch's validation is better than another's: the higher accuracy, or the lower loss."""
    validation: Evaluation = "sampled"
    """Neighbours that validation sees: a sample or all of them."""
    test: Evaluation = "sampled"
    """The same for the test at the end."""
    wire: Precision = "fp32"
    """Number format in which rows, and their gradients, pass from layer to layer, under every plan."""
    boundaries: tuple[Cut, ...] = ()
    """Form of the rows that pass before layer 2, before layer 3 …; empty with fp32: then each plan may choose."""

    def __post_init__(self) -> None:
        depth = self.model.depth
        if depth < 1:
            raise InputError(f"a model must have at least one layer, not {depth}")
        if self.fanout is not None and len(self.fanout) != depth:
            given = ",".join(map(str, self.fanout))
            fix = "give one number for each layer, the seeds' neighbours first, such as --fanout 25,10; or --fanout all"
            has = f"has {counted(len(self.fanout), 'number')}, but {self.model.name} has {counted(depth, 'layer')}"
            raise InputError(f"fanout {given} {has}", fix=fix)
        for name in ("batch_size", "micro_batches", "epochs", "patience"):
            value = getattr(self, name)
            if value is not None:
                _check_count(f"--{name.replace('_', '-')}", value)
        for count in self.fanout or ():
            _check_count("a fanout", count, fix="--fanout all takes them all")
        if self.loss == "absolute-error" and self.monitor == "accuracy":
            raise InputError("values have no accuracy", fix="--monitor loss")
        if len(self.optimizer.weight_decay) != depth:
            given = ",".join(map(str, self.optimizer.weight_decay))
            message = f"weight decay {given} does not fit the {counted(depth, 'layer')} of {self.model.name}"
            raise InputError(message, fix="give one value for all layers or one for each")
        forms = 0 if self.wire == "fp32" else depth - 1
        if len(self.boundaries) != forms:
            message = f"with {self.wire} on the wire {counted(depth, 'layer')} need {counted(forms, 'form')} of rows"
            raise InputError(f"{message}, not {len(self.boundaries)}")

    def form(self, layer: int) -> Cut | None:
        """Form in which rows pass before a layer, counted from 1; None where each plan may choose."""
        return dict(enumerate(self.boundaries, start=2)).get(layer)

    def evaluation(self, split: str) -> Evaluation:
        """Neighbours that `validation` or `test` sees: where training sees all of them, so do these."""
        if self.fanout is None:
            return "exact"
        return self.validation if split == "validation" else self.test

    def steps(self, nodes: int) -> int:
        """Steps that one pass over `nodes` seeds takes."""
        return 1 if self.batch_size is None else ceil(nodes / self.batch_size)

    def seeds_of_step(self, nodes: int, step: int) -> int:
        """Seeds of one step of a pass over `nodes`; the last step may be short."""
        if self.batch_size is None:
            return nodes
        return min(self.batch_size, nodes - step * self.batch_size)

    def micro_batch_sizes(self, seeds: int) -> tuple[int, ...]:
        """Sizes of the micro-batches of a step of `seeds` seeds: as even as can be, and none empty."""
        count = min(self.micro_batches, seeds)
        share, rest = divmod(seeds, count)
        return tuple(share + (part < rest) for part in range(count))
