"""A listing of plain files is asked for once; whatever else Ansible may read is asked every time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.controller.nodes import listing
from picluster.controller.nodes.listing import list_inventory
from picluster.errors import InputError

PLAIN = "picluster:\n  hosts:\n    pi1:\n      ansible_connection: local\n"
ANSWER = b'{"picluster": {"hosts": ["pi1"]}}'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.yml").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each inventory of which Ansible was asked."""
    asked: list[Path] = []

    def ask(path: Path) -> bytes:
        asked.append(path)
        return ANSWER

    monkeypatch.setattr(listing, "_ask", ask)
    return asked


def test_what_is_told_again_is_what_ansible_tells(place: Path) -> None:
    (place / "group_vars").mkdir()
    (place / "group_vars" / "picluster.yml").write_text("picluster_home: /srv/{{ inventory_hostname }}\n")
    first = list_inventory(place / "hosts.yml")
    assert first["_meta"]["hostvars"]["pi1"] == {
        "ansible_connection": "local",
        "picluster_home": "/srv/{{ inventory_hostname }}",
    }
    assert list_inventory(place / "hosts.yml") == first
    assert len(list((place / "cache" / "picluster" / "inventories").iterdir())) == 1


def test_a_plain_file_is_asked_for_once(place: Path, asked: list[Path]) -> None:
    assert list_inventory(place / "hosts.yml") == list_inventory(place / "hosts.yml")
    assert len(asked) == 1


def test_the_same_content_elsewhere_is_known(place: Path, asked: list[Path]) -> None:
    (place / "other").mkdir()
    (place / "other" / "cluster.yml").write_text(PLAIN)
    list_inventory(place / "hosts.yml")
    list_inventory(place / "other" / "cluster.yml")
    assert len(asked) == 1


def _write(name: str, text: str, mode: int = 0o644) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def write(place: Path, _: pytest.MonkeyPatch) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
        (place / name).chmod(mode)

    return write


def _set_variable(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_PLAYBOOK_DIR", str(place))


def _damage(place: Path, _: pytest.MonkeyPatch) -> None:
    (kept,) = (place / "cache" / "picluster" / "inventories").iterdir()
    kept.write_bytes(ANSWER[:9])


def _link_folder(place: Path, _: pytest.MonkeyPatch) -> None:
    (place / "elsewhere").mkdir()
    (place / "host_vars").mkdir()
    (place / "host_vars" / "pi1").symlink_to(place / "elsewhere")


CHANGES = {
    "other hosts": _write("hosts.yml", PLAIN.replace("pi1", "pi2")),
    "variables of a group": _write("group_vars/picluster.yml", "picluster_home: /srv\n"),
    "variables of a host, deeper": _write("host_vars/pi1/more.yml", "picluster_home: /srv\n"),
    "variables in a folder behind a link": _link_folder,
    "a program": _write("hosts.yml", PLAIN, 0o755),
    "a plugin": _write("hosts.yml", "plugin: ansible.builtin.constructed\n"),
    "settings here": _write("ansible.cfg", "[defaults]\n"),
    "settings at home": _write("home/.ansible.cfg", "[defaults]\n"),
    "plugins at home": _write("home/.ansible/plugins/vars/mine.py", ""),
    "a setting in the environment": _set_variable,
    "what is kept is damaged": _damage,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_a_change_it_is_asked_anew(
    place: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    list_inventory(place / "hosts.yml")
    change(place, monkeypatch)
    list_inventory(place / "hosts.yml")
    assert len(asked) == 2


def test_an_answer_with_secrets_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b'{"_meta": {"hostvars": {"pi1": {"ansible_become_password": "raspberry"}}}}'
    monkeypatch.setattr(listing, "_ask", lambda _path: answer)
    list_inventory(place / "hosts.yml")
    assert not (place / "cache").exists()


def test_a_file_that_changes_meanwhile_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(path: Path) -> bytes:
        path.write_text(PLAIN.replace("pi1", "pi2"))
        return ANSWER

    monkeypatch.setattr(listing, "_ask", ask)
    list_inventory(place / "hosts.yml")
    assert not (place / "cache").exists()


def test_an_error_is_not_kept(place: Path) -> None:
    (place / "hosts.yml").write_text("picluster: {hosts: {pi1: {a: &x [*x]}}}\n")
    for _ in range(2):
        with pytest.raises(InputError):
            list_inventory(place / "hosts.yml")
    assert not (place / "cache").exists()
