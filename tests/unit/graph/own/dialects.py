"""Files of random graphs in random dialects, and what pandas and networkx read of them."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "blank": " "}
ID_HEADS = ("node", "id", "node_id", "paper_id", "name")
END_HEADS = (("source", "target"), ("from", "to"), ("src", "dst"))
MISSING = ("", "nan", "NaN", "null", "?")
WORDS = ("cat", "dog", "Case_Based", "two words", "ünïcode", "label", "class 3")


@dataclass(frozen=True)
class Dialect:
    """How one table is written."""

    separator: str
    head: bool
    line_end: str
    quoting: int
    byte_order_mark: bool
    zipped: bool
    last_line_end: bool
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """The files of a graph, what pandas and networkx read of them, and how they were drawn."""

    files: dict[str, Path]
    expected: dict[str, Any]
    drawn: list[str]


def draw_dialect(dice: random.Random, *, head: bool) -> Dialect:
    return Dialect(
        separator=dice.choice(list(SEPARATORS)),
        head=head,
        line_end=dice.choice(["\n", "\n", "\r\n"]),
        quoting=dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
        byte_order_mark=dice.random() < 0.1,
        zipped=dice.random() < 0.1,
        last_line_end=dice.random() < 0.8,
    )


def write(table: pd.DataFrame, dialect: Dialect, file: Path, *, index: bool = False) -> Path:
    text = table.to_csv(
        sep=SEPARATORS[dialect.separator],
        header=dialect.head,
        index=index,
        lineterminator=dialect.line_end,
        quoting=dialect.quoting,
    )
    text = text if dialect.last_line_end else text.removesuffix(dialect.line_end)
    text = "".join(f"{line}{dialect.line_end}" for line in dialect.comments) + text
    data = text.encode("utf-8-sig" if dialect.byte_order_mark else "utf-8")
    suffix = ".tsv" if dialect.separator == "tab" else ".csv"
    file = file.with_name(file.name + suffix + (".gz" if dialect.zipped else ""))
    file.write_bytes(gzip.compress(data) if dialect.zipped else data)
    return file


def read(file: Path, dialect: Dialect, names: list[str] | None = None, **words: Any) -> pd.DataFrame:
    """As pandas reads it, told the dialect; every cell is text."""
    return pd.read_csv(
        file,
        sep=SEPARATORS[dialect.separator],
        header=0 if dialect.head else None,
        names=names,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        skip_blank_lines=False,
        **words,
    )


def draw_ids(dice: random.Random, nodes: int) -> tuple[str, list[str]]:
    """The kind of ids, and that of each row."""
    kind = dice.choice(["rows", "rows", "shuffled", "numbers", "words"])
    if kind == "words":
        numbers = dice.sample(range(100), nodes)
        return kind, [f"p{number}" if dice.random() < 0.5 else f"Ä {number}" for number in numbers]
    if kind == "numbers":
        return kind, [str(number) for number in dice.sample(range(5, 10**6), nodes)]
    ids = [str(number) for number in range(nodes)]
    if kind == "shuffled":
        dice.shuffle(ids)
    return kind, ids


def draw_values(dice: random.Random, nodes: int) -> list[Any]:
    kind = dice.choice(["float", "float", "whole", "bit", "large"])
    draw: dict[str, Callable[[], Any]] = {
        "float": lambda: round(dice.gauss(0, 1), dice.choice([1, 3, 6])),
        "whole": lambda: dice.randint(0, 9),
        "bit": lambda: dice.randint(0, 1),
        "large": lambda: dice.choice([1e-7, 2.5e9, -3.0, 70000.0]),
    }
    return [draw[kind]() for _ in range(nodes)]


def draw_labels(dice: random.Random, nodes: int) -> list[str]:
    kind = dice.choice(["words", "words", "numbers", "floats"])
    if kind == "words":
        values = [dice.choice(WORDS) for _ in range(nodes)]
    else:
        values = [str(number) for number in (*range(3), *(dice.randint(0, 2) for _ in range(nodes)))][:nodes]
        dice.shuffle(values)
        values = [f"{value}.0" for value in values] if kind == "floats" else values
    if dice.random() < 0.4:
        sign = dice.choice(MISSING)
        for place in dice.sample(range(nodes), dice.randint(1, nodes // 3)):
            values[place] = sign
    return values


def draw_case(seed: int, folder: Path) -> Case:
    """Files that pandas writes, with what pandas and networkx then read of them."""
    dice = random.Random(seed)
    nodes = dice.randint(6, 14)
    kind, ids = draw_ids(dice, nodes)
    named = kind != "rows" or dice.random() < 0.2
    case = Case({}, {"names": ids, "kind": kind}, [f"ids {kind}"])
    draw_features(dice, case, folder / "features", named=named)
    draw_label_file(dice, case, folder / "labels", by_id=named and dice.random() < 0.6)
    draw_edges(dice, case, folder / "edges")
    return case


def draw_features(dice: random.Random, case: Case, file: Path, *, named: bool) -> None:
    ids = case.expected["names"]
    columns = {f"f{number}": draw_values(dice, len(ids)) for number in range(dice.randint(1, 4))}
    heads = dice.choice(["names", "names", "numbers", "none"] if not named else ["names", "names", "none"])
    table = pd.DataFrame(columns)
    if heads == "numbers":
        table.columns = range(len(columns))
    if named:
        table.insert(0, dice.choice(ID_HEADS), ids)
    index = not named and heads == "names" and dice.random() < 0.3
    dialect = draw_dialect(dice, head=heads != "none")
    case.files["features"] = write(table, dialect, file, index=index)
    told = read(case.files["features"], dialect).iloc[:, int(named or index) :]
    case.expected["features"] = told.astype(np.float64).to_numpy()
    case.drawn.append(f"features {heads}, {'named' if named else ''} {'index' if index else ''} {dialect}")


def draw_label_file(dice: random.Random, case: Case, file: Path, *, by_id: bool) -> None:
    ids = case.expected["names"]
    table = pd.DataFrame({"label": draw_labels(dice, len(ids))})
    dialect = draw_dialect(dice, head=dice.random() < 0.7)
    if by_id:
        table.insert(0, dice.choice(ID_HEADS), ids)
        table = table.sample(frac=1, random_state=dice.randint(0, 99))
    elif dialect.separator == "blank":
        dialect = replace(dialect, separator="comma")
    case.files["labels"] = write(table, dialect, file)
    told = read(case.files["labels"], dialect)
    if by_id:
        of_node = dict(zip(told.iloc[:, 0], told.iloc[:, 1], strict=True))
        case.expected["labels"] = [name_of(of_node[node]) for node in ids]
    else:
        case.expected["labels"] = [name_of(label) for label in told.iloc[:, 0]]
    case.drawn.append(f"labels {list(table['label'])} {'by id' if by_id else ''} {dialect}")


def draw_edges(dice: random.Random, case: Case, file: Path) -> None:
    ids = case.expected["names"]
    graph = nx.gnm_random_graph(
        len(ids), dice.randint(len(ids), 3 * len(ids)), seed=dice.randint(0, 999), directed=True
    )
    heads = dice.choice([None, *END_HEADS])
    back = heads is not None and dice.random() < 0.4
    table = pd.DataFrame([(ids[a], ids[b]) for a, b in graph.edges], columns=list(heads or "ab"))
    table = table.iloc[:, ::-1] if back else table
    dialect = draw_dialect(dice, head=heads is not None)
    if dice.random() < 0.3:
        dialect = replace(dialect, comments=("# a graph", f"# Nodes: {len(ids)} Edges: {len(table)}"))
    case.files["edges"] = write(table, dialect, file)
    data = case.files["edges"].read_bytes()
    text = (gzip.decompress(data) if dialect.zipped else data).decode("utf-8-sig")
    lines = [line for line in text.splitlines() if not line.startswith("#")][int(dialect.head) :]
    cells = csv.reader(lines, delimiter=SEPARATORS[dialect.separator])
    told = nx.DiGraph([tuple(row[::-1] if back else row) for row in cells])
    row_of = {name: row for row, name in enumerate(ids)}
    case.expected["edges"] = {(row_of[a], row_of[b]) for a, b in told.edges}
    case.drawn.append(f"edges {heads} {'back' if back else ''} {dialect}")


def name_of(label: str) -> str | None:
    """How a class is called: whole numbers without a point; None where there is none."""
    if label.strip().lower() in {"", "nan", "null", "?"}:
        return None
    return label.removesuffix(".0")
