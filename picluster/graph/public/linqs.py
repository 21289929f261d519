"""Cora as LINQS publishes it (Sen et al., AI Magazine 29(3), 2008): `cora.content` and `cora.cites`.

The split is drawn by a seed, like that of the public predecessors: 20 papers of each class train, 500 validate, the
rest test.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError
from picluster.graph.edges import distinct_edges
from picluster.graph.names import CORA_LINQS
from picluster.graph.precision import fitting_dtype
from picluster.graph.public.planetoid import rows_to_sum_one
from picluster.graph.splits import split_by_class
from picluster.graph.writer import GraphWriter

FILES = ("cora.content", "cora.cites")
PER_CLASS, VALIDATION = 20, 500

_FOLDERS = ("cora", CORA_LINQS)


def find_linqs(input_folder: Path) -> Path | None:
    """Folder below `input_folder` that holds both files; None where there is none."""
    folders = (input_folder / folder for folder in _FOLDERS)
    return next((folder for folder in folders if all((folder / file).is_file() for file in FILES)), None)


def write_linqs(path: Path, *, input_folder: Path, feature_dtype: str, split_seed: int) -> None:
    """Write the graph folder `path`: citations both ways, each once; the rows of the features sum to 1.

    DataError where a file is missing or damaged, with the line.
    """
    folder = find_linqs(input_folder)
    if folder is None:
        what = f"neither {' nor '.join(str((input_folder / name).resolve()) for name in _FOLDERS)} has {FILES[0]} and "
        raise DataError(what + FILES[1], fix="put both there: docs/datasets.md says where to have them from")
    content, cites = (folder / file for file in FILES)
    papers, words, classes = _read_papers(content)
    source, target = _read_citations(cites, papers)
    names, labels = np.unique(classes, return_inverse=True)
    for name, count in zip(names, np.bincount(labels), strict=True):
        if count <= PER_CLASS:
            raise DataError(
                f"{content}: {count} papers of class {str(name)!r}, but {PER_CLASS} are to train", fix=_FETCH
            )
    rows = rows_to_sum_one(words, content)
    origin = f"LINQS Cora, {PER_CLASS} per class to train, split seed {split_seed}"
    with GraphWriter(path, source=origin, classes=len(names), class_names=map(str, names)) as writer:
        distinct_edges(source, target).write(writer, len(papers))
        writer.write_features(rows, fitting_dtype(rows, feature_dtype))
        writer.write("labels", labels.astype(np.int16))
        split = split_by_class(labels.astype(np.int16), split_seed, per_class=PER_CLASS, validation=VALIDATION)
        writer.write_splits(split)
        writer.write_node_names(list(papers))


_FETCH = "the file is damaged: fetch it again"


def _read_papers(file: Path) -> tuple[dict[str, int], NDArray[np.float32], NDArray[Any]]:
    """Node id of every paper, in the order of the lines; words (N, F); name of the class (N,)."""
    papers: dict[str, int] = {}
    classes = []
    width = 0
    for place, cells in _lines(file):
        width = width or len(cells)
        if len(cells) != width or width < 3:  # noqa: PLR2004 - paper, one word, class
            raise DataError(f"{place} has {len(cells)} columns instead of {max(width, 3)}", fix=_FETCH)
        if cells[0] in papers:
            raise DataError(f"{place}: paper {cells[0]!r} was there before", fix=_FETCH)
        papers[cells[0]] = len(papers)
        classes.append(cells[-1])
    try:
        columns = range(1, width - 1)
        words = np.loadtxt(file, np.float32, delimiter="\t", comments=None, usecols=columns, ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise DataError(f"{file}: {error} (both from 0)", fix=_FETCH) from None
    return papers, words, np.array(classes)


def _read_citations(file: Path, papers: dict[str, int]) -> NDArray[np.int32]:
    """(2, E) Node ids, in the order of the lines."""
    pairs: list[tuple[int, int]] = []
    unknown: list[str] = []
    for place, cells in _lines(file):
        if len(cells) != 2:  # noqa: PLR2004 - cited, citing
            raise DataError(f"{place} has {len(cells)} columns instead of 2", fix=_FETCH)
        if cells[0] in papers and cells[1] in papers:
            pairs.append((papers[cells[0]], papers[cells[1]]))
        else:
            unknown.append(f"{place}: {cells}")
    if unknown:
        raise DataError(f"{len(unknown)} citations of unknown papers, the first in {unknown[0]}", fix=_FETCH)
    return np.array(pairs, np.int32).T


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (file and line number, columns) of the lines that are not empty. DataError where there are none."""
    empty = True
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    empty = False
                    yield f"{file}, line {number}", line.rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text: {error}", fix=_FETCH) from None
    if empty:
        raise DataError(f"{file} is empty", fix=_FETCH)
