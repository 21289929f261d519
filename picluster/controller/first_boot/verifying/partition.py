"""A card's boot partition, read from its folder: the system on it, cloud-init's files, the kernel's command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from picluster.errors import InputError

System = Literal["Raspberry Pi OS", "Ubuntu"]
SEED = ("user-data", "network-config", "meta-data")
"""Files that cloud-init reads."""
_MARKS: dict[str, System] = {
    "issue.txt": "Raspberry Pi OS",
    "kernel8.img": "Raspberry Pi OS",
    "current/vmlinuz": "Ubuntu",
    "vmlinuz": "Ubuntu",
}
"""Files by which a system is told: pi-gen writes the first, Ubuntu keeps kernels in `current/` from 25.10 on."""
_PREFIX = re.compile(r"^os_prefix=(\S*)", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class BootPartition:
    """Boot partition of a card."""

    system: System | None = None
    """System on the card; None in a folder that `picluster init` wrote, which is yet to be copied."""
    image_date: str = ""
    """Date of the image of Raspberry Pi OS."""
    seed: dict[str, str] = field(default_factory=dict)
    """Texts of cloud-init's files that are there."""
    cmdline_file: str = "cmdline.txt"
    """Name of the file with the kernel's command line: the one that config.txt names."""
    cmdline: str | None = None
    """Text of that file; None where it is missing."""
    names: frozenset[str] = frozenset()
    """Names of all files and folders at the top."""


def read_partition(folder: Path) -> BootPartition:
    """Read a boot partition; InputError where the folder is none."""
    try:
        names = frozenset(path.name for path in folder.iterdir())
    except OSError as error:
        fix = "name the folder of the card's small partition"
        raise InputError(f"cannot read {folder}: {error.strerror}", fix=fix) from None
    systems = [system for mark, system in _MARKS.items() if (folder / mark).is_file()]
    if not systems and not any(name.startswith(SEED) for name in names):
        fix = "the small partition is called bootfs or system-boot; it has cmdline.txt and user-data"
        raise InputError(f"{folder} is no boot partition of Raspberry Pi OS or Ubuntu", fix=fix)
    prefix = _PREFIX.findall(_text(folder / "config.txt") or "")
    cmdline = f"{prefix[0] if prefix else ''}cmdline.txt"
    date = _DATE.search(_text(folder / "issue.txt") or "")
    return BootPartition(
        system=systems[0] if systems else None,
        image_date=date.group() if date else "",
        seed={name: text for name in SEED if (text := _text(folder / name)) is not None},
        cmdline_file=cmdline,
        cmdline=_text(folder / cmdline),
        names=names,
    )


def _text(file: Path) -> str | None:
    """Text of a file, with a mark in the place of each byte that is none; None where there is no such file."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
