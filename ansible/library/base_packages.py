"""Ansible module: installs Debian packages, and records those that came with them.

ansible.builtin.apt needs python3-apt, which a bare node has not, and it keeps no record. What is recorded is written
before apt begins and pruned after it, so an interruption loses nothing and claims nothing that was there before.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOCKS = tuple(
    Path("/var", place)
    for place in ("lib/dpkg/lock-frontend", "lib/dpkg/lock", "lib/apt/lists/lock", "cache/apt/archives/lock")
)
COMMAND_SECONDS = 1800
"""Time for a slow SD card and a slow line."""
PAUSE_SECONDS = 10
KEEP_CONFIGURATION = ("--force-confdef", "--force-confold")
QUIET = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
QUIET |= {"NEEDRESTART_SUSPEND": "1"}
GONE = ("not-installed", "config-files")


class Failed(Exception):
    """Failure of a command, in the command's own words."""


def missing(wanted: Iterable[str], statuses: Mapping[str, str]) -> list[str]:
    """First names of packages such as "chrony | ntpsec" of which none of the names is installed."""
    choices = [[name.strip() for name in each.split("|")] for each in wanted]
    return [names[0] for names in choices if not any(statuses.get(name) == "installed" for name in names)]


def newcomers(simulation: str) -> set[str]:
    """Packages that apt would install, apart from those that it would exchange for newer ones."""
    return set(re.findall(r"^Inst ([^\s:]+)\S* \(", simulation, re.MULTILINE))


def kept_by_others(refusal: str) -> set[str]:
    """Packages that dpkg would not remove because others need them."""
    return set(re.findall(r"^dpkg: error processing package ([^\s:]+)\S* \(--purge\)", refusal, re.MULTILINE))


def gist(words: str) -> str:
    """Lines in which apt and dpkg say what is wrong, or the last line."""
    lines = words.strip().splitlines()
    wrong = [line.strip() for line in lines if re.match(r"E: |Err:|dpkg: error| \S+ depends on ", line)]
    return "; ".join(wrong or lines[-1:])


class Record:
    """File with the names of packages that came with picluster, one a line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def names(self) -> set[str]:
        """Read the names."""
        return set(self._file.read_text().split()) if self._file.exists() else set()

    def write(self, names: set[str]) -> None:
        """Write the names aside, to the disk, and rename: an SD card may lose its power in the next second."""
        if names == self.names():
            return
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        aside = self._file.with_suffix(".new")
        with aside.open("w") as stream:
            stream.writelines(f"{name}\n" for name in sorted(names))
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(self._file)

    def forget(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)


def statuses() -> dict[str, str]:
    """Statuses of the packages that dpkg knows: for each the better of its architectures' statuses."""
    found: dict[str, str] = {}
    for line in command("dpkg-query", "--show", "--showformat", r"${Package} ${db:Status-Status}\n").splitlines():
        name, status = line.split(" ")
        if found.get(name) != "installed":
            found[name] = status
    return found


def on_disk() -> set[str]:
    """Packages of which more than configuration is there, also where they are half installed."""
    return {name for name, status in statuses().items() if status not in GONE}


def install(names: Sequence[str], record: Record, *, proxy: str, lock_seconds: int, attempts: int) -> list[str]:
    """Install missing packages; tells which packages are new."""
    before = record.names()
    for attempt in range(1, attempts + 1):
        try:
            _install_once(names, record, proxy, lock_seconds)
            return sorted(record.names() - before)
        except Failed:
            if attempt == attempts:
                raise
            time.sleep(PAUSE_SECONDS)
    return []


def _install_once(names: Sequence[str], record: Record, proxy: str, lock_seconds: int) -> None:
    wait_for_locks(lock_seconds)
    mend()
    apt = ["apt-get", "--quiet", "--yes", "--option", f"DPkg::Lock::Timeout={lock_seconds}"]
    apt += [word for way in KEEP_CONFIGURATION for word in ("--option", f"Dpkg::Options::={way}")]
    if proxy:
        apt += ["--option", f"Acquire::http::Proxy={proxy}"]
    command(*apt, "update")
    # Packages on the node belong to the person: none is removed to make room for another.
    install_command = [*apt, "--no-remove", "--no-install-recommends", "install"]
    _run_recorded([*install_command, "--fix-broken"], record)
    if absent := missing(names, statuses()):
        _run_recorded([*install_command, *absent], record)


def _run_recorded(words: list[str], record: Record) -> None:
    """Let apt install packages; while it does, the record is a superset of the new ones."""
    record.write(record.names() | newcomers(command(*words, "--simulate")) - on_disk())
    try:
        command(*words)
    finally:
        record.write(record.names() & on_disk())


def remove(record: Record, *, lock_seconds: int) -> tuple[list[str], list[str]]:
    """Remove recorded packages with their settings; tells which went, and which stay because other packages need them.

    dpkg does it, not apt: dpkg never takes others' packages along, and never fetches one in their place.
    """
    ours = record.names() & on_disk()
    go = set(ours)
    wait_for_locks(lock_seconds)
    mend()
    while go and (kept := kept_by_others(_refusal(go))):
        go -= kept
    if go:
        command("dpkg", "--purge", *sorted(go))
    record.forget()
    return sorted(go), sorted(ours - go)


def _refusal(names: set[str]) -> str:
    tried = ["dpkg", "--no-act", "--abort-after=100000", "--purge", *sorted(names)]
    return subprocess.run(
        tried, env=os.environ | QUIET, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
    ).stderr


def mend() -> None:
    """Finish what an interrupted dpkg left, as far as no more packages are needed: apt refuses until then."""
    with suppress(Failed):
        command("dpkg", *KEEP_CONFIGURATION, "--configure", "--pending")


def wait_for_locks(seconds: int) -> None:
    """Wait until others have ended installing, as a fresh system does by itself: apt-get does not wait to update."""
    deadline = time.monotonic() + seconds
    while held := [lock for lock in LOCKS if lock.exists() and _is_held(lock)]:
        if time.monotonic() > deadline:
            raise Failed(f"{held[0]} is held for more than {seconds} s by {_holder(held[0])}")
        time.sleep(1)


def _is_held(lock: Path) -> bool:
    with lock.open("r+") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _holder(lock: Path) -> str:
    inode = f":{lock.stat().st_ino}"
    with suppress(OSError):  # it may be gone by now
        for words in (line.split() for line in Path("/proc/locks").read_text().splitlines()):
            if words[1] != "->" and words[5].endswith(inode):
                return f"process {words[4]} ({Path('/proc', words[4], 'comm').read_text().strip()})"
    return "another process"


def command(*words: str) -> str:
    """Run a command; returns its output.

    Raises:
        Failed: it ended badly.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    ended = subprocess.run(words, env=os.environ | QUIET, text=True, check=False, timeout=COMMAND_SECONDS, **pipes)
    if ended.returncode:
        raise Failed(f"{words[0]}: {gist(ended.stdout)}")
    return ended.stdout


def main() -> None:
    """Read the task's arguments, act, and answer Ansible."""
    module = AnsibleModule(
        {
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"choices": ["present", "recorded_absent"], "default": "present"},
            "record": {"type": "path", "required": True},
            "proxy": {"type": "str", "default": ""},
            "lock_seconds": {"type": "int", "default": 600},
            "attempts": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    wants, record = module.params, Record(Path(module.params["record"]))
    try:
        if wants["state"] == "recorded_absent":
            asked = sorted(record.names())
            gone, kept = (
                ([], []) if module.check_mode or not asked else remove(record, lock_seconds=wants["lock_seconds"])
            )
            module.exit_json(changed=bool(asked), removed=gone, kept=kept)
        absent = missing(wants["names"], statuses())
        new: list[str] = []
        if absent and not module.check_mode:
            limits = {"lock_seconds": wants["lock_seconds"], "attempts": wants["attempts"]}
            new = install(wants["names"], record, proxy=wants["proxy"], **limits)
        module.exit_json(changed=bool(absent), missing=absent, installed=new)
    except (Failed, subprocess.TimeoutExpired) as failure:
        module.fail_json(msg=f"packages: {failure}")


if __name__ == "__main__":
    main()
