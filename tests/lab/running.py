"""A lab as tests drive it: through the command line, and from inside its nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.errors import MissingError
from picluster.lab.kernel.commands import check_programs, check_root
from picluster.lab.kernel.control_groups import hierarchies, processes
from picluster.lab.machine.release import own_release
from picluster.lab.places import NAMESPACES, STATE, LabPlaces

LAB_TIMEOUT_SECONDS = 2400  # the first `up` bootstraps a base
NODE_TIMEOUT_SECONDS = 240
PICLUSTER = [sys.executable, "-m", "picluster.cli.main"]
Result = subprocess.CompletedProcess[str]


def lab_command(*words: str, check: bool = True, environment: dict[str, str] | None = None) -> Result:
    """Run `picluster lab …`."""
    done = subprocess.run(
        [*PICLUSTER, "lab", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=LAB_TIMEOUT_SECONDS,
        env=os.environ | (environment or {}),
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class RunningLab:
    """A lab as tests see it."""

    name: str

    @property
    def places(self) -> LabPlaces:
        """Its files, namespaces and groups."""
        return LabPlaces(self.name)

    @property
    def inventory(self) -> Path:
        """For `picluster launch --inventory`."""
        return self.places.inventory

    def status(self) -> dict[str, Any]:
        """What `picluster lab status --json` says."""
        found: dict[str, Any] = json.loads(lab_command("status", "--name", self.name, "--json").stdout)
        return found

    def states(self) -> dict[str, str]:
        """Such as {"pi1": "running"}."""
        return {node["name"]: node["state"] for node in self.status()["nodes"]}

    @property
    def addresses(self) -> dict[str, str]:
        """By node."""
        spec = json.loads(self.places.spec.read_text())
        return {node["name"]: node["interfaces"][0]["address"] for node in spec["nodes"]}

    def in_node(self, node: str, command: Sequence[str] | str, *, timeout: float = NODE_TIMEOUT_SECONDS) -> Result:
        """Run a command (words, or a line for sh) as root in a node, past its network and sshd; check the code."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        enter = ["nsenter", f"--target={self.leader(node)}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        return subprocess.run([*enter, *clean, *words], check=True, capture_output=True, text=True, timeout=timeout)

    def ssh(self, node: str, command: str, *, check: bool = True) -> Result:
        """Run a line as user pi in a node, limited as everything there is."""
        options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-i", str(self.places.key)]
        options += ["-o", f"UserKnownHostsFile={self.places.known_hosts}", "-o", "IdentitiesOnly=yes", "-F", "none"]
        words = ["ssh", *options, f"pi@{self.addresses[node]}", command]
        return subprocess.run(
            words, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=NODE_TIMEOUT_SECONDS
        )

    def leader(self, node: str) -> int:
        """The process that is number 1 inside the node, as this machine counts."""
        for pid in processes(hierarchies(), self.places.node(node).group):
            with suppress(OSError):  # it may have ended meanwhile
                inside = re.search(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
                if inside and inside[1] == "1":
                    return pid
        raise AssertionError(f"node {node} of lab {self.name} does not run")

    @contextmanager
    def broken(self, node: str, fault: str) -> Iterator[None]:
        """Break a node (`--kill`, …) and make it whole again at the end."""
        lab_command("break", node, fault, "--name", self.name)
        try:
            yield
        finally:
            lab_command("break", node, "--restore", "--name", self.name)


def chosen_release() -> list[str]:
    """Words for `lab up` where a person chose the nodes' release: `make test-provision RELEASE=trixie`."""
    release = os.environ.get("PICLUSTER_RELEASE")
    return ["--release", release] if release else []


def unable() -> str | None:
    """Why there can be no lab here."""
    if not sys.platform.startswith("linux"):
        return "a lab needs Linux"
    try:
        check_root("up")
        check_programs()
        own_release()
    except MissingError as error:
        return str(error)
    return None


def remove_stale_labs() -> None:
    """Labs of test processes that are no more: `t` or `u` and the process's number."""
    names = {path.name for path in STATE.glob("[tu]*")}
    names |= {path.name.split("-")[1] for path in NAMESPACES.glob("plab-[tu]*")}
    for place in hierarchies().places:
        names |= {path.name.rpartition("-")[2] for path in place.glob("picluster-lab-[tu]*")}
    for name in names:
        if re.fullmatch(r"[tu]\d+", name) and not Path(f"/proc/{name[1:]}").exists():
            lab_command("down", "--name", name)


def eventually(true: Callable[[], bool], *, within_seconds: float = 80) -> None:
    """Wait until a function says so."""
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
