"""The dialect of a text file, from its first lines."""

import pytest

from picluster.graph.own.text.dialect import find_dialect


@pytest.mark.parametrize(
    ("text", "separator", "cells"),
    [
        ("1,2", ",", ["1", "2"]),
        ("1 , 2", ",", ["1", "2"]),
        ("1\t2 3", "\t", ["1", "2 3"]),
        ("0,5;1,0", ";", ["0,5", "1,0"]),
        ("1   2  3 ", "", ["1", "2", "3"]),
        ('"a b" "c"', "", ["a b", "c"]),
        ('"a;b","c"', ",", ["a;b", "c"]),
        ("1 2 {'w': 3, 'c': 4}", "", ["1", "2", "{'w': 3, 'c': 4}"]),
        ("1,2,{'w': 3, 'c': 4}", ",", ["1", "2", "{'w': 3, 'c': 4}"]),
    ],
)
def test_a_line_is_divided(text: str, separator: str, cells: list[str]) -> None:
    dialect = find_dialect([text + "\n"] * 3, ids_first=False)
    assert dialect.separator == separator
    assert dialect.cells(text) == cells


def test_words_that_blanks_divide_are_phrases_unless_the_first_could_be_an_id() -> None:
    assert find_dialect(["red cat\n", "red dog\n", "red cat\n"], ids_first=True).separator == ","
    assert find_dialect(["1 cat\n", "2 dog\n", "3 cat\n"], ids_first=True).separator == ""
    assert find_dialect(["node label\n", "1 cat\n", "2\n"], ids_first=True).separator == ""
    assert find_dialect(["label node\n", "cat 1\n", "cat 2\n"], ids_first=True).separator == ""
    assert find_dialect(["ann cat\n", "bob dog\n", "cem cat\n"], ids_first=True).separator == ""


def test_words_in_quotes_are_divided_by_the_blanks_between_them() -> None:
    assert find_dialect(['"id" "label"\n', '"1" 10 "cat"\n', '"2" 20 "cat"\n'], ids_first=True).separator == ""
    assert find_dialect(['"label"\n', '"red cat"\n', '"red dog"\n'], ids_first=True).separator == ","


def test_excels_line_about_the_separator_is_obeyed() -> None:
    dialect = find_dialect(["sep=;\n", "id;a,b\n", "1;0,5\n"], ids_first=False)
    assert (dialect.separator, dialect.skipped_lines, dialect.decimal_comma) == (";", 1, True)
