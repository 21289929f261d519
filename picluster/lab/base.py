"""The file system that all nodes share: this machine's own release, bootstrapped once and kept."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.commands import run
from picluster.lab.places import CACHE

BOOTSTRAP_TIMEOUT_SECONDS = 1800
USER = "pi"
USER_ID = 1000

_FLASHED = (
    *("ca-certificates", "dbus", "dbus-user-session", "iproute2", "libpam-systemd", "netbase", "openssh-server"),
    *("procps", "python3", "sudo", "systemd", "systemd-sysv"),
)
_READY = (*_FLASHED, "rsync")
# A lab has no way to the archive: what looks for news or waits for somebody at a keyboard only takes time.
_MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "motd-news.timer"),
    *("console-getty.service", "getty@.service", "systemd-networkd-wait-online.service"),
)
_FILES = {
    f"etc/sudoers.d/010_{USER}-nopasswd": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config.d/picluster-lab.conf": "PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
    "etc/machine-id": "",
    # Who is greeted by sshd may log in: before that, pam refuses all but root.
    "etc/systemd/system/ssh.service.d/picluster-lab.conf": "[Unit]\nAfter=systemd-user-sessions.service\n",
}
_SYSTEMS = ("debian", "ubuntu")
_INDEX_FORMAT = "$(CREATED_BY)|$(CODENAME)|$(COMPONENT)|$(SITE)"


@dataclass(frozen=True)
class Release:
    """A version of Debian or Ubuntu."""

    system: str
    codename: str


def read_release(os_release: str) -> Release:
    """From the text of /etc/os-release.

    Raises:
        MissingError: the system is another one.
    """
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    system, codename = (fields.get(name, "").strip('"') for name in ("ID", "VERSION_CODENAME"))
    if system not in _SYSTEMS or not codename:
        raise MissingError(
            f"a lab needs Debian or Ubuntu; this is {system or 'another system'}",
            fix="run it in a virtual machine with Debian",
        )
    return Release(system, codename)


def choose_mirror(release: Release, indexes: str) -> str | None:
    """The archive that this machine's own apt uses for that release, from what `apt-get indextargets` prints.

    None where apt does not say: debootstrap knows the distribution's.
    """
    for line in indexes.splitlines():
        kind, codename, component, site = line.split("|", 3)
        if (kind, codename, component) == ("Packages", release.codename, "main") and site.startswith("http"):
            return site
    return None


def ensure_base(*, fresh: bool, tell: Callable[[str], None]) -> Path:
    """The folder of the base, made where it is missing. It is there as a whole or not at all: it is renamed at the end.

    Raises:
        MissingError: this is no Debian or Ubuntu, or debootstrap fails.
    """
    base = base_folder(fresh=fresh)
    if base.exists():
        return base
    release, packages = own_release(), _packages(fresh=fresh)
    mirror = choose_mirror(release, run(["apt-get", "indextargets", "--format", _INDEX_FORMAT]))
    tell(f"bootstrapping {release.system} {release.codename} from {mirror or 'its archive'}; this is done only once")
    # Root's own: the programs in it include those that give root's rights.
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = base.with_name(f"{base.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _bootstrap(release, packages, mirror, part)
    _finish(part)
    part.replace(base)
    _forget_others(base)
    return base


def base_folder(*, fresh: bool) -> Path:
    """Where the base lies, once it is made."""
    kind = "fresh" if fresh else "ready"
    return CACHE / f"{own_release().codename}-{kind}-{platform.machine()}-{_recipe(_packages(fresh=fresh))}"


def own_release() -> Release:
    """This machine's.

    Raises:
        MissingError: it is no Debian or Ubuntu.
    """
    return read_release(Path("/etc/os-release").read_text())


def _packages(*, fresh: bool) -> tuple[str, ...]:
    return _FLASHED if fresh else _READY


def _recipe(packages: tuple[str, ...]) -> str:
    """Changes where a base would be made differently."""
    return hashlib.sha256(repr((packages, _MASKED, _FILES)).encode()).hexdigest()[:8]


def _bootstrap(release: Release, packages: tuple[str, ...], mirror: str | None, folder: Path) -> None:
    debs = CACHE / "packages"
    debs.mkdir(exist_ok=True)
    log = CACHE / "debootstrap.log"
    log.unlink(missing_ok=True)
    # Should this process be killed, debootstrap and all its children end, and their mounts with them.
    guard = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    options = ["--variant=minbase", f"--include={','.join(packages)}", f"--cache-dir={debs}"]
    run(
        [*guard, "debootstrap", *options, release.codename, folder, *([mirror] if mirror else [])],
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
        log=log,
    )


def _finish(root: Path) -> None:
    add_user = ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", "--password", "*"]
    run(["chroot", root, *add_user, "--uid", str(USER_ID), USER])
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # every node gets its own
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for name, text in _FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / f"etc/sudoers.d/010_{USER}-nopasswd").chmod(0o440)


def _forget_others(base: Path) -> None:
    """Take away bases that were made differently and that no lab uses."""
    mounts = Path("/proc/mounts").read_text()
    for other in base.parent.glob(f"{base.name.rpartition('-')[0]}-*"):
        if other != base and f"lowerdir={other}," not in mounts:
            shutil.rmtree(other)


def python_version(base: Path) -> str:
    """Major and minor version of the base's python3, such as 3.11."""
    return (base / "usr/bin/python3").readlink().name.removeprefix("python")
