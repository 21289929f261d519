"""Programs of this machine: checked to be there, and run."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from picluster.errors import MissingError

COMMAND_TIMEOUT_SECONDS = 60
_PACKAGES = {
    "apt-get": "apt",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tc": "iproute2",
    "unshare": "util-linux",
}
QEMU = "qemu-aarch64-static"
# `su` leaves root without the folders of root's programs. A locale that was never generated only yields complaints.
_ENVIRONMENT = {
    **os.environ,
    "PATH": os.environ.get("PATH", "") + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
}


def check_root(command: str) -> None:
    """Raise MissingError without root's rights."""
    if os.geteuid() != 0:
        program, *words = sys.argv
        # sudo searches other folders for programs than the person's shell.
        found = shlex.quote(str(Path(program).absolute())) if "/" in program else '"$(command -v picluster)"'
        raise MissingError(f"lab {command} needs root", fix=f"sudo {found} {shlex.join(words)}")


def check_programs(*, emulated: bool = False) -> None:
    """Raise MissingError where programs are missing; names the packages of all of them."""
    needed = _PACKAGES | {QEMU: "qemu-user-static"} if emulated else _PACKAGES
    if missing := [program for program in needed if shutil.which(program, path=_ENVIRONMENT["PATH"]) is None]:
        packages = dict.fromkeys(needed[program] for program in missing)
        raise MissingError(f"{', '.join(missing)} missing", fix=f"sudo apt install {' '.join(packages)}")


def program_path(program: str) -> str:
    """Find the path of a program; raises MissingError where it is not installed."""
    if path := shutil.which(program, path=_ENVIRONMENT["PATH"]):
        return path
    raise MissingError(f"{program} is not installed")


def run_all(commands: Iterable[Sequence[str]]) -> None:
    """Run programs one after the other."""
    for words in commands:
        run(words)


def run(
    words: Sequence[str | Path],
    *,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    log: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a program and return its output; with `log`, all that it prints goes to that file instead.

    Raises:
        MissingError: it fails, or does not end in time: the machine lacks something that the lab needs.
    """
    shown = shlex.join(map(str, words))
    try:
        with log.open("ab") if log else nullcontext(subprocess.PIPE) as output:
            ended = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if log else subprocess.PIPE,
                check=True,
                text=True,
                errors="replace",
                env=_ENVIRONMENT | (environment or {}),
                timeout=timeout_seconds,
            )
    except FileNotFoundError as error:
        raise MissingError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{shown} did not end in {timeout_seconds:.0f} s") from error
    except subprocess.CalledProcessError as error:
        said = str(error.stderr or "").strip() or (f"see {log}" if log else f"exit code {error.returncode}")
        raise MissingError(f"{shown} failed: {said}") from error
    return ended.stdout or ""
