"""One's own graph, from files of every form."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.errors import DataError, InputError, PiclusterError
from picluster.graph.folder import GraphFolder
from picluster.graph.own.importing import Imported, import_graph
from picluster.graph.own.tables.reading import read_own
from tests.unit.graph.damage import refusals

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NODES = 6
EDGES = np.array([[0, 1], [1, 0], [1, 2], [1, 2], [3, 3], [4, 5]])
FEATURES = np.arange(12, dtype=np.float32).reshape(NODES, 2) / 4
LABELS = np.array([0, 1, 2, 0, 1, -1])
Change = Callable[[dict[str, Path]], object]
SPLITS = ["train", "train", "val", "valid", "test", ""]


def _csv(file: Path, rows: Any, head: str = "") -> Path:
    lines = [head] if head else []
    lines += [",".join(map(str, row)) for row in (rows.tolist() if isinstance(rows, np.ndarray) else rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The plainest form: CSV without heads."""
    return {
        "edges": _csv(tmp_path / "edges.csv", EDGES),
        "features": _csv(tmp_path / "features.csv", FEATURES),
        "labels": _csv(tmp_path / "labels.csv", LABELS[:, None]),
        "splits": _csv(tmp_path / "splits.csv", [[node, word] for node, word in enumerate(SPLITS) if word]),
    }


def _import(files: dict[str, Path], name: str = "mine", **options: Any) -> Imported:
    own = read_own(files["edges"], files["features"], files["labels"], files.get("splits"))
    return import_graph(name, own, graphs_folder=files["edges"].parent / "graphs", **options)


def _check(graph: GraphFolder) -> None:
    """That the folder holds the graph above."""
    graph.verify()
    np.testing.assert_array_equal(graph.array("indptr"), [0, 1, 3, 4, 4, 5, 6])
    np.testing.assert_array_equal(graph.neighbour_ids()[:], [1, 0, 2, 1, 5, 4])
    np.testing.assert_array_equal(graph.array("features"), FEATURES)
    np.testing.assert_array_equal(graph.array("labels"), LABELS)
    assert [graph.array(name).tolist() for name in ("train", "validation", "test")] == [[0, 1], [2, 3], [4]]


def test_plain_csv_becomes_the_graph_and_says_what_was_left_out(files: dict[str, Path]) -> None:
    done = _import(files)
    _check(done.graph)
    assert done.notes == [
        "edges: line 1, 0,1, is read as an edge",
        "unlabelled: 1 of 6 nodes (1 '-1')",
        "edges left out: 1 repeated, 1 from a node to itself",
        "edges added: 2 of 4 had no opposite, and now lead both ways (--directed keeps their directions)",
    ]
    assert done.graph.meta.source == "imported from edges.csv, features.csv, labels.csv, splits.csv"


def _with_heads(files: dict[str, Path]) -> None:
    _csv(files["edges"], EDGES, "source,target")
    shuffled = [5, 3, 0, 1, 4, 2]
    _csv(files["features"], [[node, *FEATURES[node]] for node in shuffled], "node,width,height")
    _csv(files["labels"], [[node, LABELS[node]] for node in shuffled if LABELS[node] >= 0], "node,label")
    _csv(files["splits"], [[node, SPLITS[node]] for node in shuffled], "node,split")


def _as_pandas_writes(files: dict[str, Path]) -> None:
    _csv(files["features"], [[node, *FEATURES[node]] for node in range(NODES)], ",0,1")
    _csv(files["labels"], [[node, LABELS[node]] for node in range(NODES)], ",subject")


def _as_excel_writes(files: dict[str, Path]) -> None:
    for file in files.values():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))


def _with_empty_lines(files: dict[str, Path]) -> None:
    files["edges"].write_text("\n" + files["edges"].read_text().replace("\n", "\n\n"))


def _as_npy(files: dict[str, Path]) -> None:
    arrays = {"edges": EDGES.T, "features": FEATURES, "labels": LABELS.astype(np.int8), "splits": np.array(SPLITS)}
    for name, array in arrays.items():
        files[name] = files[name].with_suffix(".npy")
        np.save(files[name], array)


def _as_npz_of_all(files: dict[str, Path]) -> None:
    file = files["edges"].with_name("all.npz")
    np.savez(file, edges=EDGES, features=FEATURES, labels=LABELS)
    files |= {"edges": file, "features": file, "labels": file}


def _splits_as_ids(files: dict[str, Path]) -> None:
    files["splits"] = files["splits"].with_suffix(".npz")
    np.savez(files["splits"], train=[1, 0], validation=[2, 3], test=[4])


def _splits_as_masks(files: dict[str, Path]) -> None:
    files["splits"] = files["splits"].with_suffix(".npz")
    masks: dict[str, Any] = {
        name: np.isin(np.arange(NODES), ids) for name, ids in (("train", [0, 1]), ("val", [2, 3]), ("test", [4]))
    }
    np.savez(files["splits"], **{f"{name}_mask": mask for name, mask in masks.items()})


def _as_parquet(files: dict[str, Path]) -> None:
    arrow, parquet = (pytest.importorskip(name, reason="pyarrow reads it") for name in ("pyarrow", "pyarrow.parquet"))
    tables = {
        "edges": {"source": EDGES[:, 0], "target": EDGES[:, 1]},
        "features": {"width": FEATURES[:, 0], "height": FEATURES[:, 1]},
        "labels": {"node": np.arange(NODES), "label": LABELS},
        "splits": {"node": np.arange(NODES), "split": SPLITS},
    }
    for name, columns in tables.items():
        files[name] = files[name].with_suffix(".parquet")
        parquet.write_table(arrow.table(columns), files[name])


@pytest.mark.parametrize(
    "change",
    [
        _with_heads,
        _as_pandas_writes,
        _as_excel_writes,
        _with_empty_lines,
        _as_npy,
        _as_npz_of_all,
        _splits_as_ids,
        _splits_as_masks,
        _as_parquet,
    ],
)
def test_every_form_gives_the_same_graph(files: dict[str, Path], change: Change) -> None:
    change(files)
    _check(_import(files).graph)


def test_directed_edges_lead_one_way(files: dict[str, Path]) -> None:
    done = _import(files, directed=True)
    np.testing.assert_array_equal(done.graph.array("indptr"), [0, 1, 2, 3, 3, 3, 4])
    np.testing.assert_array_equal(done.graph.neighbour_ids()[:], [1, 0, 1, 4])
    assert not any("no opposite" in note for note in done.notes)


def test_edges_given_both_ways_are_not_called_one_way(files: dict[str, Path]) -> None:
    _csv(files["edges"], [[0, 1], [1, 0], [2, 1], [1, 2]])
    assert not [note for note in _import(files).notes if "edges added" in note]


def test_a_split_without_validation_and_test_is_spoken_of(files: dict[str, Path]) -> None:
    _csv(files["splits"], [[node, "train"] for node in range(5)])
    told = [note for note in _import(files).notes if note.startswith("split: no ")]
    assert [note.partition(":")[2].partition(":")[0] for note in told] == [" no validation nodes", " no test nodes"]


def test_what_a_person_calls_the_nodes_is_kept(files: dict[str, Path]) -> None:
    own = replace(read_own(files["edges"], files["features"], files["labels"], None), node_names=tuple("abcdef"))
    graph = import_graph("named", own, graphs_folder=files["edges"].parent / "graphs").graph
    assert list(graph.node_names() or ()) == list("abcdef")


def test_labels_that_are_words_are_numbered_in_their_sorted_order_and_named(files: dict[str, Path]) -> None:
    _csv(files["labels"], [["owl"], ["cat"], ["dog"], ["cat"], ["dog"], ["owl"]])
    done = _import(files)
    assert done.graph.array("labels").tolist() == [2, 0, 1, 0, 1, 2]
    assert done.graph.meta.class_names == ("cat", "dog", "owl")
    assert "classes: 0 = cat, 1 = dog, 2 = owl" in done.notes


def test_without_splits_the_labelled_nodes_are_drawn_by_the_seed(files: dict[str, Path]) -> None:
    del files["splits"]
    done = _import(files)
    assert done.graph.meta.splits == {"train": 3, "validation": 1, "test": 1}
    nodes = np.concatenate([done.graph.array(name) for name in done.graph.meta.splits])
    assert sorted(nodes.tolist()) == [0, 1, 2, 3, 4]
    assert any("by seed 0" in note for note in done.notes)
    others = [_import(files, f"mine{seed}", split_seed=seed).graph.array("train").tolist() for seed in range(9)]
    assert others[0] == done.graph.array("train").tolist()
    assert len({tuple(ids) for ids in others}) > 1


@pytest.mark.parametrize(("value", "dtype"), [(65504, "float16"), (65505, "float32"), (-1e9, "float32")])
def test_features_beyond_fp16_are_stored_as_fp32_and_said(files: dict[str, Path], value: float, dtype: str) -> None:
    features = FEATURES.copy()
    features[3, 1] = value
    _csv(files["features"], features)
    done = _import(files)
    assert done.graph.array("features").dtype == dtype
    assert any("stored as fp32" in note and "line 4" in note for note in done.notes) == (dtype == "float32")


def test_a_feature_beyond_fp32_is_refused_with_its_line(files: dict[str, Path]) -> None:
    files["features"].write_text("\n".join(["1,2"] * 4 + ["1e39,2", "3,4"]))
    with pytest.raises(DataError, match=r"1e\+39 is beyond fp32's 3\.4e\+38 \(.*line 5, feature 0") as caught:
        _import(files)
    assert "scale" in caught.value.fix


def test_fp16_is_obeyed_where_it_is_asked_for_and_what_it_loses_is_said(files: dict[str, Path]) -> None:
    features = FEATURES.copy()
    features[:, 1] = [2001, 2049, 2050, 2048, 2052, 2053]
    _csv(files["features"], features)
    (note,) = [note for note in _import(files, feature_dtype="float16").notes if "features" in note]
    assert note.startswith("features: stored as fp16 as asked, although ")
    assert _import(files, "other").graph.array("features")[:, 1].tolist() == features[:, 1].tolist()
    features[1, 1] = 70_000
    _csv(files["features"], features)
    with pytest.raises(DataError, match="70000 is beyond fp16") as caught:
        _import(files, "third", feature_dtype="float16")
    assert "leave out --store fp16" in caught.value.fix


def test_int8_is_obeyed_where_it_is_asked_for_and_what_it_blurs_is_said(files: dict[str, Path]) -> None:
    features = FEATURES.copy()
    features[:, 0], features[:, 1] = [0, 1, 0, 1, 1, 0], [2001, 2009, 2010, 2018, 2052, 2053]
    _csv(files["features"], features)
    done = _import(files, feature_dtype="int8")
    (note,) = [note for note in done.notes if "features" in note]
    assert note.startswith("features: stored as int8 as asked, although int8 makes 0 of 1 (")
    np.testing.assert_allclose(done.graph.feature_rows()[:, 1], features[:, 1], atol=9)
    _csv(files["features"], features / [1, 2000])
    assert not [note for note in _import(files, "other", feature_dtype="int8").notes if "features" in note]
    _csv(files["features"], features * [1, 1e37])
    with pytest.raises(DataError, match="is beyond fp32"):
        _import(files, "third", feature_dtype="int8")


def test_what_even_fp32_cannot_tell_apart_is_said(files: dict[str, Path]) -> None:
    stamps = 1_700_000_000_123 + np.arange(6)
    _csv(files["features"], [[stamp, 1] for stamp in stamps.tolist()])
    notes = _import(files).notes
    assert any("stored as fp32, because 1700000000123 is beyond" in note for note in notes)
    assert any("even fp32 has too few digits" in note for note in notes)


def test_more_than_32767_classes_have_room(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.npy" for name in ("edges", "features", "labels")}
    np.save(files["edges"], EDGES)
    np.save(files["features"], np.zeros((40_000, 1), np.float16))
    np.save(files["labels"], np.arange(40_000))
    np.testing.assert_array_equal(_import(files).graph.array("labels"), np.arange(40_000))


def _put(name: str, text: str) -> Change:
    return lambda files: files[name].write_text(text)


def _save(name: str, **arrays: Any) -> Change:
    def change(files: dict[str, Path]) -> None:
        files[name] = files[name].with_suffix(".npz")
        np.savez(files[name], **arrays)

    return change


def _features(row: int, column: int, value: float) -> Change:
    features = FEATURES.copy()
    features[row, column] = value
    return lambda files: _csv(files["features"], features)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_put("edges", "0,1\n\n2,6\n7,0\n"), r"edges\.csv, line 3: there is no node 6: .* of 6, from 0 to 5"),
        (_put("edges", "source,target\n0,-1\n"), r"edges\.csv, line 2: there is no node -1"),
        (_put("edges", "0,1\n1,2.5\n"), r"edges\.csv, line 2: '2\.5' is not a whole number"),
        (_put("edges", "0,1\n1,99999999999999999999\n"), "line 2: '99999999999999999999' is too large"),
        (_put("edges", "0,1\n1,x\n"), r"edges\.csv, line 2: 'x' is not a whole number"),
        (_put("edges", "0,1\n1\n"), r"edges\.csv, line 2 has 1 column instead of 2"),
        (_put("edges", "0|1\n1|2\n"), r"edges\.csv, line 1 has 1 column; edges have 2: source, target"),
        (_put("edges", "0,1,0.5\n"), r"edges\.csv, line 1 has 3 columns; edges have 2: .* holds '0.5': weights"),
        (_put("edges", "0,1,5\n"), r"edges\.csv, line 1 has 3 columns; edges have 2"),
        (_put("edges", ""), r"edges\.csv has no rows"),
        (_put("edges", "source,target\n"), r"edges\.csv has no rows"),
        (_save("edges", edges=EDGES + 0.5), r"edges\.npz, edge 0 \(from 0\): 0\.5 is not a node's number"),
        (_save("edges", a=EDGES, b=EDGES), r"edges\.npz holds a, b, but not edges"),
        (_save("edges", edges=np.array([{}])), r"edges of .*edges\.npz is pickled Python objects"),
        (
            _save("edges", edges=np.array([[0, 6, 1], [1, 2, 3]])),
            r"edges\.npz, column 1 \(from 0\): there is no node 6",
        ),
        (_features(4, 1, np.nan), r"features\.csv, line 5, feature 1 \(from 0\) is nan, not a finite number"),
        (_features(0, 0, -np.inf), r"features\.csv, line 1, feature 0 \(from 0\) is -inf"),
        (_put("features", "1,2\n3,green\n"), r"features\.csv, line 2, column 2: 'green' is not a number"),
        (_put("features", "node,a\n0,1\n0,2\n1,3\n"), r"features\.csv, line 3: node 0 was there before"),
        (_put("labels", "0\n1\n"), r"labels\.csv, line 1 and on: 2 rows, but the features are of 6 nodes"),
        (_put("labels", "0\n1\n2\n0\n1\n-2\n"), r"labels\.csv, line 6: label -2: .* -1 is unlabelled"),
        (_put("labels", "-1\n" * NODES), "no node has a label"),
        (_put("labels", "node,label\n0,1\nx,1\n"), r"labels\.csv, line 3: 'x' is not a whole number"),
        (_put("labels", "node,label\n0,1\n0,1\n"), r"labels\.csv, line 3: node 0 was there before"),
        (_put("splits", "0,train\n1,learn\n"), r"splits\.csv, line 2: 'learn' is no split"),
        (_put("splits", "0,train\n5,test\n"), r"splits\.csv: node 5 is in test, but has no label"),
        (_put("splits", "0,val\n1,test\n"), r"splits\.csv: no node is in train"),
        (_put("splits", "0,train\n9,test\n"), r"splits\.csv, line 2: there is no node 9"),
        (_save("splits", train=[0, 1], val=[1]), r"splits\.npz: node 1 is in train and in validation"),
        (_save("splits", train=[0, 6]), r"splits\.npz, array train, row 1 \(from 0\): there is no node 6"),
        (_save("splits", train=np.ones(5, bool)), r"splits\.npz: train is bool\(5,\)"),
        (_save("splits", train=[0], hidden=[1]), r"splits\.npz: 'hidden' is no split"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_leaves_nothing_behind(
    files: dict[str, Path], change: Change, message: str
) -> None:
    change(files)
    with pytest.raises(DataError, match=message) as caught:
        _import(files)
    assert caught.value.fix
    assert not (files["edges"].parent / "graphs").exists()


@pytest.mark.parametrize("harm", [lambda _: b"PK damaged", lambda content: content[: len(content) // 2]])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_damaged_archive_is_said(files: dict[str, Path], suffix: str, harm: Callable[[bytes], bytes]) -> None:
    files["edges"] = files["edges"].with_suffix(suffix)
    with files["edges"].open("wb") as stream:
        np.save(stream, EDGES) if suffix == ".npy" else np.savez(stream, edges=EDGES)
    files["edges"].write_bytes(harm(files["edges"].read_bytes()))
    with pytest.raises(DataError, match=rf"edges\{suffix} cannot be read"):
        _import(files)


FORMS: dict[str, Callable[[Path], object]] = {
    ".csv.gz": lambda file: file.write_bytes(gzip.compress(b"0,1\n1,0\n1,2\n3,3\n4,5\n" * 9, mtime=0)),
    ".npy": lambda file: np.save(file, EDGES),
    ".npz": lambda file: np.savez_compressed(file, edges=EDGES),
    ".parquet": lambda file: parquet.write_table(pa.table({"source": EDGES[:, 0], "target": EDGES[:, 1]}), file),
}


@pytest.mark.parametrize("suffix", FORMS)
def test_any_byte_of_a_file_may_be_damaged_and_it_is_read_or_refused(files: dict[str, Path], suffix: str) -> None:
    """Errors are of the tree, whichever library meets the damage."""
    files["edges"] = files["edges"].with_name(f"edges{suffix}")
    FORMS[suffix](files["edges"])
    assert refusals(files["edges"], lambda: _import(files, force=True), places=60) > 1


@pytest.mark.parametrize(
    ("file", "message"),
    [("none.csv", "there is no file .*none.csv"), ("edges.docx", r"edges\.docx is of no kind that can be read")],
)
def test_a_file_that_is_missing_or_of_another_kind_is_refused(files: dict[str, Path], file: str, message: str) -> None:
    files["edges"] = files["edges"].with_name(file)
    with pytest.raises(InputError, match=message):
        _import(files)


def test_a_csv_that_is_no_text_is_said(files: dict[str, Path]) -> None:
    files["labels"].write_bytes("größe\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"labels\.csv is text in UTF-16, not in UTF-8"):
        _import(files)


def test_a_name_that_is_taken_needs_force(files: dict[str, Path]) -> None:
    before = _import(files).graph.array("train")
    with pytest.raises(InputError, match="there is a graph 'mine' already"):
        _import(files)
    files["splits"].write_text("4,train\n")
    assert _import(files, force=True).graph.array("train").tolist() == [4] != before.tolist()


def test_a_failed_replacement_leaves_the_graph_as_it_was(files: dict[str, Path]) -> None:
    _import(files)
    files["splits"].write_text("4,learn\n")
    with pytest.raises(PiclusterError):
        _import(files, force=True)
    _check(GraphFolder.open(files["edges"].parent / "graphs" / "mine"))


def test_a_hostile_name_is_only_a_name(files: dict[str, Path]) -> None:
    assert _import(files, "a'; echo b [*]").graph.path.name == "a'; echo b [*]"
