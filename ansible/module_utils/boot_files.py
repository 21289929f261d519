"""Search for the cmdline.txt that a Raspberry Pi boots: config.txt names it, /proc/cmdline proves it.

The layouts: /boot/cmdline.txt (Raspberry Pi OS up to 11), /boot/firmware/cmdline.txt (from 12 on; Ubuntu up to 25.04),
/boot/firmware/current/cmdline.txt by os_prefix (Ubuntu from 25.10 on, which tries new kernels in new/ before it trusts
them: "A/B boot on Ubuntu for Raspberry Pi" in Canonical's documentation of boards).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

WORD = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')
"""Word of a command line, as the kernel's next_arg() cuts: blanks between double quotes belong to it."""
STUB = "The file you are looking for has moved to"
"""Text of the file that Raspberry Pi OS 12 and later put in the earlier place."""
KERNELS = ("kernel_2712.img", "kernel8.img", "kernel7l.img", "kernel7.img", "kernel.img")
"""Names that the firmware looks for where config.txt gives none."""
CHANGED_BY_OTHERS = "cfg80211.ieee80211_regdom="
"""Word that raspi-config writes when the Wi-Fi's country is set; the node goes on without a reboot."""


class UnclearError(Exception):
    """Refusal: the file that is booted cannot be told, or is not as it should be."""


class Settings:
    """Files to boot, as config.txt names them (raspberrypi.com/documentation/computers/config_txt.html)."""

    def __init__(self, boot: Path, *, tryboot: bool) -> None:
        self.boot = boot
        self.tryboot = tryboot
        self.filters: dict[str, tuple[str, bool | None]] = {}
        self.values: dict[str, str] = {"os_prefix": "", "cmdline": "cmdline.txt"}
        self.doubts: dict[str, str] = {}
        self.kernels: set[str] = set(KERNELS)
        self._read("config.txt", ())

    def _read(self, name: str, above: tuple[str, ...]) -> None:
        file = self.boot / name
        if name in above:
            raise UnclearError(f"{file} includes itself")
        if not file.is_file():
            return  # the firmware goes on without it
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            self._line(line.strip(), (*above, name))

    def _line(self, line: str, files: tuple[str, ...]) -> None:
        if line.startswith("["):
            self._filter(line.strip("[]"))
        elif line.startswith("include "):
            self._read(line.split(None, 1)[1].strip(), files)
        elif "=" in line:
            name, value = (part.strip() for part in line.split("=", 1))
            self._set(name, value, files[-1])

    def _filter(self, name: str) -> None:
        """Filters of different kinds hold together until [all]; which board or screen it is, is not judged here."""
        if name == "all":
            self.filters = {}
        elif name == "tryboot":
            self.filters["tryboot"] = name, self.tryboot
        elif name == "none" or re.fullmatch(r"(pi|cm|board-type=).*", name):
            self.filters["board"] = name, False if name == "none" else None
        else:
            self.filters[name] = name, None

    def _set(self, name: str, value: str, file: str) -> None:
        judged = [holds for _, holds in self.filters.values()]
        if False in judged:
            return
        if name == "kernel":
            self.kernels.add(value)
        if name not in self.values:
            return
        if None not in judged:
            self.values[name] = value
            self.doubts.pop(name, None)
        elif value != self.values[name]:
            held = " ".join(f"[{each}]" for each, _ in self.filters.values())
            self.doubts[name] = f"{self.boot / file} sets {name}={value} only under {held}"

    @property
    def file(self) -> Path:
        """File of the command line that config.txt names."""
        return self.boot / (self.values["os_prefix"] + self.values["cmdline"])

    def check(self) -> None:
        """Raise UnclearError where the firmware may not boot by these settings."""
        for doubt in self.doubts.values():
            raise UnclearError(f"{doubt}: whether that holds here cannot be told")
        prefix = self.values["os_prefix"]
        if prefix and not any((self.boot / (prefix + kernel)).is_file() for kernel in self.kernels):
            raise UnclearError(
                f"{self.boot / 'config.txt'} says os_prefix={prefix}, but there is no kernel: "
                "the firmware ignores such a prefix"
            )


def words_of(text: str) -> list[str]:
    """Split a command line into words."""
    return WORD.findall(text)


def read_line(file: Path) -> str:
    """Read the file's one line; latin-1 keeps every byte."""
    text = file.read_bytes().decode("latin-1")
    if not text.strip():
        raise UnclearError(f"{file} is empty")
    if len([line for line in text.splitlines() if line.strip()]) > 1 or not text.splitlines()[0].strip():
        raise UnclearError(f"{file} has more than its one line")
    return text


def strangers(text: str, running: str, ours: set[str]) -> list[str]:
    """Words of the file that the running kernel was not started with, picluster's apart."""
    started = words_of(running)

    def known(word: str) -> bool:
        # The firmware puts the board's own port in the place of serial0.
        port = re.sub(r"serial[01]", r"tty(?:S|AMA)\\d+", re.escape(word))
        return word in ours or word.startswith(CHANGED_BY_OTHERS) or any(re.fullmatch(port, each) for each in started)

    words = words_of(text)
    return [word for word in words if not known(word)] if set(words) - ours else words


def booted_file(root: Path, ours: set[str]) -> tuple[Path, Path]:
    """Find the cmdline.txt that was booted, and the boot partition's folder."""
    running = (root / "proc/cmdline").read_text(encoding="latin-1")
    candidates: dict[Path, Path] = {}
    refused: list[str] = []
    for boot in (root / "boot/firmware", root / "boot"):
        files = [file for file in (boot / "config.txt", boot / "cmdline.txt") if file.is_file()]
        if not files or any(STUB in file.read_text(encoding="latin-1") for file in files):
            continue
        settings = Settings(boot, tryboot=False)
        settings.check()
        file = settings.file
        if not file.is_file():
            refused.append(f"{file} is not there")
        elif other := strangers(read_line(file), running, ours):
            refused.append(f"{file} has {' '.join(other)}, which the running kernel was not started with")
        else:
            candidates.setdefault(file.resolve(), boot)
    if len(candidates) == 1:
        return candidates.popitem()
    if candidates:
        raise UnclearError(f"all of these could be the file that is booted: {', '.join(map(str, candidates))}")
    found = "; ".join(refused) or f"no config.txt and cmdline.txt in {root / 'boot/firmware'} and {root / 'boot'}"
    raise UnclearError(f"none is the file that is booted: {found}. Reboot the node if it was edited by hand")


def waiting_file(boot: Path, booted: Path) -> Iterator[Path]:
    """Find the cmdline.txt that Ubuntu 25.10 and later boot next: they try a new kernel in a folder (piboot-try)."""
    waiting = Settings(boot, tryboot=True).file
    state = waiting.parent / "state"
    if waiting.resolve() == booted or not (waiting.is_file() and state.is_file()):
        return
    if (said := state.read_text(encoding="latin-1").strip()) == "trying":
        raise UnclearError(f"{waiting.parent} is being tried: wait for piboot-try-validate.service")
    if said == "unknown":
        yield waiting
