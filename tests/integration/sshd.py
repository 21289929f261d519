"""A real sshd on loopback that stands in for a shelf of Pis: many names, one machine, workers that really run."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psutil
import pytest

from tests.integration.desk import CHECKOUT

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
START_SECONDS = 60.0
NEEDS_SSHD = pytest.mark.skipif(
    PROGRAM is None or not all(map(shutil.which, ("ssh", "ssh-keygen", "rsync"))),
    reason="needs sshd, ssh and rsync: sudo apt install openssh-server rsync",
)
_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
{host_keys}
AuthorizedKeysFile "{folder}/authorized_keys"
PidFile "{folder}/sshd.pid"
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
MaxStartups 200
MaxSessions 20
# As on a fresh Pi, where ~/.bashrc returns at once when nobody is there to read.
SetEnv SHLVL=2
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    """One sshd that is running, and what leads to it. Everything about it lies in its folder."""

    folder: Path
    port: int
    process: psutil.Process

    @property
    def client_key(self) -> Path:
        """Private key that it accepts."""
        return self.folder / "client_key"

    @property
    def known_hosts(self) -> Path:
        """File with its host key."""
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> Path:
        """Its own private key; `.pub` beside it."""
        return self.folder / "host_key"

    @property
    def home(self) -> Path:
        """Where picluster is installed on the nodes: the environment that the tests run in."""
        return self.folder / "home"

    @property
    def caches(self) -> Path:
        """Folder with each name's own `picluster_cache`."""
        return self.folder / "caches"

    @property
    def known_name(self) -> str:
        """What it is called in a file of host keys."""
        return f"[127.0.0.1]:{self.port}"

    def cache(self, name: str) -> Path:
        """Of one name."""
        return self.caches / name

    def variables(self, name: str, *, known_hosts: Path | None = None) -> dict[str, object]:
        """What the inventory says of a name."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.client_key),
            "ansible_ssh_common_args": ssh_options(known_hosts or self.known_hosts),
            "picluster_home": str(self.home),
            "picluster_cache": str(self.cache(name)),
        }

    def write_inventory(
        self, file: Path, names: Sequence[str], changes: Mapping[str, Mapping[str, object]] | None = None
    ) -> Path:
        """An inventory in which all names are this sshd; `changes` says what is different about some."""
        hosts = {name: {**self.variables(name), **(changes or {}).get(name, {})} for name in names}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"picluster": {"hosts": hosts}}, indent=1))
        return file

    def workers(self) -> dict[str, list[psutil.Process]]:
        """Processes of workers that came through this sshd, by node; each worker with its waiting shell."""
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(str(self.home) in word for word in process.cmdline()):
                    found.setdefault(Path(process.cwd()).name, []).append(process)
        return found

    def sessions(self, of: psutil.Process) -> list[psutil.Process]:
        """The processes of sshd that a worker hangs on, all but the one that listens."""
        return [
            parent for parent in of.parents() if self.process in parent.parents() and parent.name().startswith("sshd")
        ]

    def run_folders(self) -> list[Path]:
        """What runs have left in the caches."""
        return [folder for folder in self.caches.glob("*/runs/*/*") if folder.is_dir()]

    def claims(self) -> list[Path]:
        """Files of claims on the machine that sshd is."""
        places = (Path("/run/lock/picluster"), Path(tempfile.gettempdir(), "picluster"))
        return [file for place in places for file in self.seen_from_here(place).glob("*.json")]

    def seen_from_here(self, path: Path) -> Path:
        """It may have mounts of its own."""
        return Path(f"/proc/{self.process.pid}/root") / path.relative_to("/")

    @contextmanager
    def little_disk(self, folder: Path) -> Iterator[Path]:
        """A file system of 4 MB on that machine, for root; yields where it is seen from here."""
        there = ["nsenter", "--target", str(self.process.pid), "--mount"]
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "picluster-test", str(folder)]
        subprocess.run([*there, *mount], check=True, timeout=START_SECONDS)
        yield self.seen_from_here(folder)
        subprocess.run([*there, "umount", str(folder)], check=True, timeout=START_SECONDS)


def ssh_options(known_hosts: Path) -> str:
    """So that no test depends on the person's own ~/.ssh, nor touches it."""
    hosts = f'UserKnownHostsFile="{known_hosts}"'
    return shlex.join(["-F", "none", "-o", "GlobalKnownHostsFile=/dev/null", "-o", hosts])


@contextmanager
def running_sshd(folder: Path, *, other_host_keys: Sequence[str] = ()) -> Iterator[Sshd]:
    """Start it in an empty folder; end it and all that came through it afterwards.

    Its host key is of the kind ed25519; it has others too, as `host_key_KIND`, where their kinds are given.
    """
    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    make_key(folder / "client_key")
    host_keys = [make_key(folder / "host_key")]
    host_keys += [make_key(folder / f"host_key_{kind}", kind) for kind in other_host_keys]
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    _make_home(folder / "home")
    port = _free_port()
    config = _CONFIG.format(folder=folder, port=port, host_keys="\n".join(f'HostKey "{key}"' for key in host_keys))
    (folder / "sshd_config").write_text(config)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [PROGRAM, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    with subprocess.Popen([*_with_own_claims(), *command], start_new_session=True) as started:
        sshd = Sshd(folder, port, psutil.Process(started.pid))
        try:
            _wait_for(sshd)
            record_key(sshd.known_hosts, sshd.known_name, sshd.host_key)
            yield sshd
        finally:
            workers = chain.from_iterable(sshd.workers().values())
            for process in (*sshd.process.children(recursive=True), *workers):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            started.send_signal(signal.SIGTERM)


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A private key, with its public half beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", file], check=True, timeout=240)  # noqa: S607
    return file


def record_key(known_hosts: Path, name: str, key: Path) -> None:
    """Write a host's public key into a file of known hosts."""
    public = key.with_name(f"{key.name}.pub").read_text()
    with known_hosts.open("a") as lines:
        lines.write(f"{name} {public}")


def _make_home(home: Path) -> None:
    home.mkdir()
    (home / ".venv").symlink_to(sys.prefix)
    (home / "picluster").symlink_to(CHECKOUT / "picluster")


def _with_own_claims() -> list[str]:
    """A root's sshd gets a /run/lock of its own, so that suites that run at the same time do not find it busy."""
    words = ["unshare", "--mount", "--propagation", "slave"]
    if not Path("/run/lock").is_dir() or shutil.which("unshare") is None:
        return []
    mount = "mount -t tmpfs -o mode=1777 picluster-test /run/lock"
    if subprocess.run([*words, "sh", "-c", mount], capture_output=True, check=False, timeout=START_SECONDS).returncode:
        return []
    return [*words, "sh", "-c", f'{mount} && exec "$@"', "sh"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(sshd: Sshd) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", sshd.port), timeout=1) as probe:
            if probe.recv(4) == b"SSH-":
                return
        assert sshd.process.is_running(), (sshd.folder / "sshd.log").read_text()
        assert time.monotonic() < deadline, (sshd.folder / "sshd.log").read_text()
        time.sleep(0.02)
