"""All wheels of one kind of node in one folder, as Ansible ships it, which runs this by `python -m`; it prints JSON."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.controller.provision.pins import Pin, cuda_of_torch, locked, refuse_cuda, required
from picluster.controller.provision.target import Target
from picluster.controller.provision.torch_build import on_the_processor, provide_all
from picluster.controller.provision.wheelhouse import Wheelhouse, link_all, requirement, sha256
from picluster.errors import InputError, PiclusterError
from picluster.project import BUNDLED, user_cache
from picluster.schema.record import Record, to_json

POETRY = Path("ansible/poetry.txt")
ENGINES = ("mpi", "ray")
"""Extras of the project that a person may add to what every node has."""


class WheelSet(Record, frozen=True, kw_only=True):
    """What a node's environments are made of."""

    folder: str
    """With the wheels, `poetry.txt` and `project.txt`; it may not be there yet."""
    poetry: str
    """Fingerprint of what Poetry's own environment shall hold."""
    project: str
    """Fingerprint of what the project's shall hold."""
    torch: str
    """Its version."""


@dataclass(frozen=True)
class Wanted:
    """Two environments on one node."""

    poetry: Sequence[Pin]
    """Poetry's own."""
    project: Sequence[Pin]
    """That of the worker."""
    engines: Sequence[str] = ()
    """What the worker gets besides, of `ENGINES`."""

    @classmethod
    def read(cls, checkout: Path, target: Target, engines: Sequence[str] = ()) -> Wanted:
        """From the lock and the list in the role.

        Raises:
            MissingError: CUDA packages would be among them.
        """
        lock = (checkout / "poetry.lock").read_text()
        pins = dict.fromkeys(pin for extra in ("worker", *engines) for pin in locked(lock, extra, target))
        project = on_the_processor(list(pins), cuda_of_torch(lock), target)
        refuse_cuda(project, target)
        return cls(required((checkout / POETRY).read_text(), target), project, engines)

    def describe(self, cache: Path, target: Target) -> WheelSet:
        """Names and fingerprints."""
        (torch,) = (pin.version for pin in self.project if pin.name == "torch")
        return WheelSet(
            folder=str(cache / "sets" / "-".join([target.name, *self.engines])),
            poetry=_fingerprint(self.poetry, target),
            project=_fingerprint(self.project, target),
            torch=torch,
        )


def torch_of_pis() -> str:
    """The version that the lock gives an aarch64 node: whether its processor can run that is looked at first."""
    target = Target("3.12", "aarch64", "2.39")
    pins = locked((BUNDLED / "poetry.lock").read_text(), "worker", target)
    return next(pin.version for pin in pins if pin.name == "torch")


def make(cache: Path, wanted: Wanted, target: Target) -> WheelSet:
    """Download what is missing, and make the folder.

    Raises:
        MissingError: a wheel cannot be had.
    """
    wheels = Wheelhouse(cache)
    made = wanted.describe(cache, target)
    with wheels.alone():
        lists = {"poetry.txt": wanted.poetry, "project.txt": wanted.project}
        files = {name: provide_all(wheels, pins, target) for name, pins in lists.items()}
        folder = Path(made.folder)
        link_all({file.name: file for each in files.values() for file in each.values()}, folder)
        for name, held in files.items():
            (folder / name).write_text("".join(_exact(pin, file) for pin, file in held.items()))
        wheels.prune()
    return made


def _exact(pin: Pin, file: Path) -> str:
    return requirement(Pin(pin.name, pin.version, frozenset([sha256(file)])))


def _fingerprint(pins: Sequence[Pin], target: Target) -> str:
    lines = [target.name, *sorted(requirement(pin) for pin in pins)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _engines(text: str) -> list[str]:
    """Each once, in our order."""
    named = {word for word in text.split(",") if word}
    if unknown := sorted(named.difference(ENGINES)):
        raise InputError(
            f"picluster_engines names {', '.join(unknown)}, which nodes cannot be given",
            fix=f"name some of {', '.join(ENGINES)} in the inventory; gloo and rpc are there anyway",
        )
    return [name for name in ENGINES if name in named]


def main() -> int:
    """Make the set of one kind of node, or only say what it would be."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("python", "machine", "glibc"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--engines", default="", help="besides gloo and rpc, such as mpi,ray")
    parser.add_argument("--dry-run", action=argparse.BooleanOptionalAction)
    arguments = parser.parse_args()
    cache = user_cache() / "wheels"
    try:
        target = Target(arguments.python, arguments.machine, arguments.glibc)
        wanted = Wanted.read(BUNDLED, target, _engines(arguments.engines))
        made = wanted.describe(cache, target) if arguments.dry_run else make(cache, wanted, target)
    except PiclusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(to_json(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
