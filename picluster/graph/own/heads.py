"""Names that columns have in people's files."""

import re
from typing import Literal

SOURCES = frozenset(
    [
        "source",
        "src",
        "from",
        "fromnode",
        "fromnodeid",
        "start",
        "startid",
        "startnode",
        "u",
        "citing",
        "sender",
        "subject",
        "follower",
        "row",
        "i",
        "sourceid",
        "srcid",
        "sourcenode",
    ]
)
TARGETS = frozenset(
    [
        "target",
        "dst",
        "dest",
        "destination",
        "to",
        "tonode",
        "tonodeid",
        "end",
        "endid",
        "endnode",
        "v",
        "cited",
        "receiver",
        "object",
        "followee",
        "col",
        "column",
        "j",
        "targetid",
        "dstid",
        "targetnode",
        "sink",
    ]
)
DOUBTFUL_ENDS = frozenset(["head", "tail"])
"""An arc leads from its tail to its head; a triple of knowledge from its head to its tail."""
WEIGHTS = frozenset(
    ["weight", "weights", "w", "edgeweight", "value", "values", "score", "strength", "distance", "cost", "capacity"]
)
LABELS = frozenset(["label", "labels", "class", "classes", "y", "target", "targets", "category", "categories"])
SPLITS = frozenset(["split", "splits", "set", "fold", "partition", "subset"])
_IDS = frozenset(["id", "ids", "node", "nodes", "nodeid", "vertex", "vertexid", "name", "key", "index", "idx"])
INDEX_HEADS = ("", "Unnamed: 0", "__index_level_0__")
"""The head of a column that pandas adds: the numbers of the rows, or the frame's index."""


def plain(name: str) -> str:
    """A name in small letters, without what divides words."""
    return re.sub(r"[\s_\-.:#~]+", "", name.casefold())


def may_be_ids(name: str) -> bool:
    """Whether a column of this name is likely to hold node ids: `node`, `paper_id`, `userId`, or pandas's index."""
    words = re.fullmatch(r".*([\s_\-.:]id|[a-z]I[dD]|ID)|(?i:node|vertex)[\s_\-]?.*(no|nr|num|number)", name)
    return name in INDEX_HEADS or plain(name) in _IDS or words is not None


def end_of(name: str) -> Literal["source", "target", ""]:
    """The end of an edge that a column of this name holds."""
    return "source" if plain(name) in SOURCES else "target" if plain(name) in TARGETS else ""


def names_ends(names: list[str]) -> bool:
    """Whether all of these are names of the ends of edges, or of ids, weights and the like beside them."""
    known = [bool(end_of(name)) or plain(name) in DOUBTFUL_ENDS | WEIGHTS or may_be_ids(name) for name in names]
    return bool(known) and all(known)


def is_value_name(word: str) -> bool:
    """Whether a word is what columns of labels or splits are called."""
    return plain(word) in LABELS | SPLITS
