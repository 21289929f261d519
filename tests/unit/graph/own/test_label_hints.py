"""Hints beside labels of which one word may be a class, or mean that there is none."""

from pathlib import Path

import pytest

from picluster.graph.own.labels import read_labels
from tests.unit.graph.own.tables.small_files import read


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        ("1\n2\nunknown\n1\n2\nunknown\n", "(--missing unknown if it means that there is no label)"),
        ("1\n-1\n-1\n1\n1\n1\n", "if -1 is a class beside the only other, write 0 for it"),
    ],
)
def test_a_label_of_two_meanings_comes_with_how_to_say_the_other(tmp_path: Path, labels: str, hint: str) -> None:
    graph = read(tmp_path, labels=labels)
    assert any(hint in note for note in read_labels(graph.labels, 6).notes)
