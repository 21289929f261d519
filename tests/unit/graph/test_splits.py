"""Splits that are drawn by a seed."""

import numpy as np

from picluster.graph.splits import shuffled, split_by_class, split_by_share


def test_the_order_is_the_same_on_every_machine() -> None:
    assert shuffled(np.arange(8, dtype=np.int32), 0).tolist() == [2, 7, 6, 3, 4, 1, 0, 5]


def test_the_order_depends_on_the_ids_and_not_on_where_they_stood() -> None:
    ids = np.arange(1000, dtype=np.int32)
    np.testing.assert_array_equal(shuffled(ids[::-1], 3), shuffled(ids, 3))


def test_every_id_comes_once_and_another_seed_orders_otherwise() -> None:
    ids = np.arange(1000, dtype=np.int32)
    first, second = shuffled(ids, 0), shuffled(ids, 1)
    np.testing.assert_array_equal(np.sort(first), ids)
    assert (first == second).mean() < 0.02


def test_shares_are_sixty_twenty_twenty() -> None:
    splits = split_by_share(np.arange(10, 110, dtype=np.int32), 0)
    assert {name: len(ids) for name, ids in splits.items()} == {"train": 60, "validation": 20, "test": 20}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(10, 110))


def test_each_class_gives_as_many_to_train() -> None:
    labels = np.repeat(np.arange(3, dtype=np.int16), [10, 50, 90])
    splits = split_by_class(labels, 0, per_class=5, validation=20)
    np.testing.assert_array_equal(np.bincount(labels[splits["train"]]), [5, 5, 5])
    assert (len(splits["validation"]), len(splits["test"])) == (20, 115)
    assert len(np.unique(np.concatenate(list(splits.values())))) == 150
