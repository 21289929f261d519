"""This machine as a host of labs: inotify instances, and files of the person who typed sudo."""

import ctypes
import os
import sys
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from picluster.lab.kernel.host import INSTANCES_PER_NODE, Owner, give_back_bytecode, instances_in_use, invoker, shortage


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


def test_who_typed_sudo_is_the_owner() -> None:
    assert invoker({"SUDO_UID": "1000", "SUDO_GID": "100"}) == Owner(1000, 100)
    assert invoker({}) == Owner(os.getuid(), os.getgid())
    assert invoker({"SUDO_UID": "x", "SUDO_GID": "1"}) == Owner(os.getuid(), os.getgid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_bytecode_is_given_back_only_beside_the_persons_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Owner(65534, 65534)
    compiled = {}
    for name, owner in (("theirs", person), ("roots", Owner(0, 0))):
        folder = tmp_path / name / "__pycache__"
        folder.mkdir(parents=True)
        source, compiled[name] = folder.parent / f"{name}.py", folder / f"{name}.pyc"
        for file in (source, compiled[name]):
            file.touch()
        os.chown(source, *owner)
        module = ModuleType(name)
        module.__spec__ = spec_from_file_location(name, source)
        assert module.__spec__
        module.__spec__.cached = str(compiled[name])
        monkeypatch.setitem(sys.modules, name, module)
    give_back_bytecode(person)
    assert {name: file.stat().st_uid for name, file in compiled.items()} == {"theirs": 65534, "roots": 0}
    assert compiled["theirs"].parent.stat().st_uid == 65534
