"""The right cmdline.txt is found and edited word by word, or none is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.ansible.boot_trees import (
    CONTRARY,
    FLAG,
    LAYOUTS,
    LINE,
    STUB,
    Tree,
    ansible,
    boot_cmdline,
    raspberry_pi_os,
    raspberry_pi_os_with_link,
    ubuntu_26_04,
)

Layout = Callable[[Tree], str]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path).started_with(LINE)


every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@every_layout
def test_the_flag_comes_into_the_file_that_is_booted_and_into_no_other(tree: Tree, layout: Layout) -> None:
    name = layout(tree)
    before = tree.content()
    answer = tree.run()
    assert (answer["changed"], answer["added"], answer["removed"]) == (True, [FLAG], [])
    assert answer["path"] == str(tree.root / name)
    expected = f"{LINE} {FLAG}" + ("\n" if before[name].endswith(b"\n") else "")
    assert tree.line(name) == answer["after"] == expected
    assert {**tree.content(), name: before[name]}.items() >= before.items()


def test_a_link_to_the_file_stays_one(tree: Tree) -> None:
    raspberry_pi_os_with_link(tree)
    tree.run()
    assert (tree.root / "boot/cmdline.txt").is_symlink()


@every_layout
def test_the_second_run_changes_no_byte(tree: Tree, layout: Layout) -> None:
    layout(tree)
    assert tree.run()["reboot_needed"]
    before = tree.content()
    answer = tree.run()
    assert (answer["changed"], answer["added"], answer["reboot_needed"]) == (False, [], True)
    tree.started_with(f"{LINE} {FLAG}")
    answer = tree.run()
    assert (answer["changed"], answer["reboot_needed"]) == (False, False)
    del before["proc/cmdline"]
    assert before.items() <= tree.content().items()


@every_layout
@pytest.mark.parametrize("rebooted", [False, True])
def test_restoring_gives_back_every_byte(tree: Tree, layout: Layout, rebooted: bool) -> None:
    layout(tree)
    before = tree.content()
    tree.run()
    if rebooted:
        tree.started_with(f"{LINE} {FLAG}")
    assert tree.run(restore=True)["reboot_needed"] is rebooted
    tree.started_with(LINE)
    assert tree.content() == before
    assert tree.run(restore=True)["changed"] is False


@every_layout
def test_check_mode_foretells_and_writes_nothing(tree: Tree, layout: Layout) -> None:
    layout(tree)
    before = tree.content()
    foretold = tree.run(check=True)
    assert tree.content() == before
    assert foretold == tree.run()
    after = tree.content()
    assert tree.run(restore=True, check=True)["changed"]
    assert tree.content() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a=1  b\t c\n", f"a=1  b\t c {FLAG}\n"),
        ("a=1 b \n", f"a=1 b {FLAG}\n"),
        ("a=1\r\n", f"a=1 {FLAG}\r\n"),
        ('a="x y" dyndbg="file foo +p" b', f'a="x y" dyndbg="file foo +p" b {FLAG}'),
        (f'a dyndbg="{CONTRARY}  {FLAG}" b', f'a dyndbg="{CONTRARY}  {FLAG}" b {FLAG}'),
        (f"a {CONTRARY} b", f"a b {FLAG}"),
        (f"{CONTRARY} a", f"a {FLAG}"),
        (f"a {FLAG} {CONTRARY}\n", f"a {FLAG}\n"),
        (f"a {FLAG} b\n", f"a {FLAG} b\n"),
        (f"a {FLAG},cpuset", f"a {FLAG},cpuset {FLAG}"),
    ],
)
def test_a_line_is_edited_word_by_word_and_restored(tree: Tree, before: str, after: str) -> None:
    tree.write({"boot/firmware/config.txt": "", "boot/firmware/cmdline.txt": before}).started_with(before)
    tree.run()
    assert tree.line("boot/firmware/cmdline.txt") == after
    tree.run(restore=True)
    assert tree.line("boot/firmware/cmdline.txt") == before


def test_a_contrary_word_that_the_kernel_went_by_needs_a_reboot_though_the_flag_is_there(tree: Tree) -> None:
    name = raspberry_pi_os(tree)
    tree.write({name: f"{LINE} {FLAG} {CONTRARY}\n"}).started_with(f"{LINE} {FLAG} {CONTRARY}")
    assert tree.run()["reboot_needed"]
    assert tree.run()["reboot_needed"]
    assert not tree.started_with(tree.line(name)).run()["reboot_needed"]


def test_restoring_a_line_that_others_edited_takes_only_our_words_away(tree: Tree) -> None:
    name = raspberry_pi_os(tree)
    tree.write({name: f"{LINE} {CONTRARY}\n"})
    tree.run()
    tree.write({name: f"quiet {tree.line(name)}"}).started_with(tree.line(name))
    tree.started_with(f"quiet {LINE} {FLAG}")
    tree.run(restore=True)
    assert tree.line(name) == f"quiet {LINE} {CONTRARY}\n"


def test_the_line_as_it_was_is_kept_once_beside_it(tree: Tree) -> None:
    name = raspberry_pi_os(tree)
    tree.run()
    boot_cmdline.run(tree.root, ["another"], [], restore=False, check=False)
    assert tree.line(f"{name}.before-picluster") == f"{LINE}\n"
    tree.run(restore=True)
    assert tree.line(name) == f"{LINE}\n"
    assert not (tree.root / f"{name}.before-picluster").exists()


def test_a_kernel_that_waits_to_be_tried_gets_the_flag_too(tree: Tree) -> None:
    ubuntu_26_04(tree)
    tree.write({"boot/firmware/new/state": "unknown\n"})
    before = tree.content()
    tree.run()
    for folder in ("current", "new"):
        assert tree.line(f"boot/firmware/{folder}/cmdline.txt") == f"{LINE} {FLAG}\n"
    assert not tree.run()["changed"]
    tree.run(restore=True)
    assert tree.content() == before


def test_while_a_kernel_is_being_tried_nothing_is_touched(tree: Tree) -> None:
    ubuntu_26_04(tree)
    tree.write({"boot/firmware/new/state": "trying"})
    assert "is being tried" in tree.refusal()


def test_the_country_of_the_wifi_may_have_changed_since_the_boot(tree: Tree) -> None:
    name = raspberry_pi_os(tree)
    tree.write({name: f"{LINE} cfg80211.ieee80211_regdom=DE\n"})
    assert tree.run()["changed"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("[pi4]\ncmdline=other.txt\n", "sets cmdline=other.txt only under [pi4]"),
        ("[gpio4=1]\nos_prefix=old/\n", "sets os_prefix=old/ only under [gpio4=1]"),
        ("[pi4]\ninclude more.txt\n", "more.txt sets os_prefix=old/ only under [pi4]"),
        ("[gpio4=1]\n[pi5]\ncmdline=other.txt", "only under [gpio4=1] [pi5]"),
        ("include config.txt\n", "includes itself"),
        ("os_prefix=gone/\n", "says os_prefix=gone/, but there is no kernel"),
        ("cmdline=gone.txt\n", "gone.txt is not there"),
        ("cmdline=other.txt\n", "other.txt has quiet, which the running kernel was not started with"),
    ],
)
def test_a_config_that_leaves_doubt_is_named(tree: Tree, config: str, told: str) -> None:
    raspberry_pi_os(tree)
    tree.write({"boot/firmware/config.txt": config, "boot/firmware/more.txt": "os_prefix=old/\n"})
    tree.write({"boot/firmware/other.txt": f"{LINE} quiet\n"})
    assert told in tree.refusal()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("[none]\ncmdline=other.txt\n", "cmdline.txt"),
        ("[tryboot]\ncmdline=other.txt\n", "cmdline.txt"),
        ("[tryboot]\n[pi4]\ncmdline=other.txt\n", "cmdline.txt"),
        ("[pi4]\ncmdline=cmdline.txt\n", "cmdline.txt"),
        ("[pi4]\ncmdline=other.txt\n[all]\ncmdline=other.txt\n", "other.txt"),
        ("#cmdline=gone.txt\ninclude more.txt\n", "other.txt"),
        ("os_prefix=test-\n", "test-cmdline.txt"),
    ],
)
def test_a_config_without_doubt_is_followed(tree: Tree, config: str, name: str) -> None:
    boot = "boot/firmware"
    tree.write({f"{boot}/{file}": LINE for file in ("cmdline.txt", "other.txt", "test-cmdline.txt")})
    tree.write({f"{boot}/config.txt": config, f"{boot}/more.txt": "cmdline=other.txt", f"{boot}/test-kernel8.img": ""})
    assert tree.run()["path"] == str(tree.root / boot / name)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no config.txt and cmdline.txt in /boot/firmware and /boot"),
        ({"boot/cmdline.txt": LINE, "boot/firmware/cmdline.txt": LINE}, "all of these could be"),
        ({"boot/cmdline.txt": STUB.format("cmdline.txt")}, "no config.txt and cmdline.txt"),
        ({"boot/firmware/cmdline.txt": f"{LINE}\nquiet\n"}, "has more than its one line"),
        ({"boot/firmware/cmdline.txt": f"\n{LINE}\n"}, "has more than its one line"),
        ({"boot/firmware/cmdline.txt": " \n"}, "is empty"),
        ({"boot/firmware/cmdline.txt": "root=/dev/sda2 rootwait"}, "has root=/dev/sda2, which the running kernel"),
        ({"boot/firmware/cmdline.txt": FLAG}, f"has {FLAG}, which"),
    ],
)
def test_what_is_no_known_layout_is_left_alone(tree: Tree, files: dict[str, str], told: str) -> None:
    tree.write(files)
    assert told in tree.refusal()


@pytest.mark.slow
def test_ansible_runs_it(tree: Tree) -> None:
    name = ubuntu_26_04(tree)
    foretold = ansible(tree, "--check", present=[FLAG])
    assert foretold["changed"]
    assert foretold["diff"]["after"] == f"{LINE} {FLAG}\n"
    assert tree.line(name) == f"{LINE}\n"
    assert ansible(tree, present=[FLAG])["changed"]
    assert not ansible(tree, present=[FLAG])["changed"]
    assert tree.line(name) == f"{LINE} {FLAG}\n"
    assert ansible(tree, restore=True)["changed"]
    assert tree.line(name) == f"{LINE}\n"


def test_ansible_shows_why_nothing_was_written(tree: Tree) -> None:
    told = ansible(tree, present=[FLAG])["msg"]
    assert "no config.txt and cmdline.txt" in told
    assert "Nothing was written" in told
