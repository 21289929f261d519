"""Wheels that are kept on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from picluster.controller.provision import wheel_set
from picluster.controller.provision.pins import Pin, Target
from picluster.controller.provision.wheel_set import provide_all
from picluster.controller.provision.wheelhouse import Wheelhouse, link_all, sha256
from picluster.errors import InputError, MissingError

PI = Target("3.12", "aarch64", "2.39")
PC = Target("3.12", "x86_64", "2.39")


class Index:
    """In place of pip: gives the wheels that it has, and counts."""

    def __init__(self, wheels: dict[str, bytes]) -> None:
        self.wheels, self.asked = wheels, 0

    def __call__(self, words: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        self.asked += 1
        folder = Path(words[words.index("--dest") + 1])
        wanted = Path(words[words.index("--requirement") + 1]).read_text().splitlines()
        assert {"--no-deps", "--only-binary", "download"} <= set(words)
        for line in wanted:
            name, _, version = line.split()[0].partition("==")
            found = [wheel for wheel in self.wheels if wheel.startswith(f"{name}-{version}-")]
            if not found:
                return subprocess.CompletedProcess(words, 1, "", f"noise\nERROR: no matching distribution for {name}\n")
            (folder / found[0]).write_bytes(self.wheels[found[0]])
        return subprocess.CompletedProcess(words, 0, "", "")


def index(monkeypatch: pytest.MonkeyPatch, **held: bytes) -> Index:
    made = Index({f"{name}-1-cp312-cp312-manylinux_2_28_aarch64.whl": content for name, content in held.items()})
    monkeypatch.setattr("subprocess.run", made)
    return made


def pin_of(tmp_path: Path, name: str, held: bytes) -> Pin:
    (tmp_path / "x").write_bytes(held)
    return Pin(name, "1", frozenset([sha256(tmp_path / "x")]))


def test_each_wheel_crosses_the_internet_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = index(monkeypatch, numpy=b"n", scipy=b"s")
    pins = [pin_of(tmp_path, "numpy", b"n"), pin_of(tmp_path, "scipy", b"s")]
    first = Wheelhouse(tmp_path / "wheels").provide(pins, PI)
    assert [first[pin].read_bytes() for pin in pins] == [b"n", b"s"]
    assert Wheelhouse(tmp_path / "wheels").provide(pins, PI) == first
    assert source.asked == 1


def test_a_damaged_wheel_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, pin = index(monkeypatch, numpy=b"n"), pin_of(tmp_path, "numpy", b"n")
    wheels = Wheelhouse(tmp_path / "wheels")
    wheels.provide([pin], PI)[pin].write_bytes(b"half")
    assert wheels.provide([pin], PI)[pin].read_bytes() == b"n"
    assert source.asked == 2


def test_a_wheel_of_another_kind_of_node_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(monkeypatch, numpy=b"n")
    pin = pin_of(tmp_path, "numpy", b"n")
    Wheelhouse(tmp_path / "wheels").provide([pin], PI)
    with pytest.raises(MissingError, match=r"no wheel of numpy==1 fits python3\.12-x86_64"):
        Wheelhouse(tmp_path / "wheels").provide([pin], PC)


def test_what_pip_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(monkeypatch)
    with pytest.raises(MissingError, match=r"cannot get the wheels for .*: no matching distribution for numpy"):
        Wheelhouse(tmp_path / "wheels").provide([Pin("numpy", "1", frozenset(["sha256:0"]))], PI)


def test_torch_s_cpu_build_is_known_by_the_hash_of_its_first_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "torch-2.13.0+cpu-cp312-cp312-linux_x86_64.whl"
    given.write_bytes(b"t")
    monkeypatch.setenv("TORCH_WHEEL", str(given))
    index(monkeypatch)
    pin, wheels = Pin("torch", "2.13.0+cpu", frozenset()), Wheelhouse(tmp_path / "wheels")
    held = provide_all(wheels, [pin], PC)[pin]
    monkeypatch.delenv("TORCH_WHEEL")
    monkeypatch.setattr(wheel_set, "_sources", list)
    assert provide_all(wheels, [pin], PC)[pin].read_bytes() == b"t"
    held.write_bytes(b"half")
    with pytest.raises(MissingError, match=r"would bring gigabytes of CUDA packages \(nvidia-…\) and is never taken"):
        provide_all(wheels, [pin], PC)


def test_another_torch_than_the_nodes_need_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(monkeypatch)
    monkeypatch.setenv("TORCH_WHEEL", "torch-2.13.0+cu130-cp312-cp312-linux_x86_64.whl")
    with pytest.raises(InputError, match=r"is torch 2\.13\.0\+cu130, and nodes need torch==2\.13\.0\+cpu"):
        provide_all(Wheelhouse(tmp_path / "wheels"), [Pin("torch", "2.13.0+cpu", frozenset())], PC)


def test_a_folder_of_links_holds_just_what_is_wanted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    link_all({"one": tmp_path / "a", "two": tmp_path / "b"}, tmp_path / "set")
    link_all({"two": tmp_path / "a"}, tmp_path / "set")
    assert {file.name: file.read_text() for file in (tmp_path / "set").iterdir()} == {"two": "a"}


def test_wheels_that_no_set_holds_any_more_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(monkeypatch, numpy=b"n", scipy=b"s")
    wheels = Wheelhouse(tmp_path / "wheels")
    held = wheels.provide([pin_of(tmp_path, "numpy", b"n"), pin_of(tmp_path, "scipy", b"s")], PI)
    (kept, *_) = files = sorted(held.values())
    link_all({kept.name: kept}, tmp_path / "wheels" / "sets" / "one")
    wheels.prune()
    assert [file.exists() for file in files] == [True, False]
    assert len(list((tmp_path / "wheels").glob("*.sha256"))) == 1


def test_a_pi_takes_wheels_of_glibc_up_to_its_own() -> None:
    assert PI.platforms[0] == "manylinux_2_39_aarch64"
    assert PI.platforms[-3:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"]
    with pytest.raises(InputError, match="no wheels for armv7l"):
        Target("3.12", "armv7l", "2.39")
