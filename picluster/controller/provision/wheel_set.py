"""Wheels of one kind of node, in a folder that Ansible ships. Ansible runs this module, which prints JSON."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import urllib.request
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from picluster.controller.provision.pins import Pin, Target, cuda_of_torch, locked, refuse_cuda, required
from picluster.controller.provision.wheelhouse import hash_file, provide, requirement, sha256
from picluster.errors import InputError, MissingError, PiclusterError
from picluster.project import BUNDLED, user_cache
from picluster.schema.record import Record, to_json

POETRY = Path("ansible/poetry.txt")
ENGINES = ("mpi", "ray")
"""Extras of the project that a person may add to what every node has."""
INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5
_X86 = "x86_64"


class WheelSet(Record, frozen=True, kw_only=True):
    """Wheels of a node's two Python environments, as this module tells Ansible."""

    folder: str
    """Folder with the wheels, `poetry.txt` and `project.txt`; missing until the set is made."""
    poetry: str
    """Fingerprint of the packages of Poetry's own environment."""
    project: str
    """Fingerprint of the packages of the worker's environment."""
    torch: str
    """Version of torch."""


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

    def describe(self, cache: Path, target: Target) -> WheelSet:
        """Name the folder and fingerprint the packages."""
        (torch,) = (pin.version for pin in self.project if pin.name == "torch")
        return WheelSet(
            folder=str(cache / "sets" / "-".join([target.name, *self.engines])),
            poetry=_fingerprint(self.poetry, target),
            project=_fingerprint(self.project, target),
            torch=torch,
        )


def with_cpu_torch(pins: Sequence[Pin], cuda: Collection[str], target: Target) -> list[Pin]:
    """Replace torch by its CPU build for x86, where PyPI's torch requires CUDA; leave other kinds of node as they are.

    That build is not on PyPI, which takes no versions such as 2.13.0+cpu. `cuda`: packages that PyPI's alone requires.
    """
    if target.machine != _X86:
        return list(pins)
    kept = (pin for pin in pins if pin.name not in cuda)
    return [Pin(pin.name, f"{pin.version}+cpu", frozenset()) if pin.name == "torch" else pin for pin in kept]


def provide_all(folder: Path, pins: Sequence[Pin], target: Target) -> dict[Pin, Path]:
    """Provide a wheel for each pin; the CPU build from TORCH_WHEEL, from PyTorch's index, or where pip is told to look.

    Raises:
        MissingError: one cannot be had.
        InputError: TORCH_WHEEL is another build.
    """
    found = provide(folder, [pin for pin in pins if pin.hashes], target)
    own = [pin for pin in pins if not pin.hashes]
    if not own:
        return found
    if given := os.environ.get("TORCH_WHEEL"):
        _adopt(folder, Path(given), own[0], target)
    try:
        return found | provide(folder, own, target, _sources())
    except MissingError as error:
        raise MissingError(
            f"{error.what}; the one of PyPI would bring gigabytes of CUDA packages (nvidia-…) and is never taken",
            fix=f"try again where {INDEX} can be reached, or name a file: TORCH_WHEEL=/path/to/torch-….whl",
        ) from error


def _adopt(folder: Path, file: Path, pin: Pin, target: Target) -> None:
    """Copy the wheel that a person gave, where it fits this kind of node."""
    try:
        name, version, _, tags = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise InputError(f"TORCH_WHEEL={file} is no wheel: {error}") from error
    if (name, str(version)) != (pin.name, pin.version):
        raise InputError(f"TORCH_WHEEL={file} is {name} {version}, and nodes need {pin}")
    if not file.is_file():
        raise InputError(f"TORCH_WHEEL={file} is not there")
    if not tags.isdisjoint(target.tags):
        taken = Path(shutil.copyfile(file, folder / file.name))
        hash_file(taken).write_text(sha256(taken))


def _sources() -> list[str]:
    try:
        urllib.request.urlopen(f"{INDEX}/torch/", timeout=PROBE_SECONDS).close()  # noqa: S310  the address is ours
    except OSError:
        return []
    return ["--index-url", INDEX]


def torch_of_pis() -> str:
    """Version of torch that the lock gives an aarch64 node; the preflight looks whether its processor can run it."""
    target = Target("3.12", "aarch64", "2.39")
    pins = locked((BUNDLED / "poetry.lock").read_text(), "worker", target)
    return next(pin.version for pin in pins if pin.name == "torch")


def make(cache: Path, wanted: NodePackages, target: Target) -> WheelSet:
    """Download wheels that are missing, remove those of an earlier lock; MissingError where one cannot be had."""
    made = wanted.describe(cache, target)
    folder = Path(made.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Ansible starts this for several nodes at once
        kept = set()
        for name, pins in (("poetry.txt", wanted.poetry), ("project.txt", wanted.project)):
            files = provide_all(folder, pins, target)
            lines = [requirement(replace(pin, hashes=frozenset([sha256(file)]))) for pin, file in files.items()]
            (folder / name).write_text("".join(lines))
            kept |= {folder / name, *files.values(), *map(hash_file, files.values())}
        for other in set(folder.iterdir()) - kept:
            other.unlink()
    return made


def _fingerprint(pins: Sequence[Pin], target: Target) -> str:
    lines = [target.name, *sorted(requirement(pin) for pin in pins)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _engines(text: str) -> list[str]:
    """Split a list of engines; each stands in the result once, in the order of `ENGINES`."""
    named = {word for word in text.split(",") if word}
    if unknown := sorted(named.difference(ENGINES)):
        raise InputError(
            f"picluster_engines names {', '.join(unknown)}, which nodes cannot be given",
            fix=f"name some of {', '.join(ENGINES)} in the inventory; gloo and rpc are there anyway",
        )
    return [name for name in ENGINES if name in named]


def main() -> int:
    """Make the wheel set of one kind of node, or with `--dry-run` only print what it would be."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("python", "machine", "glibc"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--engines", default="", help="besides gloo and rpc, such as mpi,ray")
    parser.add_argument("--dry-run", action=argparse.BooleanOptionalAction)
    arguments = parser.parse_args()
    cache = user_cache() / "wheels"
    try:
        target = Target(arguments.python, arguments.machine, arguments.glibc)
        wanted = NodePackages.read(BUNDLED, target, _engines(arguments.engines))
        made = wanted.describe(cache, target) if arguments.dry_run else make(cache, wanted, target)
    except PiclusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(to_json(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
