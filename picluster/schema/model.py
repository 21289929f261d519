"""Description of a model by `picluster-worker describe`: everything that the controller knows about it."""

from picluster.schema.record import Record
from picluster.schema.spec import Loss, Monitor, OptionValue


class TrainingDefaults(Record, frozen=True, kw_only=True):
    """Recommendations of a model's author; None = picluster's default for a graph of this size."""

    learning_rate: float | None = None
    """Adam's step size."""
    weight_decay: tuple[float, ...] | None = None
    """One value for all graph layers, or one for each."""
    dense_weight_decay: float | None = None
    """Weight decay of layers without neighbours."""
    l1: float | None = None
    """L1 regularisation of all weights but biases."""
    loss: Loss | None = None
    """Kind of target: classes (cross-entropy), or a value (absolute-error)."""
    batch_size: int | None = None
    """Seeds of a step."""
    epochs: int | None = None
    """Largest number of epochs."""
    patience: int | None = None
    """Epochs without a better validation after which to stop."""
    monitor: Monitor | None = None
    """Measure by which validation is better: accuracy or loss."""


class Pretraining(Record, frozen=True, kw_only=True):
    """Training before the training: another model learns an embedding of the nodes, without their labels.

    That model is trained on pairs of nodes. Its first layer has a weight `embedding` (nodes, width), and perhaps
    `dense.weight` and `dense.bias`, a layer with ReLU over the features. Both together become further features.
    """

    model: str
    """Name of its file, in the folder of this model's file."""
    options: dict[str, OptionValue]
    """Options of its `layers`; the graph tells `nodes`."""
    pairs: int
    """Number of training pairs: one half edges, the other half random."""
    neighbours: int
    """Degree of the graph that is trained on next: each node is joined to its nearest in the embedding."""


class LayerDescription(Record, frozen=True, kw_only=True):
    """One graph layer, and the layers without neighbours that belong to it."""

    name: str
    """Name of its class."""
    parameters: int
    wide: bool = False
    """True where its `aggregate` has parameters: then full rows cross the cut before it."""
    aggregated: dict[str, int]
    """Widths of the rows that its `aggregate` gives, which cross a cut before its `transform`."""
    output: dict[str, int]
    """Widths of the rows that its `transform` gives."""


class ModelDescription(Record, frozen=True, kw_only=True):
    """An ordered list of layers."""

    schema_version: int = 1
    name: str
    """The model file's name without `.py`."""
    options: dict[str, OptionValue]
    """Every option of `layers`, defaults included."""
    layers: tuple[LayerDescription, ...]
    dense_layers: int | None = None
    """Number of its layers without neighbours; None in descriptions of earlier versions."""
    imports_pyg: bool = False
    """True where its file imports PyG, whose code takes memory on every node that holds a stage."""
    training: TrainingDefaults = TrainingDefaults()
    pretraining: Pretraining | None = None
    """Training that comes first; None where the model is trained at once."""
