"""What is wrong with the text of an inventory, in one line that names its line."""

from pathlib import Path

import pytest

from picluster.controller.nodes.inventory_file import check
from picluster.errors import InputError

HOSTS = "picluster:\n  hosts:\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yml", "all:\n\thosts:\n", "line 2: a tab stands where YAML takes spaces"),
        ("a.yml", f"{HOSTS}    pi1: a: b\n", "line 3: a second name with a colon on one line"),
        ("a.yml", f"{HOSTS}    pi1:\n   pi2:\n", "line 4: it is indented otherwise than the lines around it"),
        ("a.yml", f'{HOSTS}    pi1: {{ansible_host: "a}}\n', "line 4: a quote or a bracket is never closed"),
        ("a.yml", "- pi1\n", "line 1: a list, where the names of groups are expected"),
        ("a.yml", "picluster:\n  host:\n    pi1:\n", "line 2: 'host' is unknown in the group picluster"),
        ("a.yml", "all:\n  children:\n    p:\n      host:\n", "line 4: 'host' is unknown in the group p"),
        ("a.yml", "picluster:\n  hosts: [pi1]\n", "line 2: hosts of picluster is a list"),
        ("a.yml", "picluster: 3\n", "line 1: the group picluster is '3'"),
        ("a.yml", f"{HOSTS}    pi1: 5\n", "line 3: pi1 is '5': its variables are expected below it"),
        ("a.yml", f"{HOSTS}    5:\n", "line 3: the host 5 is a number or the like"),
        ("a.yml", f"{HOSTS}    pi1:\n  vars: 3\n", "line 4: vars of picluster is '3'"),
        ("a.yml", f"{HOSTS}    pi1:\n    pi2:\n    pi1:\n", "line 5: pi1 stands there already in line 3"),
        ("a.yml", f"{HOSTS}    pi1:\n      a: 1\n      a: 2\n", "line 5: a stands there already in line 4"),
        ("a.json", '{"all":', "line 1: a bracket is never closed"),
        ("a.ini", "[picluster\npi1\n", "line 1: [picluster is no name of a group in square brackets"),
        ("a.ini", "[picluster]\npi1 foo\n", "line 2: foo is no variable of the host pi1: NAME=VALUE is expected"),
        ("a.ini", "[picluster:children]\nnone\n", "line 2: there is no group none"),
        ("a.ini", "[picluster:vars]\nansible_user\n", "line 2: ansible_user is no variable"),
        ("hosts", "pi1 a='b\n", "line 1: a quote is never closed"),
        ("hosts", "picluster:\n", "line 1: picluster: is written as in YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        check(tmp_path / name)
    assert caught.value.what.startswith(f"inventory {tmp_path / name}, {told}")
    assert Path(caught.value.fix.removeprefix("see ")).is_file()
    assert "\n" not in caught.value.what


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match=r"a\.yml is no text in UTF-8"):
        check(tmp_path / "a.yml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yml", ""),
        (
            "a.yml",
            f"---\n# mine\n{HOSTS}    pi1:\n    pi2: {{ansible_port: 2}}\n  vars:\n    x: [1]\n",
        ),
        ("a.yml", "all:\n  children:\n    picluster:\n      hosts:\n        pi[1:3]:\n    other:\n"),
        ("a.yml", f"{HOSTS}    pi1:\n      password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        61\n"),
        ("a.yml", "plugin: ini\nanything: 3\n"),
        ("a.yml", "[picluster]\npi1 ansible_host=a\n"),
        ("a.ini", "; c\npi0\n[picluster] # c\npi1:22 a='b c' x=y # c\n[all:vars]\nu=v\n[x:children]\npicluster\n"),
        ("a.sh", "#!/bin/sh\nexit 1\n"),
    ],
)
def test_what_ansible_takes_is_taken(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    check(tmp_path / name)
