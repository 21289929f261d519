"""Names of classes as they are printed and written."""

from __future__ import annotations

import pytest

from picluster.wording import column_names, listed_name, printable


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cat", "cat"),
        ("größer", "größer"),
        ("red, or green", '"red, or green"'),
        ('the "best"', '"the ""best"""'),
        ("a: b", '"a: b"'),
        (" cat", '" cat"'),
        ("", '""'),
        ("a\x1b[2Jb\nc", "a?[2Jb?c"),
        ("endlessly", "endles…"),
    ],
)
def test_a_name_in_a_line_of_text_is_one_name_and_harmless(name: str, told: str) -> None:
    assert listed_name(name, 7 if name == "endlessly" else 40) == told


def test_a_spoken_name_is_cut() -> None:
    assert (printable("Neural_Networks", 8), printable("cat", 3)) == ("Neural_…", "cat")


def test_columns_have_the_names_of_the_classes_and_none_twice() -> None:
    assert column_names(("cat", "dog"), 2, taken=("node",)) == ["cat", "dog"]
    assert column_names(("node", "", "a", "a"), 4, taken=("node",)) == [
        "node (class 0)",
        "(class 1)",
        "a",
        "a (class 3)",
    ]


@pytest.mark.parametrize("names", [(), ("cat",)])
def test_classes_without_names_are_numbered(names: tuple[str, ...]) -> None:
    assert column_names(names, 2, taken=("node",)) == ["class_0", "class_1"]
