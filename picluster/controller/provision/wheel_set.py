"""Wheels of one kind of node, in a folder that Ansible ships. Ansible runs this module, which prints JSON."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from picluster.controller.provision.pins import ENGINES, NodePackages, Pin, Target, locked
from picluster.errors import InputError, MissingError, PiclusterError
from picluster.project import BUNDLED, user_cache
from picluster.schema.record import Record, to_json

INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5
DOWNLOAD_TIMEOUT_SECONDS = 3600


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


def provide_all(folder: Path, pins: Sequence[Pin], target: Target) -> dict[Pin, Path]:
    """Provide a wheel for each pin; the CPU build from TORCH_WHEEL, from PyTorch's index, or where pip is told to look.

    MissingError where one cannot be had, InputError where TORCH_WHEEL is another build.
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


def provide(folder: Path, pins: Sequence[Pin], target: Target, sources: Sequence[str] = ()) -> dict[Pin, Path]:
    """Provide a wheel for each pin, downloaded where it is missing or damaged; MissingError where pip cannot get one.

    The folder has wheels of this kind of node alone; so what lies there fits, and only pip needs to know what fits. Of
    a pin without hashes that of the first download counts. `sources`: further words for pip, such as an index.
    """
    held = _find(folder, pins)
    if missing := [pin for pin in pins if pin not in held]:
        requirements = folder / "missing.txt"
        requirements.write_text("".join(map(requirement, missing)))
        words = ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--abi", target.interpreter]
        words += ["--python-version", target.python]
        words += [word for platform in target.platforms for word in ("--platform", platform)]
        _pip("download", *words, *sources, "--requirement", str(requirements), "--dest", str(folder), target=target)
        held |= _find(folder, missing, vouch=True)
    return held


def _find(folder: Path, pins: Sequence[Pin], *, vouch: bool = False) -> dict[Pin, Path]:
    """Find the good wheels that are here, and remove damaged ones; `vouch` records a hash for pins that name none."""
    wanted = {(pin.name, Version(pin.version)): pin for pin in pins}
    found = {}
    for file in folder.glob("*.whl"):
        pin = wanted.get(parse_wheel_filename(file.name)[:2])
        if pin is None:
            continue
        if vouch and not pin.hashes:
            hash_file(file).write_text(sha256(file))
        own = hash_file(file)
        if sha256(file) in (pin.hashes or (own.read_text() if own.exists() else "")):
            found[pin] = file
        else:
            file.unlink()
    return found


def requirement(pin: Pin) -> str:
    """Write a pin as a line for pip."""
    return f"{pin}{''.join(f' --hash={each}' for each in sorted(pin.hashes))}\n"


def sha256(file: Path) -> str:
    """Hash of a file, as pip writes it: `sha256:…`."""
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def hash_file(wheel: Path) -> Path:
    """Path of the file that keeps a wheel's hash, for pins that name none."""
    return wheel.with_name(f"{wheel.name}.sha256")


def _pip(*words: str, target: Target) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--quiet", "--no-input", "--disable-pip-version-check"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_REQUIRE_HASHES": ""},
        timeout=DOWNLOAD_TIMEOUT_SECONDS,
    )
    if ended.returncode != 0:
        raise MissingError(
            f"pip cannot get the wheels for {target.name}: {refusal(ended.stderr)}", fix="is the internet reachable?"
        )


def refusal(errors: str) -> str:
    """Find in what pip prints why it failed: its last error, apart from the one that only leads to a page."""
    said = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    return next((line for line in reversed(said) if not line.startswith("ResolutionImpossible")), "it gives no reason")


def torch_of_pis() -> str:
    """Version of torch that the lock gives an aarch64 node; the preflight looks whether its processor can run it."""
    target = Target("3.12", "aarch64", "2.39")
    pins = locked((BUNDLED / "poetry.lock").read_text(), "worker", target)
    return next(pin.version for pin in pins if pin.name == "torch")


def described(packages: NodePackages, cache: Path, target: Target) -> WheelSet:
    """Name the folder and fingerprint the packages."""
    (torch,) = (pin.version for pin in packages.project if pin.name == "torch")
    return WheelSet(
        folder=str(cache / "sets" / "-".join([target.name, *packages.engines])),
        poetry=_fingerprint(packages.poetry, target),
        project=_fingerprint(packages.project, target),
        torch=torch,
    )


def make(cache: Path, wanted: NodePackages, target: Target) -> WheelSet:
    """Download wheels that are missing, remove those of an earlier lock; MissingError where one cannot be had."""
    made = described(wanted, cache, target)
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
        made = described(wanted, cache, target) if arguments.dry_run else make(cache, wanted, target)
    except PiclusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(to_json(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
