"""Cora in the form of LINQS."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from picluster.errors import DataError
from picluster.graph.folder import GraphFolder
from picluster.graph.public.linqs import write_linqs
from picluster.graph.public.prepare import prepare

PAPERS, WORDS, CLASSES = 600, 6, ("Rules", "Theory")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """`cora.content` of papers that are numbered from 1000, with `cora.cites` beside it, below `input/cora`."""
    folder = tmp_path / "input" / "cora"
    folder.mkdir(parents=True)
    words = np.random.default_rng(0).integers(0, 2, (PAPERS, WORDS))
    lines = ["\t".join([str(1000 + i), *map(str, words[i]), CLASSES[i % 2]]) for i in range(PAPERS)]
    (folder / "cora.content").write_text("\n".join(lines) + "\n")
    (folder / "cora.cites").write_text("".join(f"{1000 + i}\t{1001 + i}\n" for i in range(PAPERS - 1)))
    return folder / "cora.content"


def _convert(input_folder: Path) -> GraphFolder:
    path = input_folder.parent / "graphs" / "cora-linqs"
    write_linqs(path, input_folder=input_folder, feature_dtype="float32", split_seed=0)
    return GraphFolder.open(path)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, linqs_input: Path) -> GraphFolder:
    folder = tmp_path_factory.mktemp("graphs")
    return prepare("cora-linqs", graphs_folder=folder, input_folder=linqs_input, feature_dtype="float32")


def test_the_real_files_hold_the_graph_of_planetoid(real: GraphFolder, cora: GraphFolder) -> None:
    assert real.meta.splits == {"train": 140, "validation": 500, "test": 2068}
    for name in ("indptr", "indices", "features"):
        np.testing.assert_array_equal(real.array(name), cora.array(name))
    pairs = np.unique(np.stack([real.array("labels"), cora.array("labels")]), axis=1)
    assert pairs.shape == (2, 7)  # the same classes, numbered otherwise


def test_the_real_folder_keeps_the_names_of_classes_and_the_numbers_of_papers(real: GraphFolder) -> None:
    counts = dict(zip(real.meta.class_names, np.bincount(real.array("labels")).tolist(), strict=True))
    assert (counts["Case_Based"], counts["Neural_Networks"], counts["Theory"]) == (298, 818, 351)
    names = real.node_names()
    assert names is not None
    assert len(set(names)) == 2708


def test_the_real_split_has_twenty_of_each_class_and_every_paper_once(real: GraphFolder) -> None:
    np.testing.assert_array_equal(np.bincount(real.array("labels")[real.array("train")]), np.full(7, 20))
    papers = np.concatenate([real.array(name) for name in ("train", "validation", "test")])
    np.testing.assert_array_equal(np.sort(papers), np.arange(2708))


def test_classes_are_numbered_by_their_sorted_names_and_rows_sum_to_one(content: Path) -> None:
    graph = _convert(content.parents[1])
    np.testing.assert_array_equal(graph.array("labels"), np.arange(PAPERS) % 2)
    assert graph.meta.class_names == CLASSES
    assert list(graph.node_names() or ()) == [str(1000 + paper) for paper in range(PAPERS)]
    sums = graph.array("features").sum(axis=1)
    np.testing.assert_allclose(sums[sums > 0], 1, rtol=1e-6)


def test_citations_count_once_and_never_of_the_paper_itself(content: Path) -> None:
    cites = content.with_name("cora.cites")
    before = _convert(content.parents[1]).meta.edges
    cites.write_text(cites.read_text() + "1000\t1000\n1001\t1000\n1000\t1001\n")
    assert _convert(content.parents[1]).meta.edges == before == 2 * (PAPERS - 1)


def test_another_split_seed_has_a_folder_and_a_split_of_its_own(content: Path) -> None:
    graphs = [
        prepare("cora-linqs", graphs_folder=content.parent, input_folder=content.parents[1], split_seed=seed)
        for seed in (0, 3)
    ]
    assert [graph.path.name for graph in graphs] == ["cora-linqs", "cora-linqs-split3"]
    assert graphs[0].array("train").tolist() != graphs[1].array("train").tolist()


def _cut(text: str) -> str:
    return text[: len(text) // 2].rsplit("\t", 1)[0]


@pytest.mark.parametrize(
    ("file", "harm", "message"),
    [
        ("cora.content", _cut, r"cora\.content, line \d+ has \d columns instead of 8"),
        ("cora.content", lambda text: text + text.splitlines()[0], r"cora\.content, line 601: paper '1000' was there"),
        ("cora.content", lambda text: text[:-6], r"1 papers of class 'T', but 20 are to train"),
        ("cora.content", lambda text: text.replace("\t1\t", "\tx\t", 1), r"could not convert string 'x'"),
        ("cora.content", lambda text: text.replace("\t1\t", "\t1e39\t", 1), r"the values of node \d+ have no sum"),
        ("cora.content", lambda text: text.replace("\t1\t", "\tnan\t", 1), r"the values of node \d+ have no sum"),
        ("cora.content", lambda _: "", r"cora\.content is empty"),
        ("cora.content", lambda text: "\n".join(text.splitlines()[:500]), r"100 citations of unknown papers.*line 500"),
        ("cora.cites", lambda text: text + "1000\n", r"cora\.cites, line 600 has 1 columns instead of 2"),
        ("cora.cites", lambda text: text + "7\t8\n9\t1000\n", r"2 citations of unknown papers.*line 600: \['7', '8'\]"),
        ("cora.cites", lambda _: "\n", r"cora\.cites is empty"),
    ],
)
def test_damage_is_named_by_its_line_and_leaves_nothing_behind(
    content: Path, file: str, harm: Callable[[str], str], message: str
) -> None:
    damaged = content.with_name(file)
    damaged.write_text(harm(damaged.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        _convert(content.parents[1])
    assert caught.value.fix
    assert not (content.parents[2] / "graphs").exists()


def test_files_that_are_missing_are_said_with_their_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither .*/cora nor .*/cora-linqs has cora.content and cora.cites"):
        _convert(tmp_path / "input")


def test_bytes_that_are_no_text_are_said(content: Path) -> None:
    content.write_bytes(b"\xff\xfe" + content.read_bytes())
    with pytest.raises(DataError, match="is not text"):
        _convert(content.parents[1])


@pytest.mark.parametrize(("word", "dtype"), [("1", "float16"), ("1e-9", "float32")])
def test_features_that_fp16_would_lose_are_stored_as_fp32(content: Path, word: str, dtype: str) -> None:
    first, *others = content.read_text().splitlines()
    content.write_text("\n".join(["\t".join([first.split("\t")[0], *["1"] * (WORDS - 1), word, "Rules"]), *others]))
    graph = prepare("cora", graphs_folder=content.parents[2] / "graphs", input_folder=content.parents[1])
    assert graph.array("features").dtype == dtype
