"""What the controller must know of a model, told by `picluster-worker describe`."""

from picluster.schema.record import Record
from picluster.schema.spec import OptionValue

DESCRIPTION_SCHEMA_VERSION = 1


class LayerDescription(Record, frozen=True, kw_only=True):
    """One graph layer."""

    name: str
    """Its class."""
    parameters: int
    """Number of trained values."""
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
