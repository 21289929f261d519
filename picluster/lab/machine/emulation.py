"""Nodes with a Pi 4's architecture and instructions: qemu runs their programs, one by one, on this machine's kernel.

The kernel starts qemu for a program by an entry of binfmt_misc. That of the distribution would do, were it not without
the credentials of what it runs: sudo could not become root. So labs have an entry of their own, as long as one is up.
"""

import json
import platform
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from picluster.errors import InputError, MissingError
from picluster.lab.kernel.commands import QEMU, program_path, run
from picluster.lab.places import BINFMT, STATE

MACHINE = "aarch64"
DEBIAN_ARCHITECTURE = "arm64"
ENVIRONMENT = {"QEMU_CPU": "cortex-a72"}
"""Variable that qemu reads at the start of every program; without it, qemu has every instruction there is."""
CORES = 4

_OLD_QEMU = 8
"""Major version of qemu below which systemd 257 stops without a word; with 10.0 it starts."""
_WITH_SYSTEMD_257 = frozenset({"trixie", "forky", "sid", "plucky", "questing", "resolute"})
"""Releases with that systemd or a newer one."""
_ENTRY = "picluster-lab-aarch64"
# The ELF header of an aarch64 program, whichever system's, executable or shared.
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# Keep a program's own name (P) and its credentials (OC), and hold qemu open (F), since no node has it.
_FLAGS = "POCF"

_ASSIGNMENTS = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
_CORE = """\
processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
# systemd passes credentials in a mount namespace that it makes together with a process, which qemu cannot; and
# systemd 257 shares mounts with a unit in a way that qemu 10 refuses, so that logind and journald would not start.
_NO_MOUNTS_OF_ITS_OWN = """\
LoadCredential=
SetCredential=
ImportCredential=
PrivateTmp=no
PrivateDevices=no
PrivateMounts=no
ProtectSystem=no
ProtectHome=no
ProtectKernelTunables=no
ProtectKernelModules=no
ProtectKernelLogs=no
ProtectControlGroups=no
ProtectProc=default
ProcSubset=all
ReadWritePaths=
ReadOnlyPaths=
InaccessiblePaths=
BindPaths=
BindReadOnlyPaths=
TemporaryFileSystem=
"""
FILES = {
    # To every unit, every session and every command of sudo's: what it does not reach has other instructions.
    "etc/systemd/system.conf.d/picluster-lab.conf": f"[Manager]\nDefaultEnvironment={' '.join(_ASSIGNMENTS)}\n",
    "etc/environment": "".join(f"{assignment}\n" for assignment in _ASSIGNMENTS),
    "etc/sudoers.d/020_picluster-lab": f'Defaults env_keep += "{" ".join(ENVIRONMENT)}"\n',
    "etc/systemd/system/service.d/picluster-lab.conf": f"[Service]\n{_NO_MOUNTS_OF_ITS_OWN}",
    # qemu 7.2 shows this machine's processor.
    "usr/share/picluster-lab/cpuinfo": "".join(_CORE.format(number=number) for number in range(CORES)),
    "etc/systemd/system/proc-cpuinfo.mount": (
        "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n"
        "[Mount]\nWhat=/usr/share/picluster-lab/cpuinfo\nWhere=/proc/cpuinfo\nOptions=bind,ro\n"
    ),
    "etc/systemd/system/sysinit.target.d/picluster-lab.conf": "[Unit]\nWants=proc-cpuinfo.mount\n",
}
"""Files that only emulated nodes have."""


def check_emulator(codenames: Iterable[str]) -> None:
    """Raise MissingError where this machine's qemu is too old for the systemd of one of these releases."""
    version = run([QEMU, "--version"])
    major = re.search(r"version (\d+)", version)
    too_new = sorted(_WITH_SYSTEMD_257.intersection(codenames))
    if too_new and major and int(major[1]) < _OLD_QEMU:
        raise MissingError(
            f"{version.splitlines()[0]}: the systemd of {', '.join(too_new)} does not start under it",
            fix="install qemu 10, which Debian 12 has in bookworm-backports: package qemu-user-static",
        )


def begin_emulation() -> None:
    """Have the kernel run aarch64 programs by qemu; InputError on such a machine, MissingError where it cannot."""
    if platform.machine() == MACHINE:
        raise InputError(f"--emulate: this machine is {MACHINE} itself", fix="leave it out")
    if not BINFMT.is_mount():
        BINFMT.mkdir(exist_ok=True)
        run(["mount", "-t", "binfmt_misc", "picluster-lab", BINFMT])
    if not (BINFMT / _ENTRY).exists():
        entry = f":{_ENTRY}:M::{_MAGIC}:{_MASK}:{program_path(QEMU)}:{_FLAGS}"
        try:
            (BINFMT / "register").write_text(entry)
        except OSError as error:
            raise MissingError(f"the kernel does not start qemu for {MACHINE} programs: {error.strerror}") from error


def end_emulation_without_labs() -> bool:
    """Remove the kernel's entry when no lab needs it; tells whether there was one."""
    if not BINFMT.exists() or any(_is_emulated(spec) for spec in STATE.glob("*/lab.json")):
        return False
    if BINFMT.is_mount():
        if (BINFMT / _ENTRY).exists():
            (BINFMT / _ENTRY).write_text("-1")
        run(["umount", BINFMT])
    BINFMT.rmdir()
    return True


def _is_emulated(spec: Path) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return bool(json.loads(spec.read_text()).get("emulated"))
    return False
