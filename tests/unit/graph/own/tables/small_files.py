"""Files of a small graph of one's own, to be changed one at a time."""

from pathlib import Path

from picluster.graph.own.own_graph import OwnGraph
from picluster.graph.own.tables.reading import read_own

EDGES = "source,target\n0,1\n1,2\n2,3\n3,4\n4,5\n5,0\n"
FEATURES = "node,a,b\n0,0.5,1.0\n1,0.25,2\n2,1,3\n3,2,4\n4,3,5\n5,4,6\n"
LABELS = "node,label\n0,cat\n1,cat\n2,dog\n3,dog\n4,cat\n5,dog\n"

Content = str | bytes


def read(
    folder: Path,
    edges: Content = EDGES,
    features: Content = FEATURES,
    labels: Content = LABELS,
    splits: Content | None = None,
    *,
    suffix: str = ".csv",
    missing: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    directed: bool = False,
) -> OwnGraph:
    """The graph of these files; `suffix` is that of the edges."""
    contents = {f"edges{suffix}": edges, "features.csv": features, "labels.csv": labels, "splits.csv": splits}
    for name, content in contents.items():
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    files = [folder / name for name in contents]
    given = files[3] if splits is not None else None
    return read_own(files[0], files[1], files[2], given, missing=missing, skip=skip, directed=directed)
