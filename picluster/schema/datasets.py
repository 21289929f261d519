"""What `picluster dataset list`, `show` and `draw` say as `--json`."""

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


class Components(Record, frozen=True, kw_only=True):
    """Connected components; directions do not count."""

    count: int
    """How many there are; an isolated node is one."""
    largest: int
    """Nodes of the largest."""


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
    components: Components
    homophily: float | None
    """Share of the edges between labelled nodes that join two of one class."""
    labels: tuple[int, ...]
    """Number of nodes of each class."""
    class_names: tuple[str, ...] = ()
    """Name of each class; empty where the labels were numbers."""
    unlabelled: int
    """Number of nodes without a label."""
    files: dict[str, int]
    """Size of each file in bytes."""


class DatasetDrawing(Record, frozen=True, kw_only=True):
    """A picture of a graph."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    file: str
    """The picture."""
    seed: int
    """Of the sample and of the layout."""
    is_sampled: bool
    """Whether only a part of the graph is drawn; the statistics are the whole graph's all the same."""
    drawn_nodes: int
    """Number of nodes in the picture."""
    drawn_pairs: int
    """Number of pairs of them that an edge joins, of either direction."""
    drawn_lines: int
    """Number of pairs that are drawn as lines: fewer where there are too many to see."""
    graph: DatasetDetails
