"""Colours of classes."""

import numpy as np
import pytest

from picluster.controller.drawing.style import MOST_COLOURS, OTHERS, UNLABELLED, class_colours, node_colours


@pytest.mark.parametrize("classes", [1, 7, 41, MOST_COLOURS])
def test_each_class_has_a_colour_of_its_own(classes: int) -> None:
    colours = class_colours(np.ones(classes, np.int64))
    assert len({*colours, OTHERS, UNLABELLED}) == classes + 2


def test_of_too_many_classes_the_smallest_share_one() -> None:
    sizes = np.arange(MOST_COLOURS + 3)
    colours = class_colours(sizes)
    assert [label for label, colour in enumerate(colours) if colour == OTHERS] == [0, 1, 2]


def test_unlabelled_nodes_are_grey() -> None:
    assert node_colours(np.array([1, -1]), ["#000001", "#000002"]).tolist() == ["#000002", UNLABELLED]
