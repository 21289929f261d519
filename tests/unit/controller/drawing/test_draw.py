"""The picture of a graph, whole."""

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest
from matplotlib.image import imread

from picluster.controller.drawing.draw import describe, draw_graph
from picluster.controller.drawing.style import UNLABELLED, check_picture, class_colours
from picluster.errors import InputError
from picluster.graph.edges import distinct_edges
from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter


def a_graph(path: Path, *, nodes: int = 60, edges: int = 90, classes: int = 3) -> GraphFolder:
    """A random one, whose last node is unlabelled."""
    random = np.random.default_rng(0)
    ids = np.arange(nodes, dtype=np.int32)
    with GraphWriter(path, source="drawn by lot", classes=classes) as writer:
        distinct_edges(*random.integers(0, nodes, (2, edges))).write(writer, nodes)
        writer.write("features", np.ones((nodes, 2), np.float16))
        writer.write("labels", np.where(ids == nodes - 1, -1, ids % classes).astype(np.int16))
        for number, split in enumerate(("train", "validation", "test")):
            writer.write(split, ids[number : number + 1])
    return GraphFolder.open(path)


def colours_in(file: Path) -> set[str]:
    pixels = np.unique((imread(file)[..., :3] * 255).round().astype(int).reshape(-1, 3), axis=0)
    return {f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in pixels.tolist()}


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 41])
def test_every_class_has_its_colour_in_the_network_and_beside_it(tmp_path: Path, classes: int) -> None:
    graph = a_graph(tmp_path / "small", classes=classes)
    drawing = draw_graph(graph, tmp_path / "a.png", most_nodes=100, seed=0)
    pixels = imread(tmp_path / "a.png")
    assert pixels.shape == (1000, 1600, 4)
    assert colours_in(tmp_path / "a.png") >= {*class_colours(np.array(drawing.graph.labels)), UNLABELLED}
    assert (pixels[:, 0, :3] == 1).all()


@pytest.mark.parametrize("classes", [2, 12, 20])
def test_classes_are_called_by_their_names(tmp_path: Path, classes: int, recwarn: pytest.WarningsRecorder) -> None:
    graph = a_graph(tmp_path / "small", nodes=120, classes=classes)
    names = ("a $cat$", "犬\x1b", *(f"kind {label}" for label in range(2, classes)))
    named = GraphFolder(graph.path, msgspec.structs.replace(graph.meta, class_names=names))
    drawing = draw_graph(named, tmp_path / "a.svg", most_nodes=200, seed=0)
    told = (tmp_path / "a.svg").read_text()  # letters are shapes, and comments beside them say which
    assert all(f"<!-- {name} -->" in told for name in ("a $cat$", "犬?", *names[2:]))
    assert drawing.graph.class_names == names
    assert "class 0" not in told
    assert not recwarn.list


def test_the_same_seed_draws_the_same_picture_byte_for_byte(tmp_path: Path) -> None:
    graph = a_graph(tmp_path / "small", nodes=200, edges=400)
    files = [tmp_path / name for name in ("a.png", "b.png", "a.svg", "b.svg", "c.svg")]
    for file, seed in zip(files, (5, 5, 5, 5, 6), strict=True):
        draw_graph(graph, file, most_nodes=120, seed=seed)
    first, again, vectors, vectors_again, others = (file.read_bytes() for file in files)
    assert first == again
    assert vectors == vectors_again != others


def test_an_svg_is_xml_and_its_lines_are_pixels(tmp_path: Path) -> None:
    draw_graph(a_graph(tmp_path / "$a$ <&", nodes=300, edges=5000), tmp_path / "a.svg", most_nodes=300, seed=0)
    root = ET.fromstring((tmp_path / "a.svg").read_text())  # noqa: S314 - we have just written it
    assert root.tag.endswith("svg")
    assert any(element.tag.endswith("image") for element in root.iter())
    assert sum(1 for element in root.iter() if element.tag.endswith("path")) < 1000  # of 5,000 lines


def test_a_pdf_is_written_too_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    draw_graph(a_graph(tmp_path / "small"), tmp_path / "a.PDF", most_nodes=100, seed=0)
    assert (tmp_path / "a.PDF").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.PDF"]


def test_a_large_graph_is_sampled_and_described_whole(tmp_path: Path) -> None:
    drawing = draw_graph(a_graph(tmp_path / "small"), tmp_path / "a.png", most_nodes=20, seed=7)
    assert (drawing.is_sampled, drawing.drawn_nodes, drawing.graph.nodes) == (True, 20, 60)
    assert describe(drawing).startswith("a sampled view: 20 of 60 nodes (forest fire, seed 7), ")


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "edges", "classes"), [(1, 0, 60), (2, 40, 1), (40, 0, 1), (120, 5000, 60)])
def test_odd_graphs_can_be_drawn(tmp_path: Path, nodes: int, edges: int, classes: int) -> None:
    drawing = draw_graph(
        a_graph(tmp_path / "odd", nodes=nodes, edges=edges, classes=classes), tmp_path / "a.png", most_nodes=99, seed=0
    )
    assert drawing.drawn_nodes == min(nodes, 99)
    assert len(colours_in(tmp_path / "a.png")) > 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.jpg", "a.jpg is no kind of picture that can be drawn"),
        ("a", "a is no kind of picture"),
        ("none/a.png", "there is no folder none"),
        ("folder.svg", "folder.svg is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(InputError, match=f"^{message}"):
        check_picture(Path(name))
