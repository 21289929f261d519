"""Cache of Debian packages on this machine: apt-cacher-ng, started for one provisioning, on the loopback alone.

Nodes reach it through their SSH connection: nothing listens on the network, no firewall is in the way, and nodes need
no internet of their own.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from picluster.errors import MissingError
from picluster.project import user_cache

PROGRAM = "apt-cacher-ng"
SUPPORT = Path("/usr/lib/apt-cacher-ng")
START_SECONDS = 10.0
_PORTS = range(20000, 32768)  # it cannot bind to ports above these
END_SECONDS = 5.0


def program() -> str | None:
    """Path of apt-cacher-ng on this machine; None where it is not installed."""
    return shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin")


@contextmanager
def apt_cache() -> Iterator[int]:
    """Run apt-cacher-ng, and yield its port on the loopback; MissingError where it is missing or does not start."""
    path = program()
    if path is None:
        raise MissingError(f"{PROGRAM} is not installed on this machine", fix=f"sudo apt install {PROGRAM}")
    cache, port = user_cache() / "apt", _free_port()
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="picluster-apt-") as folder:
        (Path(folder) / "acng.conf").write_text(_settings(Path(folder), cache, port))
        log = Path(folder) / "output"
        with log.open("wb") as output:
            process = subprocess.Popen([path, "-c", folder], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            _wait(process, port, log)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _settings(folder: Path, cache: Path, port: int) -> str:
    settings = {
        "CacheDir": cache,
        "LogDir": folder,
        "SupportDir": SUPPORT,
        "PidFile": folder / "pid",
        "Port": port,
        "BindAddress": "127.0.0.1",
        "ForeGround": 1,
        "AllowUserPorts": 0,  # any: an archive of one's own may have any port
        # Archives are signed, so plain HTTP will do; one that speaks TLS alone is passed through, uncached.
        "PassThroughPattern": r".*:443$",
    }
    return "".join(f"{name}: {value}\n" for name, value in settings.items())


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()
    raise MissingError(f"{PROGRAM} does not start: {said[-1] if said else 'it gives no reason'}")


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise MissingError("no port is free on this machine's loopback")
