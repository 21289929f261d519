"""torch's CPU build for x86 Linux, which PyPI does not have: there torch brings CUDA. Other kinds take the lock's."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from picluster.controller.provision.pins import Pin
from picluster.controller.provision.target import Target
from picluster.controller.provision.wheelhouse import Wheelhouse
from picluster.errors import InputError, MissingError

INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5
_X86 = "x86_64"


def on_the_processor(pins: Sequence[Pin], cuda: Collection[str], target: Target) -> list[Pin]:
    """The set with torch's CPU build instead of the one that needs CUDA. A name such as 2.13.0+cpu PyPI cannot hold.

    Args:
        pins: what the lock gives.
        cuda: names of what only the other build asks for.
        target: for which.
    """
    if target.machine != _X86:
        return list(pins)
    kept = (pin for pin in pins if pin.name not in cuda)
    return [Pin(pin.name, f"{pin.version}+cpu", frozenset()) if pin.name == "torch" else pin for pin in kept]


def provide_all(wheels: Wheelhouse, pins: Sequence[Pin], target: Target) -> dict[Pin, Path]:
    """A wheel for each pin. The CPU build comes from TORCH_WHEEL, from PyTorch's index, or where pip is told to look.

    Raises:
        MissingError: one cannot be had.
        InputError: TORCH_WHEEL is another build.
    """
    known = [pin for pin in pins if pin.hashes]
    own = [pin for pin in pins if not pin.hashes]
    found = wheels.provide(known, target)
    if not own:
        return found
    if given := os.environ.get("TORCH_WHEEL"):
        _adopt(wheels, Path(given), own[0])
    try:
        return found | wheels.provide(own, target, _sources())
    except MissingError as error:
        raise MissingError(
            f"{error.what}; the one of PyPI would bring gigabytes of CUDA packages (nvidia-…) and is never taken",
            fix=f"try again where {INDEX} can be reached, or name a file: TORCH_WHEEL=/path/to/torch-….whl",
        ) from error


def _adopt(wheels: Wheelhouse, file: Path, pin: Pin) -> None:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise InputError(f"TORCH_WHEEL={file} is no wheel: {error}") from error
    if (name, str(version)) != (pin.name, pin.version):
        raise InputError(f"TORCH_WHEEL={file} is {name} {version}, and nodes need {pin}")
    if not file.is_file():
        raise InputError(f"TORCH_WHEEL={file} is not there")
    wheels.adopt(file)


def _sources() -> list[str]:
    try:
        urllib.request.urlopen(f"{INDEX}/torch/", timeout=PROBE_SECONDS).close()  # noqa: S310  the address is ours
    except OSError:
        return []
    return ["--index-url", INDEX]
