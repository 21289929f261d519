"""A card read back: what would happen at its first start is told, and what is wrong is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.controller.first_boot.card import card
from picluster.controller.first_boot.verifying.findings import Fact
from picluster.controller.first_boot.verifying.first_start import FirstStart, judge, judge_together
from picluster.controller.first_boot.verifying.partition import read_partition
from picluster.errors import InputError
from tests.unit.controller.first_boot.test_cards import FILE, KEY, WIFI, cluster_of

LINE = "console=serial0,115200 console=tty1 root=PARTUUID=4d8097e2-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----"
RASPBERRY_PI_OS = {
    "issue.txt": "Raspberry Pi reference 2025-12-04\nGenerated using pi-gen, stage2\n",
    "config.txt": "dtparam=audio=on\r\n[cm5]\r\ndtoverlay=dwc2\r\n[all]\r\n",
    "cmdline.txt": LINE,
    "kernel8.img": "",
    "meta-data": "dsmode: local\ninstance_id: rpios-image\n",
    "network-config": "#network:\n",
    "user-data": "#cloud-config\n#hostname: raspberrypi\n",
}
UBUNTU_24_04 = {"vmlinuz": "", "config.txt": "[all]\nkernel=vmlinuz\n", "cmdline.txt": LINE}
UBUNTU_26_04 = {
    "config.txt": "[all]\nos_prefix=current/\n[tryboot]\nos_prefix=new/\n",
    "current/vmlinuz": "",
    "current/cmdline.txt": LINE,
    "cmdline.txt": "of an earlier kernel",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A card as its image has it, with the files that `init` wrote copied over."""

    def make(image: dict[str, str] = RASPBERRY_PI_OS, name: str = "pi1", text: str = FILE) -> Path:
        folder = write(tmp_path / f"{name}.card", image)
        return write(folder, card(cluster_of(tmp_path, text), name, KEY))

    return make


def verdict(folder: Path, wanted: str | None = None) -> FirstStart:
    return judge(read_partition(folder), wanted)


def lines(found: FirstStart) -> dict[str, str]:
    return {fact.topic: fact.text for fact in found.facts}


def mistakes(found: FirstStart) -> list[str]:
    return [mistake.what for mistake in found.mistakes]


def test_a_card_of_raspberry_pi_os_is_told_line_by_line(written: Callable[..., Path]) -> None:
    found = verdict(written(text=FILE + WIFI), "pi1")
    assert mistakes(found) == []
    assert [f"{fact.topic}: {fact.text}" for fact in found.facts] == [
        "system: Raspberry Pi OS, image of 2025-12-04",
        "name: pi1",
        "user: pi, opened by the key me@desk (ssh-ed25519, SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk)",
        "sudo: pi without a password",
        "ssh: listens, and takes keys only",
        "address: by DHCP, on the cable",
        "address: 192.168.1.101/24 on the Wi-Fi wlan0, by way of 192.168.1.1",
        'wifi: its: "ours", in GB, with a key',
        "memory: not accounted until make provision adds cgroup_enable=memory to cmdline.txt",
    ]


@pytest.mark.parametrize(("image", "file"), [(UBUNTU_24_04, "cmdline.txt"), (UBUNTU_26_04, "current/cmdline.txt")])
def test_a_card_of_ubuntu_is_known_and_its_own_command_line_is_read(
    written: Callable[..., Path], image: dict[str, str], file: str
) -> None:
    folder = written(image)
    assert mistakes(verdict(folder)) == []
    assert lines(verdict(folder))["system"] == "Ubuntu"
    assert lines(verdict(folder))["memory"].startswith("accounted, unless")
    (folder / file).write_text(f"{LINE.strip()} cgroup_disable=memory\n")
    assert lines(verdict(folder))["memory"] == f"not accounted until make provision adds cgroup_enable=memory to {file}"
    (folder / file).write_text(f"{LINE.strip()} cgroup_disable=memory cgroup_enable=memory\n")
    assert lines(verdict(folder))["memory"] == f"accounted: {file} has cgroup_enable=memory"


def test_what_init_wrote_is_read_before_it_is_copied(written: Callable[..., Path]) -> None:
    found = verdict(written({}, "pi2"))
    assert mistakes(found) == []
    assert lines(found)["system"] == "none: these files are yet to be copied to a boot partition"
    assert lines(found)["address"] == "by DHCP, on the cable"


def test_a_card_that_nothing_was_copied_to_makes_no_node(tmp_path: Path) -> None:
    found = verdict(write(tmp_path, RASPBERRY_PI_OS))
    assert mistakes(found) == [
        "the card gives no host name",
        "no key opens pi: nobody gets in over SSH",
        "nothing starts SSH, which Raspberry Pi OS leaves off",
    ]


Damage = dict[str, tuple[str, str] | str | None]
"""What is done to a file: a replacement, a new text, or None to remove it."""


@pytest.mark.parametrize(
    ("damage", "told", "fix"),
    [
        ({"user-data": None}, "user-data is missing: cloud-init does nothing", "picluster init --force"),
        ({"meta-data": None}, "meta-data is missing: cloud-init does nothing", "picluster init --force"),
        ({"user-data": None, "user-data.txt": "x"}, "user-data is missing", "rename user-data.txt"),
        ({"user-data": ("#cloud-config", "# cloud-config")}, "does not begin with #cloud-config", "its first line"),
        ({"user-data": ("hostname: pi1", "hostname:\tpi1\n\tx: y")}, "user-data: line 2: a tab stands where", "copy"),
        ({"user-data": "#cloud-config\n- pi1\n"}, "user-data is no group of names and values", "copy"),
        ({"user-data": ("hostname: pi1", "hostname: pi1\nhostname: pi2")}, "hostname stands there twice", "copy"),
        ({"meta-data": ("hostname: pi1", "hostname: pi3")}, "user-data is pi1's and meta-data is pi3's", "of one card"),
        ({"user-data": (KEY, "ssh-ed25519 AAAA")}, "a key of pi is no SSH public key: 'ssh-ed25519 AAAA'", ".pub file"),
        ({"user-data": (KEY, PRIVATE)}, "a key of pi is no SSH public key: a private key", ".pub file"),
        (
            {"user-data": ("ssh_authorized_keys", "keys")},
            "no key opens pi: nobody gets in over SSH",
            "ssh_authorized_keys",
        ),
        ({"network-config": ("1.101/24", "1.111/24")}, "not those that belong to pi1-", "all files of one card"),
        (
            {"network-config": ("1.101/24", "1.1010/24")},
            "has the address '192.168.1.1010/24', which is none",
            "such as",
        ),
        ({"network-config": ("1.101/24", "1.101")}, "has the address 192.168.1.101 without a prefix", "/24"),
        (
            {"network-config": ("via: 192.168", "via: 192.169")},
            "gateway 192.169.1.1, which is not in 192.168.1.0/24",
            "",
        ),
        ({"network-config": ("version: 2", "version: 1")}, "is of version 1, not 2", "copy"),
        ({"network-config": ("ethernets:", "ethernet:")}, "has ethernet, which netplan refuses", "netplan.io"),
        ({"network-config": ("regulatory-domain: GB", "x: y")}, "has no country: the radio stays off", "GB"),
        (
            {"network-config": ("password: ", "password: short # ")},
            'the key of the Wi-Fi its: "ours" is too short',
            "8 to",
        ),
        ({"cmdline.txt": f"{LINE}quiet\n"}, "cmdline.txt has 2 lines: the kernel is told the first alone", "one line"),
        ({"cmdline.txt": None}, "cmdline.txt is missing: the card does not start", "write the card anew"),
        ({"cmdline.txt": ("rootwait", "systemd.run=/boot/firstrun.sh")}, "starts firstrun.sh", "without Imager's"),
        ({"issue.txt": "Raspberry Pi reference 2025-05-13"}, "the image of 2025-05-13 does not read", "a newer image"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_a_fix(
    written: Callable[..., Path], damage: Damage, told: str, fix: str
) -> None:
    folder = written(text=FILE + WIFI)
    for name, change in damage.items():
        file = folder / name
        if change is None:
            file.unlink()
        elif isinstance(change, str):
            file.write_text(change)
        else:
            assert change[0] in file.read_text()
            file.write_text(file.read_text().replace(*change))
    found = [mistake for mistake in verdict(folder).mistakes if told in mistake.what]
    assert found, mistakes(verdict(folder))
    assert fix in found[0].fix


def test_without_a_file_nothing_but_cloud_init_starts_ssh(written: Callable[..., Path]) -> None:
    folder = written()
    (folder / "ssh").unlink()
    assert mistakes(verdict(folder)) == []
    (folder / "user-data").write_text((folder / "user-data").read_text().replace("ssh", "mail"))
    assert "nothing starts SSH, which Raspberry Pi OS leaves off" in mistakes(verdict(folder))


def test_the_card_of_another_node_is_told(written: Callable[..., Path]) -> None:
    (mistake,) = verdict(written(name="pi2"), "pi1").mistakes
    assert (mistake.what, mistake.fix) == ("this is the card of pi2, not of pi1", "copy the files of cards/pi1")


def test_an_instance_that_imager_named_outlives_edits(written: Callable[..., Path]) -> None:
    folder = written(RASPBERRY_PI_OS | {"cmdline.txt": f"{LINE.strip()} ds=nocloud;i=rpi-imager-1764544\n"})
    assert mistakes(verdict(folder)) == []
    assert lines(verdict(folder))["instance"].startswith("rpi-imager-1764544, of cmdline.txt: what is edited after")


def test_what_imager_2_writes_itself_is_read(tmp_path: Path) -> None:
    user_data = (
        "#cloud-config\nmanage_resolv_conf: false\n\nhostname: pi7\nmanage_etc_hosts: true\nuser:\n  name: me\n"
        f'  shell: /bin/bash\n  lock_passwd: true\n  ssh_authorized_keys:\n    - "{KEY}"\n  sudo: null\n\n'
        "ssh_pwauth: false\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n"
    )
    network = (
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      optional: true\n"
        '  wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: "GB"\n'
        f'      access-points:\n        "ours":\n          password: "{"0" * 64}"\n'
    )
    files = {"user-data": user_data, "network-config": network, "meta-data": "instance-id: rpi-imager-1\n"}
    found = verdict(write(tmp_path, RASPBERRY_PI_OS | files))
    assert mistakes(found) == []
    assert lines(found)["sudo"] == "me may be asked for a password: make provision ASK_BECOME=1"
    assert lines(found)["wifi"] == "ours, in GB, with a key"


def test_two_cards_of_one_name_or_address_are_told() -> None:
    first = FirstStart((Fact("name", "pi1", "pi1"), Fact("address", "…", "192.168.1.101")), ())
    second = FirstStart((Fact("name", "pi2", "pi2"), Fact("address", "…", "192.168.1.101")), ())
    (mistake,) = judge_together({"a": first, "b": second})
    assert mistake.what == "a and b have the address 192.168.1.101"
    assert not list(judge_together({"a": first}))


@pytest.mark.parametrize(("name", "told"), [("none", "cannot read"), ("photos", "is no boot partition of")])
def test_a_folder_that_is_no_boot_partition_is_refused(tmp_path: Path, name: str, told: str) -> None:
    write(tmp_path / "photos", {"cat.jpg": "", "config.txt": ""})
    with pytest.raises(InputError, match=told):
        read_partition(tmp_path / name)
