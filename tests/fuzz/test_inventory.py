"""Inventories: as files, before Ansible reads them, and as Ansible lists them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from picluster.controller.nodes import inventory_file
from picluster.controller.nodes.inventory import nodes_of
from picluster.project import BUNDLED
from tests.fuzz.inputs import FUZZ, Tree, altered, damaged, refusal

YAML = [(BUNDLED / "inventory" / name).read_bytes() for name in ("example.yml", "local.yml")]
INI = b"""[picluster]
pi1 ansible_host=10.0.0.1 ansible_user='a b'
pi2

[picluster:vars]
picluster_cores=4

[all:children]
picluster
"""
VARIABLES = {
    "ansible_host": "{{ inventory_hostname }}.local",
    "ansible_port": 22,
    "ansible_user": "pi",
    "ansible_ssh_common_args": "-o ProxyJump=gate -o 'UserKnownHostsFile=a b'",
    "ansible_ssh_private_key_file": "~/.ssh/id",
    "picluster_address": "10.0.0.1",
    "picluster_memory_mb": 1024,
    "picluster_cores": "4",
    "picluster_meter": "cat /run/{{ inventory_hostname }}",
    "picluster_home": "{{ home | default('/opt/picluster') }}",
}
LISTING = {
    "_meta": {"hostvars": {"pi1": VARIABLES, "pi2": {"ansible_connection": "local", "home": "/x"}}},
    "all": {"children": ["picluster", "ungrouped"]},
    "picluster": {"hosts": ["pi1", "pi2"]},
}
LAUGHS = "\n".join(
    ["a0: &a0 {hosts: {pi1: }}", *(f"a{n}: &a{n} {{children: {{x: *a{n - 1}, y: *a{n - 1}}}}}" for n in range(1, 40))]
)


@FUZZ
@given(text=damaged([*YAML, INI]))
@pytest.mark.parametrize("name", ["hosts.yml", "hosts.ini"])
def test_a_file_is_left_to_ansible_or_refused_in_words(tmp_path: Path, name: str, text: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(text)
    refusal(lambda: inventory_file.check(file))


@pytest.mark.parametrize(
    "text", [LAUGHS, "a: &a {children: {b: *a}}", "a: &a [*a]", "? &a {*a : 1}\n: 2", "[" * 100_000]
)
def test_a_file_that_holds_itself_or_very_deep_things_is_no_trap(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    refusal(lambda: inventory_file.check(file))


@FUZZ
@given(listing=altered([LISTING]))
def test_hosts_are_understood_or_refused_in_words(listing: Tree) -> None:
    refusal(lambda: nodes_of(listing, Path("hosts.yml")))
