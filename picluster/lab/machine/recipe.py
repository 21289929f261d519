"""What a base is made of, and how its kinds differ."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from picluster.lab.machine import emulation
from picluster.lab.spec import LabSpec, Wanted

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
class Recipe:
    """One kind of base."""

    fresh: bool
    """As if just flashed, rather than ready to train."""
    emulated: bool
    """Of a Pi 4's architecture, on a machine of another."""

    @property
    def machine(self) -> str:
        """The architecture, as the kernel calls it."""
        return emulation.MACHINE if self.emulated else platform.machine()

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed beside the essential."""
        return _FLASHED if self.fresh else _READY

    @property
    def files(self) -> Mapping[str, str]:
        """What is written, by the path below the root."""
        return _FILES | emulation.FILES if self.emulated else _FILES

    @property
    def groups(self) -> tuple[str, ...]:
        """Those that the user is in, beside the own one.

        qemu 7.2 has room for one group in SO_PEERGROUPS: with more, whoever asks (systemd --user) asks for ever.
        """
        return () if self.emulated else ("sudo",)

    @property
    def name(self) -> str:
        """Of its folder, the release apart; the last part changes where it would be made differently."""
        kind = "fresh" if self.fresh else "ready"
        parts = repr((self.packages, MASKED, dict(self.files)))
        return f"{kind}-{self.machine}-{hashlib.sha256(parts.encode()).hexdigest()[:8]}"


def recipe_of(lab: LabSpec | Wanted) -> Recipe:
    """The base of a lab's nodes."""
    return Recipe(fresh=lab.fresh, emulated=lab.emulated)
