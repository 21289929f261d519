"""Whether a node is fit for its part of a run."""

from typing import Any

import msgspec
import pytest

import picluster
from picluster.controller.nodes.fitness import SPARE_BYTES, Busy, notes, unfit, without_engine
from picluster.controller.record.leader import this_controller
from picluster.errors import DataError, MissingError
from picluster.schema.facts import Claimed, NodeFacts
from tests.unit.controller.healthy import SEEN

FIT = msgspec.structs.replace(SEEN, lacking=("features.npy",))
SIZES = {"features.npy": 280 << 20}


def seen(**changes: Any) -> NodeFacts:
    return msgspec.structs.replace(FIT, **changes)


def claim(*, is_exclusive: bool = True) -> Claimed:
    controller = msgspec.structs.replace(this_controller(), user="anna")
    return Claimed("2026-run", "pi3", is_exclusive, controller, pid=1, group=1, since=0.0)


def test_a_node_that_has_everything_is_fit() -> None:
    assert unfit(FIT, "/opt/picluster", SIZES) is None


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"worker": None}, MissingError, "picluster is not installed in /opt/picluster there"),
        ({"version": None, "trouble": "no python"}, MissingError, "picluster-worker does not start there: no python"),
        ({"version": "0.0.9"}, MissingError, f"it has picluster 0.0.9, and this is {picluster.__version__}"),
        ({"torch": None}, MissingError, "torch is not installed"),
        ({"rsync": False}, MissingError, "rsync is not installed"),
        ({"free_bytes": 300 << 20}, DataError, "300 MiB are free, 344 are needed"),
        ({"claims": (claim(),)}, Busy, "busy with run 2026-run of user anna since"),
    ],
)
def test_each_want_is_told_with_a_fix(changes: dict[str, Any], kind: type[Exception], words: str) -> None:
    reason = unfit(seen(**changes), "/opt/picluster", SIZES)
    assert isinstance(reason, kind)
    assert words in str(reason)
    assert reason.fix


def test_what_is_there_already_needs_neither_room_nor_rsync() -> None:
    assert unfit(seen(lacking=(), rsync=False, free_bytes=SPARE_BYTES), "/opt/picluster", SIZES) is None


def test_a_process_that_shares_its_machine_keeps_nobody_away() -> None:
    assert unfit(seen(claims=(claim(is_exclusive=False),)), "/opt/picluster", SIZES) is None


def test_other_versions_of_torch_are_a_note_and_builds_of_one_version_are_not() -> None:
    same = {"a": seen(torch="2.13.0+cpu"), "b": seen(torch="2.13.0")}
    assert notes(same) == ()
    (note,) = notes({**same, "c": FIT})
    assert note == "torch is 2.13.0 on a, b; 2.9.1 on c: that works, but last bits may differ"


def test_a_node_without_the_packages_of_an_engine_is_unfit_for_it_alone() -> None:
    packages = {"mpi4py": None, "ray": "2.60.0"}
    reason = without_engine(packages, "mpi")
    assert isinstance(reason, MissingError)
    assert reason.what == "the mpi engine needs mpi4py, which this node lacks"
    assert [without_engine(packages, engine) for engine in ("gloo", "rpc", "ray")] == [None] * 3
