"""Packages of a node, pinned: read from poetry.lock and from a requirements file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name

from picluster.errors import InputError, MissingError

POETRY = Path("ansible/poetry.txt")
ENGINES = ("mpi", "ray")
"""Extras of the project that a person may add to what every node has."""
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_CUDA = ("cuda-", "nvidia-", "triton")
_OLDEST_GLIBC = {"aarch64": 17, "x86_64": 5}
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """A kind of node, a Linux with glibc, as environment markers and tags of wheels describe it."""

    python: str
    """Version of Python, such as 3.12."""
    machine: str
    """Architecture, as `uname -m` prints it."""
    glibc: str
    """Version of the C library, such as 2.39."""

    def __post_init__(self) -> None:
        if self.machine not in _OLDEST_GLIBC:
            raise InputError(f"there are no wheels for {self.machine}", fix="flash a 64-bit system")

    @property
    def name(self) -> str:
        """Name of the kind, for people and for folders."""
        return f"python{self.python}-{self.machine}-glibc{self.glibc}"

    @property
    def markers(self) -> dict[str, str]:
        """The environment that markers are evaluated in (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @cached_property
    def platforms(self) -> list[str]:
        """Platform tags, the newest glibc first (PEP 600)."""
        newest, oldest = int(self.glibc.split(".")[1]), _OLDEST_GLIBC[self.machine]
        found = []
        for minor in range(newest, oldest - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _OLD_NAMES:
                found.append(f"{_OLD_NAMES[minor]}_{self.machine}")
        return [*found, f"linux_{self.machine}"]

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """Tags of the wheels that can be installed there (PEP 425)."""
        version = tuple(map(int, self.python.split(".")))
        own = cpython_tags(version, [self.interpreter], self.platforms)
        return frozenset([*own, *compatible_tags(version, self.interpreter, self.platforms)])

    @property
    def interpreter(self) -> str:
        """Tag of the interpreter, such as cp312."""
        return "cp" + self.python.replace(".", "")


@dataclass(frozen=True)
class Pin:
    """A package of a known version."""

    name: str
    """Canonical name (PEP 503)."""
    version: str
    """Version as it is written in the lock."""
    hashes: frozenset[str]
    """Allowed hashes (`sha256:…`) of its files; empty where the lock does not know the file."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class NodePackages:
    """Packages of the two environments on a node."""

    poetry: Sequence[Pin]
    """Packages of Poetry's own environment."""
    project: Sequence[Pin]
    """Packages of the worker's environment."""
    engines: Sequence[str] = ()
    """Engines, of `ENGINES`, whose packages are among the worker's."""

    @classmethod
    def read(cls, checkout: Path, target: Target, engines: Sequence[str] = ()) -> NodePackages:
        """Read the packages from the lock and `POETRY`; raises MissingError where CUDA packages are among them."""
        lock = (checkout / "poetry.lock").read_text()
        pins = dict.fromkeys(pin for extra in ("worker", *engines) for pin in locked(lock, extra, target))
        project = with_cpu_torch(list(pins), cuda_of_torch(lock), target)
        refuse_cuda(project, target)
        return cls(required((checkout / POETRY).read_text(), target), project, engines)


def locked(lock: str, extra: str, target: Target) -> list[Pin]:
    """Read the packages of a kind of node, with an extra of the project, from the text of poetry.lock (version 2.1)."""
    environment = {**target.markers, "extra": extra}
    pins = []
    for package in tomllib.loads(lock)["package"]:
        marker = package.get("markers")
        if isinstance(marker, dict):  # one for each group, where they differ
            marker = marker.get("main")
        if "main" in package["groups"] and (marker is None or Marker(marker).evaluate(environment)):
            hashes = frozenset(file["hash"] for file in package["files"])
            pins.append(Pin(canonicalize_name(package["name"]), package["version"], hashes))
    return pins


def required(text: str, target: Target) -> list[Pin]:
    """Read from a requirements file with hashes the packages of a kind of node."""
    pins = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words, hashes = _HASH.sub("", line).partition("#")[0].strip(), frozenset(_HASH.findall(line))
        if not words:
            continue
        requirement = Requirement(words)
        if requirement.marker is None or requirement.marker.evaluate(target.markers):
            (specifier,) = requirement.specifier
            pins.append(Pin(canonicalize_name(requirement.name), specifier.version, hashes))
    return pins


def cuda_of_torch(lock: str) -> frozenset[str]:
    """Names of the CUDA packages that torch asks for, itself or through others of them."""
    asked = {package["name"]: package.get("dependencies", {}) for package in tomllib.loads(lock)["package"]}
    found: set[str] = set()
    left = ["torch"]
    while left:
        wanted = {name for name in map(canonicalize_name, asked.get(left.pop(), ())) if name.startswith(_CUDA)}
        left += wanted - found
        found |= wanted
    return frozenset(found)


def with_cpu_torch(pins: Sequence[Pin], cuda: Collection[str], target: Target) -> list[Pin]:
    """Replace torch by its CPU build for x86, where PyPI's torch requires CUDA; leave other kinds of node as they are.

    That build is not on PyPI, which takes no versions such as 2.13.0+cpu. `cuda`: packages that PyPI's alone requires.
    """
    if target.machine != "x86_64":
        return list(pins)
    kept = (pin for pin in pins if pin.name not in cuda)
    return [Pin(pin.name, f"{pin.version}+cpu", frozenset()) if pin.name == "torch" else pin for pin in kept]


def refuse_cuda(pins: Iterable[Pin], target: Target) -> None:
    """Raise MissingError where CUDA packages are among the pins: gigabytes that no Pi can use."""
    found = [str(pin) for pin in pins if pin.name.startswith(_CUDA)]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise MissingError(
            f"poetry.lock would bring CUDA packages to {target.name}: {found[0]}{more}",
            fix="pin a torch that needs none: 2.9.1 is the newest for a Pi; then poetry lock",
        )
