"""What an engine needs is looked for before anybody waits."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import util
from importlib.machinery import ModuleSpec

import pytest

from picluster.errors import MissingError
from picluster.schema.plan import EngineName
from picluster.worker import engines
from picluster.worker.engines import check

Lack = Callable[..., None]


@pytest.fixture
def lack(monkeypatch: pytest.MonkeyPatch) -> Lack:
    """A node without certain packages and programs."""

    def take_away(*names: str) -> None:
        def find_spec(name: str) -> ModuleSpec | None:
            return None if name in names else util.find_spec("os")

        def which(name: str, path: str) -> str | None:
            return None if name in names else f"{path}/{name}"

        monkeypatch.setattr(engines, "find_spec", find_spec)
        monkeypatch.setattr(shutil, "which", which)

    return take_away


@pytest.mark.parametrize(
    ("name", "lacking", "said"),
    [
        ("mpi", ["mpi4py"], "the mpi engine needs mpi4py, which this node lacks"),
        ("mpi", ["mpirun"], "the mpi engine needs Open MPI 5, which this node lacks"),
        # Open MPI 4 had no prted.
        ("mpi", ["prted"], "the mpi engine needs Open MPI 5, which this node lacks"),
        ("mpi", ["mpi4py", "mpirun"], "the mpi engine needs mpi4py and Open MPI 5, which this node lacks"),
        ("ray", ["ray"], "the ray engine needs ray, which this node lacks"),
    ],
)
def test_a_missing_engine_is_one_line_with_the_extra_to_install(
    lack: Lack, name: EngineName, lacking: list[str], said: str
) -> None:
    lack(*lacking)
    with pytest.raises(MissingError) as caught:
        check(name)
    assert caught.value.what == said
    assert f"make setup EXTRAS={name}" in caught.value.fix
    assert f"picluster_engines: [{name}]" in caught.value.fix
    assert "\n" not in caught.value.what + caught.value.fix


def test_missing_engines_do_not_disturb_the_others(lack: Lack) -> None:
    lack("mpi4py", "mpirun", "prted", "ray")
    check("sockets")
    check("gloo")
    check("rpc")


@pytest.mark.parametrize("name", ["mpi", "ray"])
def test_what_is_there_is_not_refused(lack: Lack, name: EngineName) -> None:
    lack()
    check(name)


@pytest.mark.parametrize("name", ["mpi", "ray"])
def test_looking_does_not_import(name: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [each for each in sys.modules if each.split(".")[0] in ("mpi4py", "ray")]:
        monkeypatch.delitem(sys.modules, module)
    with suppress(MissingError):
        check(name)
    assert not {"mpi4py", "ray"} & set(sys.modules)
