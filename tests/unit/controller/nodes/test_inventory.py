"""Inventories in the forms that Ansible reads, through the real `ansible-inventory`."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from picluster.controller.nodes.host_variables import READ as READ_VARIABLES
from picluster.controller.nodes.inventory import Node, RemoteNode, read_inventory, remote_nodes
from picluster.errors import InputError
from picluster.project import BUNDLED

Answer = list[Node] | InputError

INVENTORIES = {
    "a'; echo b.ini": "[picluster]\nzed ansible_connection=local\npi[1:2]\n",
    "nested.yml": """
picluster:
  hosts: {zed: , abe: }
  children:
    upper: {hosts: {z1: , a1: }}
    lower: {hosts: {zed: , m1: }}
others:
  hosts: {stranger: }
""",
    "plain.ini": "b1\na1\n[web]\nc1\n",
    "folder/hosts.yml": "picluster: {hosts: {d2: , d1: {ansible_connection: ssh}}}\n",
    "folder/group_vars/picluster.yml": "ansible_connection: local\n",
    "empty.ini": "",
    "broken.yml": "picluster:\n  hosts: {a: [\n",
    "partly broken/good.yml": "picluster: {hosts: {a1: }}\n",
    "partly broken/worse.yml": "picluster:\n  hosts: {a: [\n",
    "hostile.yml": "picluster: {hosts: {../up: }}\n",
    "over ssh.yml": """
picluster:
  hosts:
    pi1: {ansible_host: 10.0.0.1, ansible_port: 2222, picluster_address: 192.168.9.1}
    pi2: {picluster_meter: "cat /run/watts", ansible_user: two, ansible_ssh_private_key_file: "~/key of two"}
    pi3: {picluster_home: "/srv/a'; echo b", picluster_cache: /mnt/ssd/kept}
    pi4: {ansible_password: !vault "$ANSIBLE_VAULT;1.1;AES256\\n6162", ansible_connection: ansible.builtin.ssh}
    pi5: {ansible_ssh_common_args: -J pi@gate:2200 -o ConnectTimeout=3, ansible_user: ""}
  vars: {ansible_user: pi}
""",
    "over ssh.ini": """
[picluster]
pi[1:2] ansible_host=10.0.0.1 ansible_port=2222
[picluster:vars]
ansible_user=pi
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p gate"'
""",
    "beside/hosts.ini": "[picluster]\npi1\npi2\n",
    "beside/group_vars/picluster.yml": "ansible_user: pi\npicluster_home: /srv/picluster\n",
    "beside/host_vars/pi2.yml": "ansible_host: 10.0.0.2\n",
    "script": """#!/bin/sh
echo '{"picluster": {"hosts": ["pi1"]}, "_meta": {"hostvars": {"pi1": {"ansible_host": "10.0.0.7"}}}}'
""",
    "failing script": "#!/bin/sh\necho 'the cloud is down' >&2\nexit 3\n",
    "locked/hosts.ini": "[picluster]\npi1\n",
    "locked/group_vars/all.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
    "templates.yml": """
picluster:
  hosts:
    pi1: {place: upper}
    pi2: {ansible_host: !unsafe "{{ as it stands }}", place: none}
  vars:
    domain: "{{ place }}.lan"
    ansible_host: "{{ inventory_hostname }}.{{ domain }}"
    ansible_port: "{{ 2200 + (inventory_hostname[2:] | int) }}"
    of_no_concern: "{{ lookup('file', '/nowhere') | only_ansible_knows }}"
""",
    "vault.yml": 'picluster: {hosts: {pi1: {ansible_host: !vault "$ANSIBLE_VAULT;1.1;AES256\\n6162"}}}\n',
}
READ = [*dict.fromkeys(name.partition("/")[0] for name in INVENTORIES), "beside/hosts.ini"]


def _answer(path: Path) -> Answer:
    try:
        return read_inventory(path)
    except InputError as error:
        return error


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Answer]:
    """All asked for at once: Ansible takes its time to start."""
    folder = tmp_path_factory.mktemp("inventories")
    for name, text in INVENTORIES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755 if text.startswith("#!") else 0o644)
    with ThreadPoolExecutor() as pool:
        return dict(zip(READ, pool.map(lambda name: _answer(folder / name), READ), strict=True))


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("a'; echo b.ini", ["zed", "pi1", "pi2"]),
        ("nested.yml", ["zed", "abe", "z1", "a1", "m1"]),
        ("plain.ini", ["b1", "a1", "c1"]),
        ("folder", ["d2", "d1"]),
    ],
    ids=["INI with a range and a hostile name", "subgroups, each host once", "no group picluster", "a folder"],
)
def test_nodes_come_in_the_order_of_the_file(answers: Mapping[str, Answer], name: str, nodes: list[str]) -> None:
    found = answers[name]
    assert isinstance(found, list)
    assert [node.name for node in found] == nodes


@pytest.mark.parametrize(("name", "local"), [("a'; echo b.ini", {"zed"}), ("folder", {"d2"}), ("nested.yml", set())])
def test_a_node_is_local_where_its_own_or_its_group_s_variables_say_so(
    answers: Mapping[str, Answer], name: str, local: set[str]
) -> None:
    found = answers[name]
    assert isinstance(found, list)
    assert {node.name for node in found if not isinstance(node, RemoteNode)} == local


def words_of(answers: Mapping[str, Answer], name: str) -> dict[str, tuple[str, ...]]:
    found = answers[name]
    assert isinstance(found, list), found
    return {node.name: node.ssh_words for node in remote_nodes(found)}


def test_a_host_s_variables_become_the_words_of_ssh_in_ansible_s_order(answers: Mapping[str, Answer]) -> None:
    assert words_of(answers, "over ssh.yml") == {
        "pi1": ("-p", "2222", "-l", "pi", "10.0.0.1"),
        "pi2": ("-i", str(Path("~/key of two").expanduser()), "-l", "two", "pi2"),
        "pi3": ("-l", "pi", "pi3"),
        "pi4": ("-l", "pi", "pi4"),
        "pi5": ("-J", "pi@gate:2200", "-o", "ConnectTimeout=3", "pi5"),
    }


def test_the_variables_of_picluster_say_where_it_is_and_which_address_it_owns(answers: Mapping[str, Answer]) -> None:
    found = answers["over ssh.yml"]
    assert isinstance(found, list)
    machines = remote_nodes(found)
    assert [node.owned_address for node in machines] == ["192.168.9.1", None, None, None, None]
    assert [node.meter for node in machines] == ["", "cat /run/watts", "", "", ""]
    assert (machines[2].home, machines[2].cache) == ("/srv/a'; echo b", "/mnt/ssd/kept")
    assert (machines[0].home, machines[0].cache) == ("/opt/picluster", "~/.cache/picluster")


def test_an_ini_file_gives_ranges_and_jump_hosts(answers: Mapping[str, Answer]) -> None:
    common = ("-p", "2222", "-l", "pi", "-o", "ProxyCommand=ssh -W %h:%p gate", "10.0.0.1")
    assert words_of(answers, "over ssh.ini") == {"pi1": common, "pi2": common}


@pytest.mark.parametrize("name", ["beside/hosts.ini", "beside"])
def test_variables_of_groups_and_hosts_lie_beside_an_inventory(answers: Mapping[str, Answer], name: str) -> None:
    found = answers[name]
    assert isinstance(found, list)
    assert [node.ssh_words for node in remote_nodes(found)] == [("-l", "pi", "pi1"), ("-l", "pi", "10.0.0.2")]
    assert {node.home for node in remote_nodes(found)} == {"/srv/picluster"}


def test_a_program_may_be_the_inventory(answers: Mapping[str, Answer]) -> None:
    assert words_of(answers, "script") == {"pi1": ("10.0.0.7",)}


def test_a_program_that_fails_is_told_with_its_words(answers: Mapping[str, Answer]) -> None:
    answer = answers["failing script"]
    assert isinstance(answer, InputError)
    assert "failing script: " in answer.what
    assert "the cloud is down" in answer.what


def test_variables_that_are_locked_as_a_whole_are_told(answers: Mapping[str, Answer]) -> None:
    answer = answers["locked"]
    assert isinstance(answer, InputError)
    assert "vault" in answer.what
    assert "\n" not in answer.what


def test_templates_are_filled_in_with_what_the_inventory_knows(answers: Mapping[str, Answer]) -> None:
    assert words_of(answers, "templates.yml") == {
        "pi1": ("-p", "2201", "pi1.upper.lan"),
        "pi2": ("-p", "2202", "{{ as it stands }}"),
    }


def test_a_locked_variable_that_is_needed_is_refused_by_name_and_host(answers: Mapping[str, Answer]) -> None:
    answer = answers["vault.yml"]
    assert isinstance(answer, InputError)
    assert answer.what.startswith("ansible_host of pi1 is encrypted by Ansible Vault")


def test_an_inventory_without_hosts_is_refused_by_name(answers: Mapping[str, Answer]) -> None:
    refused = answers["empty.ini"]
    assert isinstance(refused, InputError)
    assert refused.what.endswith("empty.ini names no host")
    assert refused.fix == "see inventory/example.yml"


def test_a_broken_inventory_is_refused_by_name_in_one_line(answers: Mapping[str, Answer]) -> None:
    refused = answers["broken.yml"]
    assert isinstance(refused, InputError)
    assert refused.what.startswith("inventory ")
    assert "broken.yml, line " in refused.what
    assert "\n" not in refused.what


@pytest.mark.parametrize("name", ["broken.yml", "partly broken"])
def test_the_place_of_the_mistake_is_told(answers: Mapping[str, Answer], name: str) -> None:
    answer = answers[name]
    assert isinstance(answer, InputError)
    assert ".yml, line 3: a bracket is never closed" in answer.what


def test_a_host_whose_name_would_be_a_path_is_refused(answers: Mapping[str, Answer]) -> None:
    answer = answers["hostile.yml"]
    assert isinstance(answer, InputError)
    assert "'../up'" in answer.what


def test_a_file_that_ansible_takes_for_a_list_of_hosts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for a list of hosts"):
        read_inventory(tmp_path / "a,b.ini")


def test_a_missing_inventory_is_refused_with_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no inventory .*none\.yml") as caught:
        read_inventory(tmp_path / "none.yml")
    assert caught.value.fix.endswith(f"inventory/example.yml {tmp_path}/none.yml")


def test_the_example_has_four_pis_with_one_user_and_key() -> None:
    nodes = remote_nodes(read_inventory(BUNDLED / "inventory" / "example.yml"))
    assert [node.name for node in nodes] == ["pi1", "pi2", "pi3", "pi4"]
    assert {node.ssh_words[:-1] for node in nodes} == {("-i", str(Path("~/.ssh/id_ed25519").expanduser()), "-l", "pi")}


def test_every_variable_that_is_read_stands_in_the_example() -> None:
    text = (BUNDLED / "inventory" / "example.yml").read_text()
    older = {"ansible_ssh_host", "ansible_ssh_port", "ansible_ssh_user", "ansible_private_key_file"}
    assert [name for name in READ_VARIABLES if name not in text and name not in older] == []


def test_the_inventory_that_comes_along_has_four_local_nodes() -> None:
    assert read_inventory(BUNDLED / "inventory" / "local.yml") == [Node(f"local{n}") for n in range(1, 5)]
