"""Names of data sets and of their folders."""

import pytest

from picluster.errors import InputError
from picluster.graph.names import KNOWN, check_own_name, dataset_folder_name


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("cora", 0.5, "float16"), "cora"),
        (("cora", 0.5, "float32"), "cora-fp32"),
        (("reddit-like",), "reddit-like-0.01"),
        (("reddit-like", 1.0, "float16"), "reddit-like-1"),
        (("reddit-like", 0.025, "float32"), "reddit-like-0.025-fp32"),
        (("cora-linqs", 1.0, "float32", 3), "cora-linqs-split3-fp32"),
        (("reddit-like", 1.0, "int8"), "reddit-like-1-int8"),
        (("ogbn-arxiv",), "ogbn-arxiv"),
    ],
)
def test_the_folder_is_named_after_what_distinguishes_it(arguments: tuple[str, float, str, int], name: str) -> None:
    assert dataset_folder_name(*arguments) == name


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="corra") as caught:
        dataset_folder_name("corra")
    assert "cora" in caught.value.fix
    assert "reddit-like" in caught.value.fix


@pytest.mark.parametrize("scale", [0.0, -1.0, 5.1, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        dataset_folder_name("reddit-like", scale)


def test_a_dtype_that_features_cannot_have_is_refused() -> None:
    with pytest.raises(InputError, match="int4"):
        dataset_folder_name("cora", feature_dtype="int4")


def test_a_split_seed_where_the_split_is_published_is_refused() -> None:
    with pytest.raises(InputError, match="--split-seed goes with cora-linqs, not with cora"):
        dataset_folder_name("cora", split_seed=1)


@pytest.mark.parametrize("name", ["mine", "a'; echo b", "my graph", "größe", "図", "cora2", "cora-mine", "x" * 100])
def test_a_name_that_is_safe_as_a_folder_may_be_ones_own(name: str) -> None:
    check_own_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("mine ", "begins or ends with a space"),
        (".mine", "begins with '.'"),
        ("-mine", "begins with '-'"),
        ("../mine", "begins with '.'"),
        ("a/b", "contains '/'"),
        ("a\0b", "cannot be printed"),
        ("a\nb", "cannot be printed"),
        ("a\x1b[2J", "cannot be printed"),
        ("\udcff", "cannot be printed"),
        ("mine.partial-1", "contains '.partial-'"),
        ("x" * 101, "is longer than 100 characters"),
        ("図" * 80, "is longer than 100 characters or 200 bytes"),
    ],
)
def test_a_name_that_is_not_safe_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        check_own_name(name)
    assert why in caught.value.what


@pytest.mark.parametrize(
    "name",
    [
        *KNOWN,
        "cora-fp32",
        "reddit-like-0.01",
        "reddit-like-1-fp32",
        "cora-linqs-split3",
        "ogbn-arxiv-fp32",
        "cora-int8",
    ],
)
def test_a_name_that_preparing_uses_cannot_be_ones_own(name: str) -> None:
    with pytest.raises(InputError, match="is the name of a data set that picluster prepares"):
        check_own_name(name)
