"""Names of a comparison's rows: words that all have in common are said once, the others tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from picluster.wording import duration

if TYPE_CHECKING:
    from picluster.schema.comparison import ComparedRow

_MINUTE = 60


def seconds_words(seconds: float) -> str:
    """Time such as `4.9 s`, `12:05` or `1:02:33`: below a minute, tenths tell two rows apart."""
    return f"{seconds:.1f} s" if round(seconds, 1) < _MINUTE else duration(seconds)


def spans(values: Sequence[int]) -> str:
    """Ascending numbers in words, such as `2`, `1 and 3`, `1–4 and 6`; nothing where there are none."""
    steps = groupby(enumerate(values), lambda placed: placed[1] - placed[0])
    found = [[number for _, number in group] for _, group in steps]
    pair = 2
    parts = [part for span in found for part in ([f"{span[0]}–{span[-1]}"] if len(span) > pair else map(str, span))]
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def numbers(of_rows: Sequence[int]) -> str:
    """Rows in words, such as `row 2`, `rows 1 and 3`, `rows 1–4 and 6`."""
    return f"row{'' if len(of_rows) == 1 else 's'} {spans(of_rows)}"


def common_words(rows: Sequence[ComparedRow]) -> dict[str, str]:
    """Words that hold for every row, by column, such as `gcn`, `cora-linqs`, `2 nodes`."""
    first, apart = rows[0], words_apart(rows)
    words = {"model": first.model, "data": first.dataset, "strategy": first.strategy, "engine": first.engine}
    words["nodes"] = f"{first.nodes} node{'' if first.nodes == 1 else 's'}"
    if first.cores is not None and {row.cores for row in rows} == {first.cores}:
        words["cores"] = f"{first.cores} core{'' if first.cores == 1 else 's'}"
    return {head: word for head, word in words.items() if head not in apart}


def words_apart(rows: Sequence[ComparedRow]) -> dict[str, list[str]]:
    """Words of each row by column, where they differ; of runs also where some did not finish."""
    columns: dict[str, list[str]] = {
        "model": [row.model for row in rows],
        "data": [row.dataset for row in rows],
        "strategy": [str(row.strategy) for row in rows],
        "engine": [str(row.engine) for row in rows],
        "nodes": [str(row.nodes) for row in rows],
        "cores": ["" if row.cores is None else str(row.cores) for row in rows],
        "with": [row.difference for row in rows],
        "runs": [
            str(row.finished) if row.finished == len(row.runs) else f"{row.finished} of {len(row.runs)}" for row in rows
        ],
    }
    differ = {head for head, words in columns.items() if len(set(words)) > 1}
    if len({row.cores for row in rows} - {None}) <= 1:
        differ.discard("cores")
    if any(row.finished < len(row.runs) for row in rows):
        differ.add("runs")
    return {head: words for head, words in columns.items() if head in differ}


def names_of(rows: Sequence[ComparedRow]) -> list[list[str]]:
    """Words that tell each row from the others; the number of nodes only where nothing else does."""
    apart = {head: words for head, words in words_apart(rows).items() if head not in ("runs", "nodes")}
    if len(set(zip(*apart.values(), strict=True))) < len(rows):
        apart["nodes"] = [f"{row.nodes} node{'' if row.nodes == 1 else 's'}" for row in rows]
    if "cores" in apart:
        apart["cores"] = [word and f"{word} core{'' if word == '1' else 's'}" for word in apart["cores"]]
    names = [[words[place] for words in apart.values() if words[place]] for place in range(len(rows))]
    return names if len(rows) > 1 else [[rows[0].model]]
