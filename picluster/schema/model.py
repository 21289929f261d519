"""What the controller must know of a model, told by `picluster-worker describe`."""

from picluster.schema.record import Record
from picluster.schema.spec import Loss, Monitor, OptionValue

DESCRIPTION_SCHEMA_VERSION = 1


class TrainingDefaults(Record, frozen=True, kw_only=True):
    """What the author of a model recommends; None = picluster's default for a graph of this size."""

    learning_rate: float | None = None
    """Of Adam."""
    weight_decay: tuple[float, ...] | None = None
    """One value for all graph layers, or one for each."""
    dense_weight_decay: float | None = None
    """For layers without neighbours."""
    l1: float | None = None
    """L1 regularisation of all weights but biases."""
    loss: Loss | None = None
    """What is learnt: classes (cross-entropy), or a value (absolute-error)."""
    batch_size: int | None = None
    """Seeds of a step."""
    epochs: int | None = None
    """At most so many."""
    patience: int | None = None
    """Epochs without a better validation after which to stop."""
    monitor: Monitor | None = None
    """By what validation is better: accuracy or loss."""


class Pretraining(Record, frozen=True, kw_only=True):
    """What comes before a model is trained: another model learns an embedding of the nodes, without their labels.

    That model is trained on pairs of nodes. Its first layer has a weight `embedding` (nodes, width), and perhaps
    `dense.weight` and `dense.bias`, a layer with ReLU over the features. Both together become further features.
    """

    model: str
    """Name of its file, which lies beside this model's."""
    options: dict[str, OptionValue]
    """For its `layers`; `nodes` is told by the graph."""
    pairs: int
    """Training pairs: one half edges, the other half random."""
    neighbours: int
    """The graph of the training that follows: from each node to so many nearest in the embedding."""


class LayerDescription(Record, frozen=True, kw_only=True):
    """One graph layer, and the layers without neighbours that belong to it."""

    name: str
    """Its class."""
    parameters: int
    """Number of trained values."""
    wide: bool = False
    """Whether its `aggregate` has parameters: then full rows cross the cut before it."""
    aggregated: dict[str, int]
    """Widths of the rows that its `aggregate` gives: what crosses a cut before its `transform`."""
    output: dict[str, int]
    """Widths of the rows that its `transform` gives."""


class ModelDescription(Record, frozen=True, kw_only=True):
    """An ordered list of layers."""

    schema_version: int = DESCRIPTION_SCHEMA_VERSION
    """Counts up when the record's form changes."""
    name: str
    """The model file's name without `.py`."""
    options: dict[str, OptionValue]
    """Every option of `layers`, defaults included."""
    layers: tuple[LayerDescription, ...]
    """The one that reads the features first."""
    dense_layers: int | None = None
    """How many layers without neighbours it has; None in descriptions of earlier versions."""
    training: TrainingDefaults = TrainingDefaults()
    """What the model's author recommends."""
    pretraining: Pretraining | None = None
    """None where the model is trained at once."""
