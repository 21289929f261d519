"""`picluster probe` on virtual Pis: its file tells of them without telling whose they are, and nothing stays there."""

from __future__ import annotations

import os
import pwd
import re
import socket
from pathlib import Path

import pytest

from picluster.controller.health.bundle_file import read_bundle
from tests.lab.running import RunningLab
from tests.lab.shelf import make_shelf

pytestmark = [pytest.mark.lab, pytest.mark.thorough, pytest.mark.timeout(900)]

NODES = ["pi1", "pi2"]
FILES = "find /home /opt /tmp /var/tmp /root /etc -xdev"
TELL = "hostname; ls /home; cat /sys/class/net/*/address"
KEYS = "cat /home/*/.ssh/authorized_keys /etc/ssh/ssh_host_*"
LONG = 30
"""Letters that a word of a key's file has at least, unlike its kind and its comment."""


def personal(lab: RunningLab) -> set[str]:
    """All by which the lab and this machine can be recognised: users, names, addresses, hardware, keys, homes."""
    found = {socket.gethostname(), pwd.getpwuid(os.getuid()).pw_name, str(Path.home()), "/home/pi", *NODES}
    texts = [lab.places.known_hosts.read_text(), lab.places.key.read_text()]
    for node in NODES:
        found |= {lab.addresses[node], *lab.in_node(node, TELL).stdout.split()}
        texts.append(lab.in_node(node, KEYS).stdout)
    found |= {word for text in texts for word in text.split() if len(word) >= LONG}
    return found - {"localhost", "00:00:00:00:00:00"}


def files(lab: RunningLab) -> dict[str, set[str]]:
    """Files of each node, where people and programs put something."""
    return {node: set(lab.in_node(node, FILES).stdout.splitlines()) for node in NODES}


def test_a_bundle_holds_nothing_personal_shows_both_tables_and_leaves_nothing(lab: RunningLab, tmp_path: Path) -> None:
    desk = make_shelf(tmp_path, lab).desk
    for node in NODES:
        lab.ssh(node, "sudo -n true")  # which leaves a mark of its own in a home, once
    before = files(lab)
    done = desk.picluster("probe", "--bundle", "shelf.json", "--nodes", ",".join(NODES))
    assert done.returncode == 0, done.stdout + done.stderr

    text = (desk.folder / "shelf.json").read_text()
    words = personal(lab)
    assert {"pi", "pi1", lab.addresses["pi1"]} < words
    assert any(word.startswith("AAAA") for word in words)
    told = [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]
    assert told == []
    assert str(desk.folder) not in text

    bundle = read_bundle(desk.folder / "shelf.json")
    assert bundle.missing == ()
    assert [node.bench.step for node in bundle.nodes if node.bench] == ["done", "done"]
    assert bundle.report is not None
    assert (bundle.report.status, len(bundle.report.epochs)) == ("finished", 3)

    shown = desk.picluster("probe", "--read", "shelf.json")
    assert shown.returncode == 0, shown.stderr
    for heading in ("nodes: memory in MiB", "links: Mbit/s at best", "memory, MiB (peaks", "a step: ms (medians)"):
        assert heading in shown.stdout
    assert re.search(r"^node-b +ready ", shown.stdout, re.MULTILINE)

    assert {node: there - before[node] for node, there in files(lab).items()} == {node: set() for node in NODES}
