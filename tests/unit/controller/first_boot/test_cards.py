"""A cluster file becomes the right words for every card, or one clear line; and all files or none."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from picluster.controller.first_boot.card import card, wifi_key
from picluster.controller.first_boot.cards import inventory, write_all
from picluster.controller.first_boot.reading import (
    join_wifi,
    read_cluster,
    read_password,
    read_public_key,
    with_password,
)
from picluster.errors import DataError, InputError
from picluster.schema.cluster_file import ClusterFile, Wifi

KEY_TYPE = "ssh-ed25519"
BLOB = struct.pack(">I", len(KEY_TYPE)) + KEY_TYPE.encode() + struct.pack(">I", 32) + bytes(32)
KEY = f"{KEY_TYPE} {base64.b64encode(BLOB).decode()} me@desk"
NETWORK = "network: {prefix: 24, gateway: 192.168.1.1}\n"
START = "user: pi\nkey: id.pub\n"
FILE = f"{START}{NETWORK}nodes: {{pi1: 192.168.1.101, pi2: dhcp}}\n"
CARD_FILES = ("user-data", "meta-data", "network-config", "ssh")
WIFI = 'wifi: {name: "its: \\"ours\\"", password: "pass: #word", country: GB}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id.pub").write_text(f"{KEY}\n")
    return tmp_path


def cluster_of(here: Path, text: str = FILE) -> ClusterFile:
    (here / "cluster.yml").write_text(text)
    return read_cluster(here / "cluster.yml")


def read_card(cluster: ClusterFile, name: str) -> dict[str, Any]:
    files = card(cluster, name, KEY)
    assert files["user-data"].startswith("#cloud-config\n")
    return {file: yaml.safe_load(text) for file, text in files.items()}


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_card_has_the_user_the_key_and_the_name_and_no_password(here: Path) -> None:
    files = read_card(cluster_of(here), "pi1")
    user = files["user-data"]["user"]  # the system's own first account, with its groups
    assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == ("pi", [KEY], True)
    assert not {"groups", "passwd"} & set(user)
    assert user["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    (sudo,) = files["user-data"]["write_files"]
    assert sudo["path"] == "/etc/sudoers.d/010_pi-nopasswd"
    assert (sudo["content"], sudo["permissions"]) == ("pi ALL=(ALL) NOPASSWD:ALL\n", "0440")
    assert files["ssh"] is None  # an empty file: Raspberry Pi OS starts SSH by it
    assert files["user-data"]["ssh_pwauth"] is False
    assert files["user-data"]["hostname"] == files["meta-data"]["local-hostname"] == "pi1"
    assert not {"packages", "package_update", "package_upgrade", "locale"} & set(files["user-data"])


def test_a_node_with_an_address_gets_it_and_the_way_out(here: Path) -> None:
    network = read_card(cluster_of(here), "pi1")["network-config"]["network"]
    (link,) = network["ethernets"].values()
    assert network["version"] == 2
    assert (link["addresses"], link["dhcp4"], link["match"]) == (["192.168.1.101/24"], False, {"name": "e*"})
    assert link["routes"] == [{"to": "0.0.0.0/0", "via": "192.168.1.1"}]
    assert link["nameservers"] == {"addresses": ["192.168.1.1"]}


def test_a_node_by_dhcp_answers_for_its_name_on_the_link_that_it_has(here: Path) -> None:
    files = read_card(cluster_of(here), "pi2")
    ((name, link),) = files["network-config"]["network"]["ethernets"].items()
    assert link["dhcp4"] is True
    written = {each["path"]: each["content"] for each in files["user-data"]["write_files"]}
    assert written[f"/etc/systemd/network/10-netplan-{name}.network.d/picluster.conf"].endswith("MulticastDNS=yes\n")
    assert "MulticastDNS" not in card(cluster_of(here), "pi1", KEY)["user-data"]


def test_an_interface_that_is_named_is_the_one(here: Path) -> None:
    named = FILE.replace("prefix: 24", "prefix: 24, interface: end0, dns: [9.9.9.9]")
    network = read_card(cluster_of(here, named), "pi1")["network-config"]["network"]
    assert list(network["ethernets"]) == ["end0"]
    assert "match" not in network["ethernets"]["end0"]
    assert network["ethernets"]["end0"]["nameservers"] == {"addresses": ["9.9.9.9"]}


def test_wifi_takes_the_place_of_the_cable_which_stays_a_way_in(here: Path) -> None:
    cluster = cluster_of(here, FILE + WIFI)
    files = read_card(cluster, "pi1")
    network = files["network-config"]["network"]
    link = network["wifis"]["wlan0"]  # netplan knows a Wi-Fi by its interface only
    assert link["access-points"] == {
        'its: "ours"': {"password": wifi_key(cluster.wifi or Wifi(name="-", country="GB"))}
    }
    assert (link["regulatory-domain"], link["addresses"]) == ("GB", ["192.168.1.101/24"])
    assert network["ethernets"] == {"cable": {"match": {"name": "e*"}, "dhcp4": True, "optional": True}}
    assert "do_wifi_country GB" in files["user-data"]["runcmd"][-1][-1]
    by_name = card(cluster, "pi2", KEY)["user-data"]
    assert "10-netplan-wlan0.network.d" in by_name
    assert "10-netplan-cable.network.d" in by_name


def test_no_card_has_the_password_but_the_key_that_is_derived_from_it(here: Path) -> None:
    assert not any("pass: #word" in text for text in card(cluster_of(here, FILE + WIFI), "pi1", KEY).values())
    key = wifi_key(Wifi(name="IEEE", password="password", country="GB"))  # noqa: S106 -- IEEE 802.11i, H.4.3
    assert key == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"


def test_what_is_given_of_a_wifi_takes_the_place_of_what_the_file_says(here: Path) -> None:
    (here / "password").write_text("another password\n")
    cluster = join_wifi(cluster_of(here, FILE + WIFI), "another", "DE")
    assert cluster.wifi == Wifi(name="another", country="DE", password=None)
    cluster = with_password(cluster, read_password(here / "password"))
    assert cluster.wifi == Wifi(name="another", country="DE", password="another password")  # noqa: S106


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot read --wifi-password-file password: No such file"),
        ("", "password has 0 lines"),
        ("one\ntwo\n", "password has 2 lines"),
        ("short\n", "the Wi-Fi's password is too short or too long"),
    ],
)
def test_what_is_no_password_is_refused(here: Path, text: str | None, told: str) -> None:
    if text is not None:
        (here / "password").write_text(text)
    with pytest.raises(InputError) as refused:
        with_password(cluster_of(here, FILE + WIFI), read_password(Path("password")))
    assert told in refused.value.what


def test_a_password_for_no_wifi_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match="no node joins one"):
        with_password(cluster_of(here), "a password")


def test_what_was_edited_is_a_new_instance_and_what_was_not_is_the_same(here: Path) -> None:
    first, again = (read_card(cluster_of(here), "pi1")["meta-data"]["instance-id"] for _ in range(2))
    moved = read_card(cluster_of(here, FILE.replace(".101", ".111")), "pi1")["meta-data"]["instance-id"]
    assert first == again != moved


def test_the_inventory_names_all_nodes_and_a_private_key_that_is_there(here: Path) -> None:
    text = FILE.replace("key: id.pub", f"key: {here}/id.pub")
    group = yaml.safe_load(inventory(cluster_of(here, text)))["picluster"]
    assert group["hosts"] == {"pi1": {"ansible_host": "192.168.1.101"}, "pi2": {"ansible_host": "pi2.local"}}
    assert group["vars"] == {"ansible_user": "pi"}
    (here / "id").touch()
    group = yaml.safe_load(inventory(cluster_of(here, text)))["picluster"]
    assert group["vars"] == {"ansible_user": "pi", "ansible_ssh_private_key_file": f"{here}/id"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "does not fit: it must be a group of names and values, and is nothing"),
        ("user: [", "line 1: a bracket is never closed, or a value is missing"),
        ("a: b: c", "line 1: a second name with a colon on one line"),
        ("user: pi\nkey: k\n", "does not fit: 'nodes' is missing"),
        (FILE + "usr: pi\n", "does not fit: 'usr' is unknown"),
        (FILE.replace("prefix: 24, ", ""), "'prefix' is missing in network"),
        (FILE + WIFI.replace("GB", "NO"), "wifi.country must be a text, and is true or false"),
        (FILE.replace("user: pi", "user: root"), "user is 'root'"),
        (FILE.replace("user: pi", "user: Pi"), "user is 'Pi'"),
        (START + "nodes: {}", "it names no node"),
        (START + "nodes: {pi_1: dhcp}", "'pi_1' cannot be the name of a node"),
        (START + "nodes: {-pi: dhcp}", "'-pi' cannot be the name of a node"),
        (START + f"nodes: {{{'p' * 64}: dhcp}}", "cannot be the name of a node"),
        (START + "nodes: {pi1.lan: dhcp}", "'pi1.lan' cannot be the name of a node"),
        (START + "nodes: {'12': dhcp}", "'12' cannot be the name of a node"),
        (START + "nodes: {12: dhcp}", "a name in nodes must be a text, and is a whole number"),
        (START + "nodes: {localhost: dhcp}", "'localhost' cannot be the name of a node"),
        (START + "nodes: {pi1: dhcp, pi1: dhcp}", "pi1 stands there twice"),
        (START + "nodes: {pi1: dhcp, Pi1: dhcp}", "pi1 and Pi1 are the same name to the network"),
        (START + "nodes: {pi1: 192.168.1.5}", "pi1 has an address of its own, but there is no network:"),
        (FILE.replace(".101", ".1010"), "pi1 is '192.168.1.1010', and no IPv4 address"),
        (FILE.replace("pi2: dhcp", "pi2: DHPC"), "pi2 is 'DHPC', and no IPv4 address"),
        (FILE.replace("pi2: dhcp", "pi2: 192.168.1.101"), "pi1 and pi2 have the same address 192.168.1.101"),
        (FILE.replace("1.101", "2.101"), "pi1 has 192.168.2.101, which is not in the network 192.168.1.0/24"),
        (FILE.replace("1.101", "1.1"), "pi1 has 192.168.1.1, which is the gateway's"),
        (FILE.replace("1.101", "1.255"), "pi1 has 192.168.1.255, which stands for the whole network"),
        (FILE.replace("prefix: 24", "prefix: 33"), "prefix is 33"),
        (FILE.replace("gateway: 192.168.1.1", "gateway: router"), "gateway is 'router', and no IPv4 address"),
        (FILE.replace("prefix: 24", "prefix: 24, dns: [x]"), "a server in dns is 'x'"),
        (FILE.replace("prefix: 24", "prefix: 24, interface: a/b"), "interface is 'a/b'"),
        (FILE + WIFI.replace("GB", "gb"), "the Wi-Fi's country is 'gb'"),
        (FILE + WIFI.replace("pass: #word", "short"), "the Wi-Fi's password is too short or too long"),
        (FILE + f"wifi: {{name: {'x' * 33}, password: 12345678x, country: GB}}", "the Wi-Fi's name is 'xxx"),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_place(here: Path, text: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        cluster_of(here, text)
    assert refused.value.what.startswith(f"{here}/cluster.yml")
    assert told in refused.value.what
    assert "\n" not in refused.value.what
    assert "short" not in refused.value.what.replace("too short", "")  # no password is shown


@pytest.mark.parametrize(
    ("text", "told", "fix"),
    [
        (None, "there is no public key", "ssh-keygen"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n", "is a private key", "id.pub"),
        ("", "is no SSH public key", "one line"),
        ("ssh-ed25519\n", "is no SSH public key", "one line"),
        ("ssh-ed25519 not+base64! me\n", "is no SSH public key", "one line"),
        (KEY.replace("ssh-ed25519", "ssh-rsa", 1), "is no SSH public key", "one line"),
        (f"{KEY}\n{KEY}\n", "is no SSH public key", "one line"),
    ],
)
def test_a_file_that_is_no_public_key_is_refused(here: Path, text: str | None, told: str, fix: str) -> None:
    (here / "id.pub").unlink() if text is None else (here / "id.pub").write_text(text)
    with pytest.raises(InputError, match=told) as refused:
        read_public_key(cluster_of(here), here)
    assert fix in refused.value.fix


def test_without_a_cluster_file_the_example_is_named(here: Path) -> None:
    with pytest.raises(InputError, match=r"there is no cluster\.yml") as refused:
        read_cluster(Path("cluster.yml"))
    example = Path(refused.value.fix.split()[1])
    assert example.is_file()
    assert refused.value.fix == f"cp {example} cluster.yml, and put in your own names"
    assert here.is_dir()


def test_the_example_fits() -> None:
    assert len(read_cluster(Path(__file__).parents[4] / "inventory/cluster.example.yml").nodes) == 4


@pytest.mark.parametrize("there", ["inventory/hosts.yml", "cards/pi9/user-data"])
def test_what_is_there_is_replaced_by_force_only(here: Path, there: str) -> None:
    cluster = cluster_of(here)
    (here / there).parent.mkdir(parents=True)
    (here / there).write_text("mine")
    before = content(here)
    with pytest.raises(InputError, match="would be overwritten"):
        write_all(cluster, KEY, force=False)
    assert content(here) == before
    write_all(cluster, KEY, force=True)
    cards = {f"cards/{name}/{file}" for name in ("pi1", "pi2") for file in CARD_FILES}
    assert set(content(here)) == {"cluster.yml", "id.pub", "inventory/hosts.yml", *cards}


def test_where_the_last_file_cannot_be_written_all_is_as_it_was(here: Path) -> None:
    cluster = cluster_of(here)
    for file in ("inventory/hosts.yml/not a file", "cards/pi9/user-data"):
        (here / file).parent.mkdir(parents=True)
        (here / file).write_text("mine")
    before = content(here)
    with pytest.raises(DataError, match="cannot write"):
        write_all(cluster, KEY, force=True)
    assert content(here) == before
    assert sorted(path.name for path in here.iterdir()) == ["cards", "cluster.yml", "id.pub", "inventory"]
