"""Packages that a node shall have, from the lock and from pip's form."""

from pathlib import Path

import pytest

from picluster.controller.provision.pins import (
    POETRY,
    Pin,
    Target,
    cuda_of_torch,
    locked,
    refuse_cuda,
    required,
    with_cpu_torch,
)
from picluster.errors import MissingError

ROOT = Path(__file__).parents[4]
PI = Target("3.12", "aarch64", "2.39")
PC = Target("3.11", "x86_64", "2.36")
KINDS = [
    Target(python, machine, "2.36") for python in ("3.11", "3.12", "3.13", "3.14") for machine in ("aarch64", "x86_64")
]
LOCK = """
[[package]]
name = "torch"
version = "2.9.1"
groups = ["main"]
markers = "platform_machine == \\"aarch64\\" and extra == \\"worker\\""
files = [{file = "a.whl", hash = "sha256:a"}, {file = "b.whl", hash = "sha256:b"}]

[[package]]
name = "ansible"
version = "12.3.0"
groups = ["main", "dev"]
markers = {main = "extra == \\"controller\\"", dev = "python_version >= \\"3.8\\""}
files = []

[[package]]
name = "PyYAML"
version = "6.0"
groups = ["main", "dev"]
files = []

[[package]]
name = "pytest"
version = "9.0"
groups = ["dev"]
files = []
"""


def test_the_lock_gives_a_node_what_its_extra_and_its_kind_ask_for() -> None:
    pins = [Pin("torch", "2.9.1", frozenset({"sha256:a", "sha256:b"})), Pin("pyyaml", "6.0", frozenset())]
    assert locked(LOCK, "worker", PI) == pins
    assert locked(LOCK, "worker", PC) == pins[1:]


def test_requirements_are_read_with_their_hashes_for_the_node_and_not_for_this_machine() -> None:
    digest = "0" * 64
    text = f"# a comment\nzipp==4.1 ; python_full_version < '3.12' \\\n    --hash=sha256:{digest}\nPoetry.Core==2.5\n"
    assert required(text, PC) == [
        Pin("zipp", "4.1", frozenset({f"sha256:{digest}"})),
        Pin("poetry-core", "2.5", frozenset()),
    ]
    assert required(text, PI) == [Pin("poetry-core", "2.5", frozenset())]


@pytest.mark.parametrize("target", KINDS, ids=lambda target: target.name)
def test_our_own_lock_gives_every_kind_of_node_a_worker_and_neither_cuda_nor_ansible(target: Target) -> None:
    lock = (ROOT / "poetry.lock").read_text()
    pins = with_cpu_torch(locked(lock, "worker", target), cuda_of_torch(lock), target)
    refuse_cuda(pins, target)
    versions = {pin.name: pin.version for pin in pins}
    assert versions["torch"] == ("2.9.1" if target.machine == "aarch64" else "2.13.0+cpu")
    assert {"numpy", "msgspec", "psutil", "torch-geometric", "safetensors"} <= versions.keys()
    assert not versions.keys() & {"ansible", "ansible-core", "fabric", "paramiko", "typer", "matplotlib"}
    assert all(pin.hashes for pin in pins if "+cpu" not in pin.version)
    assert {pin.name for pin in required((ROOT / POETRY).read_text(), target)} > {"poetry", "poetry-core"}


def test_cuda_packages_are_refused_by_their_names() -> None:
    numpy, cublas, triton = (
        Pin("numpy", "2", frozenset()),
        Pin("nvidia-cublas", "13.1", frozenset()),
        Pin("triton", "3", frozenset()),
    )
    refuse_cuda([numpy], PI)
    with pytest.raises(MissingError, match=r"CUDA packages to python3\.12-aarch64.*: nvidia-cublas==13\.1 and 1 more"):
        refuse_cuda([numpy, cublas, triton], PI)


def test_on_x86_only_what_torch_itself_would_bring_is_left_out_with_its_cuda_build() -> None:
    lock = """
[[package]]
name = "torch"
[package.dependencies]
cuda-toolkit = "13"
numpy = "*"
[[package]]
name = "cuda-toolkit"
[package.dependencies]
nvidia_cublas = "*"
[[package]]
name = "cupy"
[package.dependencies]
nvidia-nccl = "*"
"""
    cuda = cuda_of_torch(lock)
    assert cuda == {"cuda-toolkit", "nvidia-cublas"}
    pins = [
        Pin(name, "1", frozenset({"sha256:0"})) for name in ("torch", "cuda-toolkit", "nvidia-cublas", "nvidia-nccl")
    ]
    kept = with_cpu_torch(pins, cuda, PC)
    assert [str(pin) for pin in kept] == ["torch==1+cpu", "nvidia-nccl==1"]
    assert with_cpu_torch(pins, cuda, PI) == pins
    with pytest.raises(MissingError, match="nvidia-nccl==1"):
        refuse_cuda(kept, PC)
