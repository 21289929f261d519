"""Facts about a node's health for `picluster doctor`, which judges them.

A thing that a machine does not have (a governor, firmware that reports low voltage) is None, never an error.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from picluster.agent import premises
from picluster.agent.control_groups import memory_limit
from picluster.agent.premises import text, told_by

PROGRAM_SECONDS = 5
NAME_SECONDS = 3.0
"""Time to resolve the node's own name: without DNS it could take half a minute."""
ROOT = Path("/")
_FIRST_PERSON, _LAST_PERSON = 1000, 59999
"""Numbers of accounts that belong to people."""
_PACKAGE_LOCKS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "var/lib/apt/lists/lock")
_LOCK = re.compile(r"^\d+: \w+ +\w+ +WRITE (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) ", re.MULTILINE)

Answer = dict[str, Any]


def clock() -> Answer:
    """The time here, in seconds since 1970."""
    return {"time": time.time()}


def examine(*, folder: str) -> Answer:
    """All facts; `folder` is where the node keeps its data."""
    disk = premises.file_system(Path(folder).expanduser())
    return {
        **_system(ROOT),
        **_memory(ROOT),
        "free_bytes": disk and disk.f_bavail * disk.f_frsize,
        "read_only": bool(disk and disk.f_flag & os.ST_RDONLY),
        "sudo": os.getuid() == 0 or told_by("sudo", "-n", "true", seconds=PROGRAM_SECONDS) is not None,
        "name_addresses": _name_addresses(socket.gethostname()),
        "interfaces": interfaces(ROOT, [name for _, name in socket.if_nameindex()]),
        "governor": governor(ROOT),
        "celsius": celsius(ROOT),
        "throttled": throttled(ROOT),
        "package_locks": package_locks(ROOT),
        **_versions(ROOT),
        "disk": disk_under(ROOT, Path(folder).expanduser()),
    }


def names() -> Answer:
    """Names by which this machine and its people can be recognised; nothing else tells them."""
    import pwd

    people = [each for each in pwd.getpwall() if _FIRST_PERSON <= each.pw_uid <= _LAST_PERSON]
    own = [each for each in pwd.getpwall() if each.pw_uid == os.getuid()]
    devices = [text(file) or "" for file in (ROOT / "sys/class/net").glob("*/address")]
    networks = re.findall(r"^\s*ssid (.+)$", told_by("iw", "dev", seconds=PROGRAM_SECONDS) or "", re.MULTILINE)
    return {
        "hosts": sorted({socket.gethostname(), platform.node()}),
        "users": list(dict.fromkeys(each.pw_name for each in (*own, *people))),
        "homes": list(dict.fromkeys([str(Path.home()), *(each.pw_dir for each in (*own, *people))])),
        "hardware_addresses": sorted({each.strip() for each in devices} - {"", "00:00:00:00:00:00"}),
        "networks": sorted(set(networks)),
    }


def _versions(root: Path) -> Answer:
    """Kernel, and firmware of a Pi: the first line that it tells is its date."""
    told = {name: told_by("vcgencmd", name, seconds=PROGRAM_SECONDS) for name in ("version", "bootloader_version")}
    firmware, bootloader = ((words or "").strip().partition("\n")[0] or None for words in told.values())
    most = (text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq") or "").strip()
    return {
        "kernel": platform.release(),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "most_mhz": int(most) // 1000 if most.isdigit() else None,
        "firmware": firmware,
        "bootloader": bootloader,
    }


def disk_under(root: Path, folder: Path) -> str | None:
    """The disk that a folder is on, or would be, with its model; None where it is on no device of its own."""
    for place in (folder, *folder.parents):
        with suppress(OSError):
            device = place.stat().st_dev
            break
    else:
        return None
    part = (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    disk = part.parent if (part / "partition").exists() else part
    if not (disk / "queue").exists():
        return None
    model = (text(disk / "device/name") or text(disk / "device/model") or "").strip()
    return f"{disk.name} {model}".strip()


def _system(root: Path) -> Answer:
    names = re.search(r'^PRETTY_NAME="?([^"\n]*)', text(root / "etc/os-release") or "", re.MULTILINE)
    board = (text(root / "proc/device-tree/model") or "").strip("\0\n ")
    features = re.search(r"^Features\s*:(.*)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return {
        "board": board or None,
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "system": names.group(1) if names else platform.system(),
        "python": platform.python_version(),
        "atomics": None if features is None else "atomics" in features.group(1).split(),
    }


def _memory(root: Path) -> Answer:
    lines = (text(root / "proc/swaps") or "").splitlines()[1:]
    swaps = [line.split()[0] for line in lines if line.strip()]
    return {
        "memory_bytes": premises.memory("MemTotal", root),
        "available_bytes": premises.memory("MemAvailable", root),
        "swap_free_bytes": premises.memory("SwapFree", root),
        "limit_bytes": memory_limit(root),
        "memory_controller": memory_controller(root),
        "swaps_on_card": [path for path in swaps if on_card(root, path)],
    }


def memory_controller(root: Path) -> bool | None:
    """True where the kernel can bound and count memory by control groups; None where it has no such groups at all."""
    unified, listed = text(root / "sys/fs/cgroup/cgroup.controllers"), text(root / "proc/cgroups")
    if "memory" in (unified or "").split() or (root / "sys/fs/cgroup/memory").is_dir():
        return True
    if re.search(r"^memory\s+\d+\s+\d+\s+1$", listed or "", re.MULTILINE):
        return True
    return None if unified is None and listed is None else False


def on_card(root: Path, path: str) -> bool:
    """True where a swap device or file lies on an SD card."""
    if Path(path).name.startswith("mmcblk"):
        return True
    with suppress(OSError):
        device = (root / path.lstrip("/")).stat().st_dev
        return "mmcblk" in str((root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve())
    return False


def _name_addresses(name: str) -> list[str] | None:
    """Addresses that the node's own name resolves to, here; None where that takes too long."""
    found: list[list[str]] = []

    def resolve() -> None:
        told: list[Any] = []
        with suppress(OSError):
            told = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        found.append(sorted({str(each[4][0]) for each in told}))

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(NAME_SECONDS)
    return found[0] if found else None


def interfaces(root: Path, names: Iterable[str]) -> dict[str, Answer]:
    """Each network interface: Mbit/s of its link, where it is a device that knows; whether by radio or half duplex."""
    found = {}
    for folder in (root / "sys/class/net" / name for name in names):
        speed = (text(folder / "speed") or "").strip() if (folder / "device").exists() else ""
        found[folder.name] = {
            "speed_mbit": int(speed) if speed.isdigit() else None,
            "wireless": (folder / "wireless").exists() or (folder / "phy80211").exists(),
            "half_duplex": (text(folder / "duplex") or "").strip() == "half",
        }
    return found


def governor(root: Path) -> str | None:
    """Governor of the first core; None of drivers that choose the speed themselves, whose `powersave` is no harm."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    driver = (text(folder / "scaling_driver") or "").strip()
    name = (text(folder / "scaling_governor") or "").strip()
    return None if not name or driver.startswith(("intel_pstate", "amd-pstate", "amd_pstate")) else name


def celsius(root: Path) -> float | None:
    """The hottest zone of the processor; of all zones where none is called so."""
    zones = [
        (text(zone / "type") or "", (text(zone / "temp") or "").strip())
        for zone in (root / "sys/class/thermal").glob("thermal_zone*")
    ]
    of_processor = [zone for zone in zones if re.search("cpu|soc|pkg", zone[0])] or zones
    degrees = [int(value) / 1000 for _, value in of_processor if value.isdigit()]
    return max(degrees, default=None)


def throttled(root: Path) -> int | None:
    """The firmware's word for low voltage and heat, as bits; None on what is no Pi."""
    told = told_by("vcgencmd", "get_throttled", seconds=PROGRAM_SECONDS) or ""
    words = told.partition("=")[2] or text(root / "sys/devices/platform/soc/soc:firmware/get_throttled") or ""
    with suppress(ValueError):
        return int(words.strip(), 16)
    return None


def package_locks(root: Path) -> list[str]:
    """The programs that hold locks of dpkg and apt."""
    numbers = set()
    for name in _PACKAGE_LOCKS:
        with suppress(OSError):
            numbers.add((root / name).stat().st_ino)
    holders = [int(pid) for pid, inode in _LOCK.findall(text(root / "proc/locks") or "") if int(inode) in numbers]
    names = ((text(root / f"proc/{pid}/comm") or "").strip() for pid in holders)
    return sorted({name for name in names if re.match("apt|dpkg|unattended|packagekit|aptitude|python", name)})


ANSWERS: dict[str, Callable[..., Answer]] = {each.__name__: each for each in (clock, examine, names)}
