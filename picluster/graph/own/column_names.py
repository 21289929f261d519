"""Names that columns have in people's files: ends of edges, ids, weights, labels, splits."""

import re
from typing import Literal


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCES = _names(
    "source src from fromnode fromnodeid start startid startnode u citing sender subject follower row i"
    " sourceid srcid sourcenode"
)
TARGETS = _names(
    "target dst dest destination to tonode tonodeid end endid endnode v cited receiver object followee col column j"
    " targetid dstid targetnode sink"
)
DOUBTFUL_ENDS = _names("head tail")
"""An arc leads from its tail to its head; a triple of knowledge from its head to its tail."""
WEIGHTS = _names("weight weights w edgeweight value values score strength distance cost capacity")
LABELS = _names("label labels class classes y target targets category categories")
SPLITS = _names("split splits set fold partition subset")
INDEX_NAMES = ("", "Unnamed: 0", "__index_level_0__")
"""Names of a column that pandas adds: the numbers of the rows, or the frame's index."""
_SOURCE_WORDS = _names("source src from start citing sender subject follower caller")
_TARGET_WORDS = _names("target tgt trg dst dest destination to end cited receiver object followee callee sink")
"""Words that tell the end of an edge wherever they stand in a name: `cited_paper_id`."""
_BESIDE_ENDS = _names("type edgetype relation relationship timestamp time date")
_IDS = _names("id ids node nodes nodeid vertex vertexid name key index idx")
_PAIR = 2


def plain(name: str) -> str:
    """A name in small letters, without what divides words."""
    return re.sub(r"[\s_\-.:#~]+", "", name.casefold())


def may_be_ids(name: str) -> bool:
    """True where a column of this name is likely to hold node ids: `node`, `paper_id`, `userId`, or pandas's index."""
    words = re.fullmatch(r".*([\s_\-.:]id|[a-z]I[dD]|ID)|(?i:node|vertex)[\s_\-]?.*(no|nr|num|number)", name)
    return name in INDEX_NAMES or plain(name) in _IDS or words is not None


def end_of(name: str) -> Literal["source", "target", ""]:
    """The end of an edge that a column of this name holds: `dst`, `toID`, `cited_paper_id`, `:END_ID(Person)`."""
    bare = re.sub(r"\(.*\)$", "", name)
    known = plain(bare), plain(re.sub(r"(?<=[\s_\-.:])ids?$", "", bare, flags=re.IGNORECASE))
    is_source, is_target = (any(word in ends for word in known) for ends in (SOURCES, TARGETS))
    if not is_source and not is_target:
        words = {word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", bare)}
        is_source, is_target = bool(words & _SOURCE_WORDS), bool(words & _TARGET_WORDS)
    return "" if is_source == is_target else "source" if is_source else "target"


def names_ends(names: list[str]) -> bool:
    """True where all of these are names of the ends of edges, or of ids, weights and the like beside them."""
    beside = DOUBTFUL_ENDS | WEIGHTS | _BESIDE_ENDS
    known = [bool(end_of(name)) or plain(name) in beside or may_be_ids(name) for name in names]
    return bool(known) and (all(known) or bool(numbered_stem(names)))


def numbered_stem(names: list[str]) -> str:
    """The common name of two columns of ids that only 1 and 2 tell apart: `id1,id2`, `node_1,node_2`; else nothing."""
    stems = {name[:-1].rstrip("_ ") for name in names if name[-1:] in {"1", "2"}}
    is_pair = len(names) == len({*names}) == _PAIR and sorted(name[-1:] for name in names) == ["1", "2"]
    stem = stems.pop() if is_pair and len(stems) == 1 else ""
    return stem if may_be_ids(stem) else ""


def is_value_name(word: str) -> bool:
    """True where columns of labels or splits are called by this word."""
    return plain(word) in LABELS | SPLITS
