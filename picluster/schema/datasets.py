"""Records of `picluster dataset list`, `show` and `draw` with `--json`."""

from picluster.schema.record import Record

DATASETS_SCHEMA_VERSION = 1


class DatasetEntry(Record, frozen=True, kw_only=True):
    """One folder below graphs/."""

    name: str
    damage: str | None = None
    """Reason why it cannot be used; then only name and size are known."""
    nodes: int = 0
    edges: int = 0
    """Number of directed edges."""
    features: int = 0
    classes: int = 0
    bytes: int
    """Size of its files on disk."""
    source: str = ""


class DatasetList(Record, frozen=True, kw_only=True):
    """All graph folders, and the data sets that could be prepared."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    folder: str
    """Folder that holds them."""
    datasets: tuple[DatasetEntry, ...]
    can_prepare: tuple[str, ...]
    """Names that `picluster dataset prepare` knows."""


class Degrees(Record, frozen=True, kw_only=True):
    """Distribution of the number of in-neighbours over all nodes."""

    smallest: int
    mean: float
    median: float
    largest: int


class ComponentCounts(Record, frozen=True, kw_only=True):
    """Connected components, whichever way edges lead."""

    count: int
    """Number of components; an isolated node is one."""
    largest: int
    """Number of nodes of the largest."""


class Published(Record, frozen=True, kw_only=True):
    """Published statistics of the data set whose shape a generated graph has."""

    name: str
    nodes: int
    edges: int
    """Number of directed edges."""
    features: int
    classes: int
    splits: dict[str, int]
    mean_degree: float
    largest_degree: int
    homophily: float


class DatasetDetails(Record, frozen=True, kw_only=True):
    """One graph folder with statistics of the graph."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    folder: str
    source: str
    nodes: int
    edges: int
    """Number of directed edges."""
    features: int
    feature_dtype: str
    """numpy's name for the type in which features are stored."""
    classes: int
    splits: dict[str, int]
    """Number of nodes in `train`, `validation` and `test`."""
    degrees: Degrees
    isolated: int
    """Nodes without any edge."""
    components: ComponentCounts
    homophily: float | None
    """Share of the edges between labelled nodes that join two of one class."""
    labels: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    """Name of each class; empty where the labels were numbers."""
    unlabelled: int
    files: dict[str, int]
    """Size of each file in bytes."""
    resembles: Published | None = None
    """The data set whose shape a generated graph has; None where the graph is not generated."""


class DatasetDrawing(Record, frozen=True, kw_only=True):
    """A picture of a graph."""

    schema_version: int = DATASETS_SCHEMA_VERSION
    file: str
    seed: int
    is_sampled: bool
    """True where only a part of the graph is drawn; the statistics are the whole graph's all the same."""
    drawn_nodes: int
    drawn_pairs: int
    """Number of pairs of them that an edge joins, of either direction."""
    drawn_lines: int
    """Number of pairs that are drawn as lines: fewer where there are too many to see."""
    graph: DatasetDetails
