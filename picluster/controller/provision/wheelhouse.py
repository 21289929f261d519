"""Wheels for nodes, kept on this machine: each crosses the internet once, and is checked by its hash at every use."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from picluster.controller.provision.pins import Pin, Target
from picluster.errors import MissingError

DOWNLOAD_TIMEOUT_SECONDS = 3600


class Wheelhouse:
    """A folder of wheels for all kinds of nodes."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made where it is missing."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from filling it meanwhile."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def provide(self, pins: Sequence[Pin], target: Target, sources: Sequence[str] = ()) -> dict[Pin, Path]:
        """Provide a wheel for each pin, downloaded where it is missing or damaged.

        Args:
            pins: packages with the hashes that are allowed; where there are none, that of the first download counts.
            target: kind of node.
            sources: further words for pip, such as an index.

        Raises:
            MissingError: pip cannot get one.
        """
        held = self._find(pins, target)
        missing = [pin for pin in pins if pin not in held]
        if missing:
            self._download(missing, target, sources)
            held |= self._find(missing, target)
        for pin in pins:
            if pin not in held:
                raise MissingError(f"no wheel of {pin} fits {target.name}", fix="see what pip says of it")
        return held

    def _find(self, pins: Sequence[Pin], target: Target) -> dict[Pin, Path]:
        """Find the good wheels that are here, and remove damaged ones."""
        wanted = {(pin.name, Version(pin.version)): pin for pin in pins}
        found = {}
        for file in self._folder.glob("*.whl"):
            name, version, _, tags = parse_wheel_filename(file.name)
            pin = wanted.get((name, version))
            if pin is None or tags.isdisjoint(target.tags):
                continue
            if sha256(file) in (pin.hashes or _own_hash(file)):
                found[pin] = file
            else:
                file.unlink()
        return found

    def prune(self) -> None:
        """Remove the wheels that no folder of links holds: those of an earlier lock."""
        for file in self._folder.glob("*.whl"):
            if file.stat().st_nlink == 1:
                file.unlink()
                hash_file(file).unlink(missing_ok=True)

    def adopt(self, file: Path) -> None:
        """Take a wheel that a person gave."""
        part = self._folder / f"{file.name}.part"
        shutil.copyfile(file, part)
        self._vouch(part.rename(self._folder / file.name))

    def _download(self, pins: Sequence[Pin], target: Target, sources: Sequence[str]) -> None:
        # On the same disk, so that what is complete can be renamed into its place.
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            into = Path(folder)
            requirements = into / "requirements.txt"
            requirements.write_text("".join(requirement(pin) for pin in pins))
            words = ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", target.python]
            words += [word for abi in target.abis for word in ("--abi", abi)]
            words += [word for platform in target.platforms for word in ("--platform", platform)]
            _pip("download", *words, *sources, "--requirement", str(requirements), "--dest", str(into), target=target)
            for file in into.glob("*.whl"):
                file.rename(self._folder / file.name)
                self._vouch(self._folder / file.name)

    @staticmethod
    def _vouch(file: Path) -> None:
        """Write down a wheel's hash, for pins that name none."""
        hash_file(file).write_text(sha256(file) + "\n")


def requirement(pin: Pin) -> str:
    """Write a pin as a line for pip."""
    return f"{pin}{''.join(f' --hash={each}' for each in sorted(pin.hashes))}\n"


def sha256(file: Path) -> str:
    """Hash of a file, as pip writes it: `sha256:…`."""
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def hash_file(file: Path) -> Path:
    """Path of the file that keeps a wheel's hash."""
    return file.with_name(f"{file.name}.sha256")


def _own_hash(file: Path) -> frozenset[str]:
    own = hash_file(file)
    return frozenset(own.read_text().split()) if own.exists() else frozenset()


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
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR: ")]
        said = errors[-1].removeprefix("ERROR: ") if errors else "it gives no reason"
        raise MissingError(f"pip cannot get the wheels for {target.name}: {said}", fix="is the internet reachable?")


def link_all(wanted: Mapping[str, Path], folder: Path) -> None:
    """Make a folder that holds just these files by these names, without copying what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.iterdir():
        if other.name not in wanted:
            other.unlink()
    for name, file in wanted.items():
        place = folder / name
        if place.exists() and not place.samefile(file):
            place.unlink()
        if not place.exists():
            os.link(file, place)
