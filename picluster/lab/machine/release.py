"""Releases of Debian and Ubuntu: this machine's own, those that can be bootstrapped, and the archives they lie in."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import InputError, MissingError
from picluster.lab.kernel.commands import run

SCRIPTS = Path("/usr/share/debootstrap/scripts")
_SYSTEMS = {"sid": "debian", "gutsy": "ubuntu"}
"""Systems by debootstrap's common script: that of a release is a link to it."""
_KEYRINGS = {
    "debian": (Path("/usr/share/keyrings/debian-archive-keyring.gpg"), "debian-archive-keyring"),
    "ubuntu": (Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"), "ubuntu-keyring"),
}
_INDEX_FORMAT = "$(CREATED_BY)|$(CODENAME)|$(COMPONENT)|$(SITE)"


@dataclass(frozen=True)
class Release:
    """A version of Debian or Ubuntu."""

    system: str
    codename: str


def own_release() -> Release:
    """Read this machine's release; raises MissingError where it is neither Debian nor Ubuntu."""
    try:
        return read_release(platform.freedesktop_os_release())
    except OSError:  # as on macOS
        return read_release({})


def read_release(os_release: Mapping[str, str]) -> Release:
    """Read a release from the fields of /etc/os-release; raises MissingError where it is neither Debian nor Ubuntu."""
    system, codename = (os_release.get(name, "") for name in ("ID", "VERSION_CODENAME"))
    if system not in _KEYRINGS or not codename:
        raise MissingError(
            f"a lab needs Debian or Ubuntu; this is {system or 'another system'}",
            fix="run it in a virtual machine with Debian",
        )
    return Release(system, codename)


def find_release(codename: str, scripts: Path = SCRIPTS) -> Release:
    """Find a release by its codename; raises InputError where debootstrap does not know it."""
    script = scripts / codename
    system = _SYSTEMS.get(script.resolve().name) if script.exists() else None
    if system is None:
        raise InputError(
            f"--release {codename}: this machine's debootstrap does not know it as a release of Debian or Ubuntu",
            fix=f"take one that stands in {scripts}, or install a newer debootstrap",
        )
    return Release(system, codename)


def check_releases(codenames: Iterable[str], *, fresh: bool) -> None:
    """Raise InputError or MissingError where nodes of these releases cannot be made here."""
    for codename in dict.fromkeys(codenames):
        release = find_release(codename)
        if not fresh and codename != own_release().codename:
            raise InputError(
                f"--release {codename}: ready nodes share the packages of this machine, which has "
                f"{own_release().codename}",
                fix="add --fresh",
            )
        keyring, package = _KEYRINGS[release.system]
        if not keyring.exists():
            raise MissingError(
                f"{keyring} is missing, by which {release.system} {codename} is checked",
                fix=f"sudo apt install {package}; where apt has no such package, copy the file from a machine with "
                f"{release.system.capitalize()}",
            )


def archive(release: Release) -> str | None:
    """Find the archive to bootstrap a release from, by this machine's own apt; None where debootstrap's will do."""
    return choose_mirror(release, own_release(), run(["apt-get", "indextargets", "--format", _INDEX_FORMAT]))


def choose_mirror(release: Release, own: Release, indexes: str) -> str | None:
    """Find the archive of a release from what `apt-get indextargets` prints: its own, or that of its system.

    None where apt does not say: debootstrap knows the distribution's.
    """
    sites: dict[str, str] = {}
    for line in indexes.splitlines():
        kind, codename, component, site = line.split("|", 3)
        if (kind, component) == ("Packages", "main") and site.startswith("http"):
            sites.setdefault(codename, site)
    return sites.get(release.codename) or (sites.get(own.codename) if release.system == own.system else None)
