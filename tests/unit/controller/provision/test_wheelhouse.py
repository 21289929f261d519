"""Wheels that are kept on this machine. pip is real, and its index a folder."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from picluster.controller.provision import wheel_set
from picluster.controller.provision.pins import Pin, Target
from picluster.controller.provision.wheel_set import NodePackages, make, provide_all
from picluster.controller.provision.wheelhouse import provide, sha256
from picluster.errors import InputError, MissingError

PI = Target("3.12", "aarch64", "2.39")
PC = Target("3.12", "x86_64", "2.39")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    made = tmp_path / "index"
    made.mkdir()
    for name in ("PIP_CONSTRAINT", "PIP_EXTRA_INDEX_URL", "TORCH_WHEEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"FIND_LINKS": made, "NO_INDEX": "1", "NO_CACHE_DIR": "1", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "wheels"
    made.mkdir()
    return made


def put(folder: Path, name: str, version: str = "1", tags: str = "cp312-cp312-manylinux_2_28_aarch64") -> Pin:
    """Write a wheel that pip takes; returns its pin."""
    file, about = folder / f"{name}-{version}-{tags}.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tags}\n")
        wheel.writestr(f"{about}/RECORD", "")
    return Pin(name, version, frozenset([sha256(file)]))


def test_each_wheel_crosses_the_internet_once(index: Path, folder: Path) -> None:
    pins = [put(index, "numpy"), put(index, "scipy")]
    first = provide(folder, pins, PI)
    assert [(first[pin].parent, [sha256(first[pin])]) for pin in pins] == [(folder, [*pin.hashes]) for pin in pins]
    shutil.rmtree(index)
    assert provide(folder, pins, PI) == first


def test_a_damaged_wheel_is_fetched_again(index: Path, folder: Path) -> None:
    pin = put(index, "numpy")
    held = provide(folder, [pin], PI)[pin]
    held.write_bytes(b"half")
    assert provide(folder, [pin], PI) == {pin: held}
    assert [sha256(held)] == [*pin.hashes]


def test_the_wheel_that_fits_the_node_best_is_taken_and_one_for_other_nodes_is_not(index: Path, folder: Path) -> None:
    newest, plain = put(index, "numpy"), put(index, "six", tags="py2.py3-none-any")
    old = put(index, "numpy", tags="cp312-cp312-manylinux2014_aarch64")
    stable = put(index, "psutil", tags="cp36-abi3-manylinux_2_17_aarch64")
    for tags in ("cp312-cp312-manylinux_2_40_aarch64", "cp313-cp313-manylinux_2_28_aarch64", "cp312-cp312-win_arm64"):
        put(index, "numpy", tags=tags)
    any_of_both = Pin("numpy", "1", newest.hashes | old.hashes)
    held = provide(folder, [any_of_both, plain, stable], PI)
    assert held[any_of_both].name == "numpy-1-cp312-cp312-manylinux_2_28_aarch64.whl"
    with pytest.raises(MissingError, match=r"wheels for python3\.12-x86_64-glibc2\.39: No matching.* for numpy==1"):
        provide(folder.parent, [newest], PC)


def test_what_is_not_what_the_lock_says_is_refused(index: Path, folder: Path) -> None:
    put(index, "numpy")
    with pytest.raises(MissingError, match=r"cannot get the wheels for .*: THESE PACKAGES DO NOT MATCH THE HASHES"):
        provide(folder, [Pin("numpy", "1", frozenset(["sha256:" + "0" * 64]))], PI)


def test_torch_s_cpu_build_is_known_by_the_hash_of_its_first_coming(
    tmp_path: Path, index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel_set, "_sources", list)
    put(tmp_path, "torch", "2.13.0+cpu", "cp312-cp312-linux_x86_64")
    monkeypatch.setenv("TORCH_WHEEL", str(tmp_path / "torch-2.13.0+cpu-cp312-cp312-linux_x86_64.whl"))
    pin = Pin("torch", "2.13.0+cpu", frozenset())
    held = provide_all(folder, [pin], PC)[pin]
    monkeypatch.delenv("TORCH_WHEEL")
    assert provide_all(folder, [pin], PC) == {pin: held}
    held.write_bytes(b"half")
    with pytest.raises(MissingError, match=r"would bring gigabytes of CUDA packages \(nvidia-…\) and is never taken"):
        provide_all(folder, [pin], PC)
    put(index, "torch", "2.13.0+cpu", "cp312-cp312-linux_x86_64")
    assert provide_all(folder, [pin], PC) == provide_all(folder, [pin], PC) == {pin: held}


def test_another_torch_than_the_nodes_need_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_WHEEL", "torch-2.13.0+cu130-cp312-cp312-linux_x86_64.whl")
    with pytest.raises(InputError, match=r"is torch 2\.13\.0\+cu130, and nodes need torch==2\.13\.0\+cpu"):
        provide_all(folder, [Pin("torch", "2.13.0+cpu", frozenset())], PC)


def test_a_torch_for_other_nodes_is_not_taken(
    tmp_path: Path, index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel_set, "_sources", list)
    put(index, "torch", "2.13.0+cpu", "cp312-cp312-linux_x86_64")
    put(tmp_path, "torch", "2.13.0+cpu", "cp311-cp311-linux_x86_64")
    monkeypatch.setenv("TORCH_WHEEL", str(tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl"))
    pin = Pin("torch", "2.13.0+cpu", frozenset())
    assert provide_all(folder, [pin], PC)[pin].name == "torch-2.13.0+cpu-cp312-cp312-linux_x86_64.whl"


def test_a_set_holds_just_what_its_lists_name_and_the_lists_are_for_pip(tmp_path: Path, index: Path) -> None:
    tools, torch, numpy = put(index, "poetry"), put(index, "torch"), put(index, "numpy")
    of_the_lock = Pin("numpy", "1", numpy.hashes | {"sha256:" + "0" * 64})
    folder = Path(make(tmp_path / "cache", NodePackages([tools], [torch, of_the_lock]), PI).folder)
    assert make(tmp_path / "cache", NodePackages([tools], [torch]), PI).folder == str(folder)
    wheels = {f"{name}-1-cp312-cp312-manylinux_2_28_aarch64.whl" for name in ("poetry", "torch")}
    assert {file.name for file in folder.iterdir()} == {"poetry.txt", "project.txt", *wheels}
    make(tmp_path / "cache", NodePackages([tools], [torch, of_the_lock]), PI)
    (known,) = numpy.hashes
    assert f"numpy==1 --hash={known}\n" in (folder / "project.txt").read_text()


def test_a_pi_takes_wheels_of_glibc_up_to_its_own() -> None:
    assert PI.platforms[0] == "manylinux_2_39_aarch64"
    assert PI.platforms[-3:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"]
    with pytest.raises(InputError, match="no wheels for armv7l"):
        Target("3.12", "armv7l", "2.39")
