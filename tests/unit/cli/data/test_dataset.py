"""What `picluster dataset` says."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picluster.controller.planning.graphs import prepared
from picluster.graph.names import KNOWN
from picluster.graph.reddit_like import write_reddit_like
from picluster.schema.datasets import DatasetDetails, DatasetDrawing, DatasetList
from picluster.schema.record import from_json
from tests.unit.cli.conftest import Picluster

FILES = ("--edges", "edges.csv", "--features", "features.csv", "--labels", "labels.csv")

PAGE = Path(__file__).parents[4] / "docs" / "datasets.md"


@pytest.fixture
def mine(picluster: Picluster, here: Path) -> Path:
    """The files of a graph of ten nodes, and the graph `mine` that was made of them."""
    np.savetxt(here / "edges.csv", np.array([[i, (i + 1) % 10] for i in range(10)] + [[0, 1], [4, 4]]), "%d", ",")
    np.savetxt(here / "features.csv", np.ones((10, 3)), "%g", ",")
    (here / "labels.csv").write_text("".join(f"{'ab'[i % 2]}\n" for i in range(10)))
    assert picluster("dataset", "import", "mine", *FILES).code == 0
    return here / "graphs" / "mine"


def test_import_says_what_it_made_and_what_it_left_out(mine: Path, picluster: Picluster) -> None:
    answer = picluster("dataset", "import", "mine", *FILES, "--force")
    first, *notes = answer.out.splitlines()
    assert first == "graphs/mine: 10 nodes, 20 edges, 3 features, 6 train, 2 validation, 2 test"
    assert set(notes) >= {
        "  classes: 0 = a, 1 = b",
        "  split: 60 % train, 20 % validation, 20 % test of the labelled nodes, by seed 0",
        "  edges left out: 1 repeated, 1 from a node to itself",
        "  edges added: 10 of 10 had no opposite, and now lead both ways (--directed keeps their directions)",
    }
    assert (answer.code, answer.err, mine.is_dir()) == (0, "", True)


@pytest.mark.usefixtures("mine")
def test_names_in_a_summary_do_not_reach_the_terminal(picluster: Picluster, here: Path) -> None:
    (here / "labels.csv").write_text("".join(f"{'ab'[i % 2]}\x1b[2J\n" for i in range(10)))
    answer = picluster("dataset", "import", "odd", *FILES)
    assert (answer.code, "\x1b" in answer.out, "a?[2J" in answer.out) == (0, False, True)


@pytest.mark.usefixtures("mine")
def test_options_of_import_reach_the_folder(picluster: Picluster, here: Path) -> None:
    assert picluster("dataset", "import", "a b", *FILES, "--directed", "--store", "fp32", "--split-seed", "1").code == 0
    meta = json.loads((here / "graphs" / "a b" / "meta.json").read_text())
    assert (meta["edges"], meta["files"]["features"]["dtype"]) == (10, "float32")


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["mine", *FILES], 2, "there is a graph 'mine' already"),
        (["cora", *FILES], 2, "'cora' is the name of a data set that picluster prepares"),
        (["../other", *FILES], 2, "'../other' cannot be the name of a data set"),
        (["other", *FILES[2:]], 2, "--edges missing"),
        (["other"], 2, "--edges, --features, --labels missing"),
        (["other", "--pyg", "graph.pt", "--labels", "labels.csv"], 2, "--pyg and --labels do not go together"),
        (["other", "--pyg", "graph.pt"], 2, "there is no file graph.pt"),
        (["other", *FILES, "--splits", "labels.csv"], 3, "labels.csv, line 1: 'a' is no split"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_leaves_nothing(
    picluster: Picluster, here: Path, words: list[str], code: int, message: str
) -> None:
    answer = picluster("dataset", "import", *words)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(f"error: {message}")
    assert sorted(path.name for path in (here / "graphs").iterdir()) == [".lock", "mine"]


def test_a_launch_finds_an_imported_graph_by_its_name(mine: Path) -> None:
    assert prepared("mine", None, "fp16").path.resolve() == mine


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("words", [["launch", "--dataset", "mine"], ["dataset", "prepare", "mine"]])
def test_a_scale_does_not_go_with_ones_own_graph(picluster: Picluster, words: list[str]) -> None:
    answer = picluster(*words, "--scale", "0.1")
    assert answer.code == 2
    assert "error: --scale goes with reddit-like, not with mine" in answer.err


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("words", [["launch", "--dataset", "mine"], ["dataset", "prepare", "mine"]])
def test_the_split_of_ones_own_graph_is_drawn_when_it_is_imported(picluster: Picluster, words: list[str]) -> None:
    answer = picluster(*words, "--split-seed", "1")
    assert answer.code == 2
    assert "error: the split of 'mine' came with its import\n  fix: import it again" in answer.err
    assert "picluster dataset import mine --force --split-seed 1" in answer.err


def test_list_shows_damaged_folders_beside_sound_ones(mine: Path, picluster: Picluster) -> None:
    hurt = mine.with_name("hurt")
    hurt.mkdir()
    (hurt / "meta.json").write_text("{")
    mine.with_name("cora.partial-1").mkdir()
    answer = picluster("dataset", "list")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines if not line.startswith(" ")][:3] == [
        ["graph", "nodes"],
        ["hurt", "damaged"],
        ["mine", "10"],
    ]
    assert "  imported from edges.csv, features.csv, labels.csv" in lines
    assert "can be prepared: cora, citeseer, pubmed, cora-linqs" in answer.out


def test_list_as_json_is_a_record(mine: Path, picluster: Picluster) -> None:
    (mine / "labels.npy").unlink()
    found = from_json(DatasetList, picluster("dataset", "list", "--json").out, source="list")
    [entry] = found.datasets
    assert (entry.name, entry.damage) == ("mine", "graphs/mine/labels.npy is missing")


def test_without_graphs_the_list_says_what_can_be_prepared(picluster: Picluster) -> None:
    answer = picluster("dataset", "list")
    assert answer.code == 0
    assert answer.out.startswith("no graphs in graphs/\ncan be prepared: cora,")


def test_a_hostile_folder_name_does_not_reach_the_terminal(mine: Path, picluster: Picluster) -> None:
    mine.rename(mine.with_name("a\x1b[2Jb"))
    assert "\x1b" not in picluster("dataset", "list").out


@pytest.mark.usefixtures("mine")
def test_show_tells_what_the_graph_is_like(picluster: Picluster) -> None:
    lines = picluster("dataset", "show", "mine").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:11] == [
        "graph      graphs/mine",
        "source     imported from edges.csv, features.csv, labels.csv",
        "nodes      10, 0 of them isolated, 0 unlabelled",
        "edges      20, each direction counted",
        "features   3, float16",
        "splits     6 train, 2 validation, 2 test",
        "degrees    2 to 2, mean 2.0, median 2",
        "components 1, the largest has 10 nodes",
        "homophily  0.000 of the edges join nodes of one class",
        "classes    2",
        "labels     a: 5, b: 5",
    ]


def test_show_tells_a_generated_graph_beside_what_is_published_of_reddit(here: Path, picluster: Picluster) -> None:
    write_reddit_like(here / "graphs" / "made", scale=0.001, seed=0, feature_dtype="float16")
    answer = picluster("dataset", "show", "made").out
    assert "generated in Reddit's shape" in answer
    lines = answer[answer.index("published)") :].splitlines()
    assert lines[1].split() == ["nodes", "233", "232,965"]
    assert [line.split()[-1] for line in lines[-3:]] == ["492.0", "21,657", "0.750"]


@pytest.mark.usefixtures("mine")
def test_show_as_json_is_a_record(picluster: Picluster) -> None:
    details = from_json(DatasetDetails, picluster("dataset", "show", "mine", "--json").out, source="show")
    assert (details.nodes, details.homophily, details.labels, details.degrees.mean) == (10, 0.0, (5, 5), 2.0)
    assert set(details.files) > {"meta.json", "features.npy"}


def test_show_calls_classes_by_their_names(mine: Path, picluster: Picluster) -> None:
    meta = json.loads((mine / "meta.json").read_text())
    (mine / "meta.json").write_text(json.dumps({**meta, "class_names": ["a cat, or two", "\x1b[2Jdog"]}))
    assert 'labels     "a cat, or two": 5, ?[2Jdog: 5' in picluster("dataset", "show", "mine").out.splitlines()
    details = from_json(DatasetDetails, picluster("dataset", "show", "mine", "--json").out, source="show")
    assert details.class_names == ("a cat, or two", "\x1b[2Jdog")


def test_show_of_a_damaged_graph_names_the_file(mine: Path, picluster: Picluster) -> None:
    labels = bytearray((mine / "labels.npy").read_bytes())
    labels[-1] ^= 1
    (mine / "labels.npy").write_bytes(labels)
    answer = picluster("dataset", "show", "mine")
    assert answer.code == 3
    assert "labels.npy is damaged" in answer.err


@pytest.mark.parametrize(("name", "message"), [("none", "there is no graph 'none'"), ("../mine", "cannot be the name")])
@pytest.mark.usefixtures("mine")
def test_show_of_what_there_is_not_is_refused(picluster: Picluster, name: str, message: str) -> None:
    answer = picluster("dataset", "show", name)
    assert answer.code == 2
    assert message in answer.err


@pytest.mark.usefixtures("mine")
def test_draw_says_where_the_picture_is_and_what_it_shows(picluster: Picluster, here: Path) -> None:
    answer = picluster("dataset", "draw", "mine")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == ["picture    mine.png", "shows      all 10 nodes, 10 lines between them"]
    assert (here / "mine.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("mine")
def test_draw_as_json_is_a_record(picluster: Picluster, here: Path) -> None:
    answer = picluster("dataset", "draw", "mine", "--output", "a.svg", "--nodes", "4", "--seed", "3", "--json")
    drawing = from_json(DatasetDrawing, answer.out, source="draw")
    assert (drawing.file, drawing.seed, drawing.is_sampled, drawing.drawn_nodes) == ("a.svg", 3, True, 4)
    assert (drawing.graph.components.count, drawing.graph.nodes) == (1, 10)
    assert (here / "a.svg").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "--output", "a.gif"], "a.gif is no kind of picture"),
        (["mine", "--output", "none/a.png"], "there is no folder none"),
        (["none"], "there is no data set 'none'"),
        (["mine", "--scale", "0.1"], "--scale goes with reddit-like, not with mine"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_a_picture_that_cannot_be_drawn_is_refused(
    picluster: Picluster, here: Path, words: list[str], message: str
) -> None:
    answer = picluster("dataset", "draw", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {message}")
    assert not list(here.glob("*.png"))


def test_the_graph_of_the_documentation_can_be_imported(picluster: Picluster, here: Path) -> None:
    page = PAGE.read_text()
    for name, text in zip(
        ("edges", "features", "labels"), re.findall(r"```csv\n(.*?)```", page, re.DOTALL), strict=True
    ):
        (here / f"{name}.csv").write_text(text)
    [line] = re.findall(r"^picluster (dataset import pets .*)$", page, re.MULTILINE)
    answer = picluster(*line.split())
    assert answer.code == 0
    assert "graphs/pets: 5 nodes, 10 edges, 2 features, 3 train, 1 validation, 1 test" in answer.out
    assert "classes: 0 = cat, 1 = dog" in answer.out


def test_the_documentation_lists_every_data_set() -> None:
    assert set(re.findall(r"^\| `([a-z][a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)) == set(KNOWN)


def test_one_file_is_imported_whole_and_what_is_passed_over_is_told(picluster: Picluster, here: Path) -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    edges = [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]
    arrays: dict[str, Any] = {"edge_index": np.array(edges), "x": np.eye(6), "y": np.arange(6) % 2, "raw": np.arange(3)}
    np.savez(here / "graph.npz", **arrays)
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, here / "graph.pt")
    for option, file in (("--npz", "graph.npz"), ("--pyg", "graph.pt")):
        answer = picluster("dataset", "import", "mine", option, file, "--force")
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.startswith("graphs/mine: 6 nodes, 10 edges, 6 features, ")
        assert "  passed over: raw\n" in answer.out
        assert "edges added: 5 of 5 had no opposite, and now lead both ways (--directed" in answer.out


def test_weights_in_one_file_are_refused_with_what_to_type(picluster: Picluster, here: Path) -> None:
    np.savez(here / "graph.npz", edge_index=[[0], [1]], x=np.eye(2), y=[0, 1], edge_weight=[0.5])
    words = ("dataset", "import", "mine", "--npz", "graph.npz")
    answer = picluster(*words)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.endswith("fix: leave it out on purpose: --skip edge_weight\n")
    assert picluster(*words, "--skip", "edge_weight").code == 0
