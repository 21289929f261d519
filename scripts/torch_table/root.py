"""Root folder of an aarch64 Debian that has Python: unpacked and nothing more, which needs no emulation."""

from __future__ import annotations

import shutil
from pathlib import Path

from picluster.lab.kernel.commands import QEMU, program_path, run
from picluster.lab.machine.base import BOOTSTRAP_TIMEOUT_SECONDS
from picluster.lab.machine.emulation import DEBIAN_ARCHITECTURE
from picluster.lab.machine.release import archive, find_release
from picluster.lab.places import CACHE

RELEASES = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian's releases by their Python."""
FOLDER = CACHE / "torch-table"
EMULATOR = f"/{QEMU}"
"""qemu in the root folder: named in the command, it needs no entry in the kernel."""


def ensure_root(python: str) -> Path:
    """Unpack Debian with this Python where that was not done yet; returns its folder."""
    release = RELEASES[python]
    root = FOLDER / release
    if not root.exists():
        part = root.with_name(f"{release}.part")
        shutil.rmtree(part, ignore_errors=True)
        _unpack(release, part)
        shutil.copy(program_path(QEMU), f"{part}{EMULATOR}")
        part.replace(root)
    return root


def _unpack(release: str, root: Path) -> None:
    packages = CACHE / "packages"
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    packages.mkdir(exist_ok=True)
    options = ["--foreign", f"--arch={DEBIAN_ARCHITECTURE}", "--variant=minbase", "--include=python3"]
    options.append(f"--cache-dir={packages}")
    mirror = archive(find_release(release))
    run(
        ["debootstrap", *options, release, root, *([mirror] if mirror else [])],
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
        log=CACHE / "debootstrap.log",
    )
    # In the first of its two stages debootstrap unpacks only what the second one, which is emulated, begins with.
    archives = root / "var/cache/apt/archives"
    for package in sorted(archives.glob("*.deb")):
        contents = archives / "contents.tar"
        run(["dpkg-deb", "--fsys-tarfile", package], log=contents)
        run(["tar", "--extract", "--keep-directory-symlink", "--file", contents, "--directory", root])
        contents.unlink()
