"""Whether the kernel has enough inotify instances for the nodes."""

import ctypes
import os

import pytest

from picluster.lab.kernel.inotify import INSTANCES_PER_NODE, instances_in_use, shortage


def test_nodes_that_fit_are_not_refused() -> None:
    assert shortage(4, allowed=128, used=128 - 4 * INSTANCES_PER_NODE) is None


def test_one_node_too_many_is_refused_with_the_numbers() -> None:
    assert shortage(20, allowed=128, used=3) == (
        "160 inotify instances are needed for 20 nodes: the kernel allows root 128, and 3 are in use"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="counts root's own")
def test_an_instance_that_is_opened_is_counted() -> None:
    inotify_init = ctypes.CDLL(None).inotify_init
    before = instances_in_use()
    opened = [inotify_init() for _ in range(20)]
    try:
        # Others may come and go meanwhile.
        assert instances_in_use() - before > 10
    finally:
        for descriptor in opened:
            os.close(descriptor)
