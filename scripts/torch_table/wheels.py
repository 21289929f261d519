"""Wheels of PyPI for an aarch64 Debian: what they require, their unpacking, and what their libraries ask for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

from picluster.lab.kernel.commands import run
from picluster.lab.machine.emulation import MACHINE
from scripts.torch_table.table import Wheel, glibc, page_bytes

DOWNLOAD_SECONDS = 1800
READ_SECONDS = 300
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
"""What PyPI's wheels are built for; the oldest Debian of the table has glibc 2.36."""
CUDA = ("cuda-", "nvidia-")


def requirements(torch: str, python: str) -> list[str]:
    """Ask PyPI what a torch requires on such a system; its wheel is not downloaded for that."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        _pip(python, Path(folder), "--dry-run", "--no-deps", "--report", str(report), f"torch=={torch}")
        (found,) = json.loads(report.read_text())["install"]
    return applying(found["metadata"].get("requires_dist", []), python)


def applying(given: Iterable[str], python: str) -> list[str]:
    """Pick those requirements that apply to an aarch64 Linux with this Python, without their markers."""
    machine = {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": MACHINE}
    system = machine | {"platform_system": "Linux", "sys_platform": "linux", "os_name": "posix", "extra": ""}
    wanted = [each for each in map(Requirement, given) if each.marker is None or each.marker.evaluate(system)]
    return [f"{each.name}{each.specifier}" for each in wanted]


def cuda_packages(wanted: Iterable[str]) -> list[str]:
    """Pick the names of packages with CUDA."""
    return [Requirement(each).name for each in wanted if each.startswith(CUDA)]


def ensure_packages(folder: Path, torch: str, python: str, wanted: list[str]) -> Path:
    """Unpack a torch and the packages that it requires into a folder where that was not done yet; returns it."""
    place = folder / f"torch-{torch}"
    if not place.exists():
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        _pip(python, part, "--no-deps", f"torch=={torch}")
        # pip reads markers as this machine's: with torch among them it would resolve its CUDA packages for x86.
        _pip(python, part / "others", "numpy", *wanted)
        part.replace(place)
    return place


def read_wheel(place: Path, torch: str, python: str) -> Wheel:
    """Read what the libraries of an unpacked torch ask for."""
    libraries = [file for file in place.rglob("*.so*") if "others" not in file.parts and not file.is_symlink()]
    pages, versions = [], []
    for library in libraries:
        pages.append(page_bytes(run(["readelf", "--wide", "--segments", library], timeout_seconds=READ_SECONDS)))
        versions.append(glibc(run(["readelf", "--wide", "--version-info", library], timeout_seconds=READ_SECONDS)))
    newest = ".".join(map(str, max(versions)))
    return Wheel(torch=torch, python=python, cuda=[], glibc=newest, page_bytes=min(pages))


def _pip(python: str, place: Path, *words: str) -> None:
    fitting = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    fitting += [word for platform in PLATFORMS for word in ("--platform", f"{platform}_{MACHINE}")]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile", "--ignore-installed"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *fitting, "--target", str(place), *words]
    subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS, env={**os.environ, "PIP_REQUIRE_HASHES": ""})
