"""What a node shall have installed, to the version: read from poetry.lock and from pip's own form. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from picluster.errors import MissingError

if TYPE_CHECKING:
    from picluster.controller.provision.target import Target

_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_CUDA = ("cuda-", "nvidia-", "triton")


@dataclass(frozen=True)
class Pin:
    """One package of a known version."""

    name: str
    """Canonical (PEP 503)."""
    version: str
    """As the lock has it."""
    hashes: frozenset[str]
    """`sha256:…` of its files; none where only the wheel's source vouches for it."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def locked(lock: str, extra: str, target: Target) -> list[Pin]:
    """What poetry.lock gives a machine of that kind.

    Args:
        lock: the file's text, lock version 2.1.
        extra: of the project, such as worker.
        target: markers are evaluated for it, not for this machine.
    """
    environment = {**target.markers, "extra": extra}
    return [
        Pin(
            canonicalize_name(package["name"]),
            package["version"],
            frozenset(file["hash"] for file in package["files"]),
        )
        for package in tomllib.loads(lock)["package"]
        if "main" in package["groups"] and _holds(_marker_of(package), environment)
    ]


def required(text: str, target: Target) -> list[Pin]:
    """What a requirements file with hashes gives a machine of that kind."""
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


def refuse_cuda(pins: Iterable[Pin], target: Target) -> None:
    """MissingError where the set brings CUDA: gigabytes that no Pi can use."""
    found = [str(pin) for pin in pins if pin.name.startswith(_CUDA)]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise MissingError(
            f"poetry.lock would bring CUDA packages to {target.name}: {found[0]}{more}",
            fix="pin a torch that needs none: 2.9.1 is the newest for a Pi; then poetry lock",
        )


def _marker_of(package: Mapping[str, Any]) -> str | None:
    """Of its place among the project's own dependencies: the lock has one for each group where they differ."""
    marker: str | Mapping[str, str] | None = package.get("markers")
    return marker.get("main") if isinstance(marker, Mapping) else marker


def _holds(marker: str | None, environment: Mapping[str, str]) -> bool:
    return marker is None or Marker(marker).evaluate(dict(environment))
