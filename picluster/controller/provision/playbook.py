"""Playbooks, run by ansible-runner, which passes on their events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from picluster.errors import InputError, MissingError, Stopped
from picluster.project import BUNDLED, PACKAGE, program

Event = Mapping[str, Any]
LEAVE_SECONDS = 5.0


@dataclass(frozen=True)
class Playbook:
    """A playbook and what it is run with."""

    name: str
    """A file in ansible/."""
    inventory: Path
    """Inventory file."""
    chosen: Sequence[str]
    """Hosts to provision or reset."""
    members: Sequence[str]
    """All hosts of the cluster."""
    tags: str | None = None
    """Tags, separated by commas: only tasks with one of them run."""
    is_check: bool = False
    """Change nothing, say what would be changed."""
    apt_port: int | None = None
    """Port of an apt proxy on this machine's loopback."""
    become_password: str | None = None
    """Password of sudo on the nodes."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """Further variables of Ansible."""

    def run(self, on_event: Callable[[Event], object]) -> str:
        """Run the playbook; returns why Ansible itself failed, or nothing. Events tell the outcomes of single hosts.

        Raises:
            MissingError: Ansible is not installed.
            Stopped: somebody asked to end.
        """
        try:
            import ansible_runner
        except ModuleNotFoundError as error:
            raise MissingError("ansible-runner is not installed", fix="make setup") from error

        def handle(event: Event) -> bool:
            on_event(event)
            return True  # ansible-runner keeps the event: the last one says how the playbook ended

        words = ["--check"] if self.is_check else []
        words += ["--tags", self.tags] if self.tags else []
        passwords = None
        if self.become_password is not None:
            words.append("--ask-become-pass")
            passwords = {r"BECOME password.*:\s*?$": self.become_password}
        # A socket's path may have 107 bytes, so the folder's own must be short.
        with TemporaryDirectory(prefix="picluster-") as folder, TemporaryDirectory(prefix="pc-", dir="/tmp") as sockets:
            try:
                ended = ansible_runner.run(
                    private_data_dir=folder,
                    project_dir=str(BUNDLED / "ansible"),
                    playbook=self.name,
                    inventory=str(self.inventory.resolve()),
                    extravars={
                        "picluster_chosen": ",".join(self.chosen),
                        "picluster_nodes": ",".join(self.members),
                        "picluster_apt_proxy": f"http://127.0.0.1:{self.apt_port}" if self.apt_port else "",
                        "picluster_package": str(PACKAGE),
                        **self.variables,
                    },
                    envvars=self._environment(Path(sockets)),
                    passwords=passwords,
                    cmdline=" ".join(words) or None,
                    event_handler=handle,
                    quiet=True,
                )
            except KeyboardInterrupt as error:
                raise Stopped("provisioning was stopped; the same command goes on with it") from error
            finally:
                _leave(Path(sockets))
            if ended.rc == 0 or ended.stats:
                return ""
            return _last_words(ended.stdout.read())

    def _environment(self, sockets: Path) -> dict[str, str]:
        way = ["-o", "StrictHostKeyChecking=yes"]
        if self.apt_port:
            way += ["-R", f"127.0.0.1:{self.apt_port}:127.0.0.1:{self.apt_port}"]
        return {
            "ANSIBLE_CONFIG": str(BUNDLED / "ansible" / "ansible.cfg"),
            "ANSIBLE_FORKS": str(max(5, len(self.members))),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
            "ANSIBLE_SSH_EXTRA_ARGS": " ".join(way),
            # Ansible stops under LC_ALL=C and under a locale that was never generated, which is usual over SSH.
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        }


def check_tags(tags: str) -> None:
    """Raise InputError where a tag, separated by commas, is no role: Ansible would do nothing, and say nothing."""
    roles = {folder.name for folder in (BUNDLED / "ansible" / "roles").iterdir()}
    unknown = sorted({tag.strip() for tag in tags.split(",")} - roles)
    if unknown:
        raise InputError(f"there is no role {unknown[0]!r}", fix=f"one of {', '.join(sorted(roles))}")


def hosts_of(inventory: Path, pattern: str, members: Sequence[str]) -> list[str]:
    """Select the members that an Ansible pattern such as `pi5` or `all:!pi3` names; InputError where it names none."""
    ansible = program("ansible")
    if ansible is None:
        raise MissingError("ansible is not installed", fix="make setup")
    listed = subprocess.run(
        [ansible, "all", "-i", str(inventory.absolute()), "--limit", pattern, "--list-hosts"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    named = {line.strip() for line in listed.stdout.splitlines()[1:]}
    chosen = [name for name in members if name in named]
    if not chosen:
        raise InputError(f"the limit {pattern!r} names no node of {inventory}", fix=f"its nodes: {', '.join(members)}")
    return chosen


def _leave(sockets: Path) -> None:
    """End the SSH connections that Ansible keeps open, and with them the tunnel to the cache."""
    for control in sockets.iterdir():
        with suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(
                ["/usr/bin/env", "ssh", "-o", f"ControlPath={control}", "-O", "exit", "node"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=LEAVE_SECONDS,
            )


def _last_words(output: str) -> str:
    """Find the reason of Ansible's failure in its output."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR"))]
    told = errors or lines[-1:]
    return told[0].removeprefix("[ERROR]:").strip() if told else "Ansible gives no reason"
