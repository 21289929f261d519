"""Ansible module: reads what a node is, how SSH reached it, and every reason why it cannot train.

It looks at all of it in one go, changes nothing, needs no root, and also runs on systems that are then refused.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.claims import claims
from ansible.module_utils.control_groups import memory_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Facts = dict[str, Any]

ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
"""Architecture in dpkg's words, by that in the kernel's words."""
RELEASES = {"debian": (12,), "raspbian": (12,), "ubuntu": (24, 4)}
PYTHONS = ((3, 11), (3, 14))
ATOMICS_SINCE = (2, 10)
"""First torch whose aarch64 wheels use atomic instructions that Cortex-A53 and A72 lack (Pi 3, Pi 4)."""
SECONDS = 20
MIB = 1 << 20


def look(root: Path, home: str) -> Facts:
    """Read what the node is; `root` is that of its file system."""
    release = _assignments(_text(root / "etc/os-release"))
    place = root / home.lstrip("/")
    connection = os.environ.get("SSH_CONNECTION", "").split()
    return {
        "machine": os.uname().machine,
        "architecture": _said("dpkg", "--print-architecture"),
        "distribution": release.get("ID", ""),
        "version": release.get("VERSION_ID", ""),
        "system": release.get("PRETTY_NAME", "an unknown system"),
        "python_version": _said("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"),
        "glibc": (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2],
        "model": _model(root),
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "memory_mib": _memory_bytes(root) // MIB,
        "free_disk_mib": shutil.disk_usage(_existing(place)).free // MIB,
        "is_installed": (place / ".venv/bin/picluster-worker").exists(),
        "is_read_only": _is_read_only(place / ".venv"),
        "has_atomics": bool(re.search(r"^Features\s*:.*\batomics\b", _text(root / "proc/cpuinfo"), re.MULTILINE)),
        "is_sudo_rs": _said("sudo", "--version").startswith("sudo-rs"),
        "entered_from": (connection or [""])[0].partition("%")[0],
        "entered_at": (connection[2:3] or [""])[0].partition("%")[0],
        "runs": sorted({str(claim.get("run")) for claim in claims()}),
        "entered_port": int((connection[3:4] or ["22"])[0]),
    }


def reasons(facts: Facts, wants: Mapping[str, Any]) -> list[str]:
    """Reasons why this node cannot train, each with what to do."""
    found = [*_system_reasons(facts)]
    found += [f"run {run} trains there: wait for its end, or end it: picluster stop {run}" for run in facts["runs"]]
    low, high = PYTHONS
    if not low <= _numbers(facts["python_version"]) <= high:
        has = f"is {facts['python_version']}" if facts["python_version"] else "is not there"
        found.append(f"its /usr/bin/python3 {has}: picluster needs {low[0]}.{low[1]} to {high[0]}.{high[1]}")
    if facts["memory_mib"] < wants["memory_mib"]:
        found.append(f"it has {facts['memory_mib']} MiB of memory: training needs {wants['memory_mib']} MiB")
    disk = wants["installed_disk_mib"] if facts["is_installed"] else wants["disk_mib"]
    if facts["free_disk_mib"] < disk:
        has = f"{facts['free_disk_mib']} MiB are free where {wants['home']} lies, {disk} MiB are needed"
        found.append(f"{has}: make room, or use a larger SD card")
    if facts["is_read_only"]:
        found.append(f"{wants['home']}/.venv is read-only: the ready nodes of a lab are like that; take lab up --fresh")
    torch = _numbers(wants["torch_version"])
    if facts["machine"] == "aarch64" and not facts["has_atomics"] and torch >= ATOMICS_SINCE:
        lacks = (
            f"its processor lacks the atomic instructions of torch {wants['torch_version']} (it would die of SIGILL)"
        )
        found.append(f"{lacks}: torch 2.9.1 is the newest that runs on it")
    return found


def _system_reasons(facts: Facts) -> list[str]:
    machine, architecture = facts["machine"], facts["architecture"]
    if architecture in ("armhf", "armel", "i386"):
        kernel = f" under a 64-bit kernel ({machine})" if machine in ARCHITECTURES else ""
        return [f"the system is 32-bit ({architecture}){kernel}: flash the 64-bit image"]
    if machine not in ARCHITECTURES:
        return [f"its processor is {machine}: picluster needs {' or '.join(ARCHITECTURES)}"]
    supported = "Ubuntu 24.04, Debian 12, Raspberry Pi OS (64-bit) 12, or a later one"
    least = RELEASES.get(facts["distribution"])
    if least is None or _numbers(facts["version"]) < least or architecture != ARCHITECTURES[machine]:
        return [f"it runs {facts['system']}: flash {supported}"]
    return []


def address(facts: Facts, interfaces: list[Mapping[str, Any]]) -> str:
    """IPv4 address that SSH arrived at, else one beside it, else any that leads outward; or empty."""
    if "." in facts["entered_at"]:
        return str(facts["entered_at"])
    owned = [each["addr_info"] for each in interfaces if "LOOPBACK" not in each["flags"]]
    entered = [infos for infos in owned if any(info["local"] == facts["entered_at"] for info in infos)]
    outward = [info["local"] for infos in (*entered, *owned) for info in infos if info["family"] == "inet"]
    return (outward or [""])[0]


def network(facts: Facts, interfaces: list[Mapping[str, Any]]) -> str:
    """Network that SSH came from, where one of the node's interfaces lies in it; empty where SSH was routed."""
    try:
        source = ipaddress.ip_address(facts["entered_from"])
    except ValueError:  # no SSH, or through a program that hides the address
        return ""
    if source.version == 6 and source.ipv4_mapped:  # noqa: PLR2004
        source = source.ipv4_mapped
    infos = [info for each in interfaces if "LOOPBACK" not in each["flags"] for info in each["addr_info"]]
    # Of several overlapping networks, the network in which SSH arrived.
    infos.sort(key=lambda info: info["local"] != facts["entered_at"])
    own = (ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}").network for info in infos)
    return next((str(each) for each in own if each.version == source.version and source in each), "")


def _memory_bytes(root: Path) -> int:
    whole = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    kernel = int(whole[1]) << 10 if whole else 0
    return min(kernel, memory_limit(root) or kernel)


def _model(root: Path) -> str:
    """Name of the board, such as "Raspberry Pi 4 Model B Rev 1.4"; that of other computers is their firmware's."""
    for place in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        if words := _text(root / place).strip("\0\n "):
            return words
    return "unknown"


def _existing(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(_existing(place)).f_flag & os.ST_RDONLY)


def _assignments(text: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in text.splitlines())}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:2])


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _said(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=SECONDS).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def main() -> None:
    """Read Ansible's arguments, look at the node, and answer."""
    module = AnsibleModule(
        {
            "home": {"type": "path", "required": True},
            "torch_version": {"type": "str", "required": True},
            "memory_mib": {"type": "int", "required": True},
            "disk_mib": {"type": "int", "required": True},
            "installed_disk_mib": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    facts = look(Path("/"), module.params["home"])
    interfaces = json.loads(_said("ip", "-json", "address") or "[]")
    facts |= {"address": address(facts, interfaces), "entered_network": network(facts, interfaces)}
    module.exit_json(changed=False, facts=facts, reasons=reasons(facts, module.params))


if __name__ == "__main__":
    main()
