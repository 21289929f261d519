"""Names of data sets: those that can be prepared, their folders, and names for graphs of one's own."""

import re
import shlex

from picluster.errors import InputError

PLANETOID = ("cora", "citeseer", "pubmed")
CORA_LINQS = "cora-linqs"
REDDIT_LIKE = "reddit-like"
REDDIT = "reddit"
OGB = ("ogbn-arxiv", "ogbn-products")
KNOWN = (*PLANETOID, CORA_LINQS, REDDIT_LIKE, REDDIT, *OGB)
FEATURE_DTYPES = ("float16", "float32", "int8")
_SUFFIXES = {"float32": "-fp32", "int8": "-int8"}
"""Ends of the names of folders whose features are not float16."""
PARTIAL_MARK = ".partial-"
"""Part of the name of a graph folder that is being made, before the id of the process that makes it."""
DEFAULT_SCALE = 0.01
SMALLEST_SCALE, LARGEST_SCALE = 0.001, 5.0
"""Below, the 41 classes have hardly any nodes; above, to generate one takes more than 5 GB of memory."""

_LONGEST_NAME = 100
_LONGEST_NAME_BYTES = 200
"""File systems end at 255, and the name of a folder that is being written is longer."""
_PREPARED = re.compile(f"({'|'.join(sorted(KNOWN, reverse=True))})(?:-split([0-9]+)|-([0-9.e+-]+))?(-fp32|-int8)?")


def dataset_folder_name(
    name: str, scale: float = DEFAULT_SCALE, feature_dtype: str = "float16", split_seed: int | None = None
) -> str:
    """Folder name, such as `reddit-like-0.01`, `cora-linqs-split3` or `cora-fp32`. InputError for unknown values."""
    if name not in KNOWN:
        raise InputError(f"there is no data set {name!r}", fix=f"choose one of {', '.join(KNOWN)}")
    if feature_dtype not in FEATURE_DTYPES:
        raise InputError(f"features cannot be {feature_dtype!r}", fix=f"choose {' or '.join(FEATURE_DTYPES)}")
    if name == REDDIT_LIKE and not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        fix = f"choose one from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}; 1 is Reddit's full size"
        raise InputError(f"scale {scale:g} is out of range", fix=fix)
    if split_seed is not None and name != CORA_LINQS:
        what = f"--split-seed goes with {CORA_LINQS}, not with {name}: its split is fixed"
        raise InputError(what, fix="leave it out")
    size = f"-{scale:.10g}" if name == REDDIT_LIKE else ""
    split = f"-split{split_seed}" if split_seed else ""
    return name + size + split + _SUFFIXES.get(feature_dtype, "")


def is_prepared(folder_name: str) -> bool:
    """True for the name of a folder that `dataset prepare` makes, rather than of one's own graph."""
    return _PREPARED.fullmatch(folder_name) is not None


def remake_command(folder: str) -> str:
    """Command that makes a damaged graph folder anew, in words."""
    found = _PREPARED.fullmatch(folder)
    if not found:
        return f"import it again, from its files: picluster dataset import {shlex.quote(folder)} --force"
    name, split_seed, scale, suffix = found.groups()
    options = {"--split-seed": split_seed, "--scale": scale, "--features": suffix and suffix[1:]}
    given = "".join(f" {option} {value}" for option, value in options.items() if value)
    return f"prepare it again: picluster dataset prepare {name}{given} --force"


def check_folder_name(name: str) -> None:
    """InputError where `name` cannot be the name of a folder below graphs/."""
    why = ""
    if not name or name != name.strip():
        why = "is empty" if not name.strip() else "begins or ends with a space"
    elif name.startswith((".", "-")):
        why = f"begins with {name[0]!r}"
    elif "/" in name or PARTIAL_MARK in name:
        why = f"contains {'/' if '/' in name else PARTIAL_MARK!r}"
    elif not name.isprintable():
        why = "contains what cannot be printed"
    elif len(name) > _LONGEST_NAME or len(name.encode()) > _LONGEST_NAME_BYTES:
        why = f"is longer than {_LONGEST_NAME} characters or {_LONGEST_NAME_BYTES} bytes"
    if why:
        raise InputError(f"{name!r} cannot be the name of a data set: it {why}", fix="choose one such as my-graph")


def check_own_name(name: str) -> None:
    """InputError where `name` cannot be a folder's, or belongs to a data set that is prepared."""
    check_folder_name(name)
    if is_prepared(name):
        raise InputError(f"{name!r} is the name of a data set that picluster prepares", fix="choose another name")
