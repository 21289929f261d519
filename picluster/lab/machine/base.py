"""Base of nodes: the file system that those of a release share, bootstrapped once and kept."""

import hashlib
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from picluster.lab.kernel.commands import run
from picluster.lab.machine import emulation
from picluster.lab.machine.release import archive, find_release
from picluster.lab.places import CACHE

BOOTSTRAP_TIMEOUT_SECONDS = 1800
_APT_MODERN = 3
"""Major version of apt from which on systems have deb822 sources."""
USER = "pi"
USER_ID = 1000

MASKED = (
    # A lab has no way to the archive: what looks for news or waits for somebody at a keyboard only takes time.
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "motd-news.timer"),
    *("console-getty.service", "getty@.service", "systemd-networkd-wait-online.service"),
)
_FLASHED = (
    *("ca-certificates", "dbus", "dbus-user-session", "iproute2", "libpam-systemd", "netbase", "openssh-server"),
    *("procps", "python3", "sudo", "systemd", "systemd-sysv"),
)
_READY = (*_FLASHED, "rsync")
_FILES = {
    f"etc/sudoers.d/010_{USER}-nopasswd": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config.d/picluster-lab.conf": "PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
    "etc/machine-id": "",
    # Who is greeted by sshd may log in: before that, pam refuses all but root.
    "etc/systemd/system/ssh.service.d/picluster-lab.conf": "[Unit]\nAfter=systemd-user-sessions.service\n",
}


@dataclass(frozen=True, kw_only=True)
class BaseKind:
    """A kind of base."""

    release: str
    """Codename of a release of Debian or Ubuntu."""
    fresh: bool
    """True for nodes as if just flashed, rather than ready to train."""
    emulated: bool
    """True for a Pi 4's architecture on a machine of another."""

    @property
    def machine(self) -> str:
        """Architecture, as the kernel calls it."""
        return emulation.MACHINE if self.emulated else platform.machine()

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages that are installed beside the essential ones."""
        return _FLASHED if self.fresh else _READY

    @property
    def files(self) -> Mapping[str, str]:
        """Texts of files, by their paths below the root."""
        return _FILES | emulation.FILES if self.emulated else _FILES

    @property
    def name(self) -> str:
        """Name of its folder; the last part changes where the base would be made differently."""
        kind = f"{self.release}-fresh" if self.fresh else f"{self.release}-ready"
        parts = repr((self.packages, MASKED, dict(self.files)))
        return f"{kind}-{self.machine}-{hashlib.sha256(parts.encode()).hexdigest()[:8]}"


def ensure_base(kind: BaseKind, tell: Callable[[str], None]) -> Path:
    """Make the base where it is missing; returns its folder, which is renamed at the end: it is whole or not there."""
    base = base_folder(kind)
    if base.exists():
        return base
    release = find_release(kind.release)
    # Ubuntu's other architectures lie in another archive.
    mirror = None if kind.emulated and release.system == "ubuntu" else archive(release)
    tell(
        f"bootstrapping {release.system} {release.codename} for {kind.machine} from {mirror or 'its archive'}; "
        "this is done only once"
    )
    # Root's own: the programs in it include those that give root's rights.
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = base.with_name(f"{base.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _bootstrap(kind, mirror, part)
    _finish(kind, part)
    part.replace(base)
    _forget_others(base)
    return base


def _forget_others(base: Path) -> None:
    """Remove bases that were made differently and that no lab uses."""
    mounts = Path("/proc/mounts").read_text()
    for other in base.parent.glob(f"{base.name.rpartition('-')[0]}-*"):
        if other != base and f"lowerdir={other}," not in mounts:
            shutil.rmtree(other)


def base_folder(kind: BaseKind) -> Path:
    """Folder in which the base lies, once it is made."""
    return CACHE / kind.name


def _bootstrap(kind: BaseKind, mirror: str | None, folder: Path) -> None:
    debs = CACHE / "packages"
    debs.mkdir(exist_ok=True)
    log = CACHE / "debootstrap.log"
    log.unlink(missing_ok=True)
    # Should this process be killed, debootstrap and all its children end, and their mounts with them.
    guard = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    options = ["--variant=minbase", f"--include={','.join(kind.packages)}", f"--cache-dir={debs}"]
    if kind.emulated:
        options.append(f"--arch={emulation.DEBIAN_ARCHITECTURE}")
    run(
        [*guard, "debootstrap", *options, kind.release, folder, *([mirror] if mirror else [])],
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
        log=log,
    )


def _finish(kind: BaseKind, root: Path) -> None:
    # qemu 7.2 has room for one group in SO_PEERGROUPS: with more, whoever asks (systemd --user) asks for ever.
    groups = [] if kind.emulated else ["--groups", "sudo"]
    add_user = ["useradd", "--create-home", "--shell", "/bin/bash", *groups, "--password", "*"]
    run(["chroot", root, *add_user, "--uid", str(USER_ID), USER])
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # every node gets its own
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for name, text in kind.files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / f"etc/sudoers.d/010_{USER}-nopasswd").chmod(0o440)
    _modernize_sources(root)


def _modernize_sources(root: Path) -> None:
    """Write apt's sources as systems with apt 3 are flashed with, in deb822; debootstrap writes the older form."""
    version = run(["chroot", root, "dpkg-query", "--show", "--showformat=${Version}", "apt"])
    if int(version.partition(".")[0]) >= _APT_MODERN:
        run(["chroot", root, "apt", "--quiet", "--assume-yes", "modernize-sources"])


def python_version(base: Path) -> str:
    """Major and minor version of the base's python3, such as 3.11."""
    return (base / "usr/bin/python3").readlink().name.removeprefix("python")
