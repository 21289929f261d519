"""Inventories in the forms that Ansible reads, through the real `ansible-inventory`."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from picluster.controller.inventory import Node, read_inventory
from picluster.controller.places import CHECKOUT
from picluster.errors import InputError

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
}
READ = [*(name for name in INVENTORIES if "/" not in name), "folder", "partly broken"]


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
    assert {node.name for node in found if node.is_local} == local


def test_an_inventory_without_hosts_is_refused_by_name(answers: Mapping[str, Answer]) -> None:
    refused = answers["empty.ini"]
    assert isinstance(refused, InputError)
    assert refused.what.endswith("empty.ini names no host")
    assert refused.fix == "see inventory/example.yml"


def test_a_broken_inventory_is_refused_by_name_in_one_line(answers: Mapping[str, Answer]) -> None:
    refused = answers["broken.yml"]
    assert isinstance(refused, InputError)
    assert refused.what.startswith("Ansible cannot read inventory ")
    assert "broken.yml: " in refused.what
    assert "\n" not in refused.what


@pytest.mark.parametrize("name", ["broken.yml", "partly broken"])
def test_the_place_of_the_mistake_is_told(answers: Mapping[str, Answer], name: str) -> None:
    answer = answers[name]
    assert isinstance(answer, InputError)
    assert "YAML parsing failed" in answer.what
    assert ".yml:" in answer.what


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
    assert caught.value.fix == "copy inventory/example.yml to inventory/hosts.yml"


def test_the_inventory_that_comes_along_has_four_local_nodes() -> None:
    assert read_inventory(CHECKOUT / "inventory" / "local.yml") == [
        Node(f"local{n}", is_local=True) for n in range(1, 5)
    ]
