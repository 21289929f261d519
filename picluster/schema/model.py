"""What the controller must know of a model, told by `picluster-worker describe`."""

from picluster.schema.record import Record
from picluster.schema.spec import Monitor, OptionValue

DESCRIPTION_SCHEMA_VERSION = 1


class TrainingDefaults(Record, frozen=True, kw_only=True):
    """What the author of a model recommends; None = picluster's default for a graph of this size."""

    learning_rate: float | None = None
    """Of Adam."""
    weight_decay: tuple[float, ...] | None = None
    """One value for all graph layers, or one for each."""
    dense_weight_decay: float | None = None
    """For layers without neighbours."""
    epochs: int | None = None
    """At most so many."""
    patience: int | None = None
    """Epochs without a better validation after which to stop."""
    monitor: Monitor | None = None
    """By what validation is better: accuracy or loss."""


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
    training: TrainingDefaults = TrainingDefaults()
    """What the model's author recommends."""
