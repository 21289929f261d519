"""The chart of a comparison, whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from matplotlib.image import imread

from picluster.controller.comparison.chart import draw_comparison
from picluster.controller.comparison.comparison import compare_all
from picluster.controller.drawing.style import check_picture
from picluster.errors import InputError
from picluster.schema.comparison import Comparison
from tests.unit.controller.compared import Shelf


def a_comparison(root: Path) -> Comparison:
    """A row of two runs with pre-training, one of one run that takes long, and one that failed."""
    shelf = Shelf(root)
    shelf.run("before", hidden=1, seconds=45.0)
    shelf.run("a", pretraining="before", test_accuracy=0.25)
    shelf.run("b", pretraining="before", seed=1, test_accuracy=0.75)
    shelf.run(
        "c", nodes=("pi1", "pi2"), seconds=4000.0, dataset="a $1 <graph> & a name that is far too long for a line"
    )
    shelf.run("d", engine="rpc", status="failed")
    return compare_all(root=root)


def test_every_row_is_told_with_its_figures(tmp_path: Path) -> None:
    draw_comparison(a_comparison(tmp_path / "runs"), tmp_path / "a.svg")
    told = (tmp_path / "a.svg").read_text()  # letters are shapes, and comments beside them say which
    ET.fromstring(told)  # noqa: S314 - we have just written it
    for words in (
        "0.5000 ± 0.3536",
        "4.0 s + 45.0 s",
        "1:06:40",
        "failed",
        "time of a run + pre-training, logarithmic",
    ):
        assert f"<!-- {words} -->" in told


def test_more_rows_make_a_taller_picture_of_the_same_width(tmp_path: Path) -> None:
    Shelf(tmp_path / "one").run("a")
    draw_comparison(compare_all(root=tmp_path / "one"), tmp_path / "one.png")
    draw_comparison(a_comparison(tmp_path / "runs"), tmp_path / "three.png")
    one, three = (imread(tmp_path / name).shape for name in ("one.png", "three.png"))
    assert one[1] == three[1] == 1600
    assert one[0] < three[0]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_comparison_gives_the_same_picture_byte_for_byte_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    found = a_comparison(tmp_path / "runs")
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        draw_comparison(found, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}", "runs"]


@pytest.mark.parametrize("name", ["a.gif", "none/a.png", "folder.png"])
def test_what_cannot_be_written_is_refused_by_the_name_of_our_option(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError) as refused:
        check_picture(tmp_path / name, "--chart")
    assert "--output" not in str(refused.value)


def test_the_chart_says_what_is_compared_and_what_is_unlike(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "runs")
    shelf.run("a", recipe={"epochs": 3})
    shelf.run("b", nodes=("pi1", "pi2"))
    draw_comparison(compare_all(root=shelf.root), tmp_path / "a.svg")
    shelf.run("c", dataset="pets", model="gcn", other_arrays=("labels",))
    draw_comparison(compare_all(root=shelf.root), tmp_path / "b.svg")
    alike, unlike = ((tmp_path / name).read_text() for name in ("a.svg", "b.svg"))
    assert "<!-- sage on cora -->" in alike
    assert "<!-- one run a row; in all gloo, 1 core -->" in alike
    assert "<!-- differ: epochs: 3 (row 1), 2 (row 2) -->" in alike
    assert "not comparable" not in alike
    assert "<!-- 2 models on 2 graphs -->" in unlike
    assert (
        "<!-- not comparable: rows 1 and 2 (cora) and row 3 (pets) were tested on other nodes or labels -->" in unlike
    )
