"""What makes no sense in an inventory is refused by the variable's name and the host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.controller.nodes.host_variables import host_variables
from picluster.controller.nodes.inventory import read_inventory
from picluster.controller.nodes.ssh.address import ssh_words
from picluster.errors import InputError


def variables_of_pi1(**variables: object) -> dict[str, str]:
    hosts: dict[str, dict[str, object]] = {"pi1": {"place": "upper", **variables}, "pi2": {"place": "lower"}}
    return host_variables("pi1", hosts, {"all": ["pi1", "pi2"], "shelf": ["pi1"]})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ inventory_hostname }}.local", "pi1.local"),
        ("{{ place }}-{{ hostvars['pi2'].place }}", "upper-lower"),
        ("{{ groups['all'] | join('+') }} {{ group_names | first }}", "pi1+pi2 shelf"),
        ("{% if place == 'upper' %}10.0.0.1{% else %}10.0.0.2{% endif %}", "10.0.0.1"),
        ("{{ nowhere | default('10.0.0.9') }}", "10.0.0.9"),
        ("{{ lookup('env', 'PICLUSTER_TEST') }}", "from the environment"),
        ("plain $(touch x) 'text'", "plain $(touch x) 'text'"),
    ],
)
def test_templates_know_what_the_inventory_knows(template: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICLUSTER_TEST", "from the environment")
    assert variables_of_pi1(ansible_host=template) == {"ansible_host": value}


def test_what_is_empty_or_of_no_concern_is_left_out() -> None:
    assert variables_of_pi1(ansible_user="", ansible_port=None, other="{{ only | ansible_knows }}") == {}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{{ nobody_knows }}", "'nobody_knows' is undefined"),
        ("{{ inventory_hostname | ipaddr }}", "No filter named 'ipaddr'"),
        ("{{ lookup('file', '/etc/passwd') }}", "lookup 'file' is Ansible's"),
        ("{{ ansible_host }}", "it goes in circles"),
        ("{{ 1 +", "cannot be worked out without Ansible"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ ().__class__.__mro__ }}", "unsafe"),
        (["a"], "it must be a text or a number"),
        (True, "it must be a text or a number"),
        ({"__ansible_vault": "…"}, "is encrypted by Ansible Vault"),
    ],
)
def test_a_value_that_cannot_be_had_is_refused(value: object, why: str) -> None:
    with pytest.raises(InputError) as caught:
        variables_of_pi1(ansible_host=value)
    assert caught.value.what.startswith("ansible_host of pi1 is ")
    assert why in caught.value.what
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("ansible_port", "70000", "'70000', and no port"),
        ("ansible_port", "ssh", "'ssh', and no port"),
        ("ansible_ssh_common_args", "-o 'x", "cannot be split into words"),
        ("ansible_host", "-oProxyCommand=x", "must not begin with a dash"),
        ("ansible_user", "-oProxyCommand=x", "must not begin with a dash"),
    ],
)
def test_words_that_ssh_would_misunderstand_are_refused(variable: str, value: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        ssh_words("pi1", {variable: value})
    assert f"{variable} " in caught.value.what
    assert " of pi1 " in caught.value.what
    assert why in caught.value.what


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("picluster_address=pi1.local", "picluster_address of pi1 is 'pi1.local', and no IPv4 address"),
        ("ansible_connection=docker", "ansible_connection of pi1 is 'docker': picluster enters nodes over SSH"),
    ],
)
def test_what_no_node_can_be_is_refused(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "hosts.ini").write_text(f"pi1 {line}\n")
    with pytest.raises(InputError) as caught:
        read_inventory(tmp_path / "hosts.ini")
    assert caught.value.what == told
