"""What `picluster dataset list --json` and `picluster dataset show --json` say."""

from picluster.schema.record import Record

DATASETS_SCHEMA_VERSION = 1


class DatasetEntry(Record, frozen=True, kw_only=True):
    """One folder below graphs/."""

    name: str
    """Name of the folder."""
    damage: str | None = None
    """Why it cannot be used; then only name and size are known."""
    nodes: int = 0
    """Number of nodes."""
    edges: int = 0
    """Number of directed edges."""
    features: int = 0
    """Width of a node's features."""
    classes: int = 0
    """Number of classes."""
    bytes: int
    """Size of its files on disk."""
    source: str = ""
    """Where the data came from, in words."""


class DatasetList(Record, frozen=True, kw_only=True):
    """All graph folders, and what else there could be."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    folder: str
    """Where they are."""
    datasets: tuple[DatasetEntry, ...]
    can_prepare: tuple[str, ...]
    """Names that `picluster dataset prepare` knows."""


class Degrees(Record, frozen=True, kw_only=True):
    """In-neighbours of a node, over all nodes."""

    smallest: int
    mean: float
    median: float
    largest: int


class DatasetDetails(Record, frozen=True, kw_only=True):
    """One graph folder, looked into."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    folder: str
    """Where it is."""
    source: str
    """Where the data came from, in words."""
    nodes: int
    """Number of nodes."""
    edges: int
    """Number of directed edges."""
    features: int
    """Width of a node's features."""
    feature_dtype: str
    """numpy's name of how they are stored."""
    classes: int
    """Number of classes."""
    splits: dict[str, int]
    """Number of nodes in `train`, `validation` and `test`."""
    degrees: Degrees
    isolated: int
    """Nodes without any edge."""
    homophily: float | None
    """Share of the edges between labelled nodes that join two of one class."""
    labels: tuple[int, ...]
    """Number of nodes of each class."""
    unlabelled: int
    """Number of nodes without a label."""
    files: dict[str, int]
    """Size of each file in bytes."""
