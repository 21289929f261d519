"""The file system that all nodes share: this machine's own release, bootstrapped once and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.kernel.commands import run
from picluster.lab.machine.emulation import DEBIAN_ARCHITECTURE
from picluster.lab.machine.recipe import MASKED, USER, USER_ID, Recipe
from picluster.lab.places import CACHE

BOOTSTRAP_TIMEOUT_SECONDS = 1800
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


def ensure_base(recipe: Recipe, tell: Callable[[str], None]) -> Path:
    """The folder of the base, made where it is missing. It is there as a whole or not at all: it is renamed at the end.

    Raises:
        MissingError: this is no Debian or Ubuntu, or debootstrap fails.
    """
    base = base_folder(recipe)
    if base.exists():
        return base
    release, mirror = own_release(), _mirror(recipe)
    tell(
        f"bootstrapping {release.system} {release.codename} for {recipe.machine} from {mirror or 'its archive'}; "
        "this is done only once"
    )
    # Root's own: the programs in it include those that give root's rights.
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = base.with_name(f"{base.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _bootstrap(recipe, mirror, part)
    _finish(recipe, part)
    part.replace(base)
    _forget_others(base)
    return base


def base_folder(recipe: Recipe) -> Path:
    """Where the base lies, once it is made."""
    return CACHE / f"{own_release().codename}-{recipe.name}"


def own_release() -> Release:
    """This machine's.

    Raises:
        MissingError: it is no Debian or Ubuntu.
    """
    return read_release(Path("/etc/os-release").read_text())


def _mirror(recipe: Recipe) -> str | None:
    release = own_release()
    if recipe.emulated and release.system == "ubuntu":
        return None  # its other architectures lie in another archive, which debootstrap knows
    return choose_mirror(release, run(["apt-get", "indextargets", "--format", _INDEX_FORMAT]))


def _bootstrap(recipe: Recipe, mirror: str | None, folder: Path) -> None:
    debs = CACHE / "packages"
    debs.mkdir(exist_ok=True)
    log = CACHE / "debootstrap.log"
    log.unlink(missing_ok=True)
    # Should this process be killed, debootstrap and all its children end, and their mounts with them.
    guard = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    options = ["--variant=minbase", f"--include={','.join(recipe.packages)}", f"--cache-dir={debs}"]
    if recipe.emulated:
        options.append(f"--arch={DEBIAN_ARCHITECTURE}")
    run(
        [*guard, "debootstrap", *options, own_release().codename, folder, *([mirror] if mirror else [])],
        timeout_seconds=BOOTSTRAP_TIMEOUT_SECONDS,
        log=log,
    )


def _finish(recipe: Recipe, root: Path) -> None:
    groups = ["--groups", ",".join(recipe.groups)] if recipe.groups else []
    add_user = ["useradd", "--create-home", "--shell", "/bin/bash", *groups, "--password", "*"]
    run(["chroot", root, *add_user, "--uid", str(USER_ID), USER])
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # every node gets its own
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for name, text in recipe.files.items():
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
