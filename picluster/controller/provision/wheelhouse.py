"""Wheels of one kind of node, in a folder: pip fetches what is missing, and each wheel is checked by its hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from picluster.controller.provision.pins import Pin, Target
from picluster.errors import MissingError

DOWNLOAD_TIMEOUT_SECONDS = 3600


def provide(folder: Path, pins: Sequence[Pin], target: Target, sources: Sequence[str] = ()) -> dict[Pin, Path]:
    """Provide a wheel for each pin, downloaded where it is missing or damaged.

    Args:
        folder: wheels of this kind of node alone; so what lies there fits, and only pip needs to know what fits.
        pins: packages with the hashes that are allowed; where there are none, that of the first download counts.
        target: kind of node.
        sources: further words for pip, such as an index.

    Raises:
        MissingError: pip cannot get one.
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
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR: ")]
        said = errors[-1].removeprefix("ERROR: ") if errors else "it gives no reason"
        raise MissingError(f"pip cannot get the wheels for {target.name}: {said}", fix="is the internet reachable?")
