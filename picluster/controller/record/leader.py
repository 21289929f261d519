"""The process that leads a run: its identity in run folders and on nodes, and whether it still lives."""

from __future__ import annotations

import functools
import getpass
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import psutil

from picluster.schema.run import Controller


def this_controller() -> Controller:
    """Identity of this process."""
    booted = psutil.boot_time()  # first: it is what processes' times count from
    return Controller(
        host=os.uname().nodename,
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        user=_this_user(),
        machine=this_machine(),
        boot=_this_boot(),
        booted=booted,
    )


def _this_user() -> str:
    """Name of the user, or the number of one that has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second since Python 3.13
        return str(os.getuid())


@functools.cache
def _this_boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@functools.cache
def this_machine() -> str:
    """Fingerprint of this machine: many a Pi is called raspberrypi."""
    identity = os.uname().nodename
    for file in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        with suppress(OSError):
            identity = file.read_text().strip()
            break
    return hashlib.sha256(b"picluster " + identity.encode()).hexdigest()[:16]


def is_here(controller: Controller) -> bool:
    """True where it ran on this machine. Runs of earlier versions know only its name."""
    if controller.machine:
        return controller.machine == this_machine()
    return controller.host == os.uname().nodename


def is_alive(controller: Controller) -> bool:
    """True where the process that leads a run still exists; False on other machines, where that is not known."""
    if not is_here(controller) or controller.boot != (_this_boot() if controller.boot else ""):
        return False
    clock_moved = psutil.boot_time() - controller.booted if controller.booted else 0.0
    try:
        process = psutil.Process(controller.pid)
        is_the_one = abs(process.create_time() - controller.started - clock_moved) < 1
        return is_the_one and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
